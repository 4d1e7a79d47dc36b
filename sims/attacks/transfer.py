"""Adversarial examples made on another network: they need nothing from the one under attack."""

from dataclasses import dataclass

from torch import Tensor

from localnoise.sims.attacks.base import Attack, Bounds, Predict, Tick


@dataclass(frozen=True, kw_only=True)
class Transfer:
    """Attack the defense's twin and hand over what was found (Carlini et al. 2019).

    A defense that falls to its twin's examples, but not to its own gradients, hides its gradients.

    Parameters
    ----------
    twin : callable
        Images to logits; best the same network trained and run without noise.
    attack : Attack
        What is run on the twin.
    """

    twin: Predict
    attack: Attack

    @property
    def eps(self) -> float:
        """Radius of the attack's ball."""
        return self.attack.eps

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
        """Return adversarial images of the twin.

        Parameters
        ----------
        predictor, images, labels, bounds, seed, batch, tick
            As `Attack` takes them; `predictor` is not asked.

        Returns
        -------
        Tensor, (T, ...)
            In the shape of `images`.
        """
        return self.attack(self.twin, images, labels, bounds=bounds, seed=seed, batch=batch, tick=tick)
