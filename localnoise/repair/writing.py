"""A repair as one HDF5 file (format localnoise.repair, schema 4, or 5 of one whose ways back bend).

Attributes `options` (JSON: those of `Repair`), `margin`, `margins` (JSON, by source), `among` (JSON, sources),
`members` (how many), `provenance` (JSON); data set `gate`, (3 J + 1,): bias, low, high of J members, and the scale;
`among_gate`, where `among` names sources, likewise of their members; `worth`, where it was learned, (S (S + 2) + 1,):
offsets and slopes of S sources, what each must bring beyond the least worth, and that. Schema 1 has neither `margins`
nor `among`, schema 2 no `worth`; in schema 3 all sources are asked for the least worth alone.
Groups `0`, `1`, ...: attribute `source`, data sets `centre` (C, H, W) and, with state, `kept`; groups `law` and, but
for clean, `back`, which are grids as `localnoise.storage` has them. Without state neither grids nor gate go on
learning: the gate's numbers are those of the file.
"""

from pathlib import Path
from typing import Any

import numpy as np

from localnoise.errors import ArgumentError
from localnoise.files import hdf5
from localnoise.saving import CHECKSUMMED, packed, versions, write_array, write_grid

FORMAT, SCHEMA, OLD_SCHEMAS = "localnoise.repair", 5, (1, 2, 3, 4)  # 4: without bends


def _refuse_edited(repair: Any) -> None:
    """Refuse a repair whose options were set after it was made: its file would say what its wires are not."""
    law, back = repair.blank_law.config, repair.blank_back.config
    for name, own in {"parents": law.parents, "radius": back.signal_radius, "bends": back.second_radius}.items():
        if (now := getattr(repair, name)) != own:
            raise ArgumentError(
                f"repair.{name}={now!r}, and it was made with {own!r}: expected the same; make another "
                f"Repair({name}={now!r}) and let it learn"
            )


def save(repair: Any, path: str | Path, *, state: bool) -> Path:
    """Write a repair to `path`; see `Repair.save`."""
    _refuse_edited(repair)
    gate = repair.fitted_gate
    c = repair.config
    options = {
        "shape": list(c.shape), "channels": c.channels, "radius": repair.radius, "parents": repair.parents,
        "ridge": repair.ridge, "width": repair.width, "asks": repair.asks, "share": repair.share,
        "boundary": c.boundary, "dtype": c.dtype,
    }  # fmt: skip
    schema = SCHEMA - 1
    if repair.bends is not None:
        options["bends"], schema = repair.bends, SCHEMA
    said = {"options": options, "provenance": versions() | repair.provenance}
    said |= {"margins": repair.margins, "among": {"sources": list(repair.among)}}
    attributes = {name: packed(name, value) for name, value in said.items()}
    with hdf5(path, libver=CHECKSUMMED) as file:
        file.attrs.update({"format": np.bytes_(FORMAT), "schema": schema} | attributes)
        file.attrs.update({"margin": float(repair.margin), "members": len(repair.members)})
        for name, one in {"gate": gate, "among_gate": repair.fitted_among if repair.among else None}.items():
            if one is not None:
                write_array(file, name, np.concatenate([one.bias, one.low, one.high, [one.scale]]))
        if repair.worth is not None:
            worth = repair.worth
            write_array(file, "worth", np.concatenate([worth.offset, worth.slope.ravel(), worth.more, [worth.least]]))
        for index, one in enumerate(repair.members):
            group = file.create_group(str(index))
            group.attrs["source"] = packed("source", {"name": one.source})
            write_array(group, "centre", one.centre)
            if state:
                write_array(group, "kept", one.kept)
            write_grid(group.create_group("law"), one.law, state=state)
            if one.back is not None:
                write_grid(group.create_group("back"), one.back, state=state)
    return Path(path)
