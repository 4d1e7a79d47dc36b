"""Pruning by local contribution, against dense linear algebra and against learning with the remaining parents."""

import itertools

import naive
import numpy as np
import pytest

import localnoise as ln
from localnoise.errors import ArgumentError
from localnoise.field import Field
from localnoise.hardware.fitting.placement import distances, place
from localnoise.hardware.fitting.pruning import prune
from localnoise.hardware.fitting.wiring import Wiring
from localnoise.rules import Moments

SHAPE, M = (4, 5), 2
RIDGE = 1e-3


def data(count=400, seed=0, shape=SHAPE, channels=M):
    """Displacements of neighbours that move together, unevenly."""
    rng = np.random.default_rng(seed)
    d = rng.normal(size=(count, channels, *shape))
    for axis, share in ((2, 0.7), (3, 0.5)):
        d = d + share * np.roll(d, 1, axis) + 0.2 * np.roll(d[:, ::-1], 2, axis)
    return d * rng.uniform(0.5, 2, size=(channels, *shape))


def learned(d, h=None, **wires):
    options = {"signal": "local", "signal_radius": 1} if h is not None else {}
    grid = ln.UnitGrid(d.shape[2:], d.shape[1], dtype="float64", **({"parents": 6} | wires | options))
    return grid.learn(d, h, rule="moments", ridge=RIDGE)


def learned_with(grid, parents, d, h=None):
    """A field of these parents, learned from the data by the rule itself, from nothing."""
    rule = Moments(ridge=RIDGE)
    field = Field.initial(grid.field.order, parents, grid.field.readers, grid.config.channels, np.float64)
    flat = d.reshape(len(d), d.shape[1], -1)
    state = rule.start(field)
    rule.observe(field, state, flat, flat[:, :, :0] if h is None else h.reshape(flat.shape))
    rule.settle(field, state)
    return field


def innovation(field):
    """Trace of each unit's innovation covariance, (N,)."""
    return np.square(field.S).sum(axis=(1, 2))


def dense_innovation(d, unit, parents):
    """The same of one unit given some parents, by the Schur complement of the whole second moment + ridge."""
    flat = naive.unit_major(d)
    C = flat.T @ flat / len(flat) + RIDGE * np.eye(flat.shape[1])
    rows = [unit * M + c for c in range(M)]
    return np.trace(naive.residual(C, rows, [p * M + c for p in parents for c in range(M)]))


def parent_sets(field):
    return [set(row[row >= 0].tolist()) for row in field.parents]


def test_the_parent_dropped_is_the_one_whose_loss_raises_the_innovation_least():
    d = data()
    grid = learned(d)
    before, after = parent_sets(grid.field), None
    one_less = prune(grid, fan_in=5)
    after = parent_sets(one_less.field)
    checked = 0
    for unit, (old, new) in enumerate(zip(before, after, strict=True)):
        if len(old) <= 5:
            assert new == old
            continue
        losses = {p: dense_innovation(d, unit, sorted(old - {p})) for p in old}
        assert old - new == {min(losses, key=losses.get)}
        assert innovation(one_less.field)[unit] == pytest.approx(min(losses.values()), rel=1e-9)
        checked += 1
    assert checked > SHAPE[0] * SHAPE[1] // 2


@pytest.mark.parametrize("signal", [False, True])
def test_a_pruned_grid_is_the_grid_learned_with_those_parents_from_the_same_data(signal):
    d = data()
    h = data(seed=3) if signal else None
    pruned = prune(learned(d, h), fan_in=3)
    again = learned_with(pruned, pruned.field.parents, d, h)
    for name in ("a", "G", "B", "S", "gain"):
        np.testing.assert_allclose(getattr(pruned.field, name), getattr(again, name), atol=1e-9)
    sigma = naive.Dense(again).covariance()
    index = naive.c_order(M, SHAPE[0] * SHAPE[1])
    np.testing.assert_allclose(pruned.covariance(), sigma[np.ix_(index, index)], atol=1e-9)


def test_missing_parents_come_last_and_the_order_of_the_rest_is_kept():
    grid = learned(data())
    for row, old in zip(prune(grid, fan_in=3, radius=2).field.parents, grid.field.parents, strict=True):
        there = row >= 0
        assert not (np.diff(there.astype(int)) > 0).any()
        kept = [p for p in old if p in row[there]]
        assert row[there].tolist() == kept


def test_pruning_from_eight_to_four_is_no_worse_than_the_four_nearest_and_the_given_grid_stays():
    """Greedy elimination need not beat every choice of four; on these data it beats the nearest four in total."""
    d = data(1500)
    eight, four = learned(d, parents=8), learned(d, parents=4)
    before = eight.field.parents.copy()
    pruned = prune(eight, fan_in=4)
    assert np.array_equal(eight.field.parents, before)
    assert pruned.field.parents.shape[1] == 4
    assert innovation(eight.field).sum() <= innovation(pruned.field).sum() <= innovation(four.field).sum()
    assert (innovation(pruned.field) >= innovation(eight.field) - 1e-12).all()


def test_greedy_is_optimal_where_one_parent_goes_and_close_where_two_go():
    d = data()
    grid = learned(d, parents=5)
    pruned = prune(grid, fan_in=3)
    for unit, old in enumerate(parent_sets(grid.field)):
        if len(old) == 5:
            best = min(dense_innovation(d, unit, subset) for subset in itertools.combinations(sorted(old), 3))
            assert best - 1e-9 <= innovation(pruned.field)[unit] <= 1.05 * best


@pytest.mark.parametrize("boundary", ["clipped", "periodic"])
def test_the_radius_keeps_exactly_the_links_within_it(boundary):
    grid = learned(data(), boundary=boundary)
    pruned = prune(grid, radius=1)
    for unit, (old, new) in enumerate(zip(parent_sets(grid.field), parent_sets(pruned.field), strict=True)):
        near = {p for p in old if naive.chebyshev(unit, p, *SHAPE, boundary == "periodic") <= 1}
        assert new == near


@pytest.mark.parametrize("share", [0.0, 0.4, 0.9, 1.0])
def test_the_wire_budget_is_met_and_each_link_kept_was_worth_more_per_length(share):
    d = data()
    grid = learned(d)
    budget = int(share * grid.wire_length)
    pruned = prune(grid, wire_budget=budget)
    assert pruned.wire_length <= budget
    longest = 0 if share == 1 else 2 * max(SHAPE)
    assert pruned.wire_length >= budget - longest


def test_the_first_link_to_go_for_a_budget_contributes_least_per_length():
    d = data()
    grid = learned(d)
    pruned = prune(grid, wire_budget=grid.wire_length - 1)
    worth = {}
    for unit, old in enumerate(parent_sets(grid.field)):
        full = dense_innovation(d, unit, sorted(old))
        for p in old:
            (y, x), (v, w) = divmod(unit, SHAPE[1]), divmod(p, SHAPE[1])
            worth[unit, p] = (dense_innovation(d, unit, sorted(old - {p})) - full) / (abs(y - v) + abs(x - w))
    both = zip(parent_sets(grid.field), parent_sets(pruned.field), strict=True)
    gone = {(unit, p) for unit, (old, new) in enumerate(both) for p in old - new}
    assert gone == {min(worth, key=worth.get)}


def test_a_hop_budget_of_zero_leaves_exactly_the_links_within_cores():
    grid = learned(data())
    f = grid.field
    wiring = Wiring(order=f.order, parents=f.parents, readers=f.readers, channels=M, shape=SHAPE, periodic=False)
    placement = place(wiring, 4)
    pruned = prune(grid, hop_budget=0, placement=placement)
    for unit, (old, new) in enumerate(zip(parent_sets(f), parent_sets(pruned.field), strict=True)):
        assert new == {p for p in old if placement.core[p] == placement.core[unit]}
    hops = distances(placement.side, placement.cores)[placement.core[:, None], placement.core[f.parents]]
    total = int(hops[f.parents >= 0].sum())
    assert prune(grid, hop_budget=total, placement=placement).wire_length == grid.wire_length


def test_pruning_looks_at_the_units_own_activity_alone():
    """Other units' data change: the same unit drops the same parent, to the same weights."""
    d = data()
    unit = 12
    grid = learned(d)
    own = {unit, *parent_sets(grid.field)[unit]}
    other = d.reshape(len(d), M, -1).copy()
    others = [u for u in range(SHAPE[0] * SHAPE[1]) if u not in own]
    assert others
    other[:, :, others] = np.random.default_rng(9).normal(size=(len(d), M, len(others)))
    mine, theirs = (prune(learned(x), fan_in=3).field for x in (d, other.reshape(d.shape)))
    assert np.array_equal(mine.parents[unit], theirs.parents[unit])
    assert np.array_equal(mine.B[unit], theirs.B[unit])
    assert np.array_equal(mine.S[unit], theirs.S[unit])


def test_a_pruned_grid_learns_on_and_is_pruned_again():
    first, second = data(200, seed=1), data(200, seed=2)
    pruned = prune(learned(first), fan_in=4)
    pruned.learn(second, rule="moments", ridge=RIDGE)
    again = learned_with(pruned, pruned.field.parents, np.concatenate([first, second]))
    np.testing.assert_allclose(pruned.field.B, again.B, atol=1e-9)
    assert prune(pruned, fan_in=2).field.parents.shape[1] == 2


def test_without_parents_the_units_are_independent():
    pruned = prune(learned(data()), fan_in=0)
    assert (pruned.field.parents == -1).all()
    assert pruned.wire_length == 0


def test_a_channel_that_never_moves_is_no_obstacle():
    d = data()
    d[:, 1, 1, 1] = 0
    pruned = prune(learned(d), fan_in=2)
    assert np.isfinite(pruned.field.B).all()


def test_saving_is_refused_in_one_sentence(tmp_path):
    pruned = prune(learned(data()), fan_in=2)
    with pytest.raises(ArgumentError, match="save the grid before pruning"):
        pruned.save(tmp_path / "pruned.h5")


def test_a_grid_without_moments_is_named(tmp_path):
    d = data()
    bare = ln.UnitGrid(SHAPE, M)
    with pytest.raises(ArgumentError, match=r"nothing learned.*rule='moments'"):
        prune(bare, fan_in=2)
    with pytest.raises(ArgumentError, match="rule 'lms'"):
        prune(bare.learn(d, rule="lms"), fan_in=2)
    learned(d).save(tmp_path / "g.h5", state=False)
    with pytest.raises(ArgumentError, match="without its state"):
        prune(ln.load(tmp_path / "g.h5"), fan_in=2)


@pytest.mark.parametrize("bound", [{"fan_in": -1}, {"fan_in": 1.5}, {"radius": 0}, {"wire_budget": -1}])
def test_bad_bounds_are_named(bound):
    with pytest.raises(ArgumentError, match=next(iter(bound))):
        prune(learned(data()), **bound)
    with pytest.raises(ArgumentError, match="placement"):
        prune(learned(data()), hop_budget=3)
