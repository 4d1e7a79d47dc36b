"""Learn one grid from a network, a layer's activation and a modification; write it to a file."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from localnoise import UnitGrid
from localnoise.errors import choose
from localnoise.files import as_output, format_of, hdf5
from localnoise.rules import RULES
from localnoise.sims.attacks import ATTACKS, PGD
from localnoise.sims.console import command, console, progress
from localnoise.sims.data import load
from localnoise.sims.experiments.source import Source
from localnoise.sims.experiments.workbench import Workbench
from localnoise.sims.networks import NETWORKS, build
from localnoise.sims.options import Force, Order, Output, Parents, Radius, Rule, SignalRadius
from localnoise.validate import as_trace

_KEPT = 4096  # displacements that --keep writes: what a chip is calibrated on
_CHUNK = 5000  # displacements between two steps of the progress bar: each call of learn solves all units anew


def fit(
    output: Output = Path("grid.h5"),
    source: Annotated[str, typer.Option(help="Modification, or pgd.")] = "line_blur",
    level: Annotated[float | None, typer.Option(help="Level of the modification, or eps of the attack.")] = None,
    network: Annotated[str, typer.Option(help="Network: v1, v2 or v3.")] = "v2",
    activation: Annotated[str, typer.Option(help="Its nonlinearity: tanh or relu.")] = "tanh",
    layer: Annotated[int, typer.Option(help="Hidden layer whose activation is displaced, from 1 on.")] = 2,
    rule: Rule = "moments",
    order: Order = "multiscale",
    parents: Parents = None,
    radius: Radius = None,
    signal: Annotated[str, typer.Option(help="none, or local: signal-dependent.")] = "none",
    signal_radius: SignalRadius = 1,
    trace: Annotated[
        float | None,
        typer.Option(help="Noise variance per neuron. Default: 0.5 (pgd: 2); natural with --signal local."),
    ] = None,
    scope: Annotated[str, typer.Option(help="Gain: global or local.")] = "global",
    data: Annotated[str, typer.Option(help="embedded or full.")] = "embedded",
    data_dir: Annotated[Path | None, typer.Option(help="Folder with the four IDX files.")] = None,
    epochs: Annotated[int, typer.Option(help="Epochs of training the network.")] = 10,
    seed: Annotated[int, typer.Option(help="Seed.")] = 0,
    keep: Annotated[
        Path | None, typer.Option(help="HDF5 file to write the displacements d and activations h to, 4,096 of each.")
    ] = None,
    cache: Annotated[Path, typer.Option(help="Folder where trained networks are kept.")] = Path("results/networks"),
    force: Force = False,
) -> None:
    """Learn a grid from the displacements that a modification causes in a layer, and write it.

    Examples
    --------
        localnoise fit --source rotate --parents 8 -o rotate.h5

        localnoise fit --source obstruction --order raster --radius 1 --rule lms -o lms.h5

        localnoise fit --source line_blur --signal local --parents 8 -o signal.h5

        localnoise fit --source rotate --signal local --parents 8 -o signal.h5 --keep run.h5

        localnoise fit --network v3 --activation relu --layer 3 -o dense.h5
    """
    choose("network", network, NETWORKS)
    as_output("output", output, "a grid", inputs={"keep": keep}, force=force)
    if keep is not None:
        as_output("keep", keep, "kept displacements", inputs={}, force=force)
    channels, *shape = build(network, activation, layer).layout
    choose("rule", rule, RULES)
    choose("scope", scope, ("global", "local"))
    chosen = Source.default(source)
    chosen = replace(chosen, level=chosen.level if level is None else level)
    cut = (network, activation, layer)
    bench = Workbench(load(data, data_dir), seed, epochs, PGD(), 10_000, cache, *cut)
    wiring: dict[str, Any] = {"order": order, "parents": parents, "radius": radius}
    wiring |= {"signal": signal, "signal_radius": signal_radius}
    grid = UnitGrid(shape=(shape[0], shape[1]), channels=channels, **wiring)
    if trace is not None:
        as_trace(trace)  # before the long part
    with progress() as bars:
        bar = bars.add_task(f"train {network}", total=epochs * len(bench.data.train_images))
        bench.train_base(lambda n: bars.advance(bar, n))
        bars.update(bar, completed=epochs * len(bench.data.train_images))
        attacked = bench.attacked_train if source in ATTACKS else None
        bar = bars.add_task(f"displace layer {layer} by {source}", total=attacked)
        d, h = bench.displacement(chosen, tick=lambda n: bars.advance(bar, n))
        bars.update(bar, total=len(d), completed=len(d))
        bar = bars.add_task(f"learn by {rule}", total=len(d))
        for first in range(0, len(d), _CHUNK):
            rows = slice(first, min(first + _CHUNK, len(d)))
            grid.learn(d[rows].numpy(), h[rows].numpy() if grid.field.signal else None, rule=rule)
            bars.advance(bar, rows.stop - rows.start)
    if keep is not None:
        _keep(keep, d=d[:_KEPT].numpy(), h=h[:_KEPT].numpy())
    if trace is not None or signal == "none":
        grid.normalise(chosen.trace if trace is None else trace, scope)
    grid.provenance = {
        "network": network, "activation": activation, "layer": layer, "source": source, "level": chosen.level,
        "seed": seed, "epochs": epochs, "data": bench.data.source, "fingerprint": bench.data.fingerprint,
    }  # fmt: skip
    grid.save(output)
    size = output.stat().st_size / 2**20
    console.print(
        f"{output}: {grid!r}, {grid.parameters:,} parameters, {grid.bytes_per_unit:,.0f} bytes/unit, {size:.1f} MiB"
    )
    console.print(f"Look at it with: {command('inspect', output)}")


def _keep(path: Path, **arrays: Any) -> None:
    with hdf5(path) as file:
        file.attrs["format"] = format_of("kept displacements")
        for name, array in arrays.items():
            file.create_dataset(name, data=array, compression="gzip", compression_opts=1, shuffle=True)


if __name__ == "__main__":
    typer.run(fit)
