"""Arms whose noise learned what it is good for, their central counterparts, and noise beside adversarial training."""

from typing import Any

from localnoise.sims.defenses.defense import Defense
from localnoise.sims.defenses.registry import register
from localnoise.sims.defenses.rewarding import ISOTROPIC, NOTHING, REPARAMETRISED, Rewarding


def _arm(name: str, label: str, **plan: Any) -> Defense:
    return Defense.of_rewards(Rewarding(**plan), name, label)


REWARDED = (
    _arm("three-factor-8", "K=8, three-factor"),
    _arm("three-factor-isotropic-8", "isotropic, then three-factor K=8", start=ISOTROPIC),
    _arm("reparametrised-8", "K=8, reparametrised", by=REPARAMETRISED),
    _arm(
        "reparametrised-isotropic-8",
        "isotropic, then reparametrised K=8",
        by=REPARAMETRISED,
        start=ISOTROPIC,
    ),
    _arm("penalty-8", "K=8, covariance penalty", by=NOTHING, penalty=0.01),
    _arm("adversarial-90-noise-8", "90 % adversarial, K=8", by=NOTHING, adversarial=0.9),
    _arm("adversarial-90-three-factor-8", "90 % adversarial, K=8, three-factor", adversarial=0.9),
)
register(*REWARDED)
