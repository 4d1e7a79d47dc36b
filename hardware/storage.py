"""A chip grid as one HDF5 file: configuration, formats, integers, provenance.

Layout (schema 1): root attributes `format`, `schema`, `config`, `formats`, `provenance` (JSON), `activation_scale`;
one dataset an array of `IntegerField`; group `learner`, where the chip has learned, with attributes `options` (JSON),
`seen` and one dataset an array of its state. Metadata and packed data carry checksums: a damaged byte is found.
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from localnoise.config import GridConfig
from localnoise.errors import FileFormatError, LockedError
from localnoise.files import hdf5
from localnoise.hardware.emulator import ChipGrid
from localnoise.hardware.formats import Formats
from localnoise.hardware.learning import OnChip, start
from localnoise.hardware.words import IntegerField
from localnoise.hdf5 import member, reading
from localnoise.storage import versions
from localnoise.validate import as_count

FORMAT, SCHEMA = "localnoise.chip", 1
CHECKSUMMED = ("v110", "v110")  # earlier file formats have no checksums over metadata
_WEIGHTS = ("G", "B", "L", "s")


def save(chip: ChipGrid, path: str | Path, *, state: bool = True) -> Path:
    """Write `chip` to `path`; see `ChipGrid.save`."""
    with hdf5(path, libver=CHECKSUMMED) as file:
        file.attrs.update({"format": np.bytes_(FORMAT), "schema": SCHEMA})
        for name, value in (("config", asdict(chip.config)), ("formats", asdict(chip.formats))):
            file.attrs[name] = np.bytes_(json.dumps(value))
        file.attrs["provenance"] = np.bytes_(json.dumps(versions() | chip.provenance))
        file.attrs["activation_scale"] = chip.field.activation_scale
        for name, array in chip.field.arrays.items():
            write_packed(file, name, array)
        if state and chip.rule is not None and chip.state is not None:
            group = file.create_group("learner")
            group.attrs["options"] = np.bytes_(json.dumps(asdict(chip.rule)))
            group.attrs["seen"] = chip.state["seen"]
            for name, value in chip.state.items():
                if name != "seen":
                    write_packed(group, name, value)
    return Path(path)


def load_chip(path: str | Path) -> ChipGrid:
    """Read a chip grid that `ChipGrid.save` wrote: the same words, to the bit.

    Raises
    ------
    FileFormatError
        The file is missing, truncated, foreign, of another schema, or inconsistent; the message says which.
    """
    source = Path(path)
    try:
        with reading(source, "a chip grid written by `localnoise quantise`") as file:
            found = file.attrs.get("format")
            found = found.decode() if isinstance(found, bytes) else found
            if found != FORMAT:
                hint = "; quantise it first: localnoise quantise" if found == "localnoise.grid" else ""
                raise FileFormatError(f"{source}: format {found!r}, expected {FORMAT!r}{hint}")
            schema = int(file.attrs.get("schema", -1))
            if schema != SCHEMA:
                raise FileFormatError(
                    f"{source}: schema {schema}, this version reads {SCHEMA}; use the version that wrote it"
                )
            chip = _read(source, file)
    except (FileFormatError, LockedError):
        raise
    except Exception as error:  # whatever a damaged file makes HDF5, JSON or the grid say
        line = (str(error).splitlines() or [type(error).__name__])[0]
        raise FileFormatError(f"{source}: damaged or not HDF5 ({line}); restore it or quantise again") from error
    return chip


def _read(source: Path, file: Any) -> ChipGrid:
    config = GridConfig(**json.loads(file.attrs["config"]))
    formats = Formats(**json.loads(file.attrs["formats"]))
    arrays = {
        name: stored(source, file, name, shape, dtype)
        for name, (shape, dtype) in layout(config, file["parents"].shape[-1], file["readers"].shape[-1]).items()
    }
    field = checked_field(source, formats, arrays, int(file.attrs["activation_scale"]))
    chip = ChipGrid(config, formats, field)
    chip.provenance = dict(json.loads(file.attrs["provenance"]))
    if "learner" in file:
        group = member(source, file, "learner")
        chip.rule = OnChip(**json.loads(group.attrs["options"]))
        fresh = start(field, formats, chip.rule)
        chip.state = {"seen": as_count("seen", group.attrs["seen"].item())}
        for name, expected in fresh.items():
            if name != "seen":
                chip.state[name] = stored(source, group, name, expected.shape, expected.dtype)
    return chip


def layout(config: GridConfig, parents: int, readers: int) -> dict[str, tuple[tuple[int, ...], Any]]:
    """Shape and type of each array of a field with so many slots for parents and readers."""
    N, m = config.units, config.channels
    shapes = {"order": (N,), "parents": (N, parents), "readers": (N, readers), "bias": (N, m)}
    shapes |= {"G": (N, m, readers * m), "B": (N, m, parents * m), "L": (N, m, m), "s": (N, m)}
    shapes |= {"lift": (N, 3), "fraction": (N,), "scale": (N,)}
    return {name: (shape, np.dtype(np.int64 if name == "bias" else np.int32)) for name, shape in shapes.items()}


def checked_field(source: Path, formats: Formats, arrays: dict[str, Any], activation_scale: int) -> IntegerField:
    """Return the field of arrays of the right shapes that a file holds.

    Raises
    ------
    FileFormatError
        No sweep could run, or an integer is out of its range: the file was edited or damaged.
    """
    _check_topology(source, **{name: arrays[name] for name in ("order", "parents", "readers")})
    for name in _WEIGHTS:
        if np.abs(arrays[name]).max(initial=0) > formats.weight_limit:
            raise FileFormatError(
                f"{source}: {name} holds {np.abs(arrays[name]).max()}, more than weight_bits={formats.weight_bits} "
                f"allow ({formats.weight_limit}); the file was edited or damaged"
            )
    if (arrays["s"] < 1).any() or (arrays["lift"] < 0).any() or (arrays["fraction"] < 0).any():
        raise FileFormatError(f"{source}: s, lift or fraction is negative or zero; the file was edited or damaged")
    return IntegerField(**arrays, activation_scale=activation_scale)


def write_packed(group: Any, name: str, array: Any) -> None:
    """Write an array, compressed, with a checksum."""
    packed = {"compression": "gzip", "compression_opts": 1, "shuffle": True} if array.size else {}
    group.create_dataset(name, data=array, **packed)


def stored(source: Path, group: Any, name: str, shape: tuple[int, ...], dtype: Any) -> Any:
    """Read an array that must have this shape and type; a FileFormatError says what else it has."""
    found = member(source, group, name)
    if found.shape != shape or found.dtype != dtype:
        raise FileFormatError(
            f"{source}: {name} is {found.dtype} {found.shape}, expected {dtype} {shape} for its configuration; "
            "the file was edited or damaged"
        )
    return found[()]


def _check_topology(source: Path, order: Any, parents: Any, readers: Any) -> None:
    """Parents may have been pruned, so they need not follow from the configuration; but a sweep must run."""
    units = len(order)
    place = np.empty(units, np.int64)
    if not np.array_equal(np.sort(order), np.arange(units)):
        raise FileFormatError(f"{source}: order is no permutation of the units; the file was edited or damaged")
    place[order] = np.arange(units)
    linked = parents >= 0
    ends = np.sort(~linked, axis=1)  # missing parents come last
    if parents.min(initial=-1) < -1 or max(parents.max(initial=0), readers.max(initial=0)) >= units:
        raise FileFormatError(f"{source}: parents or readers name units that do not exist; the file was damaged")
    if (np.where(linked, place[parents], -1) >= place[:, None]).any() or not np.array_equal(ends, ~linked):
        raise FileFormatError(f"{source}: parents does not hold units earlier in the order, then -1; it was edited")
