"""A chip grid as C99: the runtime of `c99/`, and the tables of this grid."""

import shutil
from pathlib import Path

from localnoise.hardware.emulator import ChipGrid
from localnoise.hardware.export.tables import header, learner_header
from localnoise.hardware.learning import OnChip, refuse_overflow

SOURCES = Path(__file__).parent / "c99"
_DRAW, _LEARN = ("localnoise.h", "localnoise.c", "localnoise_random.h"), ("localnoise_learn.h", "localnoise_learn.c")


def write(chip: ChipGrid, folder: Path, seed: int, learner: OnChip | None) -> None:
    """Write sources and tables into `folder`, with learning where there is a learner."""
    for name in (*_DRAW, *(_LEARN if learner else ())):
        shutil.copyfile(SOURCES / name, folder / name)
    (folder / "localnoise_tables.h").write_text(header(chip, seed), encoding="ascii")
    if learner is not None:
        refuse_overflow(chip.field, chip.formats, chip.config.shape[1])
        (folder / "localnoise_learner.h").write_text(learner_header(chip, learner), encoding="ascii")
