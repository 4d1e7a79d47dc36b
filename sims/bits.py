"""How many bits robustness needs: the local field in integers, beside floating point, over weight and word bits."""

from typing import Annotated

import typer

from localnoise.errors import choose
from localnoise.sims.defenses.chip_arms import BITS, OTHERS, WEIGHT_BITS, WORD_BITS
from localnoise.sims.experiments.command import Run, experiment
from localnoise.sims.experiments.design import own_threats
from localnoise.sims.reports import deployed
from localnoise.sims.reports.commands import Bits
from localnoise.sims.reports.comparison import Level
from localnoise.sims.runtime import commands
from localnoise.sims.runtime.options import Train, words

_FLOATS = ("lms-8", "sign-lms-8")  # the rules that the chip learns by, in floating point
SOURCES = "motion_blur@5,rotate@2,pgd@0.1"


@commands.register("bits", "Chip", "How many bits robustness needs: chip grids beside floating point.")
@experiment
def bits(
    run: Run,
    sources: Train = SOURCES,
    weight_bits: Annotated[str, typer.Option(help="With 12-bit words; of 2, 3, 4, 5, 6, 8, 12, 16.")] = "2,3,4,6,8,16",
    word_bits: Annotated[str, typer.Option(help="With 8-bit weights; of 4, 6, 8, 10, 16.")] = "4,6,8,10,16",
    also: Annotated[
        str, typer.Option(help="Further defenses: chip-lms-8, chip-lfsr16, ..., and lms-8, sign-lms-8.")
    ] = "",
) -> None:
    """Sweep the bits of weights and words: networks trained and tested with the noise that the chip would draw.

    Examples
    --------
        localnoise bits --train rotate@2 --weight-bits 4,8 --word-bits 8

        localnoise bits --also chip-lms-8,chip-sign-lms-8 --preset standard
    """
    plan, mine = run.plan(), run.chosen()
    by_weight = {n: f"chip-w{n}-d12" for n in deployed.numbers("weight_bits", weight_bits, WEIGHT_BITS)}
    by_word = {n: f"chip-w8-d{n}" for n in deployed.numbers("word_bits", word_bits, WORD_BITS)}
    names = [arm.name for arm in BITS if arm.name in {*by_weight.values(), *by_word.values()}]
    names += [choose("also", name, [*(arm.name for arm in OTHERS), *_FLOATS]) for name in words(also)]
    cells, learned = own_threats(mine.usual(sources, SOURCES), ["none", "full", deployed.FLOAT, *names], plan)
    report = Bits(title=run.title(mine), arms=names, sources=[Level.of(source).label for source in learned])
    run.conduct(cells, mine, report)


if __name__ == "__main__":
    typer.run(bits)
