"""Reading the file of a surprise: see `localnoise.surprise.writing` for its layout. Every number in it is doubted."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from localnoise.errors import FileFormatError
from localnoise.hdf5 import Budget, member
from localnoise.soundness import not_finite
from localnoise.surprise.calibration import ImageScale, UnitScale
from localnoise.surprise.detector import HELD, Surprise
from localnoise.surprise.statistics import REGIONS, statistics_of
from localnoise.validate import as_count


def read(source: Path, file: Any, budget: Budget, grid: Callable[[Any], Any], array_in: Callable[..., Any]) -> Surprise:
    """Read the surprise of an open file. `grid` reads the grid of a group; `array_in` a data set, checked."""
    law = grid(member(source, file, "law"))
    c = law.config
    near, regions = (as_count(name, file.attrs[name].item()) for name in ("neighbors", "regions"))
    if regions not in REGIONS:
        _refuse(source, f"regions={regions}")
    p = statistics_of(c.channels, c.shape, regions)
    counts = {name: member(source, file, name).shape for name in ("unit_ranks", "ranks")}
    lengths = {name: min(int(shape[0]), HELD) if shape else 0 for name, shape in counts.items()}
    shapes = {
        "unit_mean": c.shape, "unit_deviation": c.shape, "unit_ranks": (lengths["unit_ranks"], *c.shape),
        "mean": (p,), "whitening": (p, p), "ranks": (lengths["ranks"],),
    }  # fmt: skip
    centre = _array(source, file, "centre", (c.channels, *c.shape), c.dtype, budget, array_in)
    found = {name: _array(source, file, name, shape, np.float64, budget, array_in) for name, shape in shapes.items()}
    if law.field.signal:
        _refuse(source, "its law reads an activation")
    if not all(lengths.values()) or (found["unit_deviation"] <= 0).any() or (np.diff(found["ranks"]) < 0).any():
        _refuse(source, "its calibration is none")
    if (np.diff(found["unit_ranks"], axis=0) < 0).any():
        _refuse(source, "unit_ranks do not rise")
    units = UnitScale(mean=found["unit_mean"], deviation=found["unit_deviation"], ranks=found["unit_ranks"])
    image = ImageScale(mean=found["mean"], whitening=found["whitening"], ranks=found["ranks"])
    return Surprise(law, centre, near, regions, units, image, dict(json.loads(file.attrs["provenance"])))


def _array(source: Path, file: Any, name: str, shape: Any, dtype: Any, budget: Budget, array_in: Any) -> Any:
    stored = array_in(source, file, name, shape, dtype)
    budget.spend(stored)
    array = stored[()]
    fault = not_finite(name, array)
    if fault:
        _refuse(source, fault)
    return array


def _refuse(source: Path, fault: str) -> None:
    raise FileFormatError(f"{source}: {fault}; the file was edited or damaged")
