"""A chip grid's numbers as a C header: constants, topology, weights packed row by row, seeds."""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from localnoise.hardware.emulator import ChipGrid
from localnoise.hardware.formats import NORMALS, ROUNDINGS
from localnoise.hardware.generators import GENERATORS, states
from localnoise.hardware.learning import RECIPROCAL_BITS, RULES, OnChip, start
from localnoise.hardware.words import IntegerField

Ints = npt.NDArray[np.integer]


def packed(chip: ChipGrid) -> tuple[Ints, Ints]:
    """Weights of existing links, and where each unit's begin: ((W,) int32, (N,) int64).

    Unit by unit in row-major order, row by row: row i holds G of each reader, B of each parent, L of the unit's earlier
    channels, and s: what a sweep reads, in the order in which it reads it.
    """
    f = chip.field
    return rows(f, np.concatenate([f.G, f.B, f.L], axis=2), f.s), np.concatenate([[0], np.cumsum(f.weights)[:-1]])


def rows(f: IntegerField, W: Ints, last: Ints) -> Ints:
    """Pack W (N, m, R m + K m + m) and `last` (N, m), one a row: existing neighbours, earlier channels, the last."""
    m, parts = f.channels, []
    for u in range(f.units):
        there = np.repeat(np.concatenate([f.readers[u], f.parents[u]]) >= 0, m)
        for i in range(m):
            earlier = np.arange(m) < i
            parts += [W[u, i, np.concatenate([there, earlier])], last[u, i : i + 1]]
    return np.concatenate(parts)


def learner_header(chip: ChipGrid, rule: OnChip) -> str:
    """Return `localnoise_learner.h`: the rule's constants, and the state from which learning begins or goes on."""
    f, formats = chip.field, chip.formats
    going_on = chip.rule == rule and chip.state is not None
    state = chip.state if going_on and chip.state is not None else start(f, formats, rule)
    constants = {
        "RULE": RULES.index(rule.rule),
        "RATE": rule.rate,
        "HALVING": rule.halving,
        "EXTRA": rule.extra,
        "MEMORY": rule.memory,
        "STOCHASTIC": int(rule.stochastic),
        "WEIGHT_LIMIT": formats.weight_limit,
        "RECIPROCAL": f"{round(2**RECIPROCAL_BITS / formats.normal_deviation)}U",
        "SEEN0": f"{state['seen']}U",
    }
    nothing = np.zeros(f.s.shape, np.int64)
    parts = [
        "/* A learner's constants and first state, written by localnoise. Do not edit. */",
        "#ifndef LOCALNOISE_LEARNER_H\n#define LOCALNOISE_LEARNER_H",
        "\n".join(f"#define LN_{name} {value}" for name, value in constants.items()),
        _table("int32_t", "master0", rows(f, state["V"], nothing)),
        _table("int64_t", "mean0", rows(f, state["mean"], nothing)),
        *(_table("int64_t", f"{name}0", state[name]) for name in ("bias", "mean_bias", "power")),
        _table("uint32_t", "random0", state["states"], "U"),
    ]
    return "\n\n".join([*parts, "#endif"]) + "\n"


def header(chip: ChipGrid, seed: int) -> str:
    """Return `localnoise_tables.h`: everything that the runtime needs of one grid, seeded for the stream `seed`."""
    f, formats = chip.field, chip.formats
    weights, first = packed(chip)
    generator = GENERATORS[formats.generator]
    nobody = f.units
    constants = {
        "UNITS": f.units,
        "CHANNELS": f.channels,
        "PARENTS": f.parents.shape[1],
        "READERS": f.readers.shape[1],
        "WORD_BITS": formats.word_bits,
        "NORMAL_BYTES": formats.normal_bytes,
        "POPCOUNT": NORMALS.index(formats.normal),
        "ROUNDING": ROUNDINGS.index(formats.rounding),
        "WRAP": int(formats.overflow == "wrap"),
        "TAPS": f"0x{generator.kind:X}U" if generator.kind else 0,
        "NO_UNIT": nobody,
        "WEIGHTS": len(weights),
    }
    types = {
        "weight": _type(formats.weight_bits),
        "acc": "int32_t" if formats.accumulator_bits <= 32 else "int64_t",
        "index": "uint16_t" if nobody < 2**16 else "uint32_t",
    }
    parts = [
        "/* Tables of one grid, written by localnoise. Do not edit: the manifest holds its checksum. */",
        "#ifndef LOCALNOISE_TABLES_H\n#define LOCALNOISE_TABLES_H\n\n#include <stdint.h>",
        "\n".join(f"#define LN_{name} {value}" for name, value in constants.items()),
        "\n".join(f"typedef {kind} ln_{name};" for name, kind in types.items()),
        _table("ln_index", "order", f.order),
        _table("ln_index", "parents", np.where(f.parents >= 0, f.parents, nobody)),
        _table("uint32_t", "first", first),
        _table("uint8_t", "lift", f.lift),
        _table("uint8_t", "fraction", f.fraction),
        _table("int16_t", "scale", f.scale),
        _table("ln_weight", "weights", weights),
        _table("uint32_t", "seed", states(generator, f.units, seed), "U"),
    ]
    if f.signal:
        parts.insert(6, _table("ln_index", "readers", np.where(f.readers >= 0, f.readers, nobody)))
    parts.append(_table("ln_acc", "bias", f.bias if f.signal else np.zeros(1, int)))
    return "\n\n".join([*parts, "#endif"]) + "\n"


def _type(bits: int) -> str:
    return "int8_t" if bits <= 8 else "int16_t"


def _table(kind: str, name: str, values: Ints, suffix: str = "") -> str:
    flat = values.reshape(-1).tolist()
    lines = (", ".join(_number(v, suffix) for v in flat[k : k + 16]) for k in range(0, len(flat), 16))
    used = "__attribute__((unused)) " if name in ("scale", "seed", "order", "bias", "weights") else ""
    return f"{used}static const {kind} ln_{name}[{len(flat)}] = {{\n" + _indented(lines) + "\n};"


def _number(value: int, suffix: str) -> str:
    return f"({value + 1} - 1)" if value == -(2**31) else f"{value}{suffix}"


def _indented(lines: Iterable[str]) -> str:
    return ",\n".join(f"    {line}" for line in lines)
