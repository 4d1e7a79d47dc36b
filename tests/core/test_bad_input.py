"""Every mistake meets one sentence: the argument, its value, what was expected, and where there is one, the fix."""

import re
import warnings

import numpy as np
import pytest

import localnoise as ln
from localnoise.errors import ArgumentError, LocalnoiseError, TooLargeError

SHAPE, CHANNELS = (3, 4), 2
d = np.random.default_rng(0).normal(size=(60, CHANNELS, *SHAPE)).cumsum(axis=3)
h = np.random.default_rng(1).normal(size=d.shape)


def plain(**wiring):
    return ln.UnitGrid(SHAPE, CHANNELS, **wiring)


def signal(**wiring):
    return plain(signal="local", **wiring)


def spoiled(value, presentation=5):
    bad = d.copy()
    bad[presentation, 1, 2, 3] = value
    return bad


def snapshot(grid):
    """Everything that learning could have touched."""
    state = {} if grid.state is None else {k: np.array(v).tobytes() for k, v in grid.state.items()}
    arrays = [getattr(grid.field, name).tobytes() for name in ("a", "G", "B", "S", "gain")]
    return arrays, state, grid.rule


def refuses(message, call, error=ArgumentError):
    """The call raises one of our errors, on one line that matches, and warns of nothing before."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(error, match=message) as caught:
            call()
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, LocalnoiseError)
    if error is ArgumentError:
        assert isinstance(caught.value, ValueError)


# Configuration

CONFIGURATIONS = {
    "one side": (r"shape=\(3,\): expected \(height, width\), two whole numbers >= 1, such as", {"shape": (3,)}),
    "a zero side": (r"shape=\(3, 0\): expected \(height, width\)", {"shape": (3, 0)}),
    "a number": (r"shape=7: expected \(height, width\)", {"shape": 7}),
    "half a unit": (r"shape=\(2.5, 3\): expected", {"shape": (2.5, 3)}),
    "text": (r"shape='3x4': expected", {"shape": "3x4"}),
    "no channels": ("channels=0: expected a whole number >= 1", {"channels": 0}),
    "half a channel": ("channels=1.5: expected a whole number >= 1", {"channels": 1.5}),
    "infinite channels": ("channels=inf: expected a whole number >= 1", {"channels": float("inf")}),
    "channels as text": ("channels='2': expected a whole number >= 1", {"channels": "2"}),
    "channels as a switch": ("channels=True: expected a whole number >= 1", {"channels": True}),
    "an order misspelt": (
        "order='rastr': expected one of 'raster', 'multiscale'; did you mean 'raster'",
        {"order": "rastr"},
    ),
    "no order": ("order=None: expected one of 'raster', 'multiscale'", {"order": None}),
    "a boundary misspelt": ("boundary='periodc': .*; did you mean 'periodic'", {"boundary": "periodc"}),
    "an unknown boundary": ("boundary='mirror': expected one of 'clipped', 'periodic'$", {"boundary": "mirror"}),
    "a signal misspelt": ("signal='locl': .*; did you mean 'local'", {"signal": "locl"}),
    "half precision": ("dtype='float16': expected one of 'float32', 'float64'", {"dtype": "float16"}),
    "no parents": ("parents=0: expected a whole number >= 1, or None", {"parents": 0}),
    "negative radius": ("radius=-1: expected a whole number >= 1, or None", {"radius": -1}),
    "half a radius": ("radius=0.5: expected a whole number >= 1, or None", {"radius": 0.5}),
    "half a hub": ("far=0.5: expected a whole number >= 0", {"far": 0.5}),
    "more hubs than there are": ("far=99: expected at most 25, the hubs around a unit", {"far": 99, "parents": 100}),
    "hubs alone": ("far=4: expected fewer than parents=4, of which it is a part", {"far": 4}),
    "hubs of no parents": ("far=1: expected fewer than parents=None", {"far": 1, "order": "raster"}),
    "negative signal radius": ("signal_radius=-1: expected a whole number >= 0", {"signal_radius": -1}),
    "an option misspelt": ("option of UnitGrid='chanels': .*; did you mean 'channels'", {"chanels": 3}),
    "an unknown option": ("option of UnitGrid='colour': expected one of 'shape'", {"colour": 3}),
}


@pytest.mark.parametrize("case", CONFIGURATIONS)
def test_configurations(case):
    message, options = CONFIGURATIONS[case]
    refuses(message, lambda: ln.UnitGrid(**({"shape": SHAPE} | options)))


# Activity: the same checks wherever activity goes in


def masked(values):
    return np.ma.masked_array(values, np.arange(values.size).reshape(values.shape) == 77)


ACTIVITY = {
    "one presentation": (r"has shape \(2, 3, 4\): expected \(T, 2, 3, 4\); for one presentation pass {}\[None\]", d[0]),
    "other channels": (
        r"has shape \(60, 1, 3, 4\): expected \(T, 2, 3, 4\), that is \(presentations, channels",
        d[:, :1],
    ),
    "channels last": (r"has shape \(60, 3, 4, 2\): expected \(T, 2, 3, 4\)", np.moveaxis(d, 1, 3)),
    "flat": (r"has shape \(60, 24\): expected .*; use {}\.reshape\(-1, 2, 3, 4\)", d.reshape(60, -1)),
    "one number": (r"has shape \(\): expected \(T, 2, 3, 4\)", 3.0),
    "nothing": (r"has shape \(\): expected \(T, 2, 3, 4\)", None),
    "ragged": (r"{} is no regular array .*: expected shape \(T, C, H, W\)", [[1.0], [1.0, 2.0]]),
    "NaN": (
        r"has 1 values that are NaN or infinite in float32, the first in presentation 5, channel 1, unit \(2, 3\): "
        "expected finite numbers; drop or mend",
        spoiled(np.nan),
    ),
    "infinity": ("has 1 values that are NaN or infinite.*presentation 5, channel 1", spoiled(np.inf)),
    "both infinities": ("has 2 values that are NaN or infinite", spoiled([np.inf, -np.inf], [5, 6])),
    "beyond float32": ("has 1 values that are NaN or infinite in float32", spoiled(1e39)),
    "masked": (r"has 1 masked values: expected a number everywhere; drop .*\.filled\(0\)", masked(d)),
    "masked rows in a list": (r"has 1 masked values: expected a number everywhere", list(masked(d))),
    "complex": (r"has dtype complex128: expected real numbers; use {}\.astype\('float32'\)", d.astype(complex)),
    "objects": ("has dtype object: expected real numbers", d.astype(object)),
    "text": ("has dtype <U.*: expected real numbers", d.astype(str)),
    "truth values": ("has dtype bool: expected real numbers", d > 0),
    "times": ("has dtype datetime64.*: expected real numbers", d.astype("M8[s]")),
}
DOORS = {
    "learn": ("d", lambda x: plain().learn(x)),
    "learn with signal": ("d", lambda x: signal().learn(x, h)),
    "learn from": ("h", lambda x: signal().learn(d, x)),
    "perturb": ("h", lambda x: plain().perturb(x)),
    "mean": ("h", lambda x: signal().mean(x)),
    "innovations": ("d", lambda x: plain().innovations(x)),
    "innovations from": ("h", lambda x: signal().innovations(d, x)),
    "mahalanobis": ("delta", lambda x: plain().mahalanobis(x)),
    "log_density": ("eta", lambda x: plain().log_density(x)),
    "pull_back": ("gradient", lambda x: plain().pull_back(x)),
    "central": ("h", lambda x: ln.central.none(d).perturb(x)),
    "bank": ("h", lambda x: ln.Bank([plain()]).perturb(x)),
}


INFINITE = {"NaN", "infinity", "both infinities", "beyond float32"}
VISITS = [(case, door) for case in ACTIVITY for door in DOORS if not (case in INFINITE and door == "pull_back")]
VISITS = [
    (case, door) for case, door in VISITS if not (case == "nothing" and door.endswith("from"))
]  # h is then missing


@pytest.mark.parametrize(("case", "door"), VISITS)
def test_activity(case, door):
    message, value = ACTIVITY[case]
    argument, call = DOORS[door]
    refuses(rf"^{argument}\b.*" + message.removeprefix("{} ").replace("{}", argument), lambda: call(value))


@pytest.mark.parametrize("case", sorted(INFINITE))
def test_a_diverged_gradient_is_not_the_noises_to_refuse(build, case):
    grid = build(SHAPE, CHANNELS, signal="local")
    assert not np.isfinite(grid.pull_back(ACTIVITY[case][1])[5:7]).all()


def test_the_presentation_is_numbered_in_the_whole_recording():
    long = np.zeros((5000, CHANNELS, *SHAPE))
    long[4500, 0, 0, 1] = np.nan
    refuses("the first in presentation 4500, channel 0, unit \\(0, 1\\)", lambda: plain().learn(long))


OUT = {
    "a list": ("out is list", lambda: [0.0]),
    "another length": (
        "expected a contiguous, writeable float32 array of shape",
        lambda: np.empty((4, CHANNELS, *SHAPE), "f"),
    ),
    "another dtype": ("out is float64", lambda: np.empty((5, CHANNELS, *SHAPE))),
    "not in one piece": ("contiguous", lambda: np.empty((5, CHANNELS, *SHAPE, 2), "f")[..., 0]),
    "masked": ("out has 1 masked values", lambda: masked(np.empty((5, CHANNELS, *SHAPE), "f"))),
    "read only": ("writeable", lambda: np.broadcast_to(np.float32(0), (5, CHANNELS, *SHAPE))),
}


@pytest.mark.parametrize("case", OUT)
@pytest.mark.parametrize("draw", ["sample", "perturb"])
def test_memory_that_a_draw_cannot_use(case, draw):
    message, memory = OUT[case]
    given = 5 if draw == "sample" else d[:5]
    refuses(message, lambda: getattr(plain(), draw)(given, out=memory()))


def test_a_draw_does_not_overwrite_what_it_reads():
    h = d[:5].astype(np.float32)
    refuses("out shares memory with h", lambda: plain().perturb(h, out=h))


# Learning

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


# Drawing


def loud(grid, gain):
    grid[0, 1].gain = gain


DRAWING = {
    "a negative seed": ("seed=-1: expected a whole number >= 0", lambda g: g.sample(1, seed=-1)),
    "a large seed": (r"seed=18446744073709551616: expected less than 2\*\*64", lambda g: g.sample(1, seed=2**64)),
    "half a seed": ("seed=0.5: expected a whole number", lambda g: g.sample(1, seed=0.5)),
    "no seed": ("seed=None: expected a whole number", lambda g: g.perturb(h, seed=None)),
    "a huge trace": (r"variance=1e\+300: a unit's gain would leave the range of float32", lambda g: g.normalise(1e300)),
    "a huge local trace": (r"variance=1e\+300: .* range of float32", lambda g: g.normalise(1e300, "local")),
    "a vanishing trace": ("variance=4.9.*e-324: .* range of float32", lambda g: g.normalise(5e-324)),
    "a vanishing local trace": ("variance=4.9.*e-324: .* range of float32", lambda g: g.normalise(5e-324, "local")),
    "a huge gain": (r"gain=1e\+300: expected a number > 0 within the range of float32", lambda g: loud(g, 1e300)),
    "a vanishing gain": ("gain=5e-324: expected a number > 0 within the range", lambda g: loud(g, 5e-324)),
    "a generator": ("seed=Generator.*: expected a whole number", lambda g: g.sample(1, seed=np.random.default_rng())),
    "a negative count": ("count=-1: expected a whole number >= 0", lambda g: g.sample(-1)),
    "a count as text": ("count='3': expected a whole number", lambda g: g.sample("3")),
    "two counts": (r"count=array\(\[1, 2\]\): expected a whole number", lambda g: g.sample(np.array([1, 2]))),
    "NaN draws": ("count=nan: expected a whole number", lambda g: g.sample(float("nan"))),
    "a negative start": ("start=-1: expected a whole number >= 0", lambda g: g.sample(1, start=-1)),
    "half a start": ("start=0.5: expected a whole number", lambda g: g.sample(1, start=0.5)),
    "a start too far": (
        r"start=9223372036854775807: expected start \+ count <= 2\*\*63",
        lambda g: g.sample(2, start=2**63 - 1),
    ),
    "too few positions": (
        r"start has shape \(2,\) .*: expected a whole number, or 3",
        lambda g: g.sample(3, start=[0, 1]),
    ),
    "half positions": ("start has .* dtype float64: expected", lambda g: g.sample(2, start=[0.5, 1])),
    "masked positions": ("start has 1 masked values", lambda g: g.sample(2, start=np.ma.array([1, 2], mask=[0, 1]))),
    "a masked count": ("count=masked: expected a whole number", lambda g: g.sample(np.ma.masked)),
    "a masked seed": ("seed=masked: expected a whole number", lambda g: g.sample(1, seed=np.ma.masked)),
    "a masked trace": ("variance=masked: expected a finite number > 0", lambda g: g.normalise(np.ma.masked)),
    "negative positions": ("start holds -4: expected positions >= 0", lambda g: g.sample(2, start=[3, -4])),
    "no trace": (
        "variance=0: expected a finite number > 0, the mean noise variance per neuron",
        lambda g: g.normalise(0),
    ),
    "a negative trace": ("variance=-2: expected a finite number > 0", lambda g: g.normalise(-2)),
    "NaN": ("variance=nan: expected a finite number > 0", lambda g: g.normalise(float("nan"))),
    "infinity": ("variance=inf: expected a finite number > 0", lambda g: g.normalise(float("inf"))),
    "a trace as text": ("variance='two': expected a finite number > 0", lambda g: g.normalise("two")),
    "an unknown scope": ("scope='unit': expected one of 'global', 'local'", lambda g: g.normalise(1, "unit")),
    "a scope misspelt": ("scope='loca': .*; did you mean 'local'", lambda g: g.normalise(1, "loca")),
}


@pytest.mark.parametrize("case", DRAWING)
def test_drawing(case):
    message, call = DRAWING[case]
    grid = plain()
    kept = snapshot(grid)
    refuses(message, lambda: call(grid))
    assert snapshot(grid) == kept


def test_a_covariance_that_would_not_fit_states_the_memory():
    """24 n^2 bytes: the factor, its permutation and the product, in float64."""
    grid = ln.UnitGrid((200, 200))
    message = r"covariance\(\) would take 35.8 GiB: expected at most 4.0 GiB; use sample\(\) or variance\(\), or raise"
    refuses(message, grid.covariance, TooLargeError)
    small = ln.UnitGrid((2, 2))
    refuses("covariance.. would take", lambda: small.covariance(max_bytes=24 * 16 - 1), TooLargeError)
    assert small.covariance(max_bytes=24 * 16).shape == (4, 4)
    assert issubclass(TooLargeError, MemoryError)


@pytest.mark.parametrize("noise", [plain, lambda: ln.central.full(d), lambda: ln.Bank([plain()])])
@pytest.mark.parametrize("count", [10**12, 2**63])
def test_draws_that_no_memory_holds(noise, count):
    refuses(f"count={count} would take .* GiB", lambda: noise().sample(count), TooLargeError)


def test_turns_that_no_memory_holds():
    refuses("count=1000000000000 would take .* GiB", lambda: ln.Bank([plain()]).turns(10**12), TooLargeError)


@pytest.mark.parametrize("trace", [1e300, 5e-324])
@pytest.mark.parametrize("make", ["full", "diagonal", "identity", "affine"])
def test_central_noise_out_of_the_range_of_float32(make, trace):
    data = (d, h) if make == "affine" else (d,)
    refuses(
        rf"variance={re.escape(repr(trace))}: expected noise within the range of float32",
        lambda: getattr(ln.central, make)(*data, variance=trace),
    )


def test_grids_that_no_memory_holds_are_refused_before_they_are_made():
    for wiring in ({"shape": (10**9, 10**9)}, {"shape": (1000, 1000), "radius": 1000, "order": "raster"}):
        refused = r"shape=\(.*\) would take .* GiB.*use fewer units"
        refuses(refused, lambda wiring=wiring: ln.UnitGrid(**wiring), TooLargeError)
    wide = ln.UnitGrid((1, 3000), order="raster", radius=3000)
    assert wide.field.parents.shape == (3000, 2999)
    line = np.zeros((8, 1, 1, 3000))
    refuses("pairs of what units read together would take .*rule='lms'", lambda: wide.learn(line), TooLargeError)


def test_a_dense_counterpart_that_would_not_fit():
    refuses(
        r"dense\(grid\) would take 35.8 GiB.*use the grid itself",
        lambda: ln.central.dense(ln.UnitGrid((200, 200))),
        TooLargeError,
    )


def test_an_argument_s_earlier_name_is_taken_with_a_warning_that_names_the_new_one():
    d = np.random.default_rng(0).normal(size=(200, 2, 3, 3)).astype(np.float32)
    with pytest.warns(DeprecationWarning, match=r"full: the argument trace is called variance now") as told:
        earlier = ln.central.full(d, trace=0.5)
    assert told[0].filename == __file__
    np.testing.assert_array_equal(earlier.covariance(), ln.central.full(d, variance=0.5).covariance())
    with pytest.warns(DeprecationWarning, match="normalise: the argument trace"):
        grid = ln.UnitGrid((3, 3), 2, parents=2).learn(d).normalise(trace=0.5)
    assert grid.field.gain.tobytes() == grid.normalise(variance=0.5).field.gain.tobytes()
    refuses("full got variance=1 and trace=2: expected variance alone", lambda: ln.central.full(d, variance=1, trace=2))
