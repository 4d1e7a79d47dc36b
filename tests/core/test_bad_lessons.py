"""Bad input to learning: one sentence, and the grid is left as it was."""

import numpy as np
import pytest
from refusing import d, h, masked, plain, refuses, signal, snapshot

import localnoise as ln

dead, twin, doubled = d.copy(), d.copy(), d.copy()
dead[:, 1, 1, 1] = 0
twin[:, 1] = twin[:, 0]
doubled[:, :, 1, 1] = 2 * doubled[:, :, 1, 2]
LEARNING = {
    "no samples": ("d has 0 samples: expected at least 1", lambda g: g.learn(d[:0])),
    "an unknown rule": ("rule='hebb': expected one of 'moments', 'lms', 'sign-lms'", lambda g: g.learn(d, rule="hebb")),
    "a rule misspelt": ("rule='moment': .*; did you mean 'moments'", lambda g: g.learn(d, rule="moment")),
    "no rule": ("rule=None: expected one of 'moments', .* or a rule that is built", lambda g: g.learn(d, rule=None)),
    "a rule's class": ("rule=<class .*: expected one of .* or a rule that is built", lambda g: g.learn(d, rule=ln.LMS)),
    "an option misspelt": ("option of rule 'moments'='ridg': .*; did you mean 'ridge'", lambda g: g.learn(d, ridg=1.0)),
    "another rule's option": (
        "option of rule 'moments'='rate': expected one of 'ridge'",
        lambda g: g.learn(d, rate=1.0),
    ),
    "options of a built rule": (
        "ridge: options belong to a rule's name",
        lambda g: g.learn(d, rule=ln.LMS(), ridge=1.0),
    ),
    "a negative ridge": ("ridge=-1: expected a finite number >= 0", lambda g: g.learn(d, ridge=-1)),
    "a ridge as text": ("ridge='x': expected a finite number >= 0", lambda g: g.learn(d, ridge="x")),
    "an infinite ridge": ("ridge=inf: expected a finite number >= 0", lambda g: g.learn(d, ridge=np.inf)),
    "no rate": ("rate=0: expected a finite number > 0", lambda g: g.learn(d, rule="lms", rate=0)),
    "an unstable rate": (r"rate=2.0: expected a number in \(0, 2\)", lambda g: g.learn(d, rule="lms", rate=2.0)),
    "a rate as text": ("rate='x': expected", lambda g: g.learn(d, rule="lms", rate="x")),
    "no floor": ("floor=0: expected a finite number > 0", lambda g: g.learn(d, rule="lms", floor=0)),
    "negative memory": ("memory=-1: expected a finite number >= 0", lambda g: g.learn(d, rule="lms", memory=-1)),
    "no halving": ("halving=0: expected a finite number > 0", lambda g: g.learn(d, rule="sign-lms", halving=0)),
    "no limit": ("limit=nan: expected a finite number > 0", lambda g: g.learn(d, rule="sign-lms", limit=np.nan)),
    "too few samples": (
        "d has 9 samples in all: expected at least 10 .*; give more",
        lambda g: g.learn(d[:9], ridge=0),
    ),
    "a dead channel": (
        r"ridge=0: .* unit 5 .* singular .*; use a larger ridge, such as",
        lambda g: g.learn(dead, ridge=0),
    ),
    "duplicated channels": ("ridge=0: .* singular.*; use ", lambda g: g.learn(twin, ridge=0)),
    "proportional units": ("ridge=0: .* singular.*; use ", lambda g: g.learn(doubled, ridge=0)),
    "a dead channel, lms": ("ridge=0: .* unit 5 .* singular", lambda g: g.learn(dead, rule="lms", ridge=0)),
    "overflow": ("d: its squares overflow float32: expected .*; rescale", lambda g: g.learn(1e25 * d)),
    "overflow, lms": ("d: .*overflow float32: expected .*; rescale", lambda g: g.learn(1e25 * d, rule="lms")),
    "overflow, sign-lms": ("d: .*overflow float32: expected .*; rescale", lambda g: g.learn(1e25 * d, rule="sign-lms")),
    "h superfluous": (
        "h was given, but signal='none': expected no activation; build UnitGrid",
        lambda g: g.learn(d, h),
    ),
    "progress that cannot be called": ("progress=3: expected a function", lambda g: g.learn(d, progress=3)),
}
FRESH = {"too few samples", "a dead channel", "duplicated channels", "proportional units", "a dead channel, lms"}
HISTORIES = [(c, b) for c in LEARNING for b in ("nothing", "moments", "lms") if b == "nothing" or c not in FRESH]


@pytest.mark.parametrize(("case", "before"), HISTORIES)
def test_learning_is_all_or_nothing(case, before):
    """A refused call leaves weights, statistics and rule as they were, whatever had been learned; learning goes on."""
    message, call = LEARNING[case]
    grid, twin_grid = plain(), plain()
    if before != "nothing":
        grid.learn(d, rule=before).normalise(2.0, "local")
        twin_grid.learn(d, rule=before)
    kept = snapshot(grid)
    refuses(message, lambda: call(grid))
    assert snapshot(grid) == kept
    assert snapshot(grid.learn(d, rule="lms")) == snapshot(twin_grid.learn(d, rule="lms"))


@pytest.mark.parametrize("rule", ["moments", "lms", "sign-lms"])
def test_an_interrupt_half_way_leaves_the_grid_as_it_was(rule, monkeypatch):
    grid = plain().learn(d, rule=rule)
    kept, observe, calls = snapshot(grid), type(grid.rule).observe, []

    def tire(*arguments):
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        observe(*arguments)

    monkeypatch.setattr(type(grid.rule), "observe", tire)
    with pytest.raises(KeyboardInterrupt):
        grid.learn(np.tile(d, (50, 1, 1, 1)), rule=rule)  # 3,000 presentations: two chunks
    assert snapshot(grid) == kept


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_collinear_parents_are_refused_though_the_unit_itself_is_not(dtype):
    """Unit 3's parents are 0, 1 and 2 = 0 + 1, while unit 2 sees only unit 1: its own residual is sound."""
    grid = ln.UnitGrid((1, 4), dtype=dtype, order="raster", radius=3)
    grid.field.parents[2] = [1, -1, -1]
    line = np.random.default_rng(0).normal(size=(200, 1, 1, 4))
    line[..., 2] = line[..., 0] + line[..., 1]
    refuses("ridge=0: a unit's neighbors move in exact proportion", lambda: grid.learn(line, ridge=0))
    assert np.isfinite(grid.learn(line, ridge=1e-4).covariance()).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_unit_that_follows_its_parents_exactly_is_refused_whatever_the_rounding(dtype):
    """The residual is zero but for rounding, which now and then leaves it positive: 40 random proportions."""
    rng = np.random.default_rng(0)
    for _ in range(40):
        line = rng.normal(size=(100, 1, 1, 3))
        line[..., 2] = line[..., :2] @ rng.normal(size=2)
        grid = ln.UnitGrid((1, 3), order="raster", radius=2, dtype=dtype)
        refuses("ridge=0: the second moment of unit 2 .* is singular", lambda g=grid, x=line: g.learn(x, ridge=0))


@pytest.mark.parametrize("singular", [dead, twin, doubled, np.zeros_like(d)], ids=["dead", "twin", "doubled", "still"])
@pytest.mark.parametrize("rule", ["moments", "lms", "sign-lms"])
def test_the_ridge_that_the_message_names_is_the_cure(singular, rule):
    grid = plain().learn(singular, rule=rule, ridge=1e-4)
    assert np.linalg.eigvalsh(grid.covariance())[0] > 0


def test_one_sample_with_a_ridge_is_enough():
    assert np.isfinite(plain().learn(d[:1]).covariance()).all()


def test_values_that_float32_cannot_hold_can_be_learned_in_float64():
    grid = plain(dtype="float64").learn(1e25 * d, ridge=0)
    np.testing.assert_allclose(
        grid.covariance(), 1e50 * plain(dtype="float64").learn(d, ridge=0).covariance(), rtol=1e-9
    )


def test_weights_that_float32_cannot_hold_are_refused():
    """A ridge of 1e-100 asks for a standard deviation of 1e-50, which float32 rounds to zero."""
    grid = plain()
    kept = snapshot(grid)
    refuses("d: learned weights leave the range of float32: .*dtype='float64'", lambda: grid.learn(0 * d, ridge=1e-100))
    assert snapshot(grid) == kept
    assert plain(dtype="float64").learn(0 * d, ridge=1e-100).variance() == pytest.approx(1e-100)


def test_large_finite_values_are_not_mistaken_for_infinite_ones():
    """Their sum overflows float64, they do not."""
    large = np.full_like(h, 1e308)
    grid = signal(dtype="float64")
    grid.field.G[:] = 1e-300
    assert np.isfinite(grid.mean(large)).all()


def test_activations_that_are_missing_or_of_another_length():
    refuses("h is missing, but signal='local': expected the activations.*learn\\(d, h\\)", lambda: signal().learn(d))
    refuses("h is missing", lambda: signal().innovations(d))
    refuses("h is missing", lambda: signal().log_density(d))
    refuses("h was given, but signal='none'", lambda: plain().innovations(d, h))
    for call in (signal().learn, signal().innovations):
        refuses("h has 59 presentations, d has 60: expected the same number", lambda call=call: call(d, h[:59]))


def test_options_are_checked_before_data():
    """So that a typo is found before a long recording is read."""
    refuses("did you mean 'ridge'", lambda: plain().learn("nonsense", ridg=1))


@pytest.mark.parametrize("learn", [ln.central.full, ln.central.diagonal, lambda x: ln.central.affine(d, x)])
def test_masked_displacements_of_central_noise(learn):
    refuses("[dh] has 1 masked values", lambda: learn(masked(d)))


def test_an_array_that_could_be_masked_and_is_not_is_an_array():
    same = plain().learn(np.ma.array(d)), plain().learn(d)
    np.testing.assert_array_equal(same[0].field.B, same[1].field.B)
