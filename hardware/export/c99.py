"""A chip grid as C99: the runtime of `c99/`, and the tables of this grid."""

from pathlib import Path
from typing import ClassVar

from localnoise.errors import ArgumentError
from localnoise.files import write_text
from localnoise.hardware.bank import ChipBank
from localnoise.hardware.emulator import ChipGrid
from localnoise.hardware.export.exporters import EXPORTERS, LEVEL
from localnoise.hardware.export.naming import USUAL, as_identifier, in_c
from localnoise.hardware.export.narrow import narrow_tables
from localnoise.hardware.export.networked import field_name, write_defense, write_network
from localnoise.hardware.export.repaired import write_repair
from localnoise.hardware.export.tables import bank_tables, grid_tables, learner_tables
from localnoise.hardware.formats import Formats
from localnoise.hardware.learners import Learner
from localnoise.hardware.learning import OnChip, refuse_overflow
from localnoise.hardware.network.defense import ChipDefense
from localnoise.hardware.network.program import Program
from localnoise.hardware.repair import ChipRepair
from localnoise.hardware.rewarding import OnChipReward

SOURCES = Path(__file__).parent / "c99"
_DRAW = ("localnoise.h", "localnoise_seed.c", "localnoise_random.h", "localnoise_arithmetic.h")
_SWEEP, _NARROW = ("localnoise.c",), ("localnoise_narrow.c",)
_LEARN = {
    OnChip: ("localnoise_learn.h", "localnoise_learn.c", "localnoise_steps.h"),
    OnChipReward: ("localnoise_reward.h", "localnoise_reward.c", "localnoise_steps.h"),
}
_TEST = ("localnoise_audit.h", "localnoise_audit.c")
_GLUE = ("localnoise_int8.h", "localnoise_int8.c")  # for a network of the user's own


def write(
    chip: ChipGrid | ChipBank | ChipRepair | Program | ChipDefense,
    folder: Path,
    seed: int,
    learner: Learner | None,
    *,
    name: str = USUAL,
    glue: bool = True,
    selftest: int = 0,
    level: float = LEVEL,
) -> None:
    """Write sources and tables into `folder` under `name`, with learning where there is a learner.

    glue : whether to add what joins a grid to 8-bit tensors (`hardware.int8`).
    selftest, level : draws that a unit's self-test takes, 0 for none, and its level (`hardware.audit.selftest`).
    """
    if selftest and isinstance(chip, (Program, ChipDefense, ChipRepair)):
        raise ArgumentError(f"selftest={selftest!r}: expected with a chip grid, whose noise is what is tested")
    if isinstance(chip, (Program, ChipDefense)):
        if isinstance(chip, Program):
            write_network(chip, folder, name)
            return
        write_defense(chip, folder, name)
        for k, one in enumerate(chip.chips):
            write(one, folder, chip.seed, None, name=field_name(name, k), glue=False)
        return
    if isinstance(chip, ChipRepair):
        if learner is not None:
            raise ArgumentError("learner was given with a repair, which does not learn on a chip: expected none")
        write_repair(chip, folder, name)
        return
    as_identifier(name, "C")
    tested = None
    if selftest:
        from localnoise.hardware.export.tested import checked, test_tables  # SciPy's distributions come with it

        tested = test_tables(checked(chip, learner, selftest, level)).texts
    narrow = chip.config.narrow
    files = (
        *_DRAW,
        *(_NARROW if narrow else _SWEEP),
        *(_LEARN[type(learner)] if learner else ()),
        *(_GLUE if glue else ()),
    )
    files = (*files, *(_TEST if tested else ()))
    texts = {file: (SOURCES / file).read_text(encoding="ascii") for file in files}
    if narrow and (learner is not None or isinstance(chip, ChipBank)):
        what = "a learner" if learner is not None else "a bank"
        raise ArgumentError(
            f"{what} was given with grids that have share={chip.config.share!r}, rank={chip.config.rank!r}: expected "
            "one grid that does not learn on the chip; quantise grid.widened() for more"
        )
    if isinstance(chip, ChipBank):
        if learner is not None:
            raise ArgumentError("learner was given with a bank, which does not learn on a chip: expected none")
        texts |= bank_tables(chip, seed).texts
    else:
        texts |= (narrow_tables(chip, seed) if narrow else grid_tables(chip, seed, halved(chip.formats, learner))).texts
    if learner is not None and isinstance(chip, ChipGrid):
        refuse_overflow(chip.field, chip.formats, chip.config.shape[1])
        texts |= learner_tables(chip, learner).texts
    if tested is not None:
        texts |= tested
    for file, text in texts.items():
        write_text(folder / file.replace(USUAL, name), in_c(text, name))


def halved(formats: Formats, learner: Learner | None) -> bool:
    """Return whether two weights of a grid lie in a byte: those of 4 bits that do not learn."""
    return formats.weight_bits <= 4 and learner is None


@EXPORTERS.register("c99")
class C99:
    """Tables, a freestanding runtime, and its header."""

    options: ClassVar = ("name", "selftest", "level")
    banks: ClassVar = True
    narrow: ClassVar = True
    repairs: ClassVar = True
    networks: ClassVar = True
    write = staticmethod(write)
