"""Meet a stream on which corruptions come and go, one image after the other: repair beside adaptation at test time."""

from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Annotated, Any

import typer

from localnoise.errors import ArgumentError, choose
from localnoise.files import as_folder
from localnoise.sims import perturbations
from localnoise.sims.defenses import Repairing
from localnoise.sims.defenses.repair_plan import ALL
from localnoise.sims.evaluation.names import check_eps, name_and_level
from localnoise.sims.evaluation.source import Source
from localnoise.sims.experiments.chosen import DEFAULT, Chosen
from localnoise.sims.experiments.conduct import publish
from localnoise.sims.experiments.design import STRONGEST
from localnoise.sims.experiments.presets import preset
from localnoise.sims.experiments.repair_design import LEARNED, check_plan, sources_of
from localnoise.sims.models.registry import ARCHITECTURES, TWIN
from localnoise.sims.models.training import BACKPROP
from localnoise.sims.results import experiment
from localnoise.sims.results.records import NAME, RecordFile
from localnoise.sims.runtime import commands
from localnoise.sims.runtime.console import console
from localnoise.sims.runtime.options import (
    DataDir,
    Jobs,
    Layer,
    Mix,
    Out,
    PresetName,
    Scheduler,
    Seeds,
    TaskName,
    Training,
    one_of,
    words,
)
from localnoise.sims.streaming.arms import ARMS, NORM, stream_arm
from localnoise.sims.streaming.reported import Stream
from localnoise.sims.streaming.running import run_streams
from localnoise.sims.streaming.schedule import StreamPlan
from localnoise.sims.streaming.study import StreamSettings, check_norm
from localnoise.sims.streaming.workshop import MIXED
from localnoise.sims.streaming.workshop import STRONGEST as TOP
from localnoise.validate import as_count

_SAME, _EVERY = "learned", "all"
_LENGTHS = {"quick": 6_000, "standard": 30_000, "full": 100_000}
_STAYS = {"quick": 300, "standard": 1_000, "full": 2_000}
_TUNED = 70_000  # images of the stream on which hyperparameters are chosen, at most: a reset after 1,000 batches is met


@commands.register(
    "stream",
    "Evaluate",
    "Corruptions that come and go on a stream: repair beside adaptation at test time.",
)
def stream(
    defenses: Annotated[
        str, typer.Option("--defenses", help=f"Methods, separated by commas; all: {', '.join(ARMS)}.")
    ] = _EVERY,
    sources: Annotated[
        str,
        typer.Option(
            "--train", help="NAME@LEVEL,...: what repairs learn; modifications: the paper's ten, or the task's."
        ),
    ] = LEARNED,
    tested: Annotated[
        str, typer.Option("--test", help="NAME@LEVEL,...: what happens on the stream; learned: what repairs learn.")
    ] = _SAME,
    strengths: Annotated[
        str,
        one_of((MIXED, TOP), help="At which levels repairs learn: all that a stream drifts through, or the named one."),
    ] = MIXED,
    length: Annotated[int | None, typer.Option(help="Images; default: 6,000, 30,000 or 100,000 by preset.")] = None,
    stay: Annotated[
        int | None, typer.Option(help="Mean images of a corruption; default: 300, 1,000 or 2,000 by preset.")
    ] = None,
    displaced: Annotated[
        int | None, typer.Option(help="Training images that repairs learn from; default: the preset's, at most 10,000.")
    ] = None,
    radius: Annotated[
        int, typer.Option("--signal-radius", help="Chebyshev radius of the activations that a repair's unit reads.")
    ] = 2,
    causes: Annotated[
        int, typer.Option(help="Parts that a source is cut into where it has an angle, a direction or a place: 4, 16.")
    ] = 1,
    layers: Annotated[str, typer.Option(help="Layers to repair, as `localnoise repair` takes them.")] = ALL,
    task: TaskName = DEFAULT,
    layer: Layer = None,
    training: Training = BACKPROP,
    spend: PresetName = "quick",
    seeds: Seeds = None,
    out: Out = Path("results/stream"),
    data_dir: DataDir = None,
    jobs: Jobs = 2,
    scheduler: Scheduler = "",
    mix: Mix = False,
) -> None:
    """Give a stream to several methods: corruptions one after the other, drifting in strength, clean in between.

    Each image is decided as it comes, by a network that repairs itself, adapts its batch normalisation, or does not
    change. Finished methods are kept, and the same command goes on after an interruption.

    Examples
    --------
        localnoise stream

        localnoise stream --defenses none,repair,repair-filtered --train rotate@2,contrast@5 --length 4000

        localnoise stream --preset full --causes 16 --out results/stream

        localnoise stream --task my_task.py --layer layer2 --defenses none,repair,repair-filtered,temporal
    """
    began, spent, chosen = perf_counter(), preset(spend, seeds=seeds), Chosen.of(task, layer=layer, training=training)
    as_folder("out", out)
    choose("strengths", strengths, (MIXED, TOP))
    arms = [stream_arm(name) for name in (ARMS if defenses == _EVERY else words(defenses))]
    if not arms:
        raise ArgumentError(f"defenses is empty: expected all, or some of {', '.join(ARMS)}")
    images = min(spent.displaced, 10_000) if displaced is None else as_count("displaced", displaced, 100)
    learned = sources_of(sources, chosen, images)
    happening = [(one.name, one.level) for one in learned]
    if tested != _SAME:
        named = [Source.default(*name_and_level(text)) for text in words(_ten(tested))]
        happening = [(one.name, one.level) for one in named]
    _check([(one.name, one.level) for one in learned] + happening, chosen)
    repairing = Repairing(radius=radius, causes=causes, layers=layers)
    check_plan(repairing, chosen, learned)
    strongest = {name: _strongest(name, [own for other, own in happening if other == name]) for name, _ in happening}
    count = _LENGTHS[spend] if length is None else as_count("length", length, 1)
    plan = StreamPlan(
        modifications=tuple(strongest.items()),
        length=count,
        stay=_STAYS[spend] if stay is None else as_count("stay", stay, 1),
    )
    shared = StreamSettings(
        settings=spent.settings(data_dir, chosen),
        sources=tuple(learned),
        plan=plan,
        strengths=strengths,
        tuned=min(_TUNED, count),
        repairing=repairing,
    )
    twin = _twin(chosen, shared) if any(arm.network == NORM for arm in arms) else shared
    wanted = [(twin if arm.network == NORM else shared, arm, seed) for seed in range(spent.seeds) for arm in arms]
    records, report = RecordFile(out / NAME), _report(chosen, spend, [arm.name for arm in arms])
    if not mix:
        records.refuse_to_mix(shared.settings.fingerprint)
    configs = [own.config(seed, arm) for own, arm, seed in wanted]
    experiment.keep(report, configs, out)
    how: dict[str, Any] = {"jobs": as_count("jobs", jobs, 1), "scheduler": scheduler}
    fresh = run_streams(wanted, records, out, report, data_dir=data_dir, **how)
    console.print(f"{fresh} of {len(configs)} methods run in {perf_counter() - began:.0f} s, all in {records.path}")
    publish(report, records.of(configs), out)


def _strongest(name: str, levels: list[float]) -> float:
    """Return the level that is farthest from the one at which nothing happens."""
    mildest = perturbations.MODIFICATIONS[name].mildest or 0.0
    return max(levels, key=lambda level: abs(level - mildest))


def _ten(text: str) -> str:
    return STRONGEST if text == LEARNED else text


def _check(happening: list[tuple[str, float]], chosen: Chosen) -> None:
    """Refuse now what workers would refuse after hours."""
    check_eps(happening, chosen.task.bounds)
    chosen.check_inputs(name for name, _ in happening)
    for name, level in happening:
        if name not in perturbations.MODIFICATIONS:
            raise ArgumentError(
                f"{name!r} is no perturbation of inputs: expected one of `localnoise list perturbations`; an attack or "
                "a drift has no strength to come and go"
            )
        perturbations.MODIFICATIONS[name].checked(level)


def _twin(chosen: Chosen, shared: StreamSettings) -> StreamSettings:
    """Return the settings of the network with batch normalisation: the twin of a paper's, or a task's own."""
    twin = f"{shared.settings.network}{TWIN}"
    if twin in ARCHITECTURES:
        return replace(shared, settings=replace(shared.settings, network=twin))
    check_norm(chosen.task.network(0, chosen.activation, chosen.layer), chosen.task.name)
    return shared


def _report(chosen: Chosen, spend: str, methods: list[str]) -> Stream:
    return Stream(title=f"{chosen.title}{spend} preset", methods=methods)


if __name__ == "__main__":
    typer.run(stream)
