"""Common parts of all attacks: how one is called, how its options are checked, how the defense's noise is drawn."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from localnoise.errors import ArgumentError
from localnoise.validate import as_count

Bounds = tuple[float, float] | None  # the lowest and highest value that data may have; None: there are none
Predict = Callable[[Tensor], Tensor]  # images to logits, with fresh draws of the noise in each call
Tick = Callable[[int], None]
_TOGETHER = 5_000  # noisy images that go through the later layers at once: about 1 GB with their gradients


class Attack(Protocol):
    """Inputs (T, ...) to adversarial ones of the same shape: no value moved by more than eps, none out of `bounds`.

    `predictor` maps inputs to logits (T, classes) with its own fresh draws of noise in each call. `labels` (T,) int64.
    `bounds` are the data's own, for every value alike: (0, 1) of pixels; None where any number is an input, as of
    standardised features: then nothing is clipped. (Standardise pixels inside the predictor, and they stay in (0, 1).)
    """

    @property
    def eps(self) -> float:
        """Radius of the L-infinity ball, in the units of the data."""

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
        """Return adversarial inputs: no value moved by more than eps, none out of `bounds`.

        Parameters
        ----------
        predictor : callable
            Inputs to logits (T, classes), with fresh draws of the noise in each call.
        images : Tensor, (T, ...)
            Inputs, floating point, within `bounds`.
        labels : Tensor of int64, (T,)
            Classes.
        bounds : pair of float or None
            Lowest and highest value of the data; None: there is none.
        seed : int
            Of the attack's own draws.
        batch : int
            Inputs at a time, at most.
        tick : callable or None
            Called with n after every n inputs.

        Returns
        -------
        Tensor, (T, ...)
            In the shape of `images`.
        """


def check_options(attack: Any, *counts: str) -> None:
    """Raise an ArgumentError unless eps is a finite number >= 0 and the named options are whole numbers >= 1."""
    if not 0 <= attack.eps < math.inf:
        raise ArgumentError(f"eps={attack.eps!r}: expected a finite number >= 0, in the units of the data")
    for name in counts:
        as_count(name, getattr(attack, name), 1)


def check_inputs(images: Tensor, labels: Tensor, eps: float, bounds: Bounds) -> None:
    """Raise an ArgumentError unless images are finite (T, ...) within `bounds`, one label each, and eps is no wider."""
    if images.ndim < 2 or tuple(labels.shape) != (len(images),):
        raise ArgumentError(
            f"images have shape {tuple(images.shape)} and labels {tuple(labels.shape)}: expected (T, ...) and (T,)"
        )
    if not images.is_floating_point():
        raise ArgumentError(f"images are of {images.dtype}: expected floating point; use images.float()")
    low, high = images.aminmax() if images.numel() else (torch.zeros(()), torch.zeros(()))
    if not (low.isfinite() and high.isfinite()):
        raise ArgumentError("images hold NaN or infinity: expected finite numbers")
    if bounds is None:
        return
    edges: tuple[float, ...] = tuple(bounds)
    if len(edges) != 2 or not -math.inf < edges[0] < edges[1] < math.inf:
        raise ArgumentError(f"bounds={bounds!r}: expected two finite numbers, lowest < highest, or None")
    if images.numel() and not (low >= bounds[0] and high <= bounds[1]):
        raise ArgumentError(
            f"images run from {low.item():g} to {high.item():g}, out of bounds={bounds}: expected data within their "
            "bounds; divide bytes by 255, or give the data's own bounds, None if there are none"
        )
    if eps > bounds[1] - bounds[0]:
        raise ArgumentError(f"eps={eps!r}: expected at most {bounds[1] - bounds[0]:g}, the width of bounds={bounds}")


def ball(images: Tensor, eps: float, bounds: Bounds) -> tuple[Tensor, Tensor]:
    """Lowest and highest value that each value of the images may take: within eps of it and within `bounds`."""
    low, high = images - eps, images + eps
    return (low, high) if bounds is None else (low.clamp(min=bounds[0]), high.clamp(max=bounds[1]))


def anywhere(images: Tensor, eps: float, bounds: Bounds, generator: torch.Generator) -> Tensor:
    """Return uniform points of the balls, pushed back into `bounds`."""
    shift = 2 * torch.rand(images.shape, generator=generator).to(images) - 1
    return torch.clamp(images + shift * eps, *ball(images, eps, bounds))


def check_deployed(**predictors: Predict) -> None:
    """Raise an ArgumentError if a network is in training mode: its dropout, its noise are not the deployed ones."""
    for name, predictor in predictors.items():
        if getattr(predictor, "training", False):
            raise ArgumentError(f"{name} is in training mode: expected the deployed network; call {name}.eval() first")


def check_examples(name: str, found: Tensor, images: Tensor, eps: float, bounds: Bounds) -> None:
    """Raise an ArgumentError unless an attack kept to the form, the ball and the bounds, up to rounding."""
    if found.shape != images.shape:
        raise ArgumentError(f"{name} gave examples of shape {tuple(found.shape)}: expected {tuple(images.shape)}")
    low, high = ball(images, eps, bounds)
    slack = 1e-6 * (1 + images.abs())
    if not ((found >= low - slack) & (found <= high + slack)).all():
        most = (found - images).abs().max().item()
        raise ArgumentError(
            f"{name} left its ball or the bounds: it moved a value by {most:g}, expected at most eps={eps:g}, within "
            f"bounds={bounds}"
        )


@contextmanager
def drawing(predictor: Predict, draws: int | None) -> Iterator[None]:
    """Let a `localnoise.nn.Predictor` average over `draws` draws; None, or a predictor without draws: as it is."""
    if draws is None or not hasattr(predictor, "draws"):
        yield
        return
    defence: Any = predictor
    before, defence.draws = defence.draws, draws
    try:
        yield
    finally:
        defence.draws = before


@contextmanager
def noise_off(predictor: Predict) -> Iterator[bool]:
    """Let a `localnoise.nn.Predictor` run without its noise, an ablation; yields whether it does.

    Noise that has no switch, such as that of spikes, stays on.
    """
    layer: Any = getattr(predictor, "noise", None)
    if not hasattr(layer, "when"):
        yield not getattr(layer, "active", False)
        return
    before, layer.when = layer.when, "never"
    try:
        yield True
    finally:
        layer.when = before


def stream(seed: int, *words: int | str) -> int:
    """Return a seed of its own for each use: 63 bits from numpy's SeedSequence."""
    numbers = [int.from_bytes(word.encode(), "little") if isinstance(word, str) else word for word in words]
    return int(np.random.SeedSequence((seed, *numbers)).generate_state(1, np.uint64)[0] >> np.uint64(1))


def reseed(predictor: Predict, seed: int) -> None:
    """Start the defense's stream of noise anew, where it has one: a result depends on no earlier call."""
    layer = getattr(predictor, "noise", None)
    if layer is not None:
        layer.reseed(seed)


def fixed(predictor: Predict, seed: int) -> Predict:
    """Return the predictor with its randomness fixed: the same draws in every call."""

    def answer(x: Tensor) -> Tensor:
        reseed(predictor, seed)
        return predictor(x)

    return answer


def batches(images: Tensor, labels: Tensor, batch: int, draws: int | None = 1) -> Iterator[tuple[Tensor, Tensor]]:
    """Pairs of images and labels, at most `batch` together, fewer where many draws would fill the memory."""
    size = max(1, min(as_count("batch", batch, 1), _TOGETHER // (draws or 1)))
    return zip(images.split(size), labels.split(size), strict=True)


def is_noisy(predictor: Predict, images: Tensor) -> bool:
    """Return whether two calls on the first images differ."""
    with torch.no_grad():
        return not torch.equal(predictor(images[:4]), predictor(images[:4]))
