"""Figures of quantised grids: errors unit by unit."""

from pathlib import Path

import numpy as np

from localnoise.hardware import ChipGrid
from localnoise.hardware.quantiser import Report
from localnoise.sims.reports.figures import drawn


def quantised_figure(found: Report, chip: ChipGrid, path: Path) -> None:
    """Four maps over the grid: error of weights and of covariance, divergence, saturated words."""
    maps = {
        "weight error": (found.weight_error, "relative"),
        "covariance error": (found.covariance_error, "relative Frobenius"),
        "divergence": (found.divergence, "nats"),
        "saturated words": (found.saturated, "share of draws"),
    }
    with drawn(path, (11.5, 3.0)) as figure:
        for axes, (title, (values, unit)) in zip(figure.subplots(1, 4), maps.items(), strict=True):
            shown = axes.imshow(
                np.reshape(values, chip.config.shape), cmap="cividis", vmin=0, vmax=max(values.max(), 1e-3)
            )
            figure.colorbar(shown, ax=axes, label=unit, shrink=0.8)
            axes.set(title=title, xlabel="x (units)", ylabel="y (units)")
            axes.grid(visible=False)
            axes.xaxis.get_major_locator().set_params(integer=True)
            axes.yaxis.get_major_locator().set_params(integer=True)
        f = chip.formats
        figure.suptitle(f"{f.weight_bits}-bit weights, {f.word_bits}-bit words, {f.generator}", fontsize=9)
