"""Arms whose noise learned from rewards, and their central counterparts: what they are, and what they refuse."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from localnoise.errors import ArgumentError
from localnoise.sims import models
from localnoise.sims.data import load
from localnoise.sims.data.tensors import to_tensor
from localnoise.sims.defenses import DEFENSES, Lesson, Rewarding, named, rewarded
from localnoise.sims.defenses.spelled import Spelled
from localnoise.sims.models import training

TRAIN = 600
SHORT = {"turns": 1, "draws": 1}
PLANS = {
    "three-factor": Rewarding(**SHORT),
    "isotropic": Rewarding(start="isotropic", reward="change", **SHORT),
    "reparametrised": Rewarding(by="reparametrised", rate=0.01, **SHORT),
    "penalty": Rewarding(by="none", penalty=0.1),
    "adversarial": Rewarding(by="none", adversarial=0.9),
}


@pytest.fixture(scope="module")
def lesson() -> Lesson:
    torch.set_num_threads(1)
    data = load()
    images, labels = to_tensor(data.train_images[:TRAIN]), torch.from_numpy(data.train_labels[:TRAIN].astype(np.int64))
    network = models.build("v1", seed=0)
    training.train_base(network, images, labels, epochs=1, seed=0)
    h = training.activations(network.front, images)
    d = training.activations(network.front, images.roll(2, 3)) - h
    return Lesson(
        front=network.front,
        back=lambda seed: models.build("v1", seed=seed).back,
        images=images,
        labels=labels,
        epochs=1,
        seed=5,
        modified=lambda draw: images.roll(2, 3),
        displaced=lambda: (d, h),
        variance=0.7,
        draws=3,
    )


@pytest.mark.parametrize("plan", PLANS)
def test_each_is_a_noisy_network_at_the_sources_variance(lesson: Lesson, plan: str) -> None:
    attacked = 0.1 if plan == "adversarial" else None
    given = replace(lesson, facts={}, attacked=attacked)
    predictor = rewarded(given, PLANS[plan])
    grid = predictor.noise.noise  # type: ignore[attr-defined]
    assert grid.variance().mean() == pytest.approx(0.7, rel=1e-3)
    assert predictor.draws == 3
    assert not predictor.training
    start = rewarded(replace(lesson, facts={}), Rewarding(by="none", start=PLANS[plan].start))
    learns = PLANS[plan].by != "none"
    same = np.array_equal(grid.field.B, start.noise.noise.field.B)  # type: ignore[attr-defined]
    assert same == (not learns)
    assert ("reward.first" in given.facts) == learns
    weights = (dict(one.back.named_parameters()) for one in (predictor, start))
    assert any(not torch.equal(*pair) for pair in zip(*(own.values() for own in weights), strict=True)) == (
        learns or plan in ("penalty", "adversarial")
    )


@pytest.mark.parametrize("plan", ["reparametrised", "penalty", "adversarial"])
def test_what_needs_backpropagation_says_so_with_a_local_training(lesson: Lesson, plan: str) -> None:
    with pytest.raises(ArgumentError, match=r"training='local-heads': its .* cross the later layers"):
        rewarded(replace(lesson, by="local-heads"), PLANS[plan])


def test_three_factors_need_none(lesson: Lesson) -> None:
    """The later layers learn by heads of their own, the noise by rewards: nothing crosses a layer backward."""
    given = replace(lesson, by="local-heads", facts={})
    learned, same = (rewarded(given, Rewarding(reward=reward, **SHORT)) for reward in (None, "change"))
    assert np.array_equal(learned.noise.noise.field.B, same.noise.noise.field.B)  # type: ignore[attr-defined]
    with pytest.raises(ArgumentError, match="its noise needs gradients that cross the later layers"):
        rewarded(given, Rewarding(reward="lesson", **SHORT))


def test_a_rule_like_the_others_as_an_arm() -> None:
    arm = named("grid:rule=three-factor:parents=4:rate=2")
    assert arm.train is not None
    assert not arm.central
    assert arm.name == "grid:rule=three-factor:rate=2:parents=4"
    assert not DEFENSES["three-factor-8"].central
    assert DEFENSES["reparametrised-8"].central
    spelled = "rewarded:by=reparametrised:reward=change:turns=2:variance=1.5"
    assert Rewarding.parse(spelled).name == spelled
    assert named(spelled).central
    assert named("rewarded:start=isotropic").label == "isotropic K=8, three-factor"
    for wrong, said in (("rewarded:turn=2", "did you mean 'turns'"), ("rewarded:turns=x", "expected a whole number")):
        with pytest.raises(ArgumentError, match=said):
            named(wrong)
    for given in ({"signal": "local"}, {"weight_bits": 8}, {"share": "places"}, {"scope": "local"}):
        with pytest.raises(ArgumentError, match="expected none with rule='three-factor'"):
            Spelled(rule="three-factor", **given)  # type: ignore[arg-type]


def test_bad_plans(lesson: Lesson) -> None:
    for given, said in (
        ({"by": "gradient"}, "by='gradient'"),
        ({"start": "identity"}, "expected one of 'moments', 'isotropic'"),
        ({"reward": "los"}, "did you mean 'loss'"),
        ({"turns": 0}, "turns=0"),
        ({"rate": -1.0}, "rate=-1"),
        ({"adversarial": 1.5}, r"expected a share of each batch in \[0, 1\]"),
        ({"penalty": -1.0}, "penalty=-1"),
        ({"by": "none", "turns": 3}, "turns=3: expected none with by='none'"),
        ({"by": "reparametrised", "spread": 0.1}, "spread=0.1: expected none with by='reparametrised'"),
        ({"rate": 0.0, "spread": 0.0}, "rate=0 and spread=0"),
    ):
        with pytest.raises(ArgumentError, match=said):
            Rewarding(**given)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="name a source"):
        rewarded(replace(lesson, displaced=None), Rewarding())
