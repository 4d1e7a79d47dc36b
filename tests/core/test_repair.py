"""Repair: the ways back are local least squares, the gate is calibrated and says when nothing fits."""

import json
import warnings

import h5py
import numpy as np
import pytest
from small_repairs import CHANNELS, SHAPE, UNITS, activations, blurred, dimmed

import localnoise as ln
from localnoise.errors import ArgumentError, FewInputsWarning, LocalnoiseWarning
from localnoise.repair.gate import fitted, softmax
from localnoise.repair.laws import voters


def neighborhood(u, radius):
    y, x = divmod(u, SHAPE[1])
    rows = range(max(0, y - radius), min(SHAPE[0], y + radius + 1))
    return [r * SHAPE[1] + c for r in rows for c in range(max(0, x - radius), min(SHAPE[1], x + radius + 1))]


@pytest.mark.parametrize("radius", [0, 1, 2])
def test_a_way_back_is_the_local_ridge_regression_of_what_is_missing(clean, radius):
    """Each unit's normal equations, written out, on what is not held out."""
    ridge, learned = 1e-3, slice(0, 1500 - 256)
    repair = ln.Repair(SHAPE, CHANNELS, radius=radius, ridge=ridge, dtype="float64").learn("b", blurred(clean), clean)
    x, r = (part.reshape(1500, CHANNELS, UNITS).astype(float) for part in (blurred(clean), clean - blurred(clean)))
    back = repair.members[1].back.mean(blurred(clean[:50]))
    for u in range(UNITS):
        seen = np.concatenate([np.ones((1500, 1)), *(x[:, :, v] for v in neighborhood(u, radius))], axis=1)
        A, b = seen[learned].T @ seen[learned], seen[learned].T @ r[learned, :, u]
        penalty = ridge * (1500 - 256) * np.diag([0.0] + [1.0] * (seen.shape[1] - 1))
        expected = seen[:50] @ np.linalg.solve(A + penalty, b)
        assert np.allclose(back.reshape(50, CHANNELS, UNITS)[:, :, u], expected, atol=1e-5)


def test_what_can_be_undone_is_undone_and_clean_is_left_alone(repair, held):
    for name, move in (("blur", blurred), ("dim", dimmed)):
        fixed, posterior = repair(move(held))
        before, after = np.square(move(held) - held).mean(), np.square(fixed - held).mean()
        assert after < {"blur": 0.75, "dim": 0.05}[name] * before
        assert (posterior.argmax(axis=1) == repair.sources.index(name)).mean() > 0.97
    fixed, posterior = repair(held)
    assert np.allclose(posterior.sum(axis=1), 1)
    assert (posterior[:, 0] > 0.5).mean() > 0.97


def test_what_no_law_expects_is_left_alone_too_wild_or_too_normal(repair, held):
    for strange in (held * -4, np.random.default_rng(2).normal(size=held.shape) * 3, np.zeros_like(held)):
        fixed, posterior = repair(strange)
        assert np.array_equal(fixed, strange.astype(np.float32))
        assert (posterior[:, 0] == 1).all()


def test_known_sources_are_taken_for_granted(repair, held):
    moved = dimmed(held)
    told, posterior = repair(moved, "dim")
    assert np.array_equal(posterior, np.tile([0.0, 0.0, 1.0], (len(held), 1)))
    expected = moved + repair.members[2].back.mean(moved)
    assert np.allclose(told, expected, atol=1e-6)
    half, _ = repair(moved, np.tile([0.5, 0.0, 0.5], (len(held), 1)))
    assert np.allclose(half, (moved + expected) / 2, atol=1e-6)
    assert np.array_equal(repair(moved, "clean")[0], moved)


def test_a_unit_learns_and_repairs_from_its_neighborhood_alone(clean, held):
    """Activity outside the radius changes neither the unit's weights nor what it does, to the last bit."""
    u, radius = 7, 1
    far = [v for v in range(UNITS) if v not in neighborhood(u, radius)]
    changed = blurred(clean).reshape(-1, CHANNELS, UNITS).copy()
    changed[:, :, far] = changed[:, :, far] * 0.5 + 0.1
    changed = changed.reshape(clean.shape)
    one, two = (ln.Repair(SHAPE, CHANNELS, radius=radius, ridge=1e-3).learn("b", d, clean) for d in
                (blurred(clean), changed))  # fmt: skip
    for name in ("a", "G"):
        assert np.array_equal(getattr(one.members[1].back.field, name)[u], getattr(two.members[1].back.field, name)[u])
    other = held.reshape(-1, CHANNELS, UNITS).copy()
    other[:, :, far] += 1
    fixed = [one(x.reshape(held.shape), "b")[0].reshape(-1, CHANNELS, UNITS)[:, :, u] for x in (held, other)]
    assert np.array_equal(*fixed)


def test_calibration_leaves_clean_activations_alone(clean, held):
    near = clean + 0.05 * np.random.default_rng(3).normal(size=clean.shape).astype(np.float32)
    repair = ln.Repair(SHAPE, CHANNELS, radius=1).learn("near", near, clean)

    def any_change(fixed, h):
        return np.abs(fixed - h).max(axis=(1, 2, 3)) > 1e-3

    before = any_change(repair(held)[0], held).mean()
    repair.calibrate(held, most=0.02, worse=any_change)
    assert before > 0.02 >= any_change(repair(held)[0], held).mean()
    assert repair.margins["near"] > 0


def test_margins_of_too_few_activations_are_warned_of(clean, held):
    repair = ln.Repair(SHAPE, CHANNELS, radius=1).learn("dim", dimmed(clean), clean)
    with pytest.warns(
        FewInputsWarning, match=r"clean has 199, of which a share of most=0.005 .* expected at least 200"
    ):
        repair.calibrate(held[:199])
    with warnings.catch_warnings():
        warnings.simplefilter("error", LocalnoiseWarning)
        repair.calibrate(held[:200])
        repair.calibrate(held[:50], most=0.02)


def test_a_source_like_clean_does_not_raise_the_margins_of_others(clean, held):
    near = clean + 0.05 * np.random.default_rng(3).normal(size=clean.shape).astype(np.float32)
    both = ln.Repair(SHAPE, CHANNELS, radius=1).learn("near", near, clean).learn("dim", dimmed(clean), clean)
    both.calibrate(held, most=0.02, worse=lambda fixed, h: np.abs(fixed - h).max(axis=(1, 2, 3)) > 1e-3)
    assert both.margins["near"] > 0 == both.margins["dim"]
    assert (both(dimmed(held))[1].argmax(axis=1) == 2).mean() > 0.97


@pytest.mark.parametrize("asks", [2, 3, 9])
def test_some_units_may_vote_for_all(repair, clean, held, asks, tmp_path):
    """Their own terms of the log density, per neuron that is asked; fewer laws are needed."""
    few = ln.Repair(SHAPE, CHANNELS, radius=1, asks=asks)
    few.learn("blur", blurred(clean), clean).learn("dim", dimmed(clean), clean)
    units = voters(SHAPE, asks)
    assert 0 < len(units) <= UNITS / asks
    for member, found in zip(few.members, few.log_densities(held).T, strict=True):
        e = member.law.innovations(held - member.centre).reshape(len(held), CHANNELS, UNITS)[:, :, units]
        S = member.law.field.S[units].astype(float)
        logs = np.log(np.diagonal(S, axis1=1, axis2=2)).sum() + len(units) * CHANNELS / 2 * np.log(2 * np.pi)
        assert np.allclose(found, (-np.square(e).sum(axis=(1, 2)) / 2 - logs) / len(units) / CHANNELS, atol=1e-4)
    assert few.parameters < repair.parameters
    other = ln.load(few.save(tmp_path / "r.h5"))
    assert other.asks == asks
    assert np.array_equal(other(dimmed(held))[1], few(dimmed(held))[1])
    if asks == 2:
        assert (few(dimmed(held))[1].argmax(axis=1) == 2).mean() > 0.9


@pytest.fixture(scope="module")
def undecided(clean):
    """A repair behind another one that told neither "shift" nor "turn" from clean well."""
    turn = np.arange(len(clean)) % 2
    moved = np.where(turn[:, None, None, None] == 0, np.roll(clean, 1, 3), np.roll(clean, -1, 3))
    made = ln.Repair(SHAPE, CHANNELS, radius=1).learn("dim", dimmed(clean), clean)
    return made.learn("shift", moved, clean, causes=turn)


def test_a_later_layer_decides_anew_among_some_sources(undecided, held, tmp_path):
    """Their weight is shared out by this layer's laws; all other weight stays where the earlier layer saw it."""
    said = np.tile([0.5, 0.2, 0.3], (len(held), 1))
    moved = np.roll(held, 1, 3)
    before = undecided(moved, said)[1]
    assert np.allclose(before, said)
    undecided.decide_among("shift")
    try:
        for h, right in ((held, 0), (moved, 2)):
            posterior = undecided(h, said)[1]
            assert np.allclose(posterior[:, 1], 0.2)
            assert np.allclose(posterior.sum(axis=1), 1)
            assert (posterior[:, [0, 2]].argmax(axis=1) == right // 2).mean() > 0.9
        assert np.array_equal(undecided(moved, "clean")[0], moved)  # what is known is taken for granted
        other = ln.load(undecided.save(tmp_path / "r.h5", state=False))
        assert other.among == ("clean", "shift")
        for mine, theirs in zip(undecided(moved, said), other(moved, said), strict=True):
            assert np.array_equal(mine, theirs)
        once = undecided(moved, said)
        undecided.decide_among("shift", "clean", "shift")
        assert undecided.among == ("clean", "shift")
        for mine, theirs in zip(once, undecided(moved, said), strict=True):
            assert np.array_equal(mine, theirs)
        with h5py.File(undecided.save(tmp_path / "twice.h5"), "r+") as file:  # as files were when each name counted
            file.attrs["among"] = json.dumps({"sources": ["clean", "shift", "shift"]})
        assert ln.load(tmp_path / "twice.h5").among == ("clean", "shift")
    finally:
        undecided.decide_among()
    assert np.allclose(undecided(moved, said)[1], said)


def test_the_gate_is_the_maximum_likelihood_one():
    """At the optimum the gradient is zero; scipy's own minimum is no lower."""
    from scipy.optimize import minimize

    rng = np.random.default_rng(0)
    cause = rng.integers(3, size=600)
    density = rng.normal(size=(600, 3)) + 0.8 * np.eye(3)[cause] + [0.0, 0.5, -0.5]
    gate = fitted(density, cause, width=4.0, neurons=1000)
    weight = (1 / np.bincount(cause))[cause] / 3

    def loss(p):
        q = softmax(p[0] * density + np.array([0.0, p[1], p[2]]))
        return -(weight * np.log(q[np.arange(600), cause])).sum() + 1e-3 * (p[1:] ** 2).sum()

    mine = loss(np.array([gate.scale, *gate.bias[1:]]))
    assert mine <= minimize(loss, np.zeros(3)).fun + 1e-6


def shared():
    h = activations(300, 3)
    return ln.Repair(SHAPE, CHANNELS, radius=0, share="places").learn("dim", dimmed(h), h)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda r, h: r.learn("", h, h), "expected a name"),
        (lambda r, h: r.learn("fog", h), "clean is missing"),
        (lambda r, h: r.learn("fog", h, h[:-1]), "expected as many"),
        (lambda r, h: r.learn("fog", h[:, :1], h), "expected"),
        (lambda r, h: r.learn("fog", h, h, causes=[0.5] * len(h)), "whole number"),
        (
            lambda r, h: r.learn("fog", h, h, causes=np.full(len(h), 10**9)),
            "causes goes up to 1000000000: expected 0 to",
        ),
        (lambda r, h: r.learn("fog", h, h, progress=3), "progress=3: expected a function"),
        (lambda r, h: r.learn("fog", h * np.nan, h), "NaN"),
        (lambda r, h: r.learn("fog", h[:1], h[:1]), "at least 2"),
        (lambda r, h: r.learn("fog", h, h, causes=np.arange(len(h)) // 399), "expected at least 2"),
        (lambda r, h: r.adapt("clean", h, h), "clean"),
        (lambda r, h: r.adapt("dim", h, h[:3]), "expected as many"),
        (lambda r, h: r.calibrate(h, worse=lambda fixed, clean: np.ones(len(fixed), bool)), "compares"),
        (lambda r, h: ln.Repair(SHAPE, CHANNELS).learn("d", h / 2, h, way_back=False).adapt("d", h, h), "later layer"),
        (lambda r, h: r(h, "fog"), "fog"),
        (lambda r, h: r.decide_among("fog"), "fog"),
        (lambda r, h: r(h, np.ones((2, 2))), "weights"),
        (lambda r, h: r(h, np.full((len(h), 3), 0.5)), "adds up to 1.5: expected weights that add up to 1 at most"),
        (lambda r, h: r.calibrate(h, most=2), "share"),
        (lambda r, h: r.calibrate(h, most="all"), "most='all': expected a share"),
        (lambda r, h: r(h, sources=["dim"] * len(h)), "expected one name for all, or weights"),
        (lambda r, h: r.calibrate(h[:0]), "0 activations"),
        (lambda r, h: ln.Repair(SHAPE, CHANNELS)(h), "nothing is learned"),
        (lambda r, h: ln.Repair(SHAPE, CHANNELS, share="rows"), "share"),
        (lambda r, h: ln.Repair(SHAPE, CHANNELS, radius=-1), "radius"),
        (lambda r, h: ln.Repair(SHAPE, CHANNELS, ridge=-1), "ridge"),
        (lambda r, h: ln.Repair(SHAPE, CHANNELS, asks=0), "asks"),
        (lambda r, h: ln.RepairStream(r, stay=1.0), "stay=1.0: expected a share"),
        (lambda r, h: ln.RepairStream(r, stay=None), "stay=None: expected a share"),
        (lambda r, h: ln.RepairStream("r"), "repair is str: expected a Repair"),
        (lambda r, h: r.calibrate(h, worse=5), "worse=5: expected a function"),
        (lambda r, h: r.calibrate(h, worse=lambda a, b: None), r"worse returned object of shape \(\)"),
        (lambda r, h: r.calibrate(h, worse=lambda a: a), r"worse raised TypeError .*expected a function"),
        (lambda r, h: r.calibrate(h, worse=lambda a, b: np.zeros(3, bool)), r"worse returned bool of shape \(3,\)"),
        (lambda r, h: r.calibrate(h, worse=lambda a, b: np.zeros(len(a), int)), "worse returned int64"),
        (
            lambda r, h: shared().adapt("dim", dimmed(h), h),
            r"rule='lms': .*share='places'.* expected Repair\(share='none'",
        ),
        (lambda r, h: r.expect_worth("a", [0], [0]), "expected arrays of numbers"),
        (lambda r, h: r.expect_worth([[0.0], [1.0, 2.0]], [0], [0]), "expected arrays of numbers"),
    ],
)
def test_bad_input_is_one_sentence_and_changes_nothing(repair, held, call, words):
    before = repair(held[:5])
    with pytest.raises(ArgumentError, match=words) as caught:
        call(repair, held)
    assert "\n" not in str(caught.value)
    for mine, now in zip(before, repair(held[:5]), strict=True):
        assert np.array_equal(mine, now)


@pytest.mark.parametrize("unit", [1e-8, 1e6])
def test_activations_of_any_size_are_repaired_alike(clean, held, unit, tmp_path):
    """Held-out ones are kept in half precision where that resolves them, and as they are elsewhere."""
    usual = ln.Repair(SHAPE, CHANNELS, radius=1).learn("dim", dimmed(clean), clean)
    other = ln.Repair(SHAPE, CHANNELS, radius=1).learn("dim", unit * dimmed(clean), unit * clean)
    fixed, posterior = usual(dimmed(held))
    again, likewise = ln.load(other.save(tmp_path / "r.h5"))(unit * dimmed(held))
    np.testing.assert_allclose(again / unit, fixed, atol=2e-3)
    np.testing.assert_allclose(likewise, posterior, atol=0.02)
    assert usual.members[0].kept.dtype == np.float16


def test_no_activations_are_repaired_to_none(repair, held):
    fixed, posterior = repair(held[:0])
    assert fixed.shape == (0, CHANNELS, *SHAPE)
    assert posterior.shape == (0, 3)
    assert ln.RepairStream(repair)(held[:0])[0].shape == fixed.shape
