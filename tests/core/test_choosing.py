"""Enough data? Scores of held-out displacements, and what is chosen on them: ridge, parents, an order from data."""

import h5py
import numpy as np
import pytest

import localnoise as ln
from localnoise.errors import ArgumentError, FewDisplacementsWarning
from localnoise.lesson import Held
from localnoise.orders.correlated import Wiring, maximin, telling

SHAPE, CHANNELS = (4, 5), 2
N = 20 * CHANNELS


def displacements(count, seed=0, reach=0.7):
    """Neighbors move together: an exponential covariance of the units' distances, channels correlated by a half."""
    y, x = np.divmod(np.arange(20), 5)
    far = np.hypot(y[:, None] - y, x[:, None] - x)
    root = np.linalg.cholesky(np.kron([[1, 0.5], [0.5, 1]], reach**far))
    return (np.random.default_rng(seed).normal(size=(count, N)) @ root.T).reshape(count, CHANNELS, *SHAPE)


def pieces(*arrays, cut=37):
    for first in range(0, len(arrays[0]), cut):
        part = tuple(array[first : first + cut] for array in arrays)
        yield part if len(part) > 1 else part[0]


class Again:
    """A re-iterable source of blocks."""

    def __init__(self, *arrays, shuffle=False):
        self.arrays, self.shuffle, self.passes = arrays, shuffle, 0

    def __iter__(self):
        self.passes += 1
        order = np.random.default_rng(self.passes).permutation(len(self.arrays[0])) if self.shuffle else slice(None)
        return pieces(*(array[order] for array in self.arrays))


# Scores


@pytest.mark.parametrize("signal", ["none", "local"])
def test_a_score_is_the_mean_log_density_however_displacements_come(build, signal, tmp_path):
    grid = build(SHAPE, CHANNELS, signal=signal, dtype="float64")
    d, h = displacements(300), displacements(300, seed=1)
    given = (d, h) if signal == "local" else (d,)
    expected = grid.log_density(*given).mean()
    assert grid.score(*given) == pytest.approx(expected, rel=1e-12)
    assert grid.score(pieces(*given)) == pytest.approx(expected, rel=1e-12)
    assert grid.score(Again(d, h)) == pytest.approx(expected, rel=1e-12), "h is left out where nobody reads it"
    with h5py.File(tmp_path / "d.h5", "w") as file:
        stored = [file.create_dataset(str(index), data=array) for index, array in enumerate(given)]
        assert grid.score(*stored) == pytest.approx(expected, rel=1e-12)


def test_a_score_is_the_dense_gaussians():
    """Against the covariance itself: -(d' Sigma^-1 d + log det 2 pi Sigma) / 2."""
    grid, d = ln.UnitGrid(SHAPE, CHANNELS, dtype="float64").learn(displacements(2000)), displacements(50, seed=3)
    Sigma, flat = grid.covariance(), d.reshape(50, -1)
    norms = np.einsum("ti,ij,tj->t", flat, np.linalg.inv(Sigma), flat)
    direct = -0.5 * (norms.mean() + np.linalg.slogdet(2 * np.pi * Sigma)[1])
    assert grid.score(d) == pytest.approx(direct, rel=1e-9)


def test_a_score_refuses_what_learning_refuses():
    grid = ln.UnitGrid(SHAPE, CHANNELS)
    with pytest.raises(ArgumentError, match="h was given, but signal='none'"):
        grid.score(displacements(5), displacements(5))
    with pytest.raises(ArgumentError, match="d has 0 samples"):
        grid.score(displacements(0))
    with pytest.raises(ArgumentError, match=r"d has shape .*expected \(T, 2, 4, 5\)"):
        grid.score(np.zeros((3, N)))
    with pytest.raises(ArgumentError, match="NaN"):
        grid.score(np.full((3, CHANNELS, *SHAPE), np.nan))


# Held-out displacements


@pytest.mark.parametrize("count", [1, 4, 5, 37, 38, 200, 999])
@pytest.mark.parametrize("most", [3, 1000])
def test_the_last_fifth_is_held_out(count, most):
    d = np.arange(count, dtype=float).reshape(count, 1, 1)
    held = Held([(part, None) for part in pieces(d)], most)
    early = [part for part, _ in held.earlier()]
    away = min(count // 5, most)
    assert np.concatenate([np.empty((0, 1, 1)), *early]).ravel().tolist() == list(range(count - away))
    assert [value for part, _ in held.parts for value in part.ravel()] == list(range(count - away, count))


# The ridge


@pytest.mark.parametrize("rule", ["moments", "lms", "sign-lms"])
def test_a_chosen_ridge_is_learned_with_as_if_it_had_been_given(rule):
    d = displacements(240)
    chosen = ln.UnitGrid(SHAPE, CHANNELS, dtype="float64").learn(d, rule=rule, ridge="auto")
    ridge = chosen.rule.ridge
    assert isinstance(ridge, float)
    given = ln.UnitGrid(SHAPE, CHANNELS, dtype="float64").learn(d, rule=rule, ridge=ridge)
    np.testing.assert_allclose(chosen.field.B, given.field.B, atol=1e-10)
    np.testing.assert_allclose(chosen.field.S, given.field.S, atol=1e-10)
    assert chosen.state["seen"] == 240
    assert chosen.learn(displacements(100, seed=1), rule=chosen.rule).state["seen"] == 340, "and it can go on"


def test_a_chosen_ridge_is_the_best_of_those_tried_on_the_held_out_part():
    d = displacements(60)
    ridge = ln.UnitGrid(SHAPE, CHANNELS, parents=8).learn(d, ridge="auto").rule.ridge
    power = np.square(d[: 60 - 12]).mean()
    tried = {r: ln.UnitGrid(SHAPE, CHANNELS, parents=8).learn(d[:48], ridge=r * power).score(d[48:])
             for r in (1e-4, 1e-3, 1e-2, 1e-1, 1.0)}  # fmt: skip
    best = max(tried, key=tried.get)
    assert ridge == pytest.approx(best * power, rel=3.5), "within half a decade: candidates are finer"
    assert best > 1e-4, "with few displacements a ridge pays"
    held_out = displacements(2000, seed=9)
    small = ln.UnitGrid(SHAPE, CHANNELS, parents=8).learn(d, ridge=1e-4)
    assert ln.UnitGrid(SHAPE, CHANNELS, parents=8).learn(d, ridge="auto").score(held_out) > small.score(held_out)


def test_a_ridge_is_chosen_from_any_stream_alike():
    d = displacements(230)
    whole, cut = (ln.UnitGrid(SHAPE, CHANNELS).learn(source, ridge="auto") for source in (d, pieces(d)))
    assert whole.rule == cut.rule
    np.testing.assert_array_equal(whole.field.B, cut.field.B)


def test_a_chosen_ridge_is_a_number_in_files(tmp_path):
    grid = ln.UnitGrid(SHAPE, CHANNELS).learn(displacements(100), rule=ln.Moments(ridge="auto"))
    assert ln.load(grid.save(tmp_path / "grid.h5")).rule == grid.rule


def test_a_ridge_that_nothing_can_choose():
    grid = ln.UnitGrid(SHAPE, CHANNELS)
    with pytest.raises(
        ArgumentError, match=r"ridge='auto' is chosen on the last fifth .* d has 4: expected at least 5"
    ):
        grid.learn(displacements(4), ridge="auto")
    with pytest.raises(ArgumentError, match="ridge='best': expected a finite number >= 0, or 'auto'"):
        ln.Moments(ridge="best")
    with pytest.raises(ArgumentError, match=r"ridge='auto': expected a number here; UnitGrid.learn chooses"):
        ln.Moments(ridge="auto").settle(grid.field, {"seen": 3})
    assert grid.learn(np.zeros((10, CHANNELS, *SHAPE)), ridge="auto").rule.ridge > 0, "nothing moves"


# Parents


def test_parents_are_chosen_more_where_there_is_more_to_learn_from():
    few, many = (ln.UnitGrid(SHAPE, CHANNELS, parents="auto").learn(displacements(count)) for count in (25, 20_000))
    assert few.config.parents < many.config.parents
    assert many.field.parents.shape[1] == many.config.parents
    assert many.state["seen"] == 20_000
    alike = ln.UnitGrid(SHAPE, CHANNELS, parents=many.config.parents).learn(displacements(20_000))
    np.testing.assert_allclose(many.field.B, alike.field.B, atol=1e-4)  # float32 sums, cut elsewhere


def test_parents_and_ridge_are_chosen_together_and_saved(tmp_path):
    d, h = displacements(200), displacements(200, seed=4)
    grid = ln.UnitGrid(SHAPE, CHANNELS, parents="auto", signal="local").learn(d, h, ridge="auto")
    loaded = ln.load(grid.save(tmp_path / "grid.h5"))
    assert loaded.config == grid.config
    assert loaded.rule == grid.rule
    before = grid.config
    assert grid.learn(d, h).config == before, "chosen once"


def test_parents_are_chosen_from_what_can_be_read_again():
    d = displacements(300)
    again = ln.UnitGrid(SHAPE, CHANNELS, parents="auto").learn(Again(d))
    assert again.config == ln.UnitGrid(SHAPE, CHANNELS, parents="auto").learn(d).config
    with pytest.raises(ArgumentError, match="a generator is read once: expected an array"):
        ln.UnitGrid(SHAPE, CHANNELS, parents="auto").learn(pieces(d))
    with pytest.raises(ArgumentError, match=r"another order the second time.*shuffle=False"):
        ln.UnitGrid(SHAPE, CHANNELS, parents="auto").learn(Again(d, shuffle=True))


def test_until_then_the_number_of_parents_is_the_usual_one():
    grid = ln.UnitGrid(SHAPE, CHANNELS, parents="auto")
    assert grid.config.parents == 4
    assert grid.blank().learn(displacements(2000)).config.parents != 4
    assert ln.UnitGrid((1, 1), CHANNELS, parents="auto").learn(displacements(40)[:, :, :1, :1]).config.parents == 1
    hubs = ln.UnitGrid((9, 9), parents="auto", far=2).learn(np.random.default_rng(0).normal(size=(30, 1, 9, 9)))
    assert hubs.config.parents >= 3


# An order from data


def dense(count, seed, neurons=64):
    """Neurons on a line in an order that nobody knows."""
    rng = np.random.default_rng(5)
    shuffled = rng.permutation(neurons)
    C = 0.95 ** np.abs(np.subtract.outer(shuffled, shuffled))
    C += 0.3 * np.outer(*2 * [rng.normal(size=neurons)])
    white = np.random.default_rng(seed).normal(size=(count, neurons))
    return (white @ np.linalg.cholesky(C).T).reshape(count, 1, 1, neurons)


@pytest.mark.parametrize("count", [250, 2000])
def test_an_order_by_correlation_explains_what_a_row_does_not(count):
    d, held = dense(count, 0), dense(1000, 1)
    row = ln.UnitGrid((1, 64), order="raster", parents=6).learn(d).score(held)
    wires = ln.orders.by_correlation(d, parents=6)
    grid = ln.UnitGrid((1, 64), order=wires.order, parents=wires.parents).learn(d)
    best = -0.5 * (64 * np.log(2 * np.pi * np.e) + np.linalg.slogdet(np.cov(dense(200_000, 2).reshape(-1, 64).T))[1])
    assert grid.score(held) > row + 0.8 * (best - row), f"{row:.1f} of at most {best:.1f}"


def test_an_order_by_correlation_can_be_read_from_blocks_and_has_channels():
    d = displacements(400)
    whole, cut = ln.orders.by_correlation(d, 3), ln.orders.by_correlation(Again(d, d), 3)
    assert isinstance(whole, Wiring)
    np.testing.assert_array_equal(whole.order, cut.order)
    np.testing.assert_array_equal(whole.parents, cut.parents)
    grid = ln.UnitGrid(SHAPE, CHANNELS, order=whole.order, parents=whole.parents).learn(d)
    place = np.argsort(grid.field.order)
    assert all(place[p] < place[u] for u, row in enumerate(grid.field.parents) for p in row[row >= 0])


def test_parents_by_correlation_are_found_by_regression():
    """Each next parent is the one whose addition leaves the least variance, by least squares."""
    d = dense(500, 3, neurons=12).reshape(500, 12)
    C = d.T @ d / 500
    C /= np.sqrt(np.outer(np.diag(C), np.diag(C)))
    order = maximin(np.abs(C))
    for place, unit in enumerate(order):
        chosen = []
        for _ in range(min(3, place)):
            left = {}
            for other in set(order[:place].tolist()) - set(chosen):
                z = [*chosen, other]
                left[other] = C[unit, unit] - C[unit, z] @ np.linalg.solve(C[np.ix_(z, z)], C[z, unit])
            chosen.append(min(left, key=left.get))
        found = telling(C, order, 3, 0.0)[unit]
        assert found[found >= 0].tolist() == chosen


def test_chance_is_no_parent_and_a_silent_neuron_is_no_fault():
    white = np.random.default_rng(0).normal(size=(1000, 1, 1, 40))
    assert (ln.orders.by_correlation(white).parents >= 0).sum() < 10
    white[:, 0, 0, 7] = 0
    white[:, 0, 0, 8] = white[:, 0, 0, 9]
    wires = ln.orders.by_correlation(white, 4)
    ln.UnitGrid((1, 40), order=wires.order, parents=wires.parents).learn(white)


@pytest.mark.parametrize(
    ("d", "message"),
    [
        (np.zeros((5, 40)), r"d has shape \(5, 40\): expected \(T, C, H, W\)"),
        (np.zeros((1, 1, 1, 40)), "d has 1 displacements: expected two or more"),
        (np.full((5, 1, 1, 4), np.nan), "NaN or infinite"),
        ([np.zeros((5, 1, 1, 4)), np.zeros((5, 1, 1, 3))], r"part of shape|no regular array"),
    ],
)
def test_displacements_that_have_no_order(d, message):
    with pytest.raises(ArgumentError, match=message):
        ln.orders.by_correlation(iter(d) if isinstance(d, list) else d)


# Too few


def test_too_few_displacements_for_wide_units_are_told():
    """K=4 at 32 channels from 100 displacements: 128 regressors, which explain what is not there."""
    d = np.random.default_rng(0).normal(size=(500, 32, 3, 3)).astype(np.float32)
    with pytest.warns(FewDisplacementsWarning, match=r"expected at least 1,024, 8 a regressor; give 924 more"):
        grid = ln.UnitGrid((3, 3), 32, parents=4).learn(d[:100])
    chosen = ln.UnitGrid((3, 3), 32, parents="auto").learn(d[:100], ridge="auto")
    assert chosen.score(d[100:]) > grid.score(d[100:]) + 100
    assert ln.UnitGrid((3, 3), 32, parents="auto").learn(d[:100]).config.parents == 1
