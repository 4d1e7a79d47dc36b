"""A record's facts about the noise itself: wires, and what quantisation did."""

from collections.abc import Collection
from typing import Any

import numpy as np
import numpy.typing as npt

from localnoise import Bank, UnitGrid
from localnoise.central import CentralNoise
from localnoise.hardware import ChipGrid, Report


def facts(noise: Any) -> dict[str, float]:
    """`noise.links`, `noise.wire_length`; of a chip grid that `reported` has seen, its errors. Empty for others."""
    if not isinstance(noise, (UnitGrid, ChipGrid)):
        return {}
    links = int((noise.field.parents >= 0).sum())
    return {"noise.links": links, "noise.wire_length": noise.wire_length, **noise.provenance.get("errors", {})}


def loudness(noise: Any, variance: float, activations: npt.ArrayLike) -> dict[str, float]:
    """`noise.of_layer`: the variance per neuron that a noise was given, over that of a layer's clean activations.

    Empty where no variance was given, since the noise depends on the signal or is none, or the layer does not move.

    activations : (T, ...); their variance is each neuron's own over T, its mean over neurons.
    """
    one = noise.members[0] if isinstance(noise, Bank) else noise
    given = isinstance(one, CentralNoise) and one.factor is not None
    given |= isinstance(one, UnitGrid) and not one.field.signal
    layer = float(np.asarray(activations).var(axis=0, dtype=np.float64).mean()) if given else 0.0
    return {"noise.of_layer": variance / layer} if layer > 0 else {}


def loud(ratios: Collection[float]) -> str:
    """Return a sentence on how loud noises are, and where other variances are tried."""
    least, most = f"{min(ratios):.2g}", f"{max(ratios):.2g}"
    times = least if least == most else f"{least} to {most}"
    return (
        f"The noise's variance per neuron is {times} times the layer's own; `localnoise tradeoff --task ...` shows "
        "other variances."
    )


def reported(chip: ChipGrid, found: Report) -> ChipGrid:
    """Keep the errors that a report found, so that they enter the record."""
    chip.provenance["errors"] = {
        "noise.divergence": float(found.divergence.mean()),
        "noise.covariance_error": found.whole_error,
        "noise.saturated": float(found.saturated.mean()),
    }
    return chip
