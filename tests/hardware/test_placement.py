"""Units on cores: blocks that respect the room, and the words that cross, counted by hand and by brute force."""

import numpy as np
import pytest

import localnoise as ln
from localnoise.hardware.chips.profile import load_profile
from localnoise.hardware.fitting.placement import capacity, distances, place
from localnoise.hardware.fitting.wiring import Wiring
from localnoise.hardware.formats import Formats


def wiring_of(shape, channels=1, **wires):
    grid = ln.UnitGrid(shape, channels, **wires)
    f, periodic = grid.field, grid.config.boundary == "periodic"
    topology = {"order": f.order, "parents": f.parents, "readers": f.readers}
    return Wiring(**topology, channels=channels, shape=shape, periodic=periodic), grid


@pytest.mark.parametrize("units_per_core", [1, 2, 3, 7, 16, 49, 195, 196, 10_000])
@pytest.mark.parametrize("shape", [(14, 14), (1, 30), (9, 5)])
def test_blocks_cover_the_grid_once_and_respect_the_room(shape, units_per_core):
    wiring, _ = wiring_of(shape)
    placement = place(wiring, units_per_core)
    core = placement.core.reshape(shape)
    assert np.bincount(placement.core).min() > 0
    assert np.bincount(placement.core).max() <= units_per_core
    assert placement.cores >= -(-wiring.units // units_per_core)
    for number in range(placement.cores):  # contiguous: a full rectangle
        y, x = np.nonzero(core == number)
        assert (np.ptp(y) + 1) * (np.ptp(x) + 1) == len(y)
        assert (np.ptp(y) + 1, np.ptp(x) + 1) <= placement.block
    assert (placement.side - 1) ** 2 < placement.cores <= placement.side**2


def test_a_row_of_units_by_hand():
    """Raster on 1 x 4, two units a core: 0 1 | 2 3, each unit the child of the one before it. One word pair crosses."""
    wiring, _ = wiring_of((1, 4), channels=2, order="raster", radius=1)
    placement = place(wiring, 2)
    assert placement.core.tolist() == [0, 0, 1, 1]
    assert (placement.multicast, placement.unicast, placement.hops, placement.longest) == (2, 2, 2, 1)
    assert placement.axons_in == 6  # core 1 reads the neurons of units 1, 2 and 3
    assert placement.axons_out == 6  # core 0: unit 0 to itself, unit 1 to itself and to core 1


def test_multicast_sends_once_where_unicast_sends_twice():
    """2 x 2 raster, a row a core: the upper units are parents of both lower ones (W, NW, N, NE)."""
    wiring, _ = wiring_of((2, 2), order="raster", radius=1)
    placement = place(wiring, 2)
    assert placement.block == (1, 2)
    assert (placement.multicast, placement.unicast) == (2, 4)


@pytest.mark.parametrize("signal", ["none", "local"])
@pytest.mark.parametrize("wires", [{"parents": 4}, {"order": "raster", "radius": 1, "boundary": "periodic"}])
def test_counts_equal_those_of_brute_force(wires, signal):
    m = 3
    wiring, _ = wiring_of((6, 7), channels=m, signal=signal, **wires)
    placement = place(wiring, 5)
    core, side = placement.core, placement.side
    sent, unicast, hops, reads = set(), 0, [], {c: set() for c in range(placement.cores)}
    for kind, links in (("noise", wiring.parents), ("activation", wiring.readers)):
        for child, row in enumerate(links):
            reads[core[child]].add(child)
            for source in row[row >= 0]:
                reads[core[child]].add(source)
                if core[source] != core[child]:
                    sent.add((kind, source, core[child]))
                    unicast += m
    for _, source, target in sent:
        (y0, x0), (y1, x1) = divmod(core[source], side), divmod(target, side)
        hops.append(abs(y0 - y1) + abs(x0 - x1))
    assert placement.multicast == m * len(sent)
    assert placement.unicast == unicast
    assert placement.hops == m * sum(hops)
    assert placement.longest == max(hops)
    assert placement.axons_in == m * max(map(len, reads.values()))
    outgoing = [sum(core[u] == c for found in reads.values() for u in found) for c in range(placement.cores)]
    assert placement.axons_out == m * max(outgoing)


def test_one_core_sends_nothing():
    placement = place(wiring_of((5, 5), channels=2)[0], 25)
    assert (placement.cores, placement.multicast, placement.hops, placement.longest) == (1, 0, 0, 0)


def test_hops_are_a_metric():
    d = distances(4, 14)
    assert (d == d.T).all()
    assert ((d == 0) == np.eye(14, dtype=bool)).all()
    assert (d[:, None, :] <= d[:, :, None] + d[None]).all()


@pytest.mark.parametrize("boundary", ["clipped", "periodic"])
def test_link_lengths_sum_to_the_grids_wire_length(boundary):
    wiring, grid = wiring_of((6, 8), parents=5, boundary=boundary)
    straight, square = wiring.lengths()
    assert straight.sum() == grid.wire_length
    assert (square <= straight).all()
    assert ((straight > 0) == (wiring.parents >= 0)).all()


def test_room_is_the_tighter_of_neurons_and_memory_and_unknown_where_both_are():
    wiring, _ = wiring_of((14, 14), channels=16)
    formats = Formats()
    assert capacity(wiring, formats, load_profile("loihi1")) == 1024 // 16
    wide = capacity(wiring, Formats(weight_bits=16), load_profile("loihi1"), learner="sign-lms")
    assert 0 < wide < 1024 // 16
    assert capacity(wiring, formats, load_profile("spinnaker2")) is None
    assert capacity(wiring, formats, load_profile("ideal")) == 196
