"""Bad configurations and bad activity meet one sentence: the argument, its value, what was expected, the fix."""

import numpy as np
import pytest
from refusing import CHANNELS, SHAPE, d, h, masked, plain, refuses, signal

import localnoise as ln


def spoiled(value, presentation=5):
    bad = d.copy()
    bad[presentation, 1, 2, 3] = value
    return bad


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
