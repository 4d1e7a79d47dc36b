"""Audit a device: whether the words that it put out are still the noise of its chip grid."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich import box
from rich.table import Table

from localnoise.errors import ArgumentError
from localnoise.files import as_output, write_text
from localnoise.hardware import load_chip
from localnoise.hardware.audit import DeviceAudit, Verdict
from localnoise.sims.reports.audits import audit_figure
from localnoise.sims.runtime.console import console, progress, show
from localnoise.sims.runtime.options import Force
from localnoise.sims.tools import inputs

_CHUNK = 4096
_SHOWN = 12  # findings in the table


def audit(
    words: Annotated[
        str,
        typer.Argument(help="FILE:NAME or FILE.npy of a device's draws (T, C, H, W), in their order: words or values."),
    ],
    grid: Annotated[Path, typer.Option("--grid", help="HDF5 file of the chip grid that the device should draw.")],
    activations: Annotated[
        str,
        typer.Option(help="FILE:NAME or FILE.npy of the activations for which a signal-dependent device drew."),
    ] = "",
    seed: Annotated[
        int | None, typer.Option(help="The device's seed: then each unit must draw its own stream.")
    ] = None,
    start: Annotated[int, typer.Option(help="Number of the first draw in the seed's stream.")] = 0,
    level: Annotated[float, typer.Option(help="Chance that a sound device is called unsound, at most.")] = 0.01,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="JSON file of the verdict to write.")] = None,
    figure: Annotated[Path | None, typer.Option(help="Figure of the p-values, unit by unit.")] = None,
    force: Force = False,
) -> None:
    """Judge from a device's words whether it still draws its grid's noise; name the unit and the link that is off.

    Each unit's private noise is taken out of its words, exactly, and must be of mean 0, of the stated variance, white
    in time, and independent of all else. What so many draws would show is stated. Words of any length stream through.

    Exits with 1 if anything is off.

    Examples
    --------
        localnoise audit words.npy --grid chip.h5

        localnoise audit log.h5:words --grid chip.h5 --seed 7 --figure audit.png

        localnoise audit words.npy --grid signal-chip.h5 --activations log.h5:h -o verdict.json
    """
    place = inputs.file_of(words)
    if place is None or not words:
        raise ArgumentError(f"words={words!r}: expected FILE:NAME, such as log.h5:words, or FILE.npy")
    given = {"words": place, "grid": grid, "activations": inputs.file_of(activations)}
    for name, path, kind in (("output", output, "a verdict"), ("figure", figure, "a figure")):
        if path is not None:
            as_output(name, path, kind, inputs=given, force=force)
    judge = DeviceAudit(load_chip(grid), level)
    config = judge.chip.config
    layout = (config.channels, *config.shape)
    with inputs.given(words, "words", layout) as drawn, inputs.given(activations, "activations", layout) as read:
        assert drawn is not None
        if read is not None and len(read) != len(drawn):
            raise ArgumentError(f"activations has {len(read)} presentations, words {len(drawn)}: expected as many")
        with progress() as bars:
            bar = bars.add_task("observe", total=len(drawn))
            for begin in range(0, len(drawn), _CHUNK):
                rows = slice(begin, begin + _CHUNK)
                judge.observe(drawn[rows], None if read is None else read[rows])
                bars.update(bar, completed=min(begin + _CHUNK, len(drawn)))
    verdict = judge.verdict(seed, start)
    _say(verdict, judge)
    if output is not None:
        write_text(output, json.dumps(verdict.as_plain(), indent=1) + "\n")
        console.print(f"{output}: the verdict")
    if figure is not None:
        audit_figure(judge, verdict, figure)
        console.print(f"{figure}: p-values of {config.units} units")
    if not verdict.sound:
        raise typer.Exit(1)


def _say(verdict: Verdict, judge: DeviceAudit) -> None:
    if verdict.findings:
        table = Table(box=box.SIMPLE_HEAD, title=f"{len(verdict.findings)} findings in {verdict.draws:,} draws")
        for head in ("unit", "kind", "what is off", "p"):
            table.add_column(head, justify="right" if head == "p" else "left")
        for one in verdict.findings[:_SHOWN]:
            table.add_row("" if one.unit is None else str(one.unit), one.kind, one.said, f"{max(one.p, 1e-300):.1g}")
        show(table)
        if len(verdict.findings) > _SHOWN:
            console.print(f"{len(verdict.findings) - _SHOWN} more; --output writes all of them")
    console.print(f"{'Sound' if verdict.sound else 'Off'}: {verdict.sentence}.")
    bits = {name: share for name, share in verdict.power.items() if name.startswith("bit_")}
    flips = ", ".join(f"{name.removeprefix('bit_')}: {share:.0%}" for name, share in reversed(bits.items()))
    shown = verdict.power
    console.print(
        f"Nine times of ten these draws show: private noise off by {shown['noise_gain']:.1%}; a unit's gain off by "
        f"{shown['gain']:.1%}; {shown['links']:.0%} of dead links; of flipped bits, from the highest: {flips}."
    )
    if verdict.untested:
        console.print(f"{verdict.untested} neurons' noise is finer than a word's step: its spread is not judged.")
    if verdict.seed is None:
        console.print("Without --seed, two units that exchanged their seeds cannot be told.")
    if verdict.draws < judge.draws_needed:
        console.print(f"{judge.draws_needed:,} draws would show any noise that is off by 10 %.")


if __name__ == "__main__":
    typer.run(audit)
