"""A repair in integers that is calibrated on what the integer layers before it give."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import nn

from localnoise import Repair
from localnoise.errors import ArgumentError
from localnoise.hardware.formats import Formats
from localnoise.hardware.network.program import Program
from localnoise.hardware.network.quantiser import front_program
from localnoise.hardware.quantiser.repaired import activation_scale, quantise_repair
from localnoise.hardware.repair import ChipRepair
from localnoise.streams import Progress


def repair_behind(
    model: nn.Module,
    calibration: Any,
    repair: Repair,
    place: str,
    held: Mapping[str, Any],
    formats: Formats | None = None,
    *,
    weight_bits: int = 8,
    activation_bits: int = 8,
    bounds: tuple[float, float] | None = None,
    feedback: bool = True,
    progress: Progress | None = None,
) -> ChipRepair:
    """Return a repair in integers whose gate is fitted to the words of the integer layers before it.

    Those layers add errors of their own. Where a perturbation leaves little of an image, as less contrast does, they
    are large beside what the repair's laws expect, and activations that it has learned are no longer recognised.
    Cost: that of the front's quantisation, one pass of `held` through it, and `quantise_repair`.

    Parameters
    ----------
    model, calibration, place, weight_bits, activation_bits, bounds, feedback
        As `defend` takes them, which is called with the result.
    repair : Repair
        Learned, and calibrated, behind the float network's layers.
    held : dict of str to (T, ...)
        For each of its sources, "clean" too, inputs that it has not learned from, as that source changes them; some
        hundreds. Where a source has several members, a list with one array for each.
    formats : Formats
        Of the repair; default: 8-bit weights, and words of `activation_bits`.
    progress : callable
        Told (members quantised, all of them).

    Raises
    ------
    ArgumentError
        A source without inputs, other names, or what `defend` and `quantise_repair` refuse.

    Examples
    --------
    >>> chip = repair_behind(model, images, repair, "1", {"clean": held, "dark": 0.3 * held})  # doctest: +SKIP
    >>> defense = defend(model, images, chip, "1")  # doctest: +SKIP
    """
    formats = Formats(activation_bits=activation_bits) if formats is None else formats
    scale = activation_scale(repair, formats)
    front = front_program(
        model, calibration, place, scale, weight_bits=weight_bits, activation_bits=activation_bits, bounds=bounds,
        feedback=feedback,
    )  # fmt: skip
    heard = repair.with_held_out([_values(front, repair, x) for x in _by_member(repair, held)])
    return quantise_repair(heard, formats, scale=scale, feedback=feedback, progress=progress)


def _by_member(repair: Repair, held: Mapping[str, Any]) -> list[Any]:
    """Return the inputs of each member in turn."""
    own = [member.source for member in repair.members]
    if sorted(held) != sorted(repair.sources):
        raise ArgumentError(
            f"held has inputs of {', '.join(sorted(held)) or 'nothing'}: expected some of each of the repair's "
            f"sources, {', '.join(repair.sources)}"
        )
    out = []
    for j, source in enumerate(own):
        parts = held[source]
        if not (isinstance(parts, Sequence) or own.count(source) > 1):
            parts = [parts]
        if len(parts) != own.count(source):
            raise ArgumentError(
                f"held[{source!r}] has {len(parts)} parts: expected a list of {own.count(source)}, inputs for each of "
                "its members"
            )
        out.append(parts[own[:j].count(source)])
    return out


def _values(front: Program, repair: Repair, inputs: Any) -> npt.NDArray[np.float32]:
    """Return the activations that the integer front gives, as the repair takes them."""
    x = np.asarray(inputs, np.float32)
    c = repair.config
    if x.ndim < 2 or x.size % int(np.prod(front.shape)):
        raise ArgumentError(f"held: inputs of shape {x.shape}, expected (T, {', '.join(map(str, front.shape))})")
    return front(x).reshape(-1, c.channels, *c.shape)
