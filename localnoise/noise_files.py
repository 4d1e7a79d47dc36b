"""Writing files of every noise: a grid, a central noise, its signal-dependent form, a bank of them.

A noise is a group of an HDF5 file, the whole file where it stands alone, with attributes `format`, `schema` and
`provenance` (JSON). A grid's is that of `localnoise.storage`. The others' (schema 1):

    localnoise.central   attribute `layout` (JSON: kind, channels, shape, seen); data set `factor`: (n,), the lower
                         triangle row by row, or missing for no noise
    localnoise.affine    data sets `a` (n,), `G` (n, n); group `residual`, a central noise
    localnoise.bank      attributes `clean`, `members` (how many); data set `shares`; groups `0`, `1`, ...: its members

`localnoise.loading` reads them. What a noise is shows in its attributes, so that its class need not be known here.
"""

from pathlib import Path
from typing import Any

import numpy as np

from localnoise.errors import ArgumentError
from localnoise.files import hdf5
from localnoise.saving import CHECKSUMMED, packed, versions, write_array, write_grid

CENTRAL, AFFINE, BANK, SCHEMA = "localnoise.central", "localnoise.affine", "localnoise.bank", 1


def save(noise: Any, path: str | Path, *, state: bool = True) -> Path:
    """Write a noise to `path`, aside and renamed; without `state` grids in it are small, but cannot go on learning.

    Raises
    ------
    ArgumentError
        It could not be loaded again: a member of a bank that has no file, as a chip grid's is another.
    """
    with hdf5(path, libver=CHECKSUMMED) as file:
        write(file, noise, state)
    return Path(path)


def write(group: Any, noise: Any, state: bool) -> None:
    """Write a noise into a group."""
    if hasattr(noise, "members"):
        _begin(group, BANK, noise)
        group.attrs.update({"clean": float(noise.clean), "members": len(noise.members)})
        write_array(group, "shares", np.asarray(noise.shares, np.float64))
        for index, member in enumerate(noise.members):
            write(group.create_group(str(index)), member, state)
    elif hasattr(noise, "residual"):
        _begin(group, AFFINE, noise)
        write_array(group, "a", np.asarray(noise.a, np.float32))
        write_array(group, "G", np.asarray(noise.G, np.float32))
        write(group.create_group("residual"), noise.residual, state)
    elif hasattr(noise, "factor"):
        _begin(group, CENTRAL, noise)
        said = {"kind": noise.kind, "channels": int(noise.channels), "shape": [int(side) for side in noise.shape]}
        group.attrs["layout"] = packed("layout", said | {"seen": int(noise.seen)})
        if noise.factor is not None:
            factor = np.asarray(noise.factor, np.float32)
            write_array(group, "factor", factor if factor.ndim == 1 else factor[np.tril_indices(len(factor))])
    elif hasattr(noise, "implied"):
        write_grid(group, noise, state=state)
    else:
        raise ArgumentError(
            f"a member is {type(noise).__name__}: expected grids or central noises, whose files `localnoise.load` "
            "reads; a bank on a chip is made by localnoise.hardware.quantise(bank)"
        )


def _begin(group: Any, kind: str, noise: Any) -> None:
    if not isinstance(noise.provenance, dict):
        raise ArgumentError(f"provenance is {type(noise.provenance).__name__}: expected a dict of what JSON can hold")
    said = packed("provenance", versions() | noise.provenance)
    group.attrs.update({"format": np.bytes_(kind), "schema": SCHEMA, "provenance": said})
