"""A grid's file as numbers that the page's explorer draws, unit by unit."""

import base64
from pathlib import Path
from typing import Any

import numpy as np

from localnoise import UnitGrid
from localnoise.errors import FileFormatError, LocalnoiseError
from localnoise.hardware import ChipGrid, load_chip
from localnoise.loading import load_grid as load
from localnoise.sims.sweeps.page.commands import commands
from localnoise.sims.sweeps.page.correlations import correlations
from localnoise.sims.sweeps.page.quantised import quantisation

_LARGE = 1024  # units of which all pairs' correlations are still kept: 1 MB


def explored(number: int, path: Path) -> dict[str, Any]:
    """Return the grid of a trial for the page; where the file cannot be read, say why as its `problem`."""
    try:
        found = opened(path)
    except LocalnoiseError as error:
        return {"trial": number, "label": f"trial {number}: not readable", "problem": str(error)}
    chip = found if isinstance(found, ChipGrid) else None
    grid = found.realised if isinstance(found, ChipGrid) else found
    config, field = grid.config, grid.field
    links = field.parents >= 0
    kind = "unit grid" if chip is None else "chip grid"
    layers, notes = _layers(grid, chip, path)
    kept = config.units <= _LARGE
    shared, how = correlations(grid) if kept else (None, "")
    return {
        "trial": number,
        "label": f"trial {number}: {kind}, {config.shape[0]} × {config.shape[1]} × {config.channels}, {config.order}",
        "height": config.shape[0],
        "width": config.shape[1],
        "layers": layers,
        "notes": notes,
        "parents": [row[there].tolist() for row, there in zip(field.parents, links, strict=True)],
        "norms": [_rounded(row[there]) for row, there in zip(block_norms(grid), links, strict=True)],
        "own": [_rounded(row) for row in np.diagonal(field.S, axis1=1, axis2=2)],
        "gain": _rounded(field.gain),
        "correlation": None if shared is None else packed(shared),
        "how": f"Mean over channels of corr(η of u, η of v), the same channel in both units; {how}."
        if kept
        else f"Left out: {config.units:,} units, more than {_LARGE:,}, would make the page large.",
        "commands": commands(path, chip is not None, field.signal),
    }


def opened(path: Path) -> UnitGrid | ChipGrid:
    """Open a grid's file of either kind."""
    try:
        return load(path)
    except FileFormatError as error:
        if "localnoise.chip" not in str(error):
            raise
        return load_chip(path)


def block_norms(grid: UnitGrid) -> Any:
    """Frobenius norm ||B_uk||_F of the weights on each parent, (N, K)."""
    f = grid.field
    blocks = f.B.astype(np.float64).reshape(len(f.B), f.channels, -1, f.channels)
    return np.sqrt(np.square(blocks).sum(axis=(1, 3)))


def wire_lengths(grid: UnitGrid) -> Any:
    """Sum of the Manhattan lengths of each unit's links to its parents, (N,); the grid's `wire_length` is their sum."""
    height, width = grid.config.shape
    there, unit = grid.field.parents >= 0, np.arange(grid.config.units)[:, None]
    dy, dx = abs(unit // width - grid.field.parents // width), abs(unit % width - grid.field.parents % width)
    if grid.config.boundary == "periodic":
        dy, dx = np.minimum(dy, height - dy), np.minimum(dx, width - dx)
    return np.where(there, dy + dx, 0).sum(axis=1)


def innovation(grid: UnitGrid) -> Any:
    """Mean variance of each unit's private noise, gain^2 diag(S S'), (N,)."""
    f = grid.field
    return np.square(f.S.astype(np.float64)).sum(axis=2).mean(axis=1) * np.square(f.gain.astype(np.float64))


def packed(correlation: Any) -> str:
    """The triangle on and below the diagonal, row by row, in thousandths: int16, little-endian, base64."""
    rows = np.tril_indices(len(correlation))
    return base64.b64encode(np.rint(correlation[rows] * 1000).astype("<i2").tobytes()).decode()


def _layers(grid: UnitGrid, chip: ChipGrid | None, path: Path) -> tuple[list[dict[str, Any]], list[str]]:
    layers = [
        _layer("noise variance", "variance per neuron (activation units²)", grid.variance().mean(axis=0)),
        _layer("innovation", "private noise, variance per neuron (activation units²)", innovation(grid)),
    ]
    found, note = quantisation(grid, chip, path)
    if found is not None:
        layers.append(_layer("quantisation error", *found))
    layers.append(_layer("wire length", "wire to its parents (unit pitches)", wire_lengths(grid)))
    said = "variances are of the integers' values, without rounding noise and overflow; B, S and gain act between words"
    return layers, [note] if chip is None else [note, said]


def _layer(name: str, label: str, values: Any) -> dict[str, Any]:
    return {"name": name, "label": label, "values": _rounded(values)}


def _rounded(values: Any) -> list[float]:
    """Six digits: more than a reader needs, and a third of the bytes."""
    return [float(f"{value:.6g}") for value in np.ravel(values)]
