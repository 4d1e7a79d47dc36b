"""A network in C99, with its defense if it has one: sources, tables, golden images, and a program that tries them."""

from dataclasses import replace
from pathlib import Path

from localnoise.errors import ArgumentError
from localnoise.files import write_text
from localnoise.hardware.export.naming import USUAL, as_identifier, in_c
from localnoise.hardware.export.network_tables import golden_tables, network_tables
from localnoise.hardware.export.tables import table
from localnoise.hardware.network.defense import ChipDefense
from localnoise.hardware.network.layers import MixWords
from localnoise.hardware.network.memory import planned
from localnoise.hardware.network.program import Program

_HERE = Path(__file__).parent
_NETWORK = ("localnoise_network.h", "localnoise_integers.h", "localnoise_network.c", "localnoise_selftest.c")
_DEFENSE = ("localnoise_defense.h", "localnoise_defense.c", "localnoise_defense_selftest.c")
_FIELD = "lnfield"  # as the C of a defense calls what draws or repairs
_MAIN, _DEFENSE_MAIN = "localnoise_main.c", "localnoise_defense_main.c"
_LATER = '#if LN_LATER > 0\n#include "localnoise_later.h"\n#endif\n'


def write_network(program: Program, folder: Path, name: str) -> None:
    """Write sources, tables and golden images into `folder` under `name`."""
    as_identifier(name, "C")
    texts = _sources(*_NETWORK) | {_MAIN: _sources(_MAIN)[_MAIN]}
    _write(folder, name, texts | network_tables(program).texts | golden_tables(program).texts)


def write_defense(defense: ChipDefense, folder: Path, name: str) -> None:
    """Write a network and its defense; `field_name` begins the names of what draws or repairs."""
    as_identifier(name, "C")
    texts = _sources(*_NETWORK, *_DEFENSE) | {_MAIN: _sources(_DEFENSE_MAIN)[_DEFENSE_MAIN]}
    if defense.entry.repairs:
        texts["localnoise_defense.h"] = texts["localnoise_defense.h"].replace('"lnfield.h"', '"lnfield_repair.h"')
    if defense.later:
        texts["localnoise_later.h"] = later_repairs(defense)
    else:  # a header that is not there is read by nobody
        texts["localnoise_defense.c"] = texts["localnoise_defense.c"].replace(_LATER, "")
    constants, arrays = _mix(defense)
    tables = network_tables(defense.program)
    joined = replace(tables, constants=tables.constants | constants, arrays=tables.arrays | arrays)
    _write(folder, name, texts | joined.texts | golden_tables(defense.program, defense).texts)


def field_name(name: str, k: int = 0) -> str:
    """Return the name under which the k-th noise or repair of a network's artefact is written, beside it."""
    own = _FIELD if name == USUAL else f"{name}_field"
    return own if k == 0 else f"{own}{k + 1}"


def _sources(*files: str) -> dict[str, str]:
    return {file: (_HERE / "c99" / file).read_text(encoding="ascii") for file in files}


def _write(folder: Path, name: str, texts: dict[str, str]) -> None:
    field = field_name(name)
    for file, text in texts.items():
        own = in_c(text, name).replace(_FIELD, field).replace(_FIELD.upper(), field.upper())
        write_text(folder / file.replace(USUAL, name), own)


def _mix(defense: ChipDefense) -> tuple[dict[str, object], dict[str, str]]:
    """Constants and arrays of the place where the defense joins the network.

    Raises
    ------
    ArgumentError
        The units read activations so much finer than the network's words that C's shift would leave 32 bits.
    """
    program, entry = defense.program, defense.entry
    k, (at, _) = program.mix, planned(program)
    assert k is not None
    layer = program.layers[k]
    assert isinstance(layer, MixWords)
    _, _, scale = program.layouts[layer.inputs[0]]
    up = entry.one.field.activation_scale - scale if entry.signal else 0
    if not -30 <= up <= 14:
        raise ArgumentError(
            f"chip reads activations at scale {entry.one.field.activation_scale}, the network gives them at {scale}: "
            "expected scales within 14 bits; calibrate both on the same activations"
        )
    constants: dict[str, object] = {
        "MIX": f"{k}U",
        "MIX_FROM": at[layer.inputs[0]],
        "MIX_INTO": at[k + 1],
        "MIX_TIMES": 2**layer.lift,
        "MIX_FRACTION": layer.fraction,
        "MIX_LOW": f"({layer.finish.low})",
        "MIX_HIGH": layer.finish.high,
        "REPAIRS": int(entry.repairs),
        "READS": int(entry.signal),
        "READ_TIMES": 2 ** max(up, 0),
        "READ_FRACTION": max(-up, 0),
        "READ_TOP": 2 ** (defense.chip.formats.activation_bits - 1),
        "LATER": len(defense.later),
        "WIDEST": max(one.config.neurons for one in defense.chips),
        "DRAWS": f"{defense.draws}U",
        "VOTE": int(defense.vote),
    }
    lifts = [] if entry.repairs else [table("uint8_t", "noise_lift", layer.noise_lift)]
    return constants, dict(lifts)


def later_repairs(defense: ChipDefense) -> str:
    """Return the C header that lists the repairs of later layers."""
    program, (at, _) = defense.program, planned(defense.program)
    places = [(f"{k}U", at[program.layers[k].inputs[0]], at[k + 1]) for k in program.mixes[1:]]
    places += [("LN_LAYERS", -1, -1)] * (len(defense.later) - len(places))
    names = [f"{_FIELD}{k + 2}" for k in range(len(defense.later))]
    rows = [
        f"    {{{layer}, {start}, {into}, {one.config.neurons}U, {2 ** (one.formats.activation_bits - 1)}, "
        f"&{name}_repair_as, &{name}_verdict}}"
        for (layer, start, into), one, name in zip(places, defense.later, names, strict=True)
    ]
    includes = "\n".join(f'#include "{name}_repair.h"' for name in names)
    listed = ",\n".join(rows)
    return (
        "/* Repairs of later layers, written by localnoise. Do not edit: the manifest holds its checksum. */\n"
        f"#ifndef LOCALNOISE_LATER_H\n#define LOCALNOISE_LATER_H\n\n{includes}\n\n"
        "/* Of the output (layer LN_LAYERS) it reads and changes the logits. */\n"
        "typedef struct {\n    unsigned layer;\n    int32_t from;\n    int32_t into;\n    unsigned words;\n"
        "    int32_t top;\n    int (*repair_as)(int source, const int16_t *h, int16_t *fixed);\n"
        f"    int (*verdict)(int member);\n}} ln_later_repair;\n\n"
        f"static const ln_later_repair ln_later[LN_LATER] = {{\n{listed}\n}};\n\n#endif\n"
    )
