"""Too few displacements, and ridges larger than they are, are warned of with numbers."""

import warnings

import numpy as np
import pytest
from exact_rules import CHANNELS, RULES, SHAPE

import localnoise as ln
from localnoise.errors import FewDisplacementsWarning, RidgeWarning


def warnings_of(call):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    return [str(each.message) for each in caught if issubclass(each.category, FewDisplacementsWarning)]


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(("wiring", "regressors"), [({"parents": 3}, 6), ({"parents": 2, "signal": "local"}, 17)])
def test_too_few_displacements_are_told_with_the_number_that_is_missing(rule, wiring, regressors):
    """Regressors: two channels of each parent; with signal the constant and those of the six activations too."""

    def learn(count):
        d, h = np.random.default_rng(0).normal(size=(2, count, CHANNELS, *SHAPE))
        ln.UnitGrid(SHAPE, CHANNELS, **wiring).learn(d, h if "signal" in wiring else None, rule=rule)

    enough = 8 * regressors
    assert warnings_of(lambda: learn(enough)) == []
    (told,) = warnings_of(lambda: learn(enough - 3))
    assert told.startswith(f"d has {enough - 3} displacements for up to {regressors} regressors a unit")
    assert f"expected at least {enough}, 8 a regressor; give 3 more" in told


def test_the_warning_is_of_the_first_call_and_names_the_caller():
    grid, d = ln.UnitGrid(SHAPE, CHANNELS), np.random.default_rng(0).normal(size=(9, CHANNELS, *SHAPE))
    with pytest.warns(FewDisplacementsWarning) as caught:
        grid.learn(d)
    assert caught[0].filename == __file__
    assert warnings_of(lambda: grid.learn(d)) == []
    assert warnings_of(lambda: ln.UnitGrid((1, 1)).learn(np.ones((8, 1, 1, 1)))) == []


@pytest.mark.parametrize(("count", "norm"), [(10, 90), (64, 1.31), (800, 1.02)])
def test_held_out_norms_are_one_from_enough_displacements_on(count, norm):
    """About T^2 / (T - p)^2, p = 8: the residual is too small by 1 - p / T, the prediction too bad by as much."""
    C = np.linalg.cholesky(0.6 ** np.abs(np.subtract.outer(np.arange(72), np.arange(72))))
    rng = np.random.default_rng(1)
    seen, held = ((rng.normal(size=(size, 72)) @ C.T).reshape(-1, 2, 6, 6) for size in (count, 2000))
    found = np.square(ln.UnitGrid((6, 6), 2).learn(seen).innovations(held)).mean()
    assert found > 50 if count == 10 else found == pytest.approx(norm, rel=0.06)


def ridge_warnings(call):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    assert all(each.filename == __file__ for each in caught if issubclass(each.category, RidgeWarning))
    return [str(each.message) for each in caught if issubclass(each.category, RidgeWarning)]


SMALL = {
    "moments": lambda d, **options: ln.UnitGrid(SHAPE, CHANNELS).learn(d, **options),
    "lms": lambda d, **options: ln.UnitGrid(SHAPE, CHANNELS).learn(d, rule="lms", **options),
    "sign-lms": lambda d, **options: ln.UnitGrid(SHAPE, CHANNELS).learn(d, rule="sign-lms", **options),
    "full": ln.central.full,
    "diagonal": ln.central.diagonal,
    "mix": lambda d, **options: ln.central.mix(d, 0.5, 0.5, **options),
    "affine": lambda d, **options: ln.central.affine(d, d + 1, **options),
}


@pytest.mark.parametrize("how", SMALL)
def test_a_ridge_that_makes_the_noise_is_told(how):
    """Displacements of 1e-3, whose mean square is 1e-6, would get noise of 1e-2: all of it the ridge's."""
    d = np.random.default_rng(0).normal(size=(400, CHANNELS, *SHAPE))
    d /= np.sqrt(np.square(d).mean())
    (told,) = ridge_warnings(lambda: SMALL[how](1e-3 * d))
    assert told.startswith("ridge=0.0001 is more than a tenth of the displacements' mean square, 1e-06")
    assert "use ridge=1e-09, or" in told
    assert ridge_warnings(lambda: SMALL[how](1e-3 * d, ridge=1e-9)) == []
    assert ridge_warnings(lambda: SMALL[how](d)) == []
    assert ridge_warnings(lambda: SMALL[how](0.05 * d)) == []
    assert ridge_warnings(lambda: SMALL[how](0.02 * d)) != []


def test_the_ridge_that_is_advised_lets_the_noise_be_the_displacements():
    d = 1e-3 * np.random.default_rng(0).normal(size=(400, CHANNELS, *SHAPE))
    loud, right = (ln.UnitGrid(SHAPE, CHANNELS).learn(d, ridge=ridge).variance().mean() for ridge in (1e-4, 1e-9))
    assert loud > 50 * np.square(d).mean()
    assert right == pytest.approx(np.square(d).mean(), rel=0.01)
