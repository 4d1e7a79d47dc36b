"""A figure of what seeding does: correlation between all pairs of units, seeded naively and by jumps ahead."""

from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure

from localnoise.hardware.generators.gaussian import draw
from localnoise.hardware.generators.protocol import Generator
from localnoise.hardware.generators.quality import Floats, correlation
from localnoise.hardware.generators.seeding import naive_states, states


def draw_seeding(
    figure: Figure, generator: Generator, name: str, *, units: int = 196, draws: int = 20_000, seed: int = 0
) -> tuple[float, float]:
    """Draw |r| between units under both seedings on one colour scale; return the two largest |r|, naive first.

    Words are sums of eight bytes, one channel. The colours (cividis) read alike to the colour-blind and in grey.

    Parameters
    ----------
    figure : Figure
        Empty, with constrained layout.
    generator, name : Generator, str
        What draws, and what the title calls it.
    units, draws, seed : int
        Size of the experiment.
    """
    seeded = (("unit u seeded with seed + u", naive_states), ("unit u jumps u strides ahead", states))
    maps = [_sizes(draw(generator, seeds(generator, units, seed), draws)[:, 0]) for _, seeds in seeded]
    peaks = [float(np.nanmax(each)) for each in maps]
    axes = figure.subplots(1, 2, sharex=True, sharey=True)
    colours = mpl.colormaps["cividis"].with_extremes(bad="white")
    scale = PowerNorm(0.5, vmin=0, vmax=max(peaks))  # the square root: weak ties show as well
    for ax, (title, _), each, peak in zip(axes, seeded, maps, peaks, strict=True):
        image = ax.imshow(each, cmap=colours, norm=scale, interpolation="nearest", origin="lower")
        ax.set(xlabel="Unit v")
        ax.set_title(f"{title}\nlargest |r| = {peak:.3f}")
        ax.grid(visible=False)
    axes[0].set_ylabel("Unit u")
    figure.suptitle(f"{name}: correlation of {units} units over {draws:,} draws")
    figure.colorbar(image, ax=axes, label="|r| between units u and v (square-root scale)", shrink=0.7)
    return peaks[0], peaks[1]


def _sizes(words: Any) -> Floats:
    sizes = np.abs(correlation(words))
    np.fill_diagonal(sizes, np.nan)  # a unit with itself
    return sizes
