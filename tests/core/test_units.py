"""A processing unit is a view of its rows in the grid."""

import numpy as np
import pytest

import localnoise as ln
from localnoise.errors import ArgumentError


@pytest.fixture
def grid(build):
    return build((3, 4), 2, order="raster", signal="local")


def test_a_unit_shares_memory_with_the_grid(grid):
    unit, f = grid[1, 2], grid.field
    pairs = [
        (unit.weights, f.B),
        (unit.activity_weights, f.G),
        (unit.offset, f.a),
        (unit.cholesky, f.S),
    ]
    for view, whole in pairs:
        assert np.shares_memory(view, whole)
        np.testing.assert_array_equal(view, whole[6])


def test_writing_into_a_unit_changes_what_the_grid_draws(grid, white):
    h = white(grid, 5)
    unit = grid[2, 3]  # nobody's parent: only its own noise changes
    others = np.arange(12) != 11
    for write in ("cholesky", "weights", "offset", "activity_weights"):
        before = grid.perturb(h).reshape(5, 2, 12)
        getattr(unit, write)[...] *= 2
        after = grid.perturb(h).reshape(5, 2, 12)
        assert (after[:, :, 11] != before[:, :, 11]).all(), write
        np.testing.assert_array_equal(after[:, :, others], before[:, :, others])


def test_the_gain_can_be_set(grid):
    before = grid.sample(4)
    grid[0, 1].gain = 4 * grid[0, 1].gain
    after = grid.sample(4)
    np.testing.assert_array_equal(after[..., 0, 1], 4 * before[..., 0, 1])
    np.testing.assert_array_equal(after[..., 1:, :], before[..., 1:, :])
    assert isinstance(grid[0, 1].gain, float)


@pytest.mark.parametrize("gain", [0, -1.0, float("nan"), float("inf"), "loud", None])
def test_a_gain_is_positive(grid, gain):
    with pytest.raises(ArgumentError, match=r"gain=.*expected a finite number > 0"):
        grid[0, 0].gain = gain


def test_positions_and_neighbours(grid):
    unit = grid[1, 2]
    assert unit.position == (1, 2)
    assert unit.index == 6
    assert unit.parents == [(0, 2), (1, 1), (0, 1), (0, 3)]
    assert unit.readers[0] == (1, 2)
    assert sorted(unit.readers) == [(y, x) for y in (0, 1, 2) for x in (1, 2, 3)]
    assert sorted(grid[0, 0].readers) == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert ln.UnitGrid((3, 4))[1, 2].readers == []


def test_blocks_of_weights_belong_to_parents_in_their_order():
    """Unit (0, 1) copies the west neighbour's channels, each with its own factor."""
    grid = ln.UnitGrid((1, 3), 2, order="raster")
    unit = grid[0, 1]
    assert unit.parents == [(0, 0)]
    unit.weights[:, :2] = [[2, 0], [0, -1]]
    unit.cholesky[:] *= 1e-20
    drawn = grid.sample(6)
    np.testing.assert_allclose(drawn[:, :, 0, 1], drawn[:, :, 0, 0] * [2, -1], atol=1e-18)


@pytest.mark.parametrize("rule", ["moments", "lms", "sign-lms"])
def test_statistics_are_the_units_rows_and_stay_live(grid, white, rule):
    unit = grid[1, 1]
    assert unit.statistics == {"seen": 0}
    d, h = white(grid, 30), white(grid, 30, seed=2)
    for seen in (30, 60):
        grid.learn(d, h, rule=rule)
        assert unit.statistics["seen"] == seen
        for name, value in grid.state.items() if rule != "moments" else ():
            if name != "seen":
                np.testing.assert_array_equal(unit.statistics[name], value[5])
    assert (
        set(unit.statistics) == {"seen", "moments"}
        if rule == "moments"
        else {"seen", "W", "W_mean", "residual", "power"}
    )


def test_an_old_view_follows_learning(grid, white):
    unit = grid[1, 1]
    before = unit.weights.copy()
    grid.learn(white(grid, 30), white(grid, 30, seed=2))
    assert (unit.weights != before).any()
    np.testing.assert_array_equal(unit.weights, grid.field.B[5])


@pytest.mark.parametrize("position", [(0, 4), (3, 0), (-1, 0), (0, -1)])
def test_positions_outside(grid, position):
    with pytest.raises(ArgumentError, match=r"grid\[.*expected 0 <= y < 3 and 0 <= x < 4"):
        grid[position]


@pytest.mark.parametrize("position", [3, (1,), (1, 2, 3), "12", (1.5, 2), (1, None), slice(2), None])
def test_positions_that_are_none(grid, position):
    with pytest.raises(ArgumentError, match=r"grid\[.*expected two whole numbers, grid\[y, x\]"):
        grid[position]


def test_positions_of_any_integer_type(grid):
    assert grid[np.int64(1), np.uint8(2)].position == (1, 2)
    assert grid[np.array([1, 2])].position == (1, 2)


def test_reprs_tell_what_is_there(grid, white):
    assert repr(grid) == "UnitGrid(3x4 units x 2, raster, signal local; nothing learned)"
    grid.learn(white(grid, 30), white(grid, 30))
    assert repr(grid).endswith("moments, 30 seen)")
    assert repr(grid[0, 1]) == "ProcessingUnit(0, 1): 2 channels, parents [(0, 0)], gain 1"
