"""An attack that goes around a gate: its weights count as constants, so that what they choose is attacked alone."""

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from localnoise.sims.attacks.base import Attack, Bounds, Predict, Tick


@dataclass(frozen=True, kw_only=True)
class GateBypassed:
    """Attack with gradients that do not go through a repair's gate, saturated as it mostly is.

    Parameters
    ----------
    attack : Attack
        What is run so.
    """

    attack: Attack

    @property
    def eps(self) -> float:
        """Radius of the attack's ball."""
        return self.attack.eps

    @staticmethod
    def fits(predictor: Predict) -> bool:
        """Return whether a predictor has a gate to go around."""
        return hasattr(getattr(predictor, "noise", None), "constant")

    def __call__(
        self,
        predictor: Predict,
        images: Tensor,
        labels: Tensor,
        *,
        bounds: Bounds,
        seed: int = 0,
        batch: int = 250,
        tick: Tick | None = None,
    ) -> Tensor:
        """Adversarial images; what the gate decides at each step is right, its gradient is left out."""
        defense: Any = predictor
        with defense.noise.constant():
            return self.attack(predictor, images, labels, bounds=bounds, seed=seed, batch=batch, tick=tick)
