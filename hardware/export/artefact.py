"""Write a chip grid as an artefact: a folder with all that is needed to build it, to run it and to check it."""

import shutil
from dataclasses import asdict
from pathlib import Path

from localnoise.errors import ArgumentError, choose
from localnoise.hardware.emulator import ChipGrid
from localnoise.hardware.export import manifest
from localnoise.hardware.export.tables import header, learner_header
from localnoise.hardware.learning import OnChip, refuse_overflow
from localnoise.validate import as_seed

KINDS, _LEARN = ("c99",), ("localnoise_learn.h", "localnoise_learn.c")
_C99 = Path(__file__).parent / "c99"


def export(
    chip: ChipGrid,
    folder: str | Path,
    kind: str = "c99",
    *,
    seed: int = 0,
    learner: OnChip | None = None,
    force: bool = False,
) -> Path:
    """Write `chip` into `folder`, and the chip grid itself beside it, which `verify` runs the artefact against.

    Parameters
    ----------
    kind : str
        "c99": tables, a freestanding runtime, and its header.
    seed : int
        Of the generators: the stream that the artefact draws.
    learner : OnChip
        Adds learning on the chip by this rule, going on from where the chip grid is if it learned by the same one.
    force : bool
        Write into a folder that is not empty; what it holds is removed.

    Raises
    ------
    ArgumentError
        Unknown kind, or a folder that is not empty.
    """
    choose("format", kind, KINDS)
    target = Path(folder)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        if not force:
            raise ArgumentError(f"{target}: not empty; expected a new or an empty folder; use --force to replace it")
        if not (target / manifest.NAME).is_file():
            raise ArgumentError(f"{target}: holds no artefact, so it is not removed; expected a new or an empty folder")
    aside = target.with_name(f".{target.name}-writing")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    try:
        for name in ("localnoise.h", "localnoise.c", "localnoise_random.h", *(_LEARN if learner else ())):
            shutil.copyfile(_C99 / name, aside / name)
        (aside / "localnoise_tables.h").write_text(header(chip, int(as_seed(seed))), encoding="ascii")
        if learner is not None:
            refuse_overflow(chip.field, chip.formats, chip.config.shape[1])
            (aside / "localnoise_learner.h").write_text(learner_header(chip, learner), encoding="ascii")
        chip.save(aside / "chip.h5")
        more = {"learner": None if learner is None else asdict(learner), "provenance": chip.provenance}
        manifest.write(aside, kind, int(seed), more)
        if target.exists():  # only now: a failure before this leaves the old artefact
            shutil.rmtree(target)
        aside.rename(target)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return target
