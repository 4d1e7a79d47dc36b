"""Arms whose noise learned what it is good for, their central counterparts, and noise beside adversarial training."""

from dataclasses import replace
from typing import Any

from localnoise.sims.defenses.defense import Defense
from localnoise.sims.defenses.registry import register
from localnoise.sims.defenses.reward_plan import ISOTROPIC, NOTHING, REPARAMETRISED, Rewarding


def _arm(name: str, summary: str, **plan: Any) -> Defense:
    return replace(Defense.of_rewards(Rewarding(**plan), name), summary=summary)


REWARDED = (
    _arm("three-factor-8", "multiscale-8 that goes on learning from rewards of the later layers."),
    _arm(
        "three-factor-isotropic-8",
        "Isotropic noise of eight parents that learns from rewards alone.",
        start=ISOTROPIC,
    ),
    _arm(
        "reparametrised-8",
        "three-factor-8 by backpropagation through the draw: central.",
        by=REPARAMETRISED,
    ),
    _arm(
        "reparametrised-isotropic-8",
        "three-factor-isotropic-8 by backpropagation: central.",
        by=REPARAMETRISED,
        start=ISOTROPIC,
    ),
    _arm(
        "penalty-8",
        "multiscale-8; later layers also keep what passes of its covariance small.",
        by=NOTHING,
        penalty=0.01,
    ),
    _arm(
        "adversarial-90-noise-8",
        "adversarial-90 beside the noise of multiscale-8.",
        by=NOTHING,
        adversarial=0.9,
    ),
    _arm(
        "adversarial-90-three-factor-8",
        "adversarial-90 beside the noise of three-factor-8.",
        adversarial=0.9,
    ),
)
register(*REWARDED)
