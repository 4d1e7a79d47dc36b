"""A chip grid's numbers in C: constants, topology, weights packed row by row, seeds; declared, and held once."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from localnoise.bank import hash_offset
from localnoise.hardware.bank import ChipBank
from localnoise.hardware.emulator import ChipGrid
from localnoise.hardware.fitting.wiring import same_wires
from localnoise.hardware.formats import NORMALS, ROUNDINGS
from localnoise.hardware.generators import GENERATORS, states
from localnoise.hardware.generators.seeding import draws_without_overlap, mix
from localnoise.hardware.learners import Learner
from localnoise.hardware.learning import RECIPROCAL_BITS, RULES, OnChip, start
from localnoise.hardware.rewarding import REWARD_FRACTION, REWARD_LIMIT, OnChipReward, goes_on, rewarded_so_far
from localnoise.hardware.words import IntegerField

Ints = npt.NDArray[np.integer]
EXTERN_C = '#ifdef __cplusplus\nextern "C" {\n#endif'
EXTERN_C_END = "#ifdef __cplusplus\n}\n#endif"


def packed(chip: ChipGrid) -> tuple[Ints, Ints]:
    """Weights of existing links, and where each unit's begin: ((W,) int32, (N,) int64).

    Unit by unit in row-major order, row by row: row i holds G of each reader, B of each parent, L of the unit's earlier
    channels, and s: what a sweep reads, in the order in which it reads it.
    """
    f = chip.field
    return rows(f, np.concatenate([f.G, f.B, f.L], axis=2), f.s), np.concatenate([[0], np.cumsum(f.weights)[:-1]])


def rows(f: IntegerField, W: Ints, last: Ints) -> Ints:
    """Pack W (N, m, R m + K m + m) and `last` (N, m), one a row: existing neighbors, earlier channels, the last."""
    m, parts = f.channels, []
    for u in range(f.units):
        there = np.repeat(np.concatenate([f.readers[u], f.parents[u]]) >= 0, m)
        for i in range(m):
            earlier = np.arange(m) < i
            parts += [W[u, i, np.concatenate([there, earlier])], last[u, i : i + 1]]
    return np.concatenate(parts)


@dataclass(frozen=True, kw_only=True)
class Tables:
    """Constants, types and arrays of C: the text of a header that declares them, and of the file that holds them once.

    Attributes
    ----------
    file : str
        What both files are called, without their endings.
    title : str
        First line of both.
    constants, types : dict of str
        `#define`s with what is said of them, and `typedef`s, by name.
    arrays : dict of str
        Definitions, by declaration.
    reads : tuple of str
        Headers whose types the arrays have.
    """

    file: str
    title: str
    constants: dict[str, object]
    types: dict[str, str]
    arrays: dict[str, str]
    reads: tuple[str, ...] = ()

    @property
    def texts(self) -> dict[str, str]:
        """Both files by name."""
        guard = f"{self.file.upper()}_H"
        parts = [
            f"/* {self.title} Do not edit: the manifest holds its checksum. */",
            f"#ifndef {guard}\n#define {guard}\n\n#include <stdint.h>",
            "\n".join(f'#include "{header}"' for header in self.reads),
            "\n".join(f"#define LN_{name} {value}" for name, value in self.constants.items()),
            "\n".join(f"typedef {kind} ln_{name};" for name, kind in self.types.items()),
            EXTERN_C,
            "\n".join(f"extern const {declared};" for declared in self.arrays),
            EXTERN_C_END,
            "#endif",
        ]
        held = [f"/* {self.title} Do not edit. */", f'#include "{self.file}.h"']
        held += [f"const {declared} = {{\n{values}\n}};" for declared, values in self.arrays.items()]
        return {
            f"{self.file}.h": "\n\n".join(part for part in parts if part) + "\n",
            f"{self.file}.c": "\n\n".join(held) + "\n",
        }


def learner_tables(chip: ChipGrid, rule: Learner) -> Tables:
    """Return `localnoise_learner`: the rule's constants, and the state from which learning begins or goes on."""
    title = "A learner's constants and first state, written by localnoise."
    constants, arrays = _rewarded(chip, rule) if isinstance(rule, OnChipReward) else _taught(chip, rule)
    common = {"RATE": rule.rate, "EXTRA": rule.extra, "STOCHASTIC": int(rule.stochastic)}
    common["WEIGHT_LIMIT"] = chip.formats.weight_limit
    return Tables(file="localnoise_learner", title=title, constants=constants | common, types={}, arrays=dict(arrays))


def _rewarded(chip: ChipGrid, rule: OnChipReward) -> tuple[dict[str, object], list[tuple[str, str]]]:
    """Of a learner from rewards, whose masters begin from the weights in use, or go on from those of the chip."""
    f, m = chip.field, chip.field.channels
    state, going_on = rewarded_so_far(chip, rule), goes_on(chip, rule)
    random = table("uint32_t", "random0", state["states"], "U")
    masters = int(f.weights.sum()) - f.units * (m * (m + 1) // 2)  # of links alone
    constants: dict[str, object] = {
        "MASTERS": f"{max(masters, 1)}U",
        "TOLD_FRACTION": REWARD_FRACTION,
        "TOLD_LIMIT": REWARD_LIMIT,
        "GOING_ON": f"{int(going_on)} /* 1: from master0; 0: from the weights in use */",
    }
    if not going_on:
        return constants, [random]
    there = np.repeat(np.concatenate([f.readers, f.parents], axis=1) >= 0, m, axis=1)
    masters = state["V"][np.broadcast_to(there[:, None], state["V"].shape)]
    return constants, [table("int32_t", "master0", masters if masters.size else np.zeros(1, np.int64)), random]


def _taught(chip: ChipGrid, rule: OnChip) -> tuple[dict[str, object], list[tuple[str, str]]]:
    """Of a learner from displacements."""
    f, formats = chip.field, chip.formats
    going_on = chip.rule == rule and chip.state is not None
    state = chip.state if going_on and chip.state is not None else start(f, formats, rule)
    constants: dict[str, object] = {
        "RULE": RULES.index(rule.rule),
        "HALVING": rule.halving,
        "MEMORY": rule.memory,
        "RECIPROCAL": f"{round(2**RECIPROCAL_BITS / formats.normal_deviation)}U",
        "SEEN0": f"{state['seen']}U",
    }
    nothing = np.zeros(f.s.shape, np.int64)
    tables = [
        table("int32_t", "master0", rows(f, state["V"], nothing)),
        table("int64_t", "mean0", rows(f, state["mean"], nothing)),
        *(table("int64_t", f"{name}0", state[name]) for name in ("bias", "mean_bias", "power")),
        table("uint32_t", "random0", state["states"], "U"),
    ]
    return constants, tables


def grid_tables(chip: ChipGrid, seed: int, halved: bool = False) -> Tables:
    """Return `localnoise_tables`: everything that the runtime needs of one grid, seeded for the stream `seed`.

    halved : whether two weights of at most 4 bits lie in a byte.
    """
    f, formats = chip.field, chip.formats
    weights, first = packed(chip)
    generator, nobody = GENERATORS[formats.generator], f.units
    constants = common_constants(chip, seed) | {"WEIGHTS": len(weights), "PACKED": int(halved)}
    types = common_types(chip)
    tables = [
        table("ln_index", "order", f.order),
        table("ln_index", "parents", np.where(f.parents >= 0, f.parents, nobody)),
        *([table("ln_index", "readers", np.where(f.readers >= 0, f.readers, nobody))] if f.signal else []),
        table("uint32_t", "first", first),
        table("uint8_t", "lift", f.lift),
        table("uint8_t", "fraction", f.fraction),
        table("int16_t", "scale", f.scale),
        table("uint8_t", "weights", nibbles(weights)) if halved else table("ln_weight", "weights", weights),
        table("uint32_t", "seeds", states(generator, f.units, seed), "U"),
        table("ln_acc", "bias", f.bias if f.signal else np.zeros(1, int)),
    ]
    title = "Tables of one grid, written by localnoise."
    return Tables(file="localnoise_tables", title=title, constants=constants, types=types, arrays=dict(tables))


def nibbles(weights: Ints) -> Ints:
    """Return bytes of two weights of 4 bits each, the first in the low half."""
    both = np.zeros((len(weights) + 1) // 2 * 2, np.uint8)
    both[: len(weights)] = weights & 15
    return both[::2] | (both[1::2] << 4)


def common_constants(chip: ChipGrid, seed: int) -> dict[str, object]:
    """Return the constants that every runtime needs."""
    f, formats = chip.field, chip.formats
    generator, nobody = GENERATORS[formats.generator], f.units
    constants: dict[str, object] = {
        "UNITS": f.units,
        "CHANNELS": f.channels,
        "PARENTS": f.parents.shape[1],
        "READERS": f.readers.shape[1],
        "WORD_BITS": formats.word_bits,
        "NORMAL_BYTES": formats.normal_bytes,
        "POPCOUNT": NORMALS.index(formats.normal),
        "ROUNDING": ROUNDINGS.index(formats.rounding),
        "WRAP": int(formats.overflow == "wrap"),
        "STATE_BITS": generator.width,
        "TAPS": f"0x{generator.kind:X}U" if generator.kind else 0,
        "PLACE": f"{mix(seed) % generator.period}U /* on the common cycle, of unit 0: of seed {seed} */",
        "DRAWS": f"{draws_without_overlap(generator, f.units, chip.steps_per_draw)}U /* until units share words */",
        "NO_UNIT": nobody,
    }
    if f.signal:
        constants["ACTIVATION_BITS"] = f"{formats.activation_bits} /* of an activation word h */"
        constants["ACTIVATION_SCALE"] = f"({f.activation_scale}) /* fraction bits of h: its value is h 2^-scale */"
    return constants


def common_types(chip: ChipGrid) -> dict[str, str]:
    """Return the types of weights, accumulators and addresses."""
    formats = chip.formats
    return {
        "weight": type_of(formats.weight_bits),
        "acc": "int32_t" if formats.accumulator_bits <= 32 else "int64_t",
        "index": "uint16_t" if chip.field.units < 2**16 else "uint32_t",
    }


def bank_tables(bank: ChipBank, seed: int) -> Tables:
    """Return `localnoise_tables` of a bank: what differs between its members one after the other, the rest once.

    Raises
    ------
    ArgumentError
        A member has other wires than the first.
    """
    first = bank.members[0]
    same_wires(bank.members)
    each = [grid_tables(member, seed) for member in bank.members]
    arrays = dict(each[0].arrays)
    for declared in each[0].arrays:
        kind, name = declared.partition("[")[0].split(" ln_")
        if name in ("weights", "lift", "fraction") or (name == "bias" and first.field.signal):
            del arrays[declared]
            size = int(declared.partition("[")[2][:-1]) * len(each)
            arrays[f"{kind} ln_{name}[{size}]"] = ",\n".join(tables.arrays[declared] for tables in each)
    arrays |= dict([table("uint32_t", "turns", bank.thresholds, "U")])
    constants = each[0].constants | {
        "MEMBERS": len(each),
        "TURN": f"0x{hash_offset(seed):X}U /* where the turns of seed {seed} begin */",
    }
    title = f"Tables of a bank of {len(each)} grids, written by localnoise."
    return Tables(file=each[0].file, title=title, constants=constants, types=each[0].types, arrays=arrays)


def type_of(bits: int) -> str:
    """Type of a weight."""
    return "int8_t" if bits <= 8 else "int16_t"


def table(kind: str, name: str, values: Ints, suffix: str = "") -> tuple[str, str]:
    """Declaration and values of one array."""
    flat = values.reshape(-1).tolist()
    lines = (", ".join(_number(v, suffix) for v in flat[k : k + 16]) for k in range(0, len(flat), 16))
    return f"{kind} ln_{name}[{len(flat)}]", _indented(lines)


def _number(value: int, suffix: str) -> str:
    """Write a number so that no compiler warns: C has no literal for the least of a type."""
    return f"({value + 1} - 1)" if value in (-(2**31), -(2**63)) else f"{value}{suffix}"


def _indented(lines: Iterable[str]) -> str:
    return ",\n".join(f"    {line}" for line in lines)
