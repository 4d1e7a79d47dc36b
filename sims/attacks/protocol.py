"""What every attack shares: how it is called, how its options are checked, how the defence's noise is drawn."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from localnoise.errors import ArgumentError
from localnoise.validate import as_count

Predict = Callable[[Tensor], Tensor]  # images to logits, with fresh draws of the noise in each call
Tick = Callable[[int], None]
_TOGETHER = 5_000  # noisy images that go through the later layers at once: about 1 GB with their gradients


class Attack(Protocol):
    """Images (T, 1, 28, 28) in [0, 1] to adversarial images of the same shape, no pixel moved by more than eps.

    `predictor` maps images to logits (T, classes) with its own fresh draws of noise in each call. `labels` (T,) int64.
    """

    @property
    def eps(self) -> float:
        """Radius of the L-infinity ball; pixels in [0, 1]."""

    def __call__(
        self,
        predictor: Predict,
        images: Tensor,
        labels: Tensor,
        *,
        seed: int = 0,
        batch: int = 250,
        tick: Tick | None = None,
    ) -> Tensor:
        """Return adversarial images; `tick(n)` after every n images."""


def check_options(attack: Any, *counts: str) -> None:
    """Raise an ArgumentError unless eps is in [0, 1] and the named options are whole numbers >= 1."""
    if not 0 <= attack.eps <= 1:
        raise ArgumentError(f"eps={attack.eps!r}: expected a number in [0, 1], pixels run from 0 to 1")
    for name in counts:
        as_count(name, getattr(attack, name), 1)


def check_images(images: Tensor, labels: Tensor) -> None:
    """Raise an ArgumentError unless images are (T, C, H, W) in [0, 1] with one label each."""
    if images.ndim != 4 or tuple(labels.shape) != (len(images),):
        raise ArgumentError(
            f"images have shape {tuple(images.shape)} and labels {tuple(labels.shape)}: expected (T, C, H, W) and (T,)"
        )
    if len(images) and not (images.min() >= 0 and images.max() <= 1):
        low, high = images.min().item(), images.max().item()
        raise ArgumentError(f"images run from {low:g} to {high:g}: expected pixels in [0, 1]; divide by 255")


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
def noise_off(predictor: Predict) -> Iterator[None]:
    """Let a `localnoise.nn.Predictor` run without its noise: an ablation."""
    layer: Any = getattr(predictor, "noise", None)
    if layer is None:
        yield
        return
    before, layer.when = layer.when, "never"
    try:
        yield
    finally:
        layer.when = before


def stream(seed: int, *words: int | str) -> int:
    """Return a seed of its own for each use: 63 bits from numpy's SeedSequence."""
    numbers = [int.from_bytes(word.encode(), "little") if isinstance(word, str) else word for word in words]
    return int(np.random.SeedSequence((seed, *numbers)).generate_state(1, np.uint64)[0] >> np.uint64(1))


def reseed(predictor: Predict, seed: int) -> None:
    """Start the defence's stream of noise anew, where it has one: a result depends on no earlier call."""
    layer = getattr(predictor, "noise", None)
    if layer is not None:
        layer.reseed(seed)


def batches(images: Tensor, labels: Tensor, batch: int, draws: int | None = 1) -> Iterator[tuple[Tensor, Tensor]]:
    """Pairs of images and labels, at most `batch` together, fewer where many draws would fill the memory."""
    size = max(1, min(as_count("batch", batch, 1), _TOGETHER // (draws or 1)))
    return zip(images.split(size), labels.split(size), strict=True)


def is_noisy(predictor: Predict, images: Tensor) -> bool:
    """Whether two calls on the first images differ."""
    with torch.no_grad():
        return not torch.equal(predictor(images[:4]), predictor(images[:4]))
