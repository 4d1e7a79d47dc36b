"""What a repair learns of: more sources, iterators, a device with errors, causes of one source, what changes."""

import warnings

import h5py
import numpy as np
import pytest
from small_repairs import CHANNELS, SHAPE, activations, blurred, dimmed

import localnoise as ln
from localnoise.errors import ArgumentError, RidgeWarning


def test_more_sources_leave_the_others_as_they_are(repair, clean):
    before = [(m.back.field.G.copy(), m.law.field.S.copy()) for m in repair.members[1:]]
    more = ln.Repair(SHAPE, CHANNELS, radius=1)
    more.members = list(repair.members)
    more.learn("lift", clean + 0.5, clean)
    assert more.sources == ["clean", "blur", "dim", "lift"]
    for (G, S), member in zip(before, more.members[1:3], strict=True):
        assert np.array_equal(G, member.back.field.G)
        assert np.array_equal(S, member.law.field.S)
    assert more(clean[:9] + 0.5)[1].argmax(axis=1).tolist() == [3] * 9


def test_iterators_and_data_sets_teach_what_arrays_teach(repair, clean, tmp_path):
    def pairs():
        for first in range(0, len(clean), 170):
            yield blurred(clean[first : first + 170]), clean[first : first + 170]

    with h5py.File(tmp_path / "h.h5", "w") as file:
        file["d"], file["h"] = blurred(clean), clean
        for given in ((pairs(),), (file["d"], file["h"])):
            other = ln.Repair(SHAPE, CHANNELS, radius=1).learn("blur", *given)
            for mine, theirs in zip(repair.members[:2], other.members, strict=True):
                assert np.array_equal(mine.kept, theirs.kept)
                assert np.array_equal(mine.law.field.B, theirs.law.field.B)
            assert np.array_equal(repair.members[1].back.field.G, other.members[1].back.field.G)


def test_a_source_goes_on_learning(clean):
    first, more = clean[:300], activations(3000, 5)
    repair = ln.Repair(SHAPE, CHANNELS, radius=1, ridge=1e-4).learn("b", blurred(first), first)
    few = repair.members[1]
    repair.learn("b", blurred(more), more)
    assert repair.members[1].seen == few.seen + 3000
    assert repair.members[1].law.rule.ridge == few.law.rule.ridge
    error = [np.square(m.back.mean(blurred(clean)) + blurred(clean) - clean).mean() for m in (few, repair.members[1])]
    assert error[1] < error[0]


def rough(h, seed):
    """What a device gives in the place of h: errors that no lesson had."""
    return (h + 0.1 * np.random.default_rng(seed).normal(size=h.shape)).astype(np.float32)


@pytest.mark.parametrize("share", ["none", "all"])
def test_a_repair_can_be_told_of_a_devices_errors(clean, share):
    """Its laws become as wide as what is held out, and activations with errors are recognised again."""
    repair = ln.Repair(SHAPE, CHANNELS, radius=1, share=share)
    repair.learn("blur", blurred(clean), clean).learn("dim", dimmed(clean), clean)
    h, own = activations(300, 5), {"clean": lambda h: h, "blur": blurred, "dim": dimmed}
    told = repair.with_held_out([rough(own[member.source](h), 6) for member in repair.members])
    fresh, before = activations(300, 7), [member.law.field.S.copy() for member in repair.members]
    for name, apply in own.items():
        at, x = repair.sources.index(name), rough(apply(fresh), 8)
        assert told.posterior(x)[:, at].mean() > 0.95
        assert name == "clean" or repair.posterior(x)[:, at].mean() < 0.8
        law = told.members[at].law
        e = law.innovations(x - told.members[at].centre)
        assert np.square(e).mean() == pytest.approx(1, abs=0.1), "its innovations are of unit variance again"
    assert all(np.array_equal(old, member.law.field.S) for old, member in zip(before, repair.members, strict=True))
    same = repair.with_held_out([own[member.source](fresh) for member in repair.members])
    assert np.abs(same.posterior(dimmed(h)) - repair.posterior(dimmed(h))).mean() < 0.02
    for held, words in (
        ([h, h], "held has 2 arrays: expected one for each of the 3 members, clean, blur, dim"),
        ([h, h, h[:1]], r"held\[2\] has 1 activations of 'dim'"),
        ([h, h, h[:, :1]], r"held\[2\]"),
    ):
        with pytest.raises(ArgumentError, match=words):
            repair.with_held_out(held)


def test_causes_share_a_source_and_are_told_apart(held, clean):
    turn = np.arange(len(clean)) % 2
    moved = np.where(turn[:, None, None, None] == 0, np.roll(clean, 1, 3), np.roll(clean, -1, 3))
    one = ln.Repair(SHAPE, CHANNELS, radius=1).learn("shift", moved, clean)
    two = ln.Repair(SHAPE, CHANNELS, radius=1).learn("shift", moved, clean, causes=turn)
    assert two.sources == ["clean", "shift"]
    assert [member.source for member in two.members] == ["clean", "shift", "shift"]
    x = np.roll(held, 1, 3)
    error = [np.square(r(x, "shift")[0] - held).mean() for r in (one, two)]
    assert error[1] < 0.7 * error[0]


def test_a_source_may_be_recognised_and_left_to_a_later_layer(repair, clean, held, tmp_path):
    both = ln.Repair(SHAPE, CHANNELS, radius=1).learn("blur", blurred(clean), clean)
    both.learn("dim", dimmed(clean), clean, way_back=False)
    both = ln.load(both.save(tmp_path / "r.h5"))
    fixed, posterior = both(dimmed(held))
    assert np.array_equal(posterior, repair(dimmed(held))[1])
    sure = posterior[:, 2] > 0.9999
    assert sure.mean() > 0.5
    assert np.allclose(fixed[sure], dimmed(held)[sure], atol=1e-3)
    assert both.parameters < repair.parameters


def test_a_stream_is_the_forward_algorithm_in_any_batches(repair, held):
    x = np.concatenate([held[:30], blurred(held[30:60]), dimmed(held[60:90])])
    stream = ln.RepairStream(repair, stay=0.9)
    whole = stream(x)
    stream.reset()
    parts = [stream(x[:7]), stream(x[7:40]), stream(x[40:])]
    for k in (0, 1):
        assert np.array_equal(whole[k], np.concatenate([part[k] for part in parts]))
    density = repair.log_densities(x)
    likely, p = np.exp(repair.gate.scores(density) - repair.gate.scores(density).max(axis=1, keepdims=True)), None
    for t in range(len(x)):
        ahead = np.full(3, 1 / 3) if p is None else p
        p = likely[t] * (0.9 * ahead + 0.1 / 3)
        p /= p.sum()
        assert np.allclose(repair.gate.typical(p[None], density[[t]])[0], whole[1][t], atol=1e-9)


def test_activations_far_from_zero_are_warned_of(clean, held):
    """There a ridge that is a share of their mean square undoes too little; nearer to it nothing is lost."""
    for off, left in ((3.0, 1e-4), (60.0, 1.0)):
        repair = ln.Repair(SHAPE, CHANNELS, radius=0)
        moved = (off + 0.6 * clean).astype(np.float32)
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("always")
            repair.learn("dim", moved, (off + clean).astype(np.float32))
        assert [one.category for one in found] == [RidgeWarning] * (off > 50)
        assert all("of their standard deviations from 0" in str(one.message) for one in found)
        fixed, aim = repair((off + 0.6 * held).astype(np.float32), "dim")[0], off + held
        assert np.square(fixed - aim).mean() < left * np.square(0.4 * held).mean()


def test_a_source_that_changes_is_followed(clean, held):
    repair = ln.Repair(SHAPE, CHANNELS, radius=0).learn("dim", dimmed(clean), clean)
    error = [np.square(repair(0.4 * held, "dim")[0] - held).mean()]
    for _ in range(3):
        repair.adapt("dim", 0.4 * clean, clean)
        error.append(np.square(repair(0.4 * held, "dim")[0] - held).mean())
    assert error[-1] < 0.3 * error[0]
    with pytest.raises(ArgumentError, match="adapted"):
        repair.learn("dim", 0.4 * clean, clean)


@pytest.mark.filterwarnings("ignore:d has .* displacements")
@pytest.mark.parametrize(("batch", "count"), [(1, 90), (20, 600), (400, 800)])
def test_the_gate_follows_a_source_that_changes(clean, held, batch, count):
    """What was adapted to is told by the gate as by name, whether pairs come one at a time or many."""
    repair = ln.Repair(SHAPE, CHANNELS, radius=0).learn("dim", dimmed(clean), clean)
    for scale in (0.35, 0.45, 0.6):
        for first in range(0, count, batch):
            part = clean[np.arange(first, first + batch) % len(clean)]
            repair.adapt("dim", scale * part, part)
    fixed, posterior = repair(0.6 * held)
    assert (posterior.argmax(axis=1) == 1).mean() > 0.8
    told = repair(0.6 * held, "dim")[0]
    assert np.square(fixed - held).mean() < 1.2 * np.square(told - held).mean()
    assert (repair(held)[1].argmax(axis=1) == 0).mean() > 0.95, "clean is left alone"
    assert len(repair.members[1].kept) == 256


@pytest.mark.filterwarnings("ignore:d has .* displacements")
def test_one_small_batch_leaves_the_gate_what_it_knew(clean, held):
    repair = ln.Repair(SHAPE, CHANNELS, radius=0).learn("dim", dimmed(clean), clean)
    before = repair.posterior(dimmed(held)).argmax(axis=1)
    kept = repair.members[1].kept
    repair.adapt("dim", 0.35 * clean[:20], clean[:20])
    assert (repair.posterior(dimmed(held)).argmax(axis=1) == before).mean() > 0.95
    now = repair.members[1].kept
    grown = min(len(kept) + 4, 256)
    assert len(now) == grown
    np.testing.assert_array_equal(now[:-4], kept[len(kept) + 4 - grown :])
    np.testing.assert_allclose(now[-4:], 0.35 * clean[16:20], atol=2e-3)


def test_a_way_back_that_follows_alone_leaves_all_that_decides(clean, held):
    repair = ln.Repair(SHAPE, CHANNELS, radius=0).learn("dim", dimmed(clean), clean)
    repair.calibrate(held)
    density = repair.log_densities(held)
    repair.expect_worth(density, np.arange(len(held)) % 2, np.linspace(-1, 1, len(held)))
    repair.margins = {"clean": 0.0, "dim": 3.0}
    members, worth, before = repair.members, repair.worth, repair.posterior(0.4 * held)
    repair.adapt("dim", 0.4 * clean, clean, law=False)
    assert repair.worth is worth is not None
    assert repair.margins == {"clean": 0.0, "dim": 3.0}
    assert [new.law is old.law for new, old in zip(repair.members, members, strict=True)] == [True, True]
    assert repair.members[1].back is not members[1].back
    np.testing.assert_array_equal(repair.posterior(0.4 * held), before)
    repair.adapt("dim", 0.4 * clean, clean)
    assert repair.worth is None  # of other laws


def test_a_source_that_is_known_keeps_its_way_back_or_has_none(clean):
    repair = ln.Repair(SHAPE, CHANNELS, radius=0).learn("dim", dimmed(clean), clean)
    repair.learn("blur", blurred(clean), clean, way_back=False)
    for source, way_back in (("dim", False), ("blur", True)):
        with pytest.raises(ArgumentError, match=f"way_back={way_back}: source '{source}' was learned with way_back="):
            repair.learn(source, dimmed(clean), clean, way_back=way_back)
    assert repair.learn("blur", blurred(clean), clean, way_back=False).members[2].back is None
