"""A narrow chip grid's numbers in C: tables once a class of units, and what is each unit's own."""

from typing import Any

import numpy as np

from localnoise.hardware.emulator import ChipGrid
from localnoise.hardware.export.tables import Ints, Tables, common_constants, common_types, table
from localnoise.hardware.generators import GENERATORS, states
from localnoise.hardware.narrow import OFFSET, POINT, NarrowWords


def packed_classes(f: NarrowWords) -> tuple[Ints, Ints]:
    """Weights of existing links, and where each class' begin: ((W,) int32, (C,) int64).

    Class by class, row by row: a row holds those of each reader, then of each parent: what a sweep reads, in the order
    in which it reads it.
    """
    q = f.past.shape[1]
    there = np.concatenate([np.repeat(part, q, axis=1) for part in f.links], axis=1)
    both = np.concatenate([f.read, f.past], axis=2)
    parts = [both[c][:, columns].reshape(-1) for c, columns in enumerate(there)]
    none = np.zeros(0 if there.any() else 1, np.int32)  # C has no arrays of no elements
    return np.concatenate([*parts, none]), np.cumsum([0, *(len(part) for part in parts[:-1])])


def narrow_tables(chip: ChipGrid, seed: int) -> Tables:
    """Return `localnoise_tables` of a grid with `share` or `rank`, seeded for the stream `seed`."""
    f: Any = chip.field
    formats, nobody, r = chip.formats, f.units, f.rank
    weights, first = packed_classes(f)
    lower = np.tril_indices(f.channels)
    constants = common_constants(chip, seed) | {
        "WEIGHTS": len(weights),
        "KINDS": len(f.past),
        "RANK": f"{r} /* words of a unit that a link carries; 0: all channels */",
        "CARRIED": f.past.shape[1],
        "POINT": f"{f.shifts[POINT]}U /* bits of the last accumulator below a word */",
        "OFFSET": f"{f.shifts[OFFSET]}U",
    }
    types = common_types(chip) | {"kind": "uint8_t" if max(len(f.past), len(f.factor)) <= 2**8 else "uint32_t"}
    tables = [
        table("ln_index", "order", f.order),
        table("ln_index", "parents", np.where(f.parents >= 0, f.parents, nobody)),
        *([table("ln_index", "readers", np.where(f.readers >= 0, f.readers, nobody))] if f.signal else []),
        table("ln_kind", "kinds", f.kinds),
        table("ln_kind", "levels", f.levels),
        table("uint32_t", "first", first),
        table("ln_weight", "weights", weights),
        table("uint8_t", "lift", f.lift),
        table("ln_weight", "factor", f.factor[:, lower[0], lower[1]]),
        table("uint8_t", "deep", f.deep),
        table("ln_weight", "s", f.s),
        table("uint8_t", "own", f.own),
        table("int16_t", "scale", f.scale),
        table("uint32_t", "seeds", states(GENERATORS[formats.generator], f.units, seed), "U"),
    ]
    if r:
        tables += [table("uint8_t", name, getattr(f, of)) for name, of in (("drop", "down"), ("lead", "up"))]
        tables += [table("uint8_t", "fraction", f.fraction), table("ln_weight", "inward", f.inward)]
    if f.signal:
        tables.append(table("int16_t", "bias", f.bias))
    if r and f.signal:
        tables += [table("uint8_t", "sunk", f.sunk), table("ln_weight", "reading", f.reading)]
    title = "Tables of one grid with shared weights or links of a low rank, written by localnoise."
    return Tables(file="localnoise_tables", title=title, constants=constants, types=types, arrays=dict(tables))
