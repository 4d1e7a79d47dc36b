"""A record's facts about the noise itself: wires, and what quantisation did."""

from typing import Any

from localnoise import UnitGrid
from localnoise.hardware import ChipGrid, Report


def facts(noise: Any) -> dict[str, float]:
    """`noise.links`, `noise.wire_length`; of a chip grid that `reported` has seen, its errors. Empty for others."""
    if not isinstance(noise, (UnitGrid, ChipGrid)):
        return {}
    links = int((noise.field.parents >= 0).sum())
    return {"noise.links": links, "noise.wire_length": noise.wire_length, **noise.provenance.get("errors", {})}


def reported(chip: ChipGrid, found: Report) -> ChipGrid:
    """Keep the errors that a report found, so that they enter the record."""
    chip.provenance["errors"] = {
        "noise.divergence": float(found.divergence.mean()),
        "noise.covariance_error": found.whole_error,
        "noise.saturated": float(found.saturated.mean()),
    }
    return chip
