"""A description of what a file holds, for `localnoise inspect`: facts, and of a fitted grid one figure."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import typer
from matplotlib.ticker import NullFormatter
from rich.table import Table

from localnoise import UnitGrid
from localnoise.config import GridConfig
from localnoise.errors import ArgumentError
from localnoise.files import as_output
from localnoise.loading import load
from localnoise.sims.reports.figures import DOUBLE, drawn, lettered
from localnoise.sims.runtime import commands
from localnoise.sims.runtime.console import console, show
from localnoise.sims.runtime.options import Force
from localnoise.sims.runtime.tables import terminal_table
from localnoise.sims.tools.described import facts

_DRAWS = 4096
Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Inspection:
    """Numbers of a grid's noise, from 4,096 draws of a fixed seed.

    Attributes
    ----------
    variance : (H, W)
        Noise variance per neuron of each unit (mean over its channels).
    distance, correlation : (D,)
        Euclidean distance between units, and the root mean square correlation of their channels at that distance.
    spectrum : (n,)
        Eigenvalues of the covariance, largest first: exact up to 4,096 neurons, else of the draws' Gram matrix.
    dimension : float
        Participation ratio (sum l)^2 / sum l^2.
    """

    variance: Doubles
    distance: Doubles
    correlation: Doubles
    spectrum: Doubles
    dimension: float


def measure(grid: UnitGrid) -> Inspection:
    """Measure a grid's noise (the zero-mean part, for a signal-dependent field). O(n^3) up to 4,096 neurons."""
    if grid.config.neurons <= 4096:
        covariance = grid.covariance()
        spectrum = np.linalg.eigvalsh(covariance)[::-1]
    else:
        draws = grid.sample(_DRAWS).reshape(_DRAWS, -1).astype(np.float64)
        spectrum = np.linalg.eigvalsh(draws @ draws.T / _DRAWS)[::-1]
    spectrum = np.maximum(spectrum, 0)
    distance, correlation = _by_distance(grid)
    dimension = float(spectrum.sum() ** 2 / np.square(spectrum).sum())
    return Inspection(grid.variance().mean(axis=0), distance, correlation, spectrum, dimension)


def _by_distance(grid: UnitGrid) -> tuple[Doubles, Doubles]:
    """Root mean square correlation between the channels of two units, by rounded distance; from 25 units to all."""
    (height, width), m = grid.config.shape, grid.config.channels
    draws = grid.sample(_DRAWS).astype(np.float64).reshape(_DRAWS, m, -1)
    draws /= draws.std(axis=0)
    y, x = np.divmod(np.arange(height * width), width)
    total, pairs = np.zeros(height + width), np.zeros(height + width)
    for unit in np.unique(np.linspace(0, height * width - 1, 25).astype(int)):
        correlation = np.einsum("tc,tdu->cdu", draws[:, :, unit], draws, optimize=True) / _DRAWS
        squares = np.square(correlation).mean(axis=(0, 1)) - 1 / _DRAWS  # independent draws correlate by chance
        steps = np.rint(np.hypot(y - y[unit], x - x[unit])).astype(int)
        total += np.bincount(steps, squares, total.size)
        pairs += np.bincount(steps, minlength=total.size)
    kinds = np.flatnonzero(pairs[1:]) + 1
    return kinds.astype(float), np.sqrt(np.maximum(total[kinds] / pairs[kinds], 0))


def draw_figure(grid: UnitGrid, seen: Inspection, unit: tuple[int, int], path: Path, title: str) -> None:
    """Four panels: variance map, correlation against distance, spectrum, parents of one unit."""
    with drawn(path, (DOUBLE, 2.5), alone=True) as figure:
        left, middle, right, last = panels = figure.subplots(1, 4)
        shown = left.imshow(seen.variance, cmap="cividis")
        figure.colorbar(shown, ax=left, label="Variance per neuron", location="bottom")
        left.set(xlabel="x (units)", ylabel="y (units)")
        middle.plot(seen.distance, seen.correlation, "o-", color="#0072B2", markersize=4)
        middle.set(xlabel="Distance (units)", ylabel="RMS correlation", ylim=(0, None))
        rank = np.arange(1, len(seen.spectrum) + 1)
        right.loglog(rank, np.maximum(seen.spectrum, seen.spectrum[0] * 1e-8), color="#0072B2")
        right.yaxis.set_minor_formatter(NullFormatter())
        right.axvline(seen.dimension, color="#D55E00", linestyle="--", linewidth=1)
        right.set(xlabel=f"Rank (dimension {seen.dimension:.1f})", ylabel="Eigenvalue (variance)")
        note = _wiring(last, grid, unit)
        lettered(panels, ["Variance", "Correlation", "Spectrum", note])
        for axes in (left, last):
            axes.grid(visible=False)
            axes.xaxis.get_major_locator().set_params(integer=True)
            axes.yaxis.get_major_locator().set_params(integer=True)
        figure.suptitle(title)


def _wiring(axes: Any, grid: UnitGrid, unit: tuple[int, int]) -> str:
    """Draw the parents of a unit; return the panel's title."""
    height, width = grid.config.shape
    chosen = grid[unit]
    m = grid.config.channels
    y, x = np.divmod(np.arange(height * width), width)
    axes.scatter(x, y, s=3, color="#BBBBBB")
    for slot, (py, px) in enumerate(chosen.parents):
        strength = float(np.linalg.norm(chosen.weights[:, slot * m : (slot + 1) * m]))
        axes.plot([unit[1], px], [unit[0], py], color="#0072B2", linewidth=0.5 + 3 * strength / (1 + strength))
        axes.plot(px, py, "o", color="#0072B2", markersize=4)
    for ry, rx in chosen.readers:
        axes.plot(rx, ry, "s", color="#009E73", markersize=6, fillstyle="none")
    axes.plot(unit[1], unit[0], "o", color="#D55E00", markersize=6)
    key = "● parents" + ("  □ inputs" if chosen.readers else "")
    axes.set(xlabel=f"x (units)\n{key}", ylabel="y (units)", aspect="equal")
    axes.invert_yaxis()
    return f"Unit {unit[0]}, {unit[1]}"


def _read(config: GridConfig) -> str:
    second = "" if config.second_radius is None else f", bends within radius {config.second_radius}"
    return f"local, activations within radius {config.signal_radius}{second}"


def summary_table(grid: UnitGrid, seen: Inspection, title: str) -> Table:
    """Return the grid's facts, one a row."""
    config = grid.config
    rows = {
        "units": f"{config.shape[0]} x {config.shape[1]}, {config.channels} channels: {config.neurons:,} neurons",
        "order": f"{config.order}, {config.boundary}, radius {config.radius or 'any'}",
        "parents": f"{(grid.field.parents >= 0).sum(1).mean():.2f} a unit, at most {grid.field.parents.shape[1]}",
        "wire length": f"{grid.wire_length:,} pitches in all",
        "signal": "none" if config.signal == "none" else _read(config),
        "rule": _learned(grid),
        "parameters": f"{grid.parameters:,}, {grid.bytes_per_unit:,.0f} bytes a unit",
        "gain": f"{grid.field.gain.min():.4g} to {grid.field.gain.max():.4g}",
        "variance": f"{seen.variance.mean():.4g}; units {seen.variance.min():.4g} to {seen.variance.max():.4g}",
        "dimension": f"{seen.dimension:.1f} of {config.neurons:,} (participation ratio)",
    }
    rows |= {name: str(value) for name, value in grid.provenance.items()}
    return terminal_table(["", ""], rows.items(), title, left=(0, 1))


def _learned(grid: UnitGrid) -> str:
    if grid.rule is None:
        return "none: not learned"
    return (
        f"{grid.rule.name}, {grid.state['seen']:,} displacements" if grid.state else f"{grid.rule.name}, weights only"
    )


@commands.register("inspect", "Learn", "Say what a file holds; of a fitted grid in one figure, too.")
def inspect(
    path: Annotated[
        Path,
        typer.Argument(help="A file of a grid, bank, central noise, repair, surprise or layer.", metavar="FILE.H5"),
    ],
    unit: Annotated[
        str, typer.Option(help="The unit of a grid whose parents are shown: y,x. Default: one near the centre.")
    ] = "",
    figure: Annotated[
        Path | None, typer.Option(help="PNG to write, of a grid. Default: the grid's name with .png.")
    ] = None,
    force: Force = False,
) -> None:
    """Say what a file holds; of a fitted grid also by a figure: variance, correlation, spectrum, parents of a unit.

    Examples
    --------
        localnoise inspect grid.h5

        localnoise inspect grid.h5 --unit 3,4 --figure unit.png

        localnoise inspect repair.h5
    """
    drawn_to = figure or path.with_suffix(".png")
    if figure or drawn_to == path:
        as_output("figure", drawn_to, "a figure", inputs={"path": path}, force=force)
    held = load(path)
    if isinstance(held, UnitGrid):
        target = as_output("figure", drawn_to, "a figure", inputs={"path": path}, force=force)
        seen = measure(held)
        show(summary_table(held, seen, str(path)))
        draw_figure(held, seen, _position(unit, held), target, repr(held))
        console.print(f"figure {target}")
        return
    said = facts(held)
    for name, given in {"figure": figure, "unit": unit}.items():
        if given:
            raise ArgumentError(
                f"{name}={str(given)!r} with {path}, which holds {said['holds'].split(':')[0]}: expected none, since a "
                f"figure is drawn of a grid alone; leave --{name} out"
            )
    rows = said | {f"provenance: {name}" if name in said else name: str(own) for name, own in held.provenance.items()}
    show(terminal_table(["", ""], rows.items(), str(path), left=(0, 1)))


def _position(text: str, grid: UnitGrid) -> tuple[int, int]:
    height, width = grid.config.shape
    if not text:  # of the units with the most parents, the one nearest to the centre
        most = np.flatnonzero((grid.field.parents >= 0).sum(1) == (grid.field.parents >= 0).sum(1).max())
        best = int(most[np.argmin(np.hypot(most // width - height / 2, most % width - width / 2))])
        return divmod(best, width)
    try:
        y, x = (int(part) for part in text.split(","))
    except ValueError:
        raise ArgumentError(f"unit={text!r}: expected two whole numbers, y,x, such as --unit 3,4") from None
    return grid[y, x].position


if __name__ == "__main__":
    typer.run(inspect)
