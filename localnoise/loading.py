"""Reading the file of any noise: what it is says the file itself. `localnoise.noise_files` states the layouts."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from localnoise.bank import Bank
from localnoise.central import AffineNoise, CentralNoise
from localnoise.errors import FileFormatError, listed, short
from localnoise.grid import UnitGrid
from localnoise.hdf5 import Budget, member
from localnoise.local.reading import read as read_units
from localnoise.local.writing import FORMAT as UNITS
from localnoise.local.writing import SCHEMA as UNITS_SCHEMA
from localnoise.noise_files import AFFINE, BANK, CENTRAL, SCHEMA
from localnoise.repair import Repair
from localnoise.repair.reading import read as read_repair
from localnoise.repair.writing import FORMAT as REPAIR
from localnoise.repair.writing import OLD_SCHEMAS as OLD_REPAIR_SCHEMAS
from localnoise.repair.writing import SCHEMA as REPAIR_SCHEMA
from localnoise.saving import FORMAT, GRID_SCHEMA, NARROW_SCHEMA
from localnoise.soundness import not_finite
from localnoise.storage import MAX_BYTES, array_in, checked, format_of, opened, read_grid
from localnoise.surprise import Surprise
from localnoise.surprise.reading import read as read_surprise
from localnoise.surprise.writing import FORMAT as SURPRISE
from localnoise.surprise.writing import SCHEMA as SURPRISE_SCHEMA
from localnoise.validate import as_count

Reader = Callable[[Path, Any, Budget, bool], Any]
_MOST_MEMBERS = 10_000


def load(path: str | Path, max_bytes: int = MAX_BYTES, *, state: bool = True) -> Any:
    """Read what `save` wrote: a `UnitGrid`, `Bank`, `CentralNoise`, `AffineNoise`, `Repair`, `Surprise`, `LocalLayer`.

    Sampling, scoring and learning go on as if it had never been away. `localnoise.hardware.load_chip` reads chip grids.

    Parameters
    ----------
    path : str or Path
        The file.
    max_bytes : int
        Most that all arrays may take.
    state : bool
        False: read the weights of grids alone, not the statistics of the rule that learned them. The grid draws and
        scores, and learning begins afresh from the weights. The rule need not be installed.

    Returns
    -------
    UnitGrid, Bank, CentralNoise, AffineNoise, Repair, Surprise or LocalLayer
        What the file says that it holds.

    Raises
    ------
    FileFormatError
        The file is missing, truncated, foreign, of another schema, or inconsistent; the message says which.
    LockedError
        Another process holds it, or its file system has no locks.
    TooLargeError
        It would take more than `max_bytes`.
    MissingDependencyError
        A plug-in's rule learned it that is not installed: what to install or to load.
    PluginError
        That plug-in cannot be imported.
    """
    source = Path(path)
    what = "a grid, a bank, a central noise, a repair, a surprise or a layer of units"
    with opened(source, f"{what} written by its save") as file:
        return _read(source, file, Budget(source, max_bytes), state, tuple(_READERS))


def load_grid(path: str | Path, max_bytes: int = MAX_BYTES, *, state: bool = True) -> UnitGrid:
    """Read a grid that `UnitGrid.save` wrote, and nothing else; otherwise as `load`."""
    source = Path(path)
    with opened(source, "a grid written by UnitGrid.save") as file:
        grid: UnitGrid = _read(source, file, Budget(source, max_bytes), state, (FORMAT,))
    return grid


def _read(source: Path, group: Any, budget: Budget, state: bool, allowed: tuple[str, ...]) -> Any:
    found = format_of(group)
    if found not in allowed:
        hint = "is this a record or another tool's file?"
        if str(found).startswith("localnoise.chip"):
            hint = "it holds integers of a chip; use localnoise.hardware.load_chips, or `localnoise chip fit`"
        elif found in _READERS:
            hint = f"it holds {_READERS[found][0]}, which cannot stand here"
        raise FileFormatError(
            f"{source}: format {short(repr(found), 60)}, expected {' or '.join(map(repr, allowed[:1]))}"
            f"{', or one of ' + listed(map(repr, allowed[1:])) if len(allowed) > 1 else ''}; {hint}"
        )
    _, schemas, reader = _READERS[found]
    said = group.attrs.get("schema")
    said = said.item() if isinstance(said, np.generic) else said
    if said not in schemas:
        read = " and ".join(map(str, schemas))
        raise FileFormatError(
            f"{source}: schema {short(repr(said), 60)}, this version reads {read}; use the version that wrote it"
        )
    return reader(source, group, budget, state)


def _read_bank(source: Path, group: Any, budget: Budget, state: bool) -> Bank:
    count = as_count("members", group.attrs["members"].item(), 1)
    if count > _MOST_MEMBERS:
        raise FileFormatError(f"{source}: {count:,} members; expected at most {_MOST_MEMBERS:,}; the file was edited")
    shares = array_in(source, group, "shares", (count,), np.float64)[()]
    members = [
        _read(source, member(source, group, str(index)), budget, state, (FORMAT, CENTRAL, AFFINE))
        for index in range(count)
    ]
    bank = Bank(members, float(group.attrs["clean"]), shares)
    bank.shares = shares  # to the bit: they are not divided by their sum again
    checked(source, abs(shares.sum() - 1) < 1e-9, "shares do not sum to 1")
    bank.provenance = dict(json.loads(group.attrs["provenance"]))
    return bank


def _read_affine(source: Path, group: Any, budget: Budget, state: bool) -> AffineNoise:
    residual: CentralNoise = _read(source, member(source, group, "residual"), budget, state, (CENTRAL,))
    n = residual.neurons
    arrays = [array_in(source, group, name, shape, np.float32) for name, shape in (("a", (n,)), ("G", (n, n)))]
    for data in arrays:
        budget.spend(data)
    a, G = (data[()] for data in arrays)
    for name, array in (("a", a), ("G", G)):
        fault = not_finite(name, array)
        checked(source, not fault, fault)
    noise = AffineNoise(a, G, residual)
    noise.provenance = dict(json.loads(group.attrs["provenance"]))
    return noise


def _read_central(source: Path, group: Any, budget: Budget, state: bool) -> CentralNoise:
    said = json.loads(group.attrs["layout"])
    channels, seen = as_count("channels", said["channels"], 1), as_count("seen", said["seen"])
    height, width = (as_count("shape", side, 1) for side in said["shape"])
    n, factor = channels * height * width, None
    checked(source, isinstance(said["kind"], str) and len(said["kind"]) <= 60, "kind is no short text")
    if "factor" in group:
        found = member(source, group, "factor")
        dense = found.shape != (n,)
        data = array_in(source, group, "factor", (n * (n + 1) // 2,) if dense else (n,), np.float32)
        budget.spend(data)
        factor = data[()]
        if dense:
            budget.take(4 * n * n, "factor")
            square = np.zeros((n, n), np.float32)
            square[np.tril_indices(n)] = factor
            factor = square
    checked(source, (factor is None) == (said["kind"] == "none"), f"a {short(said['kind'], 30)} noise, and its factor")
    noise = CentralNoise(said["kind"], factor, channels, (height, width), seen)
    noise.provenance = dict(json.loads(group.attrs["provenance"]))
    return noise


def _read_repair(source: Path, group: Any, budget: Budget, state: bool) -> Repair:
    def grid(part: Any) -> Any:
        return _read(source, part, budget, state, (FORMAT,))

    return read_repair(source, group, budget, state, grid, array_in)


def _read_surprise(source: Path, group: Any, budget: Budget, state: bool) -> Surprise:
    return read_surprise(source, group, budget, lambda part: _read(source, part, budget, state, (FORMAT,)), array_in)


_READERS: dict[str, tuple[str, tuple[int, ...], Reader]] = {
    FORMAT: ("a grid", (GRID_SCHEMA, NARROW_SCHEMA), read_grid),
    BANK: ("a bank", (SCHEMA,), _read_bank),
    CENTRAL: ("central noise", (SCHEMA,), _read_central),
    AFFINE: ("central signal-dependent noise", (SCHEMA,), _read_affine),
    REPAIR: ("a repair", (*OLD_REPAIR_SCHEMAS, REPAIR_SCHEMA), _read_repair),
    SURPRISE: ("a surprise", (SURPRISE_SCHEMA,), _read_surprise),
    UNITS: (
        "a layer of units",
        (UNITS_SCHEMA,),
        lambda source, file, budget, state: read_units(source, file, budget),
    ),
}
