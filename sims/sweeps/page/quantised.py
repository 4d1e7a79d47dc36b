"""The explorer's layer of quantisation error: against the float grid where there is one, else of the words alone."""

from pathlib import Path
from typing import Any

import numpy as np

from localnoise import UnitGrid
from localnoise.errors import LocalnoiseError
from localnoise.hardware import ChipGrid, Formats, quantise, report
from localnoise.loading import load_grid as load

_DENSE_NEURONS = 4096  # quantising more takes minutes
_DRAWS = 64  # for the report's saturated words, which the page does not show
Layer = tuple[str, Any]


def quantisation(grid: UnitGrid, chip: ChipGrid | None, path: Path) -> tuple[Layer | None, str]:
    """Return the layer's label and values (N,), or None, and a note on what they are.

    A float grid is quantised as `localnoise quantise` does by default. A chip grid is held against the float grid that
    its provenance names, if that lies beside it.
    """
    if chip is not None:
        source = _source(chip, path)
        return _rounding(grid, chip) if source is None else _divergence(source, chip, f"from {chip.provenance['grid']}")
    if grid.config.neurons > _DENSE_NEURONS:
        return None, f"quantisation error left out: more than {_DENSE_NEURONS:,} neurons take minutes to quantise"
    if grid.field.signal:
        return None, "quantisation error left out: a signal-dependent grid needs activations to calibrate on"
    try:
        return _divergence(grid, quantise(grid, Formats()), "if it were quantised as it is by default")
    except LocalnoiseError as error:
        return None, f"quantisation error left out: {error}"


def _source(chip: ChipGrid, path: Path) -> UnitGrid | None:
    """The float grid that a chip grid came from; None where it is not there, or too large to compare."""
    name = chip.provenance.get("grid")
    if not isinstance(name, str) or chip.config.neurons > _DENSE_NEURONS:
        return None
    try:
        found = load(path.parent / name)
    except LocalnoiseError:
        return None
    return found if found.config == chip.config else None


def _divergence(grid: UnitGrid, chip: ChipGrid, where: str) -> tuple[Layer, str]:
    bits = f"{chip.formats.weight_bits}-bit weights, {chip.formats.word_bits}-bit words"
    found = report(grid, chip, draws=_DRAWS).divergence
    return ("KL divergence (nats)", found), f"quantisation error: its share of the divergence {where}, {bits}"


def _rounding(grid: UnitGrid, chip: ChipGrid) -> tuple[Layer, str]:
    """A word's rounding error has variance step^2 / 12, twice that in stochastic rounding on average."""
    step = np.ldexp(1.0, -chip.field.scale)
    errors = np.square(step) / (6 if chip.formats.rounding == "stochastic" else 12)
    share = errors / grid.variance().mean(axis=0).reshape(-1)
    note = (
        "quantisation error: only that of rounding to words; the float grid is not beside it, or too large to compare"
    )
    return ("rounding of words (share of variance)", share), note
