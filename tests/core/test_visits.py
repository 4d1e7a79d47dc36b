"""A sweep's schedule: parents first, no row given away too early, and a buffer that grows with a grid's width alone."""

import numpy as np
import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st

import localnoise as ln
from localnoise.kernels.tiles import STEP
from localnoise.kernels.visits import GROUP
from localnoise.visits import Reading, Visits

WIRED = {
    "raster": {"order": "raster", "radius": 1},
    "raster, far parents": {"order": "raster", "radius": 3, "parents": 8},
    "multiscale": {"order": "multiscale", "parents": 4},
    "multiscale, a torus": {"order": "multiscale", "parents": 8, "boundary": "periodic"},
}


def check(found: Visits, order, parents, m):
    """Follow a sweep step by step: what a unit reads must still be there, and be complete when its group leaves."""
    units = len(order)
    assert sorted(found.visits) == list(range(units))
    assert found.starts[0] == 0
    assert found.starts[-1] == units
    holder, placed, drawn, blocks = {}, set(), set(), set()
    for g in range(len(found.starts) - 1):
        for v in range(found.starts[g], found.starts[g + 1]):
            u = int(found.visits[v])
            for b in range(u * m // 4, (u * m + m - 1) // 4 + 1):
                if m % 4 == 0 or found.fresh[b] == v:
                    assert b not in blocks
                    blocks.add(b)
                    for w in range(4 * b // m, min(units - 1, (4 * b + 3) // m) + 1):
                        if w not in placed:
                            holder[int(found.rows[w])] = w  # its normals lie there from now on
                            placed.add(w)
                assert b in blocks
            assert holder[int(found.rows[u])] == u
            for p in parents[u][parents[u] >= 0]:
                assert p in drawn, "a parent is drawn before its children"
                assert holder[int(found.rows[p])] == p, "and its rows are its own until then"
            drawn.add(u)
        for u in range(max(0, g * GROUP - 15), min(units, (g + 1) * GROUP)):  # a line may begin before the group
            assert u in drawn
            assert holder[int(found.rows[u])] == u
    assert len(drawn) == units
    assert found.rows.max() < found.held


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("wiring", WIRED.values(), ids=WIRED)
@pytest.mark.parametrize("shape", [(14, 14), (1, 70), (33, 5)])
def test_nothing_is_needed_that_is_not_there(shape, wiring, channels):
    field = ln.UnitGrid(shape, channels, **wiring).field
    check(field.wires.visits(channels), field.order, field.parents, channels)


@examples(200)
@given(data=st.data(), units=st.integers(1, 90), channels=st.integers(1, 5))
def test_any_wires_have_a_schedule(data, units, channels):
    order = np.array(data.draw(st.permutations(range(units))), np.int32)
    parents = np.full((units, 3), -1, np.int32)
    for v in range(1, units):
        chosen = data.draw(st.lists(st.sampled_from(list(order[:v])), max_size=3, unique=True))
        parents[order[v], : len(chosen)] = chosen
    check(Visits.of(order, parents, channels), order, parents, channels)


@pytest.mark.parametrize(
    ("wiring", "most"), [(WIRED["raster"], 2), (WIRED["multiscale"], 9)], ids=["raster", "multiscale"]
)
def test_a_buffer_grows_with_the_width_of_a_grid_alone(wiring, most):
    wide = {side: ln.UnitGrid((side, side), 4, **wiring).field.wires.visits(4).held for side in (64, 128, 256)}
    assert all(held <= most * side for side, held in wide.items())
    long = ln.UnitGrid((1024, 64), 4, **wiring).field.wires.visits(4).held
    assert long <= 1.5 * wide[64]


@pytest.mark.parametrize("wiring", WIRED.values(), ids=WIRED)
@pytest.mark.parametrize("channels", [1, 3, 4, 8])
def test_many_samples_are_those_drawn_front_by_front(wiring, channels, monkeypatch):
    """The other way to draw holds all units at once, and visits them generation by generation."""
    grid = ln.UnitGrid((20, 23), channels, **wiring)
    rng = np.random.default_rng(3)
    grid.field.B[:] = 0.2 * rng.normal(size=grid.field.B.shape)
    together = grid.sample(40, seed=7)
    monkeypatch.setattr("localnoise.drawing._LARGE", 1)
    few = np.concatenate([grid.sample(10, seed=7, start=start) for start in range(0, 40, 10)])
    np.testing.assert_array_equal(few, together)


def check_reading(found: Reading, visits: Visits, readers):
    """What a unit reads must have entered, and lie where it is looked for."""
    holder, entered = {}, set()
    for g in range(len(visits.starts) - 1):
        for part in found.parts[found.arrivals[g] : found.arrivals[g + 1]]:
            assert part not in entered
            entered.add(int(part))
            holder[int(found.slots[part])] = int(part)
        for u in visits.visits[visits.starts[g] : visits.starts[g + 1]]:
            for r in readers[u][readers[u] >= 0]:
                assert holder[int(found.places[r]) // STEP] == r // STEP
                assert found.places[r] % STEP == r % STEP
    assert sorted(entered) == sorted(set((readers[readers >= 0] // STEP).tolist()))
    assert not entered or found.slots[sorted(entered)].max() < found.kept


@pytest.mark.parametrize("radius", [0, 1, 3])
@pytest.mark.parametrize("wiring", WIRED.values(), ids=WIRED)
@pytest.mark.parametrize("shape", [(14, 14), (1, 70), (33, 5)])
def test_nothing_is_read_that_is_not_there(shape, wiring, radius):
    field = ln.UnitGrid(shape, 2, **wiring, signal="local", signal_radius=radius).field
    check_reading(field.wires.reading(2), field.wires.visits(2), field.readers)


@examples(100)
@given(data=st.data(), units=st.integers(1, 90))
def test_whatever_is_read_has_a_schedule(data, units):
    order = np.array(data.draw(st.permutations(range(units))), np.int32)
    one = st.lists(st.integers(-1, units - 1), min_size=2, max_size=2)
    readers = np.array([data.draw(one) for _ in range(units)], np.int32)
    visits = Visits.of(order, np.full((units, 1), -1, np.int32), 4)
    check_reading(Reading.of(visits, readers), visits, readers)


@pytest.mark.parametrize(
    ("wiring", "most"), [(WIRED["raster"], 4), (WIRED["multiscale"], 40)], ids=["raster", "multiscale"]
)
def test_what_is_read_is_held_in_proportion_to_the_width_alone(wiring, most):
    for side in (64, 128, 256):
        wires = ln.UnitGrid((side, side), 4, **wiring, signal="local", signal_radius=1).field.wires
        assert wires.reading(4).kept * STEP <= most * side


def test_edited_wires_have_a_schedule_of_their_own():
    grid = ln.UnitGrid((8, 8), 2, parents=4)
    grid.field.B[:] = 0.3
    before = grid.sample(20, seed=1)
    grid.field.parents[:, 1:] = -1
    fewer = ln.UnitGrid((8, 8), 2, order=grid.field.order, parents=grid.field.parents[:, :1].copy())
    fewer.field.B[:] = 0.3
    np.testing.assert_array_equal(grid.sample(20, seed=1), fewer.sample(20, seed=1))
    assert (before != grid.sample(20, seed=1)).any()
