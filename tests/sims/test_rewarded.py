"""Arms whose noise learned from rewards, and their central counterparts: what they are, and what they refuse."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from tiers import some_slow

from localnoise.errors import ArgumentError
from localnoise.nn import LocalLearner
from localnoise.sims import models
from localnoise.sims.data import load
from localnoise.sims.data.tensors import to_tensor
from localnoise.sims.defenses import DEFENSES, Lesson, Rewarding, check_crossing, named, rewarded
from localnoise.sims.defenses.grid_plan import Spelled
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


@pytest.mark.parametrize("plan", some_slow(PLANS, {"adversarial"}))
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


@pytest.mark.parametrize("plan", ["reparametrised", "penalty"])
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


def test_an_attacker_may_cross_layers_that_learn_locally(lesson: Lesson) -> None:
    """An adversarial arm under a local training: its attacks differentiate the network, its weights learn locally."""
    predictor = rewarded(replace(lesson, by="local-heads", attacked=0.1, facts={}), PLANS["adversarial"])
    assert not predictor.training


def test_the_heads_of_layers_that_learn_locally_are_kept_from_turn_to_turn(
    lesson: Lesson, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []

    class Counted(LocalLearner):
        def __init__(self, *args: Any, **how: Any) -> None:
            made.append(how["seed"])
            super().__init__(*args, **how)

    monkeypatch.setattr(training, "LocalLearner", Counted)
    rewarded(replace(lesson, by="local-heads", facts={}), Rewarding(turns=3, draws=1))
    assert len(made) == 2  # while the noise learns, and of the layers that are trained afresh


def test_no_agreement_is_made_up_where_nothing_was_halved(lesson: Lesson) -> None:
    for plan, has in ((PLANS["three-factor"], True), (PLANS["reparametrised"], False)):
        given = replace(lesson, facts={})
        rewarded(given, plan)
        assert ("reward.agreement" in given.facts) == has


def test_what_is_central_under_which_training() -> None:
    """The default reward is a number that later layers find by backpropagation, or locally the change of loss."""
    for name, central, locally, crosses in (
        ("three-factor-8", True, False, False),
        ("rewarded:reward=change", False, False, False),
        ("rewarded:reward=lesson", True, True, True),
        ("reparametrised-8", True, True, True),
        ("penalty-8", True, True, True),
        ("wca", True, True, True),
        ("int8:wca", True, True, True),
        ("adversarial-90", True, True, False),
        ("adversarial-90-noise-8", True, True, False),
        ("undefended", True, False, False),
        ("augmentation", True, False, False),
        ("full", True, True, False),
        ("multiscale-8", False, False, False),
    ):
        arm = named(name)
        assert (arm.is_central("backprop"), arm.is_central("local-heads"), arm.crosses) == (central, locally, crosses)
        assert arm.central == central
        check_crossing("backprop", [name])
        if crosses:
            with pytest.raises(ArgumentError, match=f"defense='{name}' learns from gradients that cross the layers"):
                check_crossing("local-heads", ["none", name])
        else:
            check_crossing("local-heads", ["none", name])


def test_the_same_plan_has_one_label() -> None:
    names = ("three-factor-isotropic-8", "grid:rule=three-factor:parents=8", "rewarded:start=isotropic")
    assert {named(name).label for name in names} == {"isotropic K=8, three-factor"}
    own = {named(name).label for name in ("three-factor-8", *names, "rewarded:turns=2", "rewarded:rate=1")}
    assert own == {
        "K=8, three-factor", "isotropic K=8, three-factor", "K=8, three-factor, turns 2", "K=8, three-factor, rate 1",
    }  # fmt: skip
    assert named("grid:rule=three-factor:order=raster:radius=1").label == (
        "isotropic K=8, order raster, radius 1, three-factor"
    )


def test_a_rule_like_the_others_as_an_arm() -> None:
    arm = named("grid:rule=three-factor:parents=4:rate=2")
    assert arm.train is not None
    assert arm.name == "grid:rule=three-factor:rate=2:parents=4"
    assert DEFENSES["reparametrised-8"].central
    spelled = "rewarded:by=reparametrised:reward=change:turns=2:variance=1.5"
    assert Rewarding.parse(spelled).name == spelled
    assert named(spelled).central
    for wrong, said in (("rewarded:turn=2", "did you mean 'turns'"), ("rewarded:turns=x", "expected a whole number")):
        with pytest.raises(ArgumentError, match=said):
            named(wrong)
    for given in ({"signal": "local"}, {"weight_bits": 8}, {"share": "places"}, {"scope": "local"}):
        with pytest.raises(ArgumentError, match="expected none with rule='three-factor'"):
            Spelled(rule="three-factor", **given)  # type: ignore[arg-type]


def test_baselines_and_decorrelation_reach_the_rule(lesson: Lesson) -> None:
    """Each plan takes another step from the same draws, and says so in its name and label."""
    plans = [Rewarding(**SHORT, reward="change", **own) for own in ({}, {"baseline": "none"}, {"decorrelate": True})]
    assert [plan.rule.decorrelate for plan in plans] == [False, False, True]
    assert [plan.label.rpartition(", ")[2] for plan in plans[1:]] == ["baseline none", "decorrelated"]
    assert [Rewarding.parse(plan.name) for plan in plans] == plans
    learned = [rewarded(replace(lesson, facts={}), plan).noise.noise.field.B for plan in plans]  # type: ignore[attr-defined]
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert not np.array_equal(learned[one], learned[other])


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
        ({"by": "reparametrised", "decorrelate": True}, "decorrelate=True: expected none with by='reparametrised'"),
        ({"baseline": "mean"}, "expected one of 'class', 'none'"),
        ({"by": "reparametrised", "spread": 0.1}, "spread=0.1: expected none with by='reparametrised'"),
        ({"rate": 0.0, "spread": 0.0}, "rate=0 and spread=0"),
    ):
        with pytest.raises(ArgumentError, match=said):
            Rewarding(**given)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="name a source"):
        rewarded(replace(lesson, displaced=None), Rewarding())
