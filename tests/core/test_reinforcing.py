"""Rule three-factor: against plain NumPy, local to the last bit, and up the expected reward."""

import naive
import numpy as np
import pytest

import localnoise as ln
from localnoise.errors import ArgumentError
from localnoise.rules import make_rule
from localnoise.rules.three_factor import broadcast

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


def learned(grid, eta, rewards, h=None, **options):
    """The field of a copy that has learned."""
    return copied(grid).learn(eta, h, rule="three-factor", rewards=rewards, **options).field


def test_weights_are_what_plain_numpy_says(grid):
    eta, rewards, h = case(grid)
    W, S = naive.reinforced(grid.field, flat(eta), rewards, flat(h), 0.3, 0.2, 1e-3)
    found = learned(grid, eta, rewards, h, rate=0.3, spread=0.2)
    np.testing.assert_allclose(found.weights, W, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found.S, S, rtol=1e-4, atol=1e-5)
    assert np.array_equal(found.gain, grid.field.gain)
    assert np.array_equal(learned(grid, eta, rewards, h, rate=0.3).S, grid.field.S)
    assert np.array_equal(learned(grid, eta, rewards, h, rate=0, spread=0.2).weights, grid.field.weights)


def test_decorrelated_weights_are_what_plain_numpy_says(grid):
    eta, rewards, h = case(grid)
    W, S = naive.reinforced(grid.field, flat(eta), rewards, flat(h), 0.3, 0.2, 0.1, decorrelate=True)
    found = learned(grid, eta, rewards, h, rate=0.3, spread=0.2, floor=0.1, decorrelate=True)
    np.testing.assert_allclose(found.weights, W, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(found.S, S, rtol=1e-4, atol=1e-5)


def test_a_decorrelated_step_does_not_depend_on_how_regressors_are_mixed():
    """A natural gradient: regressors z or A z, the step changes what a unit draws by the same."""
    rng = np.random.default_rng(0)
    grid = ln.UnitGrid((1, 2), 3, order="raster", dtype="float64")
    z, e, rewards = rng.normal(size=(500, 3)) @ np.diag([3, 1, 0.2]), rng.normal(size=(500, 3)), rng.normal(size=500)
    A = np.linalg.qr(rng.normal(size=(3, 3)))[0] * [0.5, 1, 2]
    told = []
    for mixed in (z, z @ A.T):
        eta = np.stack([mixed, e], axis=2)[:, :, None]
        told.append(learned(grid, eta, rewards, rate=1, floor=1e-12, decorrelate=True).B[1] @ mixed.T)
    assert np.abs(told[0]).max() > 0.01
    np.testing.assert_allclose(*told, atol=1e-6)


@pytest.mark.parametrize("decorrelate", [False, True])
def test_it_is_a_rule_like_the_others(grid, tmp_path, decorrelate):
    """Found by its name, in files, in chunks; two halves of the draws are merged to the whole."""
    eta, rewards, h = case(grid)
    made = make_rule("three-factor", rate=0.3, spread=0.1, decorrelate=decorrelate)
    whole = copied(grid).learn(eta, h, rule=made, rewards=rewards)
    assert whole.rule.name == "three-factor"
    assert np.array_equal(ln.load(whole.save(tmp_path / "grid.h5")).field.B, whole.field.B)
    rule, told, field = whole.rule, broadcast(rewards, COUNT), grid.field.copy()
    parts = []
    for rows in (slice(0, 4), slice(4, None)):
        parts.append(rule.start(field))
        rule.reward(field, parts[-1], flat(eta)[rows], flat(eta if h is None else h)[rows], told[rows])
    rule.settle(field, rule.merged(*parts))
    np.testing.assert_allclose(field.weights, whole.field.weights, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(field.S, whole.field.S, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("decorrelate", [False, True])
def test_a_unit_learns_from_its_neighbourhood_and_the_reward_alone(grid, decorrelate):
    """Change one unit's draw or activation: exactly the units that read it learn something else."""
    eta, rewards, h = case(grid)
    other_eta, _, other_h = case(grid, seed=1)

    def rows(eta, h):
        found = learned(grid, eta, rewards, h, spread=0.1, decorrelate=decorrelate)
        return np.concatenate([found.weights, found.S], axis=2)

    before = rows(eta, h)
    for changed in range(grid.config.units):
        where = (..., *divmod(changed, SHAPE[1]))
        moved = eta.copy()
        moved[where] = other_eta[where]
        after = rows(moved, h)
        for u in range(len(after)):
            reads = changed in {u, *grid.field.parents[u]}
            assert np.array_equal(after[u], before[u]) == (not reads), (u, changed)
        if h is not None:
            moved = h.copy()
            moved[where] = other_h[where]
            after = rows(eta, moved)
            for u in range(len(after)):
                assert np.array_equal(after[u], before[u]) == (changed not in grid.field.readers[u]), (u, changed)


def test_a_shift_and_a_scale_of_the_rewards_change_nothing(grid):
    eta, rewards, h = case(grid)
    one, two = (learned(grid, eta, r, h).weights for r in (rewards, 5 * rewards + 3))
    np.testing.assert_allclose(one, two, rtol=1e-3, atol=1e-5)


def test_the_expected_reward_rises():
    """Neighbors that move together are rewarded: the field learns to draw them so, from its own draws alone."""
    grid = ln.UnitGrid((1, 6), 1, order="raster", dtype="float64")
    found = []
    for turn in range(12):
        eta = grid.sample(4000, seed=turn)
        rewards = -np.square(np.diff(eta[:, 0, 0], axis=1)).sum(1)
        found.append(rewards.mean())
        grid.learn(eta, rule="three-factor", rewards=rewards, rate=0.3)
    assert found[-1] > found[0] + 1
    assert (grid.field.B[1:, 0, 0] > 0.2).all()


def test_the_factor_follows_the_rewards():
    """A channel whose large draws are rewarded grows, the other shrinks: the expected reward rises by S alone."""
    grid = ln.UnitGrid((1, 2), 2, parents=1, dtype="float64")
    for turn in range(20):
        eta = grid.sample(2000, seed=turn)
        rewards = np.square(eta[:, 0]).sum((1, 2)) - np.square(eta[:, 1]).sum((1, 2))
        grid.learn(eta, rule="three-factor", rewards=rewards, rate=0, spread=0.1)
    found = np.einsum("nii->ni", grid.field.S)
    assert (found[:, 0] > 1.5).all()
    assert (found[:, 1] < 0.75).all()


def test_bad_arguments(grid):
    eta, rewards, h = case(grid)
    with pytest.raises(ArgumentError, match="rewards are all 2: a constant reward says nothing"):
        learned(grid, eta, np.full(COUNT, 2.0), h)
    with pytest.raises(ArgumentError, match=r"rewards has shape \(3,\): expected \(9,\) numbers"):
        learned(grid, eta, rewards[:3], h)
    with pytest.raises(ArgumentError, match="rewards holds NaN"):
        learned(grid, eta, np.full(COUNT, np.nan), h)
    with pytest.raises(ArgumentError, match="rate=-1"):
        learned(grid, eta, rewards, h, rate=-1)
    with pytest.raises(ArgumentError, match="rate=0 and spread=0"):
        learned(grid, eta, rewards, h, rate=0)
    with pytest.raises(ArgumentError, match="decorrelate='yes': expected True or False"):
        learned(grid, eta, rewards, h, decorrelate="yes")
    with pytest.raises(ArgumentError, match=r"h is missing|h was given"):
        learned(grid, eta, rewards, eta if h is None else None)
    with pytest.raises(ArgumentError, match="no rewards were given: expected an array of draws"):
        learned(grid, eta, None, h)
    with pytest.raises(ArgumentError, match="the draws are a generator"):
        learned(grid, (part for part in eta), rewards, h)
    with pytest.raises(ArgumentError, match="rule 'moments' learns from displacements alone"):
        copied(grid).learn(eta, h, rewards=rewards)
    with pytest.raises(ArgumentError, match="writes weights for every unit alone"):
        learned(ln.UnitGrid(SHAPE, CHANNELS, share="places"), eta, rewards)
    rule = make_rule("three-factor")
    with pytest.raises(ArgumentError, match="learns from rewards of the grid's own draws"):
        rule.observe(grid.field, rule.start(grid.field), flat(eta), flat(eta))
