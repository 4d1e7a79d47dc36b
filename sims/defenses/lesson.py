"""The lesson that every trained defense is given, and the steps that all of them share."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from localnoise.errors import ArgumentError
from localnoise.nn import Arrangement, NoiseLayer, Predictor
from localnoise.sims.data.tensors import PIXELS
from localnoise.sims.defenses.learned_covariance import LearnedNoise
from localnoise.sims.models import training
from localnoise.validate import as_count, as_seed

Modify = Callable[[int], Tensor]
Alter = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """Networks, images and settings of one training run.

    By default a defense trains the layers after the frozen `front`, the same ones as the noise arms, so that the
    comparison is matched. With `whole=True` it trains all layers from scratch, as its own paper does.

    Attributes
    ----------
    front : Module
        Trained layers up to the noise, frozen (`requires_grad_(False)`).
    back : callable
        seed -> fresh layers after it.
    images : Tensor of float32, (T, ...)
        Images (T, 1, 28, 28), or a task's inputs, within `bounds`.
    labels : Tensor of int64, (T,)
        Classes 0, 1, ...
    epochs, seed : int
        Passes over the images; what fixes weights, batches and every draw.
    fresh_front : callable or None
        seed -> fresh layers up to the noise; needed for `whole=True` only.
    modified : callable or None
        draw -> the images modified anew, of their shape; draws are numbered from 0 on. For `modified` only.
    tick : callable or None
        Called with the number of presentations done, after every batch.
    bounds : pair of float or None
        Lowest and highest value of an input; None: there is none.
    widened : callable or None
        (width, seed) -> fresh layers up to the noise and after it, of a network with `width` times the channels.
    displaced : callable or None
        () -> displacements d and activations h, (T, C, H, W) each, of the first source: what a noise is learned from.
    variance : float
        Noise variance per neuron of defenses with noise.
    draws : int
        Noisy logits that a deployed predictor averages.
    arrangement : Arrangement or None
        How the activation lies on a grid; None: it is (T, C, H, W).
    attacked : float or None
        The eps of the source that is an attack; None: no source is one.
    facts : dict of str to float
        For what a defense has to say of its training: it enters the record.
    by : str
        "backprop", or the local rule by which later layers learn.

    Raises
    ------
    ArgumentError
        Images or labels of another shape, dtype or range, a front that is not frozen, no epochs.
    """

    front: nn.Module
    back: Callable[[int], nn.Module]
    images: Tensor
    labels: Tensor
    epochs: int
    seed: int
    fresh_front: Callable[[int], nn.Module] | None = None
    modified: Modify | None = None
    tick: training.Tick | None = None
    bounds: tuple[float, float] | None = PIXELS
    widened: Callable[[float, int], tuple[nn.Module, nn.Module]] | None = None
    facts: dict[str, float] = field(default_factory=dict)
    by: str = training.BACKPROP
    displaced: Callable[[], tuple[Tensor, Tensor]] | None = None
    variance: float = 1.0
    draws: int = 10
    arrangement: Arrangement | None = None
    attacked: float | None = None

    def __post_init__(self) -> None:
        as_count("epochs", self.epochs, 1)
        as_seed(self.seed)
        check_images(self.images, self.labels, self.bounds)
        if any(weight.requires_grad for weight in self.front.parameters()):
            raise ArgumentError("front has trainable weights: expected frozen layers; use front.requires_grad_(False)")

    def networks(self, whole: bool) -> tuple[nn.Module, nn.Module]:
        """Return layers up to the noise and fresh layers after it.

        Parameters
        ----------
        whole : bool
            Whether the former are fresh too.

        Returns
        -------
        (Module, Module)
            Up to the noise, frozen unless `whole`; and after it.

        Raises
        ------
        ArgumentError
            `whole` without `fresh_front`.
        """
        if not whole:
            return self.front.eval(), self.back(self.seed)
        if self.fresh_front is None:
            raise ArgumentError("whole=True needs fresh layers up to the noise: pass fresh_front, a function of a seed")
        return self.fresh_front(self.seed), self.back(self.seed)

    def only(self, rows: npt.NDArray[np.int64]) -> "Lesson":
        """Return the same lesson with some images alone.

        Parameters
        ----------
        rows : (t,) int64
            Their indices.

        Returns
        -------
        Lesson
            With `modified` of these images.
        """
        index, source = torch.from_numpy(rows), self.modified
        few = None if source is None else lambda draw: source(draw)[index]
        return replace(self, images=self.images[index], labels=self.labels[index], modified=few)


def check_images(images: Tensor, labels: Tensor, bounds: tuple[float, float] | None = PIXELS) -> None:
    """Refuse images and labels that a network cannot learn from."""
    if images.ndim < 2 or images.dtype != torch.float32 or not len(images):
        raise ArgumentError(
            f"images: {images.dtype} of shape {tuple(images.shape)}, expected float32 (T >= 1, ...); "
            "use localnoise.sims.data.tensors.to_tensor"
        )
    low, high = (edge.item() for edge in images.aminmax())
    least, most = bounds or (-math.inf, math.inf)
    if not (least <= low and high <= most and math.isfinite(low) and math.isfinite(high)):  # NaN too
        wanted = "finite values" if bounds is None else f"[{least:g}, {most:g}]"
        raise ArgumentError(f"images: values from {low:g} to {high:g}, expected {wanted}; divide bytes by 255")
    if labels.shape != images.shape[:1] or labels.dtype != torch.int64:
        raise ArgumentError(
            f"labels: {labels.dtype} of shape {tuple(labels.shape)}, expected int64 ({len(images)},), one an image"
        )


def teach(
    lesson: Lesson,
    front: nn.Module,
    later: nn.Module,
    whole: bool,
    images: Tensor | Modify | None = None,
    *,
    altered: Alter | None = None,
    penalty: Callable[[Tensor], Tensor] | None = None,
    after: Callable[[int], float] | None = None,
) -> None:
    """Train `later`, and `front` too if `whole`, in place; then freeze both.

    images : the same in every epoch, or a function of the epoch; None: the lesson's.
    altered : what a batch (images, labels) becomes at the present weights, before `front`.
    penalty : a term added to the loss of every batch, from what the trained layers get.
    after : called after each epoch, as `training.fit` takes it.
    """
    inputs = lesson.images if images is None else images
    model, shown = nn.Sequential(front, later) if whole else later, altered
    if not whole:
        if altered is None:  # a frozen front sees each image once an epoch, or once in all
            inputs = _through(front, inputs)
        else:
            shown = _then(front, altered)
    training.fit(
        model,
        inputs,
        lesson.labels,
        epochs=lesson.epochs,
        seed=lesson.seed,
        tick=lesson.tick,
        shown=shown,
        penalty=penalty,
        after=after,
        by=lesson.by,
    )
    front.requires_grad_(False).eval()
    later.requires_grad_(False).eval()


def _through(front: nn.Module, images: Tensor | Modify) -> Tensor | Modify:
    if isinstance(images, Tensor):
        return training.activations(front, images)
    return lambda epoch: training.activations(front, images(epoch))


def _then(front: nn.Module, altered: Alter) -> Alter:
    def shown(x: Tensor, y: Tensor) -> Tensor:
        h: Tensor = front(altered(x, y))
        return h

    return shown


def noiseless(front: nn.Module, back: nn.Module) -> Predictor:
    """Return the predictor of a network without noise: one pass."""
    return Predictor(front, nn.Identity(), back, 1).eval()


def added_parameters(predictor: Predictor) -> int:
    """Count the numbers that the defense adds to the network: those of its noise; none for a noiseless one.

    Parameters
    ----------
    predictor : Predictor
        Defended.

    Returns
    -------
    int
        Numbers.
    """
    noise = predictor.noise
    if isinstance(noise, NoiseLayer):
        return int(noise.noise.parameters)
    return noise.added if isinstance(noise, LearnedNoise) else 0
