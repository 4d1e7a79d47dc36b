"""Counts, energy and latency: by hand on small grids, and laws that hold for every grid."""

import numpy as np
import pytest

import localnoise as ln
from localnoise.hardware.chips.profile import load_profile
from localnoise.hardware.fitting import table_45nm
from localnoise.hardware.fitting.cost import dense_operations, draw_operations, learning_operations
from localnoise.hardware.fitting.energy import energy_of
from localnoise.hardware.fitting.latency import latency_of
from localnoise.hardware.fitting.placement import place
from localnoise.hardware.fitting.wiring import Wiring
from localnoise.hardware.formats import Formats

FORMATS = Formats()
IDEAL, LOIHI = load_profile("ideal"), load_profile("loihi1")


def wiring_of(shape, channels=1, **wires):
    grid = ln.UnitGrid(shape, channels, **wires)
    f, periodic = grid.field, grid.config.boundary == "periodic"
    topology = {"order": f.order, "parents": f.parents, "readers": f.readers}
    return Wiring(**topology, channels=channels, shape=shape, periodic=periodic), grid


def test_a_draw_by_hand():
    """A 1 x 3 raster row of two channels: two links, 2 x 4 + 3 x 3 = 17 weights, 6 neurons, 8 bytes a Gaussian word."""
    wiring, _ = wiring_of((1, 3), 2, order="raster", radius=1)
    found = draw_operations(wiring, FORMATS, place(wiring, 3))
    assert (found.multiplies, found.adds, found.shifts) == (17, 17 + 6, 6 * 3)
    assert (found.random_bytes, found.random_words, found.generator_steps) == (48, 6, 12)
    topology = 3 * (2 + 2)
    assert found.read_bits == 17 * 8 + 3 * 4 * 5 + topology + 3 * 32 + 2 * 2 * 12
    assert found.write_bits == 6 * 12 + 3 * 32
    assert (found.messages, found.hops, found.neurons) == (0, 0, 6)


def test_a_dense_draw_by_hand():
    found = dense_operations(6, FORMATS)
    assert (found.multiplies, found.adds) == (21, 27)
    assert found.read_bits == 21 * 8 + 32


def test_a_grid_whose_parents_are_all_earlier_neurons_multiplies_as_often_as_the_dense_form():
    wiring, _ = wiring_of((3, 3), 1, order="raster", parents=9)
    assert draw_operations(wiring, FORMATS, None).multiplies == dense_operations(9, FORMATS).multiplies


def test_stochastic_rounding_takes_four_more_bytes_a_neuron():
    wiring, _ = wiring_of((4, 4), 2)
    plain, more = (draw_operations(wiring, Formats(rounding=r), None).random_bytes for r in ("half-up", "stochastic"))
    assert more - plain == 4 * wiring.neurons


def test_a_learning_step_by_hand():
    """A 1 x 3 raster row of two channels: two links, 2 x 4 + 3 x 1 = 11 learned weights, 6 neurons."""
    wiring, _ = wiring_of((1, 3), 2, order="raster", radius=1)
    signs, lms = (learning_operations(wiring, FORMATS, None, learner) for learner in ("sign-lms", "lms"))
    assert (signs.multiplies, signs.adds, signs.shifts) == (2 * 11 + 6, 5 * 11 + 24, 2 * 11 + 24)
    assert (lms.multiplies - signs.multiplies, lms.adds - signs.adds, lms.shifts - signs.shifts) == (11 + 4, 4, 11)
    assert (signs.random_bytes, signs.generator_steps) == (24, 6)
    assert signs.write_bits == 11 * (16 + 24) + 6 * 32 + 3 * 32
    assert signs.messages is None
    told = learning_operations(wiring, FORMATS, None, "three-factor")  # 2 links of 4 weights, 3 of own channels
    assert (told.multiplies, told.adds, told.shifts) == (2 * 8 + 3 + 6 + 4, 3 * 8 + 3 + 12 + 4, 8 + 2 * 6)
    assert told.write_bits == 8 * 20 + 3 * 32
    assert told.read_bits - told.write_bits - (2 * 2 + 6) * 12 == draw_operations(wiring, FORMATS, None).read_bits - (
        3 * 32 + 2 * 2 * 12
    )


def test_energy_by_hand_from_the_table():
    wiring, _ = wiring_of((1, 3), 2, order="raster", radius=1)
    found = draw_operations(wiring, FORMATS, place(wiring, 3))
    energy = energy_of(found, FORMATS, IDEAL, memory_bytes=8192)
    assert energy.arithmetic == pytest.approx(17 * 0.78 + (23 + 18) * 0.1)
    assert energy.memory == pytest.approx((found.read_bits + found.write_bits) / 64 * 10)
    assert energy.random == pytest.approx(12 * 6 * 0.1 + 48 * 0.05)
    assert energy.messages == 0
    assert energy.complete
    assert energy.total == pytest.approx(energy.arithmetic + energy.memory + energy.random)
    assert energy.sources == {"arithmetic": "45 nm table", "memory": "45 nm table", "random": "45 nm table"} | {
        "messages": "none sent"
    }


def test_energy_by_hand_from_the_profile():
    wiring, _ = wiring_of((1, 4), 2, order="raster", radius=1)
    found = draw_operations(wiring, FORMATS, place(wiring, 2))
    energy = energy_of(found, FORMATS, LOIHI, memory_bytes=131072)
    assert energy.arithmetic == pytest.approx(35.5 * found.multiplies + 21.6 * 8)
    assert energy.memory == pytest.approx(51.2 * 8)
    assert energy.random == pytest.approx(6 * 64)
    assert energy.messages == pytest.approx(2 * 69.3 + 2 * 4.2)
    assert set(energy.sources.values()) == {"profile"}


def test_words_whose_price_is_unknown_are_not_free():
    wiring, _ = wiring_of((1, 4), 2)
    for placement in (None, place(wiring, 2)):
        energy = energy_of(draw_operations(wiring, FORMATS, placement), FORMATS, load_profile("spinnaker2"), 8192)
        assert energy.messages is None
        assert not energy.complete
        assert energy.sources["messages"] == "not published"


def test_wider_numbers_and_larger_memories_never_cost_less():
    wiring, _ = wiring_of((6, 6), 3)
    last = 0.0
    for weight, word, accumulator in ((4, 8, 16), (8, 8, 32), (8, 12, 32), (16, 16, 64)):
        formats = Formats(weight_bits=weight, word_bits=word, accumulator_bits=accumulator)
        energy = energy_of(draw_operations(wiring, formats, place(wiring, 36)), formats, IDEAL, 8192).total
        assert energy > last
        last = energy
    prices = [table_45nm.access(64, size) for size in (1, 8192, 8193, 32768, 32769, 2**20, 2**20 + 1)]
    assert prices == sorted(prices)


@pytest.mark.parametrize("wires", [{"parents": 4}, {"parents": 8}, {"order": "raster", "radius": 1}])
def test_depth_is_that_of_the_fields_fronts_and_bounds_the_cycles(wires):
    wiring, grid = wiring_of((9, 8), 2, **wires)
    found = latency_of(wiring, FORMATS, load_profile("stm32f407"))
    assert found.depth == len(grid.field.fronts[1]) - 1
    cycles = wiring.weights + 2 * 9
    assert cycles.max() <= found.parallel_cycles <= found.depth * cycles.max()
    assert found.serial_cycles == cycles.sum()
    assert found.serial_seconds == pytest.approx(found.serial_cycles / 168e6)
    assert latency_of(wiring, FORMATS, LOIHI).serial_seconds is None


def test_the_depth_of_a_chain_is_its_length():
    wiring, _ = wiring_of((1, 7), 1, order="raster", radius=1)
    found = latency_of(wiring, FORMATS, IDEAL)
    assert found.depth == 7
    assert found.parallel_cycles == found.serial_cycles == 7 * (1 + 9) + 6
    assert np.array_equal(wiring.weights, [1, 2, 2, 2, 2, 2, 2])
