"""Learning from rewards: against plain NumPy, local to the last bit, and up the expected reward."""

import naive
import numpy as np
import pytest

import localnoise as ln
from localnoise.errors import ArgumentError

SHAPE, CHANNELS, COUNT = (3, 4), 2, 9
WIRINGS = [{"order": order, "signal": signal} for order in ("raster", "multiscale") for signal in ("none", "local")]


@pytest.fixture(params=WIRINGS, ids=str)
def grid(request, build):
    made = build(SHAPE, CHANNELS, **request.param)
    return made


def case(grid, seed=0):
    rng = np.random.default_rng(seed)
    eta, h = rng.normal(size=(2, COUNT, CHANNELS, *SHAPE)).astype(grid.config.dtype)
    return eta, rng.normal(size=COUNT), h if grid.field.signal else None


def flat(x):
    return None if x is None else x.reshape(*x.shape[:2], -1)


def copied(grid):
    other = grid.blank()
    other.field = grid.field.copy()
    return other


def test_weights_are_what_plain_numpy_says(grid):
    eta, rewards, h = case(grid)
    expected = naive.reinforced(grid.field, flat(eta), rewards, flat(h), 0.3, 1e-3)
    S, gain = grid.field.S.copy(), grid.field.gain.copy()
    grid.reinforce(eta, rewards, h, rate=0.3)
    np.testing.assert_allclose(grid.field.weights, expected, rtol=1e-4, atol=1e-5)
    assert np.array_equal(grid.field.S, S)
    assert np.array_equal(grid.field.gain, gain)


def test_a_unit_learns_from_its_neighbourhood_and_the_reward_alone(grid):
    """Change one unit's draw or activation: exactly the units that read it learn something else."""
    eta, rewards, h = case(grid)
    other_eta, _, other_h = case(grid, seed=1)
    before = copied(grid).reinforce(eta, rewards, h).field.weights
    for changed in range(grid.config.units):
        where = (..., *divmod(changed, SHAPE[1]))
        moved = eta.copy()
        moved[where] = other_eta[where]
        after = copied(grid).reinforce(moved, rewards, h).field.weights
        for u in range(len(after)):
            # a unit without parents and without activations has no weights that could change
            reads = changed in {u, *grid.field.parents[u]} and before[u].any()
            assert not reads or (after[u] != before[u]).any() or not (grid.field.parents[u] >= 0).any()
            assert reads or np.array_equal(after[u], before[u]), (u, changed)
        if h is not None:
            moved = h.copy()
            moved[where] = other_h[where]
            after = copied(grid).reinforce(eta, rewards, moved).field.weights
            for u in range(len(after)):
                assert np.array_equal(after[u], before[u]) == (changed not in grid.field.readers[u]), (u, changed)


def test_a_shift_and_a_scale_of_the_rewards_change_nothing(grid):
    eta, rewards, h = case(grid)
    one, two = (copied(grid).reinforce(eta, r, h).field.weights for r in (rewards, 5 * rewards + 3))
    np.testing.assert_allclose(one, two, rtol=1e-3, atol=1e-5)


def test_the_expected_reward_rises():
    """Neighbors that move together are rewarded: the field learns to draw them so, from its own draws alone."""
    grid = ln.UnitGrid((1, 6), 1, order="raster", dtype="float64")
    found = []
    for turn in range(12):
        eta = grid.sample(4000, seed=turn)
        rewards = -np.square(np.diff(eta[:, 0, 0], axis=1)).sum(1)
        found.append(rewards.mean())
        grid.reinforce(eta, rewards, rate=0.3)
    assert found[-1] > found[0] + 1
    assert (grid.field.B[1:, 0, 0] > 0.2).all()


def test_bad_arguments(grid):
    eta, rewards, h = case(grid)
    with pytest.raises(ArgumentError, match="rewards are all 2: a constant reward says nothing"):
        grid.reinforce(eta, np.full(COUNT, 2.0), h)
    with pytest.raises(ArgumentError, match=r"rewards has shape \(3,\): expected \(9,\) numbers"):
        grid.reinforce(eta, rewards[:3], h)
    with pytest.raises(ArgumentError, match="rewards holds NaN"):
        grid.reinforce(eta, np.full(COUNT, np.nan), h)
    with pytest.raises(ArgumentError, match="rate=0"):
        grid.reinforce(eta, rewards, h, rate=0)
    with pytest.raises(ArgumentError, match=r"h is missing|h was given"):
        grid.reinforce(eta, rewards, eta if h is None else None)
    with pytest.raises(ArgumentError, match="without"):
        ln.UnitGrid(SHAPE, CHANNELS, share="places").reinforce(eta, rewards)
