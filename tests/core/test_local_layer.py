"""Units that learn features: against plain NumPy, and locality of every weight by perturbation, to the last bit."""

import json

import h5py
import naive
import numba
import numpy as np
import pytest

import localnoise as ln
from localnoise.errors import ArgumentError, FileFormatError, TooLargeError, UnknownNameError
from localnoise.local import UNIT_RULES, LocalLayer
from localnoise.local.rules.channels import UnitChannels
from localnoise.local.rules.heads import UnitHeads
from localnoise.local.rules.softhebb import UnitSoftHebb

RULES = ["local-heads", "channels", "softhebb"]
INPUTS, SHAPE, CHANNELS, CLASSES = (2, 4, 6), (2, 3), 4, 3


def layer(rule="local-heads", **options):
    options = {"classes": CLASSES if rule != "softhebb" else 0, "seed": 3, **options}
    return LocalLayer(SHAPE, CHANNELS, INPUTS, rule=rule, **options)


def lesson(count=8, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(count, *INPUTS)).astype(np.float32), rng.integers(CLASSES, size=count)


def learned(rule, x, y, **options):
    """Learn in two calls; the layer, and one dict of bytes per unit: weights and all that the rule keeps."""
    made = layer(rule, **options)
    made.learn(x[:5], y[:5]).learn(x[5:], y[5:])
    rows = {"W": made.W} | {name: value for name, value in made.state.items() if name != "seen"}
    return made, [{name: value[u].tobytes() for name, value in rows.items()} for u in range(len(made.W))]


@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize("rule", RULES)
def test_units_learn_what_plain_numpy_says(rule, activation):
    made, (x, y) = layer(rule, activation=activation, dtype="float64"), lesson(12)
    before, readers, flat = made.W.copy(), made.units.readers, x.reshape(12, 2, -1)
    made.learn(x, y)
    if rule == "local-heads":
        W, V = naive.heads_learned(before, np.zeros((6, 5, CLASSES)), flat, y, readers, activation, UnitHeads().rate)
        np.testing.assert_allclose(made.state["V"], V, rtol=1e-10, atol=1e-12)
    elif rule == "channels":
        W = naive.channels_learned(before, flat, y, readers, activation, CLASSES, 4.0, UnitChannels().rate)
    else:
        W, means = naive.softhebb_learned(before, flat, readers, UnitSoftHebb().rate, 8.0)
        np.testing.assert_allclose(made.state["mean"], means, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(made.W, W, rtol=1e-9, atol=1e-11)
    h = made.forward(x)
    for u in range(6):
        expected = naive.answer(made.W[u], naive.window(flat[7].astype(float), readers[u]), activation)[0]
        np.testing.assert_allclose(h[7, :, u // 3, u % 3], expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("rule", RULES)
def test_a_unit_learns_from_its_window_alone(rule):
    """Change one place of the input: exactly the units that read it learn something else, all others to the bit alike.

    Both directions, for every place and unit, and for all the rule keeps: weights, heads, means.
    """
    x, y = lesson()
    other = lesson(seed=1)[0]
    made, before = learned(rule, x, y)
    for place in range(INPUTS[1] * INPUTS[2]):
        where = (..., *divmod(place, INPUTS[2]))
        changed = x.copy()
        changed[where] = other[where]
        _, after = learned(rule, changed, y)
        for u in range(len(before)):
            assert (after[u] != before[u]) == (place in made.units.readers[u]), (u, place)


@pytest.mark.parametrize("rule", RULES)
def test_everything_outside_may_change_at_once(rule):
    x, y = lesson()
    world = 10 * lesson(seed=1)[0]
    made, before = learned(rule, x, y)
    for u in range(len(before)):
        inside = made.units.readers[u][made.units.readers[u] >= 0]
        changed = world.copy().reshape(len(x), 2, -1)
        changed[..., inside] = x.reshape(len(x), 2, -1)[..., inside]
        assert learned(rule, changed.reshape(x.shape), y)[1][u] == before[u]


@pytest.mark.parametrize("rule", RULES)
def test_other_units_weights_are_not_read(rule):
    """Other weights in all units but one, before learning: what that one learns is the same to the last bit."""
    x, y = lesson()
    one, other = layer(rule), layer(rule, seed=4)
    for u in range(len(one.W)):
        other.W[:] = layer(rule, seed=4).W
        other.W[u] = one.W[u]
        other.state = other.rule.start(other.units, one.W.shape[1])
        fresh = layer(rule).learn(x, y)
        other.learn(x, y)
        assert np.array_equal(other.W[u], fresh.W[u])


@pytest.mark.parametrize("rule", RULES)
def test_labels_are_read_by_rules_with_labels_alone(rule):
    x, y = lesson()
    same = learned(rule, x, y)[1] == learned(rule, x, (y + 1) % CLASSES)[1]
    assert same == (not UNIT_RULES[rule].labels)


@pytest.mark.parametrize("rule", RULES)
def test_threads_and_cuts_change_nothing(rule, threads):
    x, y = lesson()
    expected = learned(rule, x, y)[1]
    threads(min(3, numba.config.NUMBA_NUM_THREADS))
    assert learned(rule, x, y)[1] == expected
    whole = layer(rule).learn(x, y)
    assert [row.tobytes() for row in whole.W] == [row["W"] for row in expected]


def bright(count, seed):
    """Images whose class is the third that is bright."""
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(count, *INPUTS)), rng.integers(CLASSES, size=count)
    for image, label in zip(x, y, strict=True):
        image[:, :, 2 * label : 2 * label + 2] += 1.5
    return x.astype(np.float32), y


@pytest.mark.parametrize("rule", ["local-heads", "channels"])
def test_units_vote_for_the_right_class(rule):
    made = layer(rule).learn(*bright(1500, 0))
    x, y = bright(300, 1)
    assert (made.predict(x) == y).mean() > 0.9
    assert np.allclose(np.exp(made.votes(x)).sum(1), 1, atol=1e-5)


def test_layers_stack_and_each_is_taught_by_itself():
    x, y = bright(1500, 0)
    first = layer("softhebb").learn(x)
    norms = np.linalg.norm(first.W[:, 1:], axis=1)
    assert abs(norms - 1).mean() < 0.2, "weights come to have norm 1"
    second = LocalLayer((1, 3), 6, (CHANNELS, *SHAPE), rule="local-heads", classes=CLASSES).learn(first.forward(x), y)
    x, y = bright(300, 1)
    assert (second.predict(first.forward(x)) == y).mean() > 0.8


def test_bad_arguments():
    x, y = lesson()
    with pytest.raises(UnknownNameError, match="did you mean 'softhebb'"):
        layer("softheb")
    with pytest.raises(ArgumentError, match="classes=0: expected at least 2 with rule='local-heads'"):
        layer(classes=0)
    with pytest.raises(ArgumentError, match="fewer than the 9 classes"):
        layer("channels", classes=9)
    with pytest.raises(ArgumentError, match="classes=3: expected 0 with rule='softhebb', which reads no labels"):
        layer("softhebb", classes=3)
    assert repr(layer("channels")) == "LocalLayer(2x3 units x 4, of inputs 2x4x6, radius 1, rule channels)"
    with pytest.raises(ArgumentError, match="rule='softhebb' reads no labels"):
        layer("softhebb").learn(x).predict(x)
    with pytest.raises(ArgumentError, match="labels is None"):
        layer().learn(x)
    with pytest.raises(ArgumentError, match="labels: from 0 to 3: expected classes 0 to 2"):
        layer().learn(x, np.arange(8) % 4)
    with pytest.raises(ArgumentError, match="labels: float64 of shape"):
        layer().learn(x, y / 2)
    with pytest.raises(ArgumentError, match="x has 384 values that are NaN"):
        layer().learn(np.full_like(x, np.nan), y)
    with pytest.raises(ArgumentError, match=r"x has shape \(8, 2, 4, 5\): expected \(T, 2, 4, 6\)"):
        layer().forward(x[..., 1:])
    with pytest.raises(ArgumentError, match=r"shape=\(3, 3\): expected sides that divide"):
        LocalLayer((3, 3), 4, INPUTS, classes=3)
    with pytest.raises(ArgumentError, match="expected \\(channels, height, width\\)"):
        LocalLayer((2, 3), 4, (4, 6), classes=3)
    for bad in (lambda: UnitHeads(rate=0), lambda: UnitChannels(sharpness=0), lambda: UnitSoftHebb(rate=-1)):
        with pytest.raises(ArgumentError, match="expected"):
            bad()
    with pytest.raises(ArgumentError, match="rule=7: expected a name, such as 'local-heads', or a UnitRule"):
        layer(7)


def test_what_would_not_fit_is_refused_before_it_is_made():
    for shape, channels, inputs, options in (
        ((2, 2), 10**9, (1, 2, 2), {}),
        ((2, 2), 10**400, (1, 2, 2), {}),
        ((10**6, 10**6), 1, (1, 10**6, 10**6), {}),
        ((2, 2), 1, (1, 2, 2), {"rule": "local-heads", "classes": 10**10}),
        ((1, 1), 1, (1, 10**6, 10**6), {"radius": 10**6 - 1}),
    ):
        with pytest.raises(TooLargeError, match=r"would take [\d,.]+ GiB: expected less"):
            LocalLayer(shape, channels, inputs, **{"rule": "softhebb"} | options)


def test_a_radius_beyond_the_inputs_reads_all_of_them_and_no_more():
    """On 1 x 300 inputs (2 radius + 1)^2 places would be 358,801, of which 599 can lie within."""
    made = LocalLayer((1, 300), 1, (1, 1, 300), radius=299, rule="softhebb")
    assert made.units.readers.shape == (300, 599)
    assert all(sorted(row[row >= 0]) == list(range(300)) for row in made.units.readers)


def test_what_would_leave_no_numbers_is_refused_and_nothing_is_learned():
    x, y = lesson()
    made = layer().learn(x, y)
    before, seen = made.W.copy(), made.state["seen"]
    with pytest.raises(ArgumentError, match=r"NaN or infinite in float32"):
        made.learn(np.full(x.shape, 1e300), y)
    assert np.array_equal(made.W, before)
    assert made.state["seen"] == seen


@pytest.mark.parametrize("rule", RULES)
def test_a_layer_comes_back_from_its_file_and_goes_on_learning(rule, tmp_path):
    x, y = lesson(12)
    made = layer(rule, activation="tanh").learn(x[:6], y[:6])
    made.provenance["data"] = "normal"
    found = ln.load(made.save(tmp_path / "units.h5"))
    assert found.provenance["data"] == "normal"
    assert (found.config, found.rule) == (made.config, made.rule)
    for one in (made, found):
        one.learn(x[6:], y[6:])
    assert made.W.tobytes() == found.W.tobytes()
    assert made.state.keys() == found.state.keys()
    assert all(np.array_equal(made.state[name], found.state[name]) for name in made.state)


def test_a_file_that_was_edited_is_refused(tmp_path):
    path = layer().save(tmp_path / "units.h5")
    whole = path.read_bytes()
    for edit, match in (
        (lambda file: file.attrs.update(config=np.bytes_(json.dumps(layer().config | {"channels": 5}))), "W has shape"),
        (lambda file: file["rule"].attrs.update(name=np.bytes_("hopfield")), "unit rule 'hopfield' is unknown"),
        (lambda file: file["rule"].attrs.update(seen=-1), "has seen -1"),
        (lambda file: file["W"].write_direct(np.full(file["W"].shape, np.nan, np.float32)), "W .*NaN"),
        (lambda file: file["rule"].create_dataset("more", data=1.0), "keeps .*more"),
    ):
        path.write_bytes(whole)
        with h5py.File(path, "r+") as file:
            edit(file)
        with pytest.raises(FileFormatError, match=match):
            ln.load(path)


def test_a_rule_that_nobody_registered_goes_into_no_file(tmp_path):
    class Own(UnitHeads):
        name = "own"

    with pytest.raises(ArgumentError, match=r"rule 'own' is not one of localnoise's or a plug-in's .* register its"):
        layer(Own()).save(tmp_path / "units.h5")
    assert not (tmp_path / "units.h5").exists()
