"""The fast gradient sign method through a noisy network, averaged over its own draws (EOT)."""

from dataclasses import dataclass

from torch import Tensor

from localnoise.sims.attacks.base import Bounds, Predict, Tick, check_options
from localnoise.sims.attacks.pgd import PGD
from localnoise.sims.attacks.registry import ATTACKS


@dataclass(frozen=True, kw_only=True)
class FGSM:
    """One full step along the gradient's sign: clip(x + eps sign(g)) (Goodfellow, Shlens and Szegedy 2015).

    Parameters
    ----------
    eps : float
        Largest change of a value, in the units of the data.
    draws : int
        Noise draws that the gradient is averaged over.
    """

    eps: float = 0.1
    draws: int = 20

    def __post_init__(self) -> None:
        check_options(self, "draws")

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
        """Return adversarial images; nothing is drawn but the defense's own noise.

        Parameters
        ----------
        predictor, images, labels, bounds, seed, batch, tick
            As `Attack` takes them.

        Returns
        -------
        Tensor, (T, ...)
            In the shape of `images`.
        """
        one = PGD(eps=self.eps, steps=1, step=self.eps, draws=self.draws, random_start=False)
        return one(predictor, images, labels, bounds=bounds, seed=seed, batch=batch, tick=tick)


@ATTACKS.register("fgsm")
def _fgsm(settings: PGD, eps: float) -> FGSM:
    return FGSM(eps=eps, draws=settings.draws)
