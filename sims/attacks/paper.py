"""The `paper` protocol: ART's attacks with ART's default options, through one noise draw. Needs `art`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from localnoise.errors import MissingDependencyError, choose
from localnoise.sims.attacks.base import Bounds, Predict, Tick, batches, check_inputs, check_options, drawing
from localnoise.sims.attacks.pgd import PGD
from localnoise.sims.attacks.registry import ATTACKS
from localnoise.sims.perturbations.draws import generator_kept

# The paper's names, and the classes of the Adversarial Robustness Toolbox
PAPER_ATTACKS = {
    "fgm": "FastGradientMethod",
    "pgd": "ProjectedGradientDescent",
    "autopgd": "AutoProjectedGradientDescent",
    "square": "SquareAttack",
}
"""Attacks by the paper's names, as the Adversarial Robustness Toolbox calls them."""

_SAID = {
    "fgm": "single step along the gradient's sign",
    "pgd": "projected gradient ascent",
    "autopgd": "Auto-PGD",
    "square": "random squares, 100 of them",
}


@dataclass(frozen=True, kw_only=True)
class PaperAttack:
    """An attack of the Adversarial Robustness Toolbox, with its default options but for eps.

    As the paper's public code does it (Preble et al. 2026): each gradient, and each prediction inside the attack, is of
    one noise draw; the average over draws enters only when the examples are tested. The defaults are weak on purpose
    of comparison: PGD steps by 0.1 without a random start, Square asks 100 times. For a verdict use `adaptive`.

    Parameters
    ----------
    name : str
        "fgm", "pgd", "autopgd" or "square".
    eps : float
        Largest change of a value, in the units of the data.

    Raises
    ------
    MissingDependencyError
        When called without the Adversarial Robustness Toolbox.
    """

    name: str
    eps: float = 0.1

    def __post_init__(self) -> None:
        choose("name", self.name, PAPER_ATTACKS)
        check_options(self)

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
        """Adversarial images of the same shape.

        `batch` sets the speed; ART treats images one by one, but for Square, whose batch shares its random squares.

        Parameters
        ----------
        predictor, images, labels, bounds, seed, batch, tick
            As `Attack` takes them.

        Returns
        -------
        Tensor, (T, ...)
            In the shape of `images`.
        """
        check_inputs(images, labels, self.eps, bounds)
        if self.eps == 0:  # ART refuses it
            return images.clone()
        out = []
        with generator_kept(), drawing(predictor, 1):
            np.random.seed(seed % 2**32)  # noqa: NPY002  the only stream that ART draws from
            for x0, y in batches(images, labels, batch):
                attack = self._art(predictor, x0, bounds)
                found = attack.generate(x=x0.cpu().numpy(), y=y.cpu().numpy())
                out.append(torch.from_numpy(found).to(x0))
                if tick is not None:
                    tick(len(x0))
        return torch.cat(out)

    def _art(self, predictor: Predict, images: Tensor, bounds: Bounds) -> Any:
        try:
            from art.attacks import evasion
            from art.estimators.classification import PyTorchClassifier
        except ImportError as error:
            raise MissingDependencyError(
                "the paper's attacks need the Adversarial Robustness Toolbox: pip install 'localnoise[robustness]'"
            ) from error
        with torch.no_grad():
            classes = predictor(images[:1]).shape[1]
        classifier = PyTorchClassifier(
            model=_Plain(predictor),
            loss=nn.CrossEntropyLoss(),
            input_shape=tuple(images.shape[1:]),
            nb_classes=classes,
            clip_values=bounds or (-np.inf, np.inf),  # its Square needs some
            device_type="gpu" if images.is_cuda else "cpu",
        )
        quiet = {} if self.name == "fgm" else {"verbose": False}  # no progress bars; FGM has none
        return getattr(evasion, PAPER_ATTACKS[self.name])(classifier, eps=self.eps, batch_size=len(images), **quiet)


class _Plain(nn.Module):
    """A predictor that ART may call, but not switch between training and evaluation."""

    def __init__(self, predictor: Predict) -> None:
        super().__init__()
        self._call = (predictor,)

    def forward(self, x: Tensor) -> Tensor:
        return self._call[0](x)


def _maker(name: str) -> Callable[[PGD, float], PaperAttack]:
    def make(settings: PGD, eps: float) -> PaperAttack:
        return PaperAttack(name=name, eps=eps)

    make.__doc__ = f"The paper's {_SAID[name]}, by the Adversarial Robustness Toolbox with its default options."
    return make


for _name in PAPER_ATTACKS:
    ATTACKS.register(f"art-{_name}")(_maker(_name))
