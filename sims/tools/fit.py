"""Learn one grid from a network, a layer's activation and a perturbation; write it to a file."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from localnoise import UnitGrid
from localnoise.errors import ArgumentError, choose
from localnoise.files import as_folder, as_output, format_of, hdf5
from localnoise.rules import RULES, make_rule
from localnoise.rules.three_factor import is_rewarded
from localnoise.sims.attacks import PGD
from localnoise.sims.defenses.facts import loud, loudness
from localnoise.sims.evaluation.names import name_and_level
from localnoise.sims.evaluation.source import Source
from localnoise.sims.experiments.chosen import DEFAULT, Chosen
from localnoise.sims.experiments.fit_grid import fitted
from localnoise.sims.experiments.rehearsal import try_on_few
from localnoise.sims.experiments.testbed import Testbed
from localnoise.sims.models import ACTIVATIONS
from localnoise.sims.models.training import BACKPROP
from localnoise.sims.runtime import commands
from localnoise.sims.runtime.console import command, console, progress, staged
from localnoise.sims.runtime.options import (
    DataDir,
    Force,
    Images,
    Layer,
    Order,
    Output,
    Parents,
    Radius,
    Rank,
    Rule,
    Scope,
    Share,
    Signal,
    SignalRadius,
    TaskName,
    Training,
    one_of,
)
from localnoise.sims.tasks import OWN_DATA
from localnoise.validate import as_variance

_SOURCE = "line_blur"
_KEPT = 4096  # displacements that --keep writes: what a chip is calibrated on


@commands.register(
    "fit",
    "Learn",
    "Learn a grid from the displacements that a perturbation causes; write it to HDF5.",
)
def fit(
    output: Output = Path("grid.h5"),
    source: Annotated[str, typer.Option("--train", help="NAME or NAME@LEVEL: what displaces the layer.")] = _SOURCE,
    level: Annotated[float | None, typer.Option(hidden=True)] = None,
    task: TaskName = DEFAULT,
    activation: Annotated[str, one_of(ACTIVATIONS, help="Of v1, v2, v3: the nonlinearity.")] = "tanh",
    layer: Layer = None,
    training: Training = BACKPROP,
    rule: Rule = "moments",
    order: Order = "multiscale",
    parents: Parents = None,
    radius: Radius = None,
    signal: Signal = "none",
    signal_radius: SignalRadius = 1,
    share: Share = "none",
    rank: Rank = None,
    variance: Annotated[
        float | None,
        typer.Option(
            "--variance", help="Noise variance per neuron. Default: 0.5 (attacks: 2); natural with --signal local."
        ),
    ] = None,
    scope: Scope = "global",
    data: Images = "embedded",
    data_dir: DataDir = None,
    epochs: Annotated[int, typer.Option(help="Epochs of training the network.")] = 10,
    seed: Annotated[int, typer.Option(help="Seed.")] = 0,
    keep: Annotated[
        Path | None, typer.Option(help="HDF5 file to write the displacements d and activations h to, 4,096 of each.")
    ] = None,
    cache: Annotated[Path, typer.Option(help="Folder where trained networks are kept.")] = Path("results/networks"),
    force: Force = False,
) -> None:
    """Learn a grid from the displacements that a perturbation causes in a layer, and write it.

    Examples
    --------
        localnoise fit --train rotate --parents 8 -o rotate.h5

        localnoise fit --train obstruction --order raster --radius 1 --rule lms -o lms.h5

        localnoise fit --train line_blur@2 --signal local --parents 8 -o signal.h5

        localnoise fit --train rotate --signal local --parents 8 -o signal.h5 --keep run.h5

        localnoise fit --task v3 --activation relu --layer 3 -o dense.h5

        localnoise fit --task my_task.py --train dark --parents 8 -o dark.h5
    """
    mine = Chosen.of(task, activation, layer, training)
    as_output("output", output, "a grid", inputs={"keep": keep}, force=force)
    if keep is not None:
        as_output("keep", keep, "kept displacements", inputs={}, force=force)
    as_folder("cache", cache)
    channels, *shape = mine.task.network(0, activation, mine.layer).layout
    choose("rule", rule, RULES)
    if is_rewarded(make_rule(rule)):
        raise ArgumentError(
            f"rule={rule!r} learns from rewards, and a perturbation gives displacements: expected a rule that "
            f"learns from these, such as moments; or use localnoise train --noise {rule}"
        )
    choose("scope", scope, ("global", "local"))
    chosen = _source(mine.usual(source, _SOURCE).partition(",")[0], level)
    mine.check_inputs([chosen.name])
    try_on_few([(chosen.name, chosen.level)], mine.task.name)
    images = mine.task.data(OWN_DATA if mine.own_data else data, data_dir, seed)
    made = (mine.task.name, activation, mine.layer, training)
    bench = Testbed(images, seed, epochs, PGD(), 10_000, cache, *made)
    wiring: dict[str, Any] = {"order": order, "parents": parents, "radius": radius}
    wiring |= {"signal": signal, "signal_radius": signal_radius, "share": share, "rank": rank}
    grid = UnitGrid(shape=(shape[0], shape[1]), channels=channels, **wiring)
    if variance is not None:
        as_variance(variance)  # before the long part
    with progress() as bars:
        d, h = fitted(grid, bench, chosen, rule=rule, variance=variance, scope=scope, stage=staged(bars))
    if keep is not None:
        _keep(keep, d=d[:_KEPT].numpy(), h=h[:_KEPT].numpy())
    grid.save(output)
    size = output.stat().st_size / 2**20
    console.print(
        f"{output}: {grid!r}, {grid.parameters:,} parameters, {grid.bytes_per_unit:,.0f} bytes/unit, {size:.1f} MiB"
    )
    if mine.own_data and (ratio := loudness(grid, chosen.variance if variance is None else variance, h)):
        console.print(loud(ratio.values()))
    console.print(f"Look at it with: {command('inspect', output)}")


def _source(text: str, level: float | None) -> Source:
    """Source from NAME@LEVEL; an earlier version had the level apart."""
    name, own = name_and_level(text)
    if own is not None and level is not None:
        raise ArgumentError(f"level={level:g}: expected none beside {text!r}, which says its own; drop one of them")
    chosen = Source.default(name, own)
    return chosen if level is None else replace(chosen, level=level)


def _keep(path: Path, **arrays: Any) -> None:
    with hdf5(path) as file:
        file.attrs["format"] = format_of("kept displacements")
        for name, array in arrays.items():
            file.create_dataset(name, data=array, compression="gzip", compression_opts=1, shuffle=True)


if __name__ == "__main__":
    typer.run(fit)
