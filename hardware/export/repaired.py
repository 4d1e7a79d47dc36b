"""A chip's repair as C99: its sources and its tables."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from localnoise.files import write_text
from localnoise.hardware.export.naming import USUAL, as_identifier, in_c
from localnoise.hardware.export.tables import Tables, table, type_of
from localnoise.hardware.repair import ChipRepair
from localnoise.hardware.repair_words import lift_of

_HERE = Path(__file__).parent
_SOURCES = ("localnoise_repair.h", "localnoise_repair.c")
Ints = npt.NDArray[np.integer[Any]]


def write_repair(chip: ChipRepair, folder: Path, name: str) -> None:
    """Write sources and tables into `folder` under `name`."""
    as_identifier(name, "C")
    texts = {file: (_HERE / "c99" / file).read_text(encoding="ascii") for file in _SOURCES}
    for file, text in (texts | repair_tables(chip).texts).items():
        write_text(folder / file.replace(USUAL, name), in_c(text, name))


def repair_tables(chip: ChipRepair) -> Tables:
    """Return `localnoise_tables` of a repair: weights packed row by row in the order in which they are read."""
    f, formats = chip.field, chip.formats
    nobody = (1 + f.bends) * f.units
    law, (way, first) = _laws(chip), _ways(chip)
    constants: dict[str, object] = {
        "UNITS": f.units,
        "CHANNELS": f.channels,
        "PARENTS": f.parents.shape[1],
        "READERS": f.readers.shape[1],
        "KINDS": f.way.shape[1],
        "WAYS": len(f.way),
        "MEMBERS": f.members,
        "SOURCES": len(chip.sources),
        "WORD_BITS": formats.word_bits,
        "ACTIVATION_BITS": f"{formats.activation_bits} /* of an activation word h */",
        "ACTIVATION_SCALE": f"({f.activation_scale}) /* fraction bits of h: its value is h 2^-scale */",
        "LIFT": lift_of(formats),
        "MULTIPLIER": f"{f.multiplier}U",
        "SHIFT": f.shift,
        "NO_UNIT": nobody,
        "BENDS": int(f.bends),
        "LAW_WEIGHTS": f"{f.law_weights}U",
        "WAY_WEIGHTS": f"{f.way_weights}U",
        "WORTHS": int(len(f.worth) > 0),
        "AMONG": int(len(f.among) > 0),
        "AMONG_MULTIPLIER": f"{f.among_multiplier}U",
        "AMONG_SHIFT": f.among_shift,
    }
    types = {
        "weight": type_of(formats.weight_bits),
        "acc": "int32_t" if formats.accumulator_bits <= 32 else "int64_t",
        "index": "uint16_t" if nobody < 2**16 else "uint32_t",
    }
    tables = [
        table("ln_index", "parents", np.where(f.parents >= 0, f.parents, nobody)),
        table("ln_index", "readers", np.where(f.readers >= 0, f.readers, nobody)),
        table("ln_index", "kind", f.kinds),
        table("uint32_t", "first", first),
        table("int16_t", "centre", f.centre),
        table("ln_weight", "law", law),
        table("int8_t", "law_bits", f.law_bits),
        table("int16_t", "back", f.backs),
        table("ln_weight", "way", _some(way)),
        table("int8_t", "way_bits", _some(f.way_bits)),
        table("ln_acc", "way_bias", _some(f.way_bias)),
        table("int64_t", "score", f.bias),
        table("uint64_t", "low", f.low, "U"),
        table("uint64_t", "high", f.high, "U"),
        table("uint8_t", "source", chip.source_of),
    ]
    if len(f.worth):
        tables += [
            table("int64_t", "log", f.log),
            table("int32_t", "worth", f.worth),
            table("int64_t", "worth_bias", f.worth_bias),
        ]
    if len(f.among):
        tables += [table("uint8_t", "among", f.among), table("int64_t", "among_score", f.among_bias)]
    title = f"Tables of a repair of {len(chip.sources) - 1} sources, written by localnoise."
    return Tables(file="localnoise_tables", title=title, constants=constants, types=types, arrays=dict(tables))


def _some(values: Ints) -> Ints:
    """Return the values of a table, or a zero: C has no empty arrays."""
    return values if values.size else np.zeros(1, np.int64)


def _laws(chip: ChipRepair) -> Ints:
    """Weights of all laws: member by member, unit by unit, row by row, existing parents, then own channels."""
    f, m = chip.field, chip.field.channels
    there = np.repeat(f.parents >= 0, m, axis=1)[:, None, :].repeat(m, axis=1)
    own = np.broadcast_to(np.tri(m, dtype=bool), (f.units, m, m))
    return np.asarray(f.law[:, np.concatenate([there, own], axis=2)])


def _ways(chip: ChipRepair) -> tuple[Ints, Ints]:
    """Weights of all ways back, likewise; and where each set begins."""
    f, m = chip.field, chip.field.channels
    reads = np.zeros((f.way.shape[1], f.readers.shape[1]), bool)
    reads[f.kinds] = f.readers >= 0
    there = np.repeat(reads, m, axis=1)[:, None, :].repeat(m, axis=1)
    first = np.concatenate([[0], np.cumsum(reads.sum(axis=1) * m * m)[:-1]])
    return np.asarray(f.way[:, there]), np.asarray(first)
