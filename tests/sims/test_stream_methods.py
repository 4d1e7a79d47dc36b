"""Methods that meet a stream: running and batch normalisation, entropy, matching, and repair that follows."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from localnoise import Repair
from localnoise.errors import ArgumentError
from localnoise.sims.attacks import PGD
from localnoise.sims.data import load
from localnoise.sims.defenses import Repairing
from localnoise.sims.evaluation.source import Source
from localnoise.sims.experiments import testbed
from localnoise.sims.experiments.settings import Settings
from localnoise.sims.models import build
from localnoise.sims.streaming import planned
from localnoise.sims.streaming.arms import ARMS
from localnoise.sims.streaming.entropy import RDumb, Statistics, Tent, entropy
from localnoise.sims.streaming.norms import BatchNormed, RunningNormed, with_norms
from localnoise.sims.streaming.schedule import StreamPlan, levels
from localnoise.sims.streaming.study import StreamSettings, StreamStudy
from localnoise.sims.streaming.temporal import Matched
from localnoise.sims.streaming.workshop import HELD, MIXED, Workshop

# Batch normalisation


def network() -> nn.Module:
    made = build("v2-bn", "tanh", 2, 0)
    model = nn.Sequential(made.front, made.back).train()
    with torch.no_grad():
        for _ in range(3):
            model(torch.rand(32, 1, 28, 28, generator=torch.Generator().manual_seed(1)))
    return model.eval()


def inputs(count: int = 40) -> torch.Tensor:
    return (
        torch.rand(count, 1, 28, 28, generator=torch.Generator().manual_seed(2))
        * torch.linspace(0.2, 1, count)[:, None, None, None]
    )


def test_a_running_average_is_batch_1_whatever_the_batch() -> None:
    model, x = network(), inputs()
    with torch.no_grad():
        whole, single = Statistics(model, share=0.1), Statistics(model, share=0.1)
        torch.testing.assert_close(whole(x), torch.cat([single(one[None]) for one in x]), rtol=1e-4, atol=1e-5)
        assert not torch.equal(whole(x), model(x))
        assert whole.state_bytes == 2 * 4 * (6 + 16 + 16)


def test_statistics_of_the_batch_are_torch_s_own() -> None:
    model, x = network(), inputs()
    with torch.no_grad():
        expected = with_norms(model, lambda norm: norm)
        for part in expected.modules():
            part.training = isinstance(part, nn.BatchNorm2d)
        torch.testing.assert_close(Statistics(model, batch=40)(x), expected(x), rtol=1e-4, atol=1e-5)
        only_prior = Statistics(model, prior=1e9, batch=40)(x)
        torch.testing.assert_close(only_prior, model(x), rtol=1e-4, atol=1e-5)


def test_tent_steps_down_the_entropy_by_scales_and_offsets_alone() -> None:
    model, x = network(), inputs()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    tent = Tent(model, rate=1e-2, batch=20)
    first = tent(x[:20])
    with torch.no_grad():
        torch.testing.assert_close(first, Statistics(model, batch=20)(x[:20]), rtol=1e-4, atol=1e-5)
    for _ in range(10):
        last = tent(x[:20])
    assert entropy(last).mean() < entropy(first).mean()
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    norms = [part for part in tent.model.modules() if isinstance(part, BatchNormed)]
    moved = {id(p) for part in norms for p in (part.weight, part.bias)}
    assert {id(p) for p in tent.model.parameters() if p.requires_grad} == moved
    assert tent.gradient_bytes > 20 * 784 * 4


def test_rdumb_forgets_everything_after_its_batches() -> None:
    model, x = network(), inputs()
    with torch.no_grad():
        model[1][-1].weight *= 50  # sure enough to be learned from
        expected = Statistics(model, batch=20)(x[:20])
    rdumb = RDumb(model, rate=0.5, margin=2.0, reset=3, batch=20)
    assert torch.equal(rdumb(x[:20]), expected)
    assert not torch.equal(rdumb(x[:20]), expected)
    rdumb(x[20:])
    assert torch.equal(rdumb(x[:20]), expected)


def test_a_network_without_batch_normalisation_says_so() -> None:
    with pytest.raises(ArgumentError, match="has no batch normalisation"):
        Tent(build("v2", "tanh", 2, 0).back, rate=1e-3)
    norm = nn.BatchNorm2d(3, affine=False)
    with pytest.raises(ArgumentError, match="no running statistics or no scale"):
        RunningNormed(norm, 0.1)


# Repair, and what can be had without pairs


def test_matching_brings_mean_and_variance_back_image_by_image() -> None:
    rng = np.random.default_rng(0)
    clean = rng.normal(1.0, 0.5, size=(4000, 2, 1, 1)).astype(np.float32)
    moved = 3 + 4 * rng.normal(1.0, 0.5, size=(4000, 2, 1, 1)).astype(np.float32)
    fixed = Matched(clean, 0.01).step(moved)[2000:]
    np.testing.assert_allclose(fixed.mean(axis=0), clean.mean(axis=0), atol=0.05)
    np.testing.assert_allclose(fixed.std(axis=0), clean.std(axis=0), rtol=0.1)
    one = Matched(clean, 0.01)
    np.testing.assert_array_equal(
        np.concatenate([one.step(moved[i : i + 1]) for i in range(30)]), Matched(clean, 0.01).step(moved[:30])
    )
    only_mean = Matched(clean, 0.01, variance=False).step(moved)[2000:]
    np.testing.assert_allclose(only_mean.std(axis=0), moved.std(axis=0), rtol=0.1)


@pytest.fixture(scope="module")
def shop(small_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    torch.set_num_threads(1)
    bench = testbed.Testbed(load("full", small_dir), 0, 1, PGD(), 1, tmp_path_factory.mktemp("networks"), "v1")
    bench.train_base()
    sources = tuple(Source.default(name, level).of(300) for name, level in (("brighten", 0.5), ("contrast", 5.0)))
    return Workshop(bench, sources, MIXED, 0.3, Repairing(), lambda what, done, of: None)


def met(shop: Workshop, count: int = 60) -> torch.Tensor:
    """Clean images, then some of less contrast."""
    from localnoise.sims import perturbations

    x = shop.bench.test[0]
    return torch.cat([x[:20], perturbations.apply("contrast", x[20:count], 4.0, 3)])


def test_the_filter_gives_one_by_one_what_it_gives_a_batch(shop: Workshop) -> None:
    x = met(shop)
    with torch.no_grad():
        whole, single = shop.filtered(0.9, True), shop.filtered(0.9, True)
        torch.testing.assert_close(whole(x), torch.cat([single(one[None]) for one in x]), rtol=1e-4, atol=1e-5)
        without = shop.filtered(0.0, True)  # no memory: the gate of each image alone
        torch.testing.assert_close(without(x), shop.repaired()(x), rtol=1e-3, atol=1e-4)
    assert whole.state_bytes == 8 * 3
    assert whole.parameter_bytes == 4 * shop.learned.parameters > 0


def test_a_learner_learns_at_the_same_places_whatever_the_batch(shop: Workshop) -> None:
    x = torch.cat([met(shop)[20:], met(shop)[20:], met(shop)[20:]])
    before = [member.back.field.a.copy() for member in shop.learned.repairs["0"].members if member.back is not None]
    found = []
    for parts in ([120], [7, 53, 60]):
        method = shop.filtered(0.99, False, rate=0.1)
        assert method.learner is not None
        method.learner.every = 60  # type: ignore[attr-defined]
        with torch.no_grad():
            found.append(torch.cat([method(part) for part in x.split(parts)]))
        learner: Any = method.learner
        assert learner.lessons == 2
        assert {name for name, _ in learner.levels} == {"contrast@5"}
        assert all(level in levels("contrast", 5.0, 0.3) for _, level in learner.levels)
        assert learner.state_bytes > 128 * 784
    torch.testing.assert_close(found[0], found[1], rtol=1e-3, atol=1e-4)
    still = shop.filtered(0.99, False)
    with torch.no_grad():
        calm = still(x)
    torch.testing.assert_close(found[0][:60], calm[:60], rtol=1e-4, atol=1e-5)
    assert not torch.allclose(found[0][60:], calm[60:], atol=1e-5)
    after = [member.back.field.a for member in shop.learned.repairs["0"].members if member.back is not None]
    assert all((new == old).all() for new, old in zip(after, before, strict=True))  # those of others stay


def test_a_lesson_changes_ways_back_and_nothing_that_decides(shop: Workshop) -> None:
    method, x = shop.filtered(0.99, False, rate=0.1), torch.cat([met(shop)[20:], met(shop)[20:]])
    learner: Any = method.learner
    learner.every = 60
    with torch.no_grad():
        method(x[:59])
    ways = [[m.back for m in repair.members] for repair in learner._repairs]
    decided = [(r.worth, r.margins, r.among, r.posterior(seen(r))) for r in learner._repairs]
    assert decided[0][0] is not None
    with torch.no_grad():
        method(x[59:60])
    assert learner.lessons == 1
    for repair, old, (worth, margins, among, posterior) in zip(learner._repairs, ways, decided, strict=True):
        assert (repair.worth, repair.margins, repair.among) == (worth, margins, among)
        np.testing.assert_array_equal(repair.posterior(seen(repair)), posterior)
        assert [m.back is not way for m, way in zip(repair.members, old, strict=True)] == [
            m.source == "contrast@5" for m in repair.members
        ]
    for layer, repair in zip(learner._later, learner._repairs[1:], strict=True):
        assert layer.repair is repair


def test_an_image_that_is_worth_no_repair_does_not_end_what_acts(shop: Workshop) -> None:
    found = []
    for parts in ([30], [1, 9, 20]):
        method = shop.filtered(0.9, True, rate=0.1)
        learner: Any = method.learner
        learner.every = 1000
        posterior = np.zeros((30, 3))
        posterior[4:10, 1] = 1
        posterior[10:, 2] = 0.9
        posterior[12:20] = 0  # none of these is worth a repair
        h = seen(method.repair)
        for rows in np.split(np.arange(30), np.cumsum(parts)[:-1]):
            learner.seen(method, h[rows], posterior[rows])
        found.append((learner._now, learner._count, learner._weight))
    assert found[0] == pytest.approx(found[1])
    assert found[0] == pytest.approx((2, 20, 12 * 0.9))


def seen(repair: Repair) -> Any:
    """Activations of some kind."""
    c = repair.config
    return np.tanh(np.random.default_rng(0).normal(size=(30, c.channels, *c.shape))).astype(np.float32)


def test_a_filter_without_margins_has_none(shop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    first, x = shop.learned.repairs["0"], met(shop)
    monkeypatch.setattr(first, "margins", dict.fromkeys(first.sources[1:], 10000.0))
    with torch.no_grad():
        _, calm = shop.filtered(0.9, True).stream(seen_by(shop, x))
        _, bold = shop.filtered(0.9, False).stream(seen_by(shop, x))
    assert (calm[:, 1:] < 1e-3).all()
    assert (bold[40:, 1:].sum(axis=1) > 0.5).any()
    assert first.margins["contrast@5"] == 1e4  # another method's stay


def seen_by(shop: Workshop, x: torch.Tensor) -> Any:
    from localnoise.sims.models import folded

    return np.ascontiguousarray(folded(shop.network, shop.network.front(x)).numpy())


def test_mixed_strengths_keep_the_draw_by_which_causes_are_known(shop: Workshop) -> None:
    source = Source.default("rotate", 2.0).of(60)
    d, h = shop._displaced(source)
    by_level = []
    for level in levels("rotate", 2.0, 0.3):
        moved = shop.bench.altered(Source.default("rotate", level), count=60)
        by_level.append(np.abs(seen_by(shop, moved) - (d + h).numpy()).reshape(60, -1).max(axis=1))
    assert (np.min(by_level, axis=0) < 1e-5).all()
    assert len(np.unique(np.argmin(by_level, axis=0))) > 1


def test_choices_are_made_on_a_stream_like_the_one_to_come(shop: Workshop, tmp_path: Path) -> None:
    settings = Settings(data="full", fingerprint=shop.bench.data.fingerprint, base_epochs=1, network="v1")
    plan = StreamPlan(modifications=(("brighten", 0.5),), length=900, stay=120)
    own = StreamSettings(settings=settings, sources=shop.sources, plan=plan, strengths=MIXED, tuned=900)
    schedule = StreamStudy(own, 0, shop.bench.data, tmp_path)._stream(HELD).schedule
    assert 60 <= np.diff(schedule.starts)[1::2].min() <= np.diff(schedule.starts)[1::2].max() <= 180
    assert planned._TUNED > 64 * 1000  # a reset after 1,000 batches of 64 is met
    assert own.config(0, ARMS["repair"])["revision"] > 1
    other = replace(own, repairing=Repairing(causes=16))
    assert other.config(0, ARMS["repair"]) != own.config(0, ARMS["repair"])
    assert other.config(0, ARMS["none"]) == own.config(0, ARMS["none"])
