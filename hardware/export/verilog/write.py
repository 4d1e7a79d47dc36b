"""A chip grid as Verilog: tables for `$readmemh`, and a top module that joins the engines which walk them.

The engines' sources (`sources/*.v`) are the same for every grid. An engine holds the records, links, weights and seeds
of its own units in the order in which it walks them, so that the weights are read one after the other. With several
engines the order is cut into levels, units whose parents all lie in earlier levels; a level's units are dealt to the
engines in turn, and the engines wait for each other at its end. The members of a bank take turns in the same engines,
which hold a set of records, weights and biases for each; `localnoise_turn.v` decides whose turn it is.
"""

from pathlib import Path
from typing import ClassVar

from localnoise.errors import ArgumentError
from localnoise.files import write_text
from localnoise.hardware.bank import ChipBank
from localnoise.hardware.emulator import ChipGrid
from localnoise.hardware.export.exporters import EXPORTERS
from localnoise.hardware.export.naming import USUAL, as_identifier, in_verilog
from localnoise.hardware.export.verilog.memories import hexadecimal, sizes_of, tables_of
from localnoise.hardware.export.verilog.plan import plan
from localnoise.hardware.export.verilog.top import top_of
from localnoise.hardware.fitting.wiring import same_wires
from localnoise.hardware.learners import Learner
from localnoise.validate import as_count

SOURCES = Path(__file__).parent / "sources"


def write(
    chip: ChipGrid | ChipBank,
    folder: Path,
    seed: int,
    learner: Learner | None = None,
    *,
    engines: int = 1,
    loaded: bool = False,
    name: str = USUAL,
) -> None:
    """Write the sources, the tables of each engine and the top module `name` into `folder`.

    loaded : weights come in through a port, 16 bits at a time, before the first draw: they then lie in single-port
    memory, which FPGAs cannot initialise; else they are part of the design. One engine only.
    """
    if learner is not None:
        raise ArgumentError(
            f"learner={learner.rule!r}: Verilog draws and does not learn; expected none, or format c99; weights "
            "learned elsewhere can be loaded (loaded=True)"
        )
    if loaded and engines != 1:
        raise ArgumentError(
            f"engines={engines}: weights are loaded into one engine; expected 1, or weights in the design"
        )
    if loaded and isinstance(chip, ChipBank):
        raise ArgumentError(
            "loaded=True was given with a bank, whose weights are part of the design: expected none; or format c99"
        )
    as_identifier(name, "Verilog")
    members = chip.members if isinstance(chip, ChipBank) else [chip]
    same_wires(members)
    texts = {path.name: path.read_text(encoding="ascii") for path in sorted(SOURCES.glob("*.v"))}
    plans = plan(members[0], as_count("engines", engines, 1))
    parameters = []
    for number, (units, stops) in enumerate(plans):
        sizes = sizes_of(members, units, loaded)
        for table, (values, bits) in tables_of(members, units, stops, seed, sizes).items():
            write_text(folder / f"{name}_{table}{number}.mem", hexadecimal(values, bits))
        parameters.append(sizes)
    texts["localnoise.v"] = top_of(chip, plans, parameters, seed)
    if not isinstance(chip, ChipBank):
        del texts["localnoise_turn.v"]
    for file, text in texts.items():
        write_text(folder / file.replace(USUAL, name), in_verilog(text, name))


@EXPORTERS.register("verilog")
class Verilog:
    """Tables, engines, and their top module."""

    options: ClassVar = ("engines", "loaded", "name")
    banks: ClassVar = True
    write = staticmethod(write)
