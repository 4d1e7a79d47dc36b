"""How random a chip's generators are: words of many units measured against an ideal Gaussian, by seeding."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from localnoise.errors import choose
from localnoise.files import as_output
from localnoise.hardware.formats import NORMALS
from localnoise.hardware.generators import GENERATORS, draw, draws_without_overlap, naive_states, states
from localnoise.hardware.generators.figure import draw_seeding
from localnoise.hardware.generators.moments import excess_kurtosis, variance
from localnoise.hardware.generators.quality import Quality, ideal_tails, measure
from localnoise.sims.reports.figures import DOUBLE, drawn, kinds
from localnoise.sims.runtime.console import console, progress, show
from localnoise.sims.runtime.options import Force, one_of
from localnoise.sims.runtime.tables import terminal_table
from localnoise.validate import as_count

_ROWS = ("mean", "variance", "skewness", "excess kurtosis", "beyond 2 sigma", "beyond 3 sigma", "beyond 4 sigma")
_ENDS = ("largest", "serial", "max |r|", "max |r| lagged")


def random(
    generator: Annotated[str, one_of(GENERATORS, several=True, help="Names separated by commas.")] = (
        "xorshift32,lfsr32,lfsr24,lfsr16"
    ),
    normal: Annotated[str, one_of(NORMALS, help="Gaussian word: the sum of bytes, or of their bits.")] = "sum",
    normal_bytes: Annotated[int, typer.Option(help="Random bytes per word.")] = 8,
    units: Annotated[int, typer.Option(help="Units that share a sequence.")] = 196,
    channels: Annotated[int, typer.Option(help="Channels per unit, for the draws without overlap.")] = 16,
    draws: Annotated[int, typer.Option(help="Words of each unit.")] = 20_000,
    seed: Annotated[int, typer.Option(help="Seed.")] = 0,
    figure: Annotated[
        Path | None, typer.Option(help="PNG of the first generator's correlations; PDF and SVG beside.")
    ] = None,
    force: Force = False,
) -> None:
    """Measure generators: moments, tails, correlation in time and between units, seeded by jumps and naively.

    Examples
    --------
        localnoise chip random --generator lfsr32 --figure seeding.png

        localnoise chip random --normal popcount --normal-bytes 16 --units 64
    """
    names = [choose("generator", name.strip(), GENERATORS) for name in generator.split(",")]
    if figure is not None:
        for kind in kinds(figure.name):
            as_output("figure", figure.with_name(kind), "a figure", inputs={}, force=force)
    as_count("units", units, 2)
    as_count("draws", draws, 9)
    how = {"k": normal_bytes, "method": choose("normal", normal, NORMALS)}
    spread = float(variance(normal_bytes, normal))
    found: dict[str, tuple[Quality, Quality, int]] = {}
    with progress() as bars:
        bar = bars.add_task("draw and measure", total=2 * len(names))
        for name in names:
            source, pair = GENERATORS[name], []
            for start in (states, naive_states):
                pair.append(measure(draw(source, start(source, units, seed), draws, **how)[:, 0], spread))  # type: ignore[arg-type]
                bars.advance(bar)
            steps = channels * source.steps(normal_bytes)
            found[name] = (pair[0], pair[1], draws_without_overlap(source, units, steps))
    show(_table(found, normal_bytes, normal))
    if figure is not None:
        with drawn(figure, (DOUBLE, 3.6)) as page:
            draw_seeding(page, GENERATORS[names[0]], names[0], units=units, draws=draws, seed=seed)
        console.print(f"{figure}: correlation between units, seeded naively and by jumps")


def _table(found: dict[str, tuple[Quality, Quality, int]], k: int, normal: str) -> Table:
    any_one = next(iter(found.values()))[0]
    title = f"{normal} of {k} bytes, {any_one.units} units, {any_one.draws:,} draws"
    ideal = dict(zip(_ROWS, (0.0, 1.0, 0.0, float(excess_kurtosis(k, normal)), *ideal_tails()), strict=True))
    ideal |= {"serial": 0.0, "max |r|": any_one.cross_ideal}
    several = list(found.values())
    rows = [
        *([row, *(f"{one.row()[row]:.2g}" for one, _, _ in several), _shown(ideal.get(row))] for row in _ROWS + _ENDS),
        ["max |r|, seeded naively", *(f"{naive.cross:.2g}" for _, naive, _ in several), ""],
        ["max |r| lagged, seeded naively", *(f"{naive.cross_lagged:.2g}" for _, naive, _ in several), ""],
        ["draws without overlap", *(f"{free:,}" for _, _, free in several), ""],
    ]
    return terminal_table(["", *found, "ideal"], rows, title)


def _shown(value: float | None) -> str:
    return "" if value is None else f"{value:.2g}"


if __name__ == "__main__":
    typer.run(random)
