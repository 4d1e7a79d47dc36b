"""Figures of `localnoise spiking`: variability in the form of the neuroscience literature, learning, defense."""

import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from localnoise.sims.reports.figures import drawn
from localnoise.sims.results.records import Record
from localnoise.sims.spiking.accuracies import accuracies, ordered
from localnoise.sims.spiking.arms import VARIABILITIES
from localnoise.sims.spiking.variability import binned

COLOURS = {
    "structured": "#D55E00", "quiet": "#E69F00", "independent": "#56B4E9",
    "membrane": "#009E73", "poisson": "#CC79A7", "none": "#000000",
}  # fmt: skip


def published(quantity: str) -> list[dict[str, Any]]:
    """Return the literature's findings on a quantity: low, high, area, source, status."""
    text = files("localnoise.sims.spiking").joinpath("published.toml").read_text()
    return [one for one in tomllib.loads(text)["finding"] if one["quantity"] == quantity]


def figure_of_variability(records: list[Record], path: Path, title: str) -> None:
    """Variance against mean, noise correlation against distance and signal correlation, dimensions, alignment."""
    own = {name: [r.results for r in records if r.config["variability"] == name] for name in VARIABILITIES}
    own = {name: found for name, found in own.items() if found}
    with drawn(path, (9.2, 5.6)) as figure:
        panels = figure.subplots(2, 3)
        _variance(panels[0, 0], own)
        _correlation(panels[0, 1], own, "distance", np.arange(0.5, 14, 2), "distance (units' pitch)")
        _correlation(panels[0, 2], own, "signal", np.linspace(-1, 1, 9), "signal correlation")
        _histogram(panels[1, 0], own)
        _bars(panels[1, 1], own, "participation", "participation ratio of the noise")
        _bars(panels[1, 2], own, "alignment", "variance along stimulus change\n(1: as along any direction)")
        source = records[0].config["source"]
        what = f"field of {source['name'].replace('_', ' ')} {source['level']:g}, {title} preset"
        _legend(figure, own, what)


def _legend(figure: Figure, own: dict[str, Any], title: str) -> None:
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", frameon=False, ncols=3, title=title, markerscale=2)


def _variance(axes: Any, own: dict[str, Any]) -> None:
    for name, found in own.items():
        mean, variance = (np.concatenate([r[key][:400] for r in found]) for key in ("mean", "variance"))
        shown = variance > 0
        axes.loglog(mean[shown], variance[shown], ".", ms=2, c=COLOURS[name], label=VARIABILITIES[name].label)
    axes.axline((1, 1), (10, 10), c="#333333", lw=0.8, ls="--", label="Fano factor 1 (Poisson)")
    axes.set(xlabel="mean count (spikes in 250 ms)", ylabel="variance (spikes²)")


def _correlation(axes: Any, own: dict[str, Any], against: str, edges: Any, label: str) -> None:
    for name, found in own.items():
        x, y = (np.concatenate([r[f"pairs.{key}"][:5000] for r in found]) for key in (against, "noise"))
        mean, error, _ = binned(x, y, edges)
        axes.errorbar((edges[1:] + edges[:-1]) / 2, mean, 1.96 * error, c=COLOURS[name], marker="o", ms=3, lw=1)
    stated = published("noise correlation")
    axes.axhspan(min(f["low"] for f in stated), max(f["high"] for f in stated), color="#999999", alpha=0.2, lw=0)
    axes.set(xlabel=label, ylabel="noise correlation $r_{sc}$\n(grey: published means)")


def _histogram(axes: Any, own: dict[str, Any]) -> None:
    edges = np.linspace(-1, 1, 41)
    for name, found in own.items():
        r = np.concatenate([one["pairs.noise"][:5000] for one in found])
        axes.stairs(np.histogram(r, edges, density=True)[0], edges, color=COLOURS[name])
    axes.set(xlabel="noise correlation $r_{sc}$ of a pair", ylabel="density", yscale="log")


def _bars(axes: Any, own: dict[str, Any], measure: str, label: str) -> None:
    for place, (name, found) in enumerate(own.items()):
        values = [float(r[measure]) for r in found]
        axes.plot([place] * len(values), values, "o", c=COLOURS[name], mec="#333333", mew=0.5, ms=5)
    axes.set_yscale("log")
    axes.set_xticks(range(len(own)), list(own), rotation=30)
    axes.set(ylabel=label)


def figure_of_defence(records: list[Record], path: Path, title: str) -> None:
    """Accuracy on clean images and under each threat, by kind of variability: one trial filled, ten trials hollow."""
    found = accuracies(records)
    threats = ordered(threat for _, _, threat in found)
    with drawn(path, (2.6 + 1.7 * len(threats), 3.6)) as figure:
        axes = figure.subplots()
        for index, (name, kind) in enumerate(VARIABILITIES.items()):
            shift = (index - (len(VARIABILITIES) - 1) / 2) * 0.13
            for x, threat in enumerate(threats):
                for (arm, _, against), pair in found.items():
                    if (arm, against) == (name, threat):
                        for step, estimate in enumerate(pair):
                            spread = [[estimate.mean - estimate.low], [estimate.high - estimate.mean]]
                            axes.errorbar(
                                [x + shift + 0.05 * step], [estimate.mean], spread, fmt="o", ms=5, c=COLOURS[name],
                                mfc="white" if step else COLOURS[name], elinewidth=1,
                            )  # fmt: skip
            axes.plot([], [], "o", c=COLOURS[name], label=kind.label)
        axes.set_xticks(range(len(threats)), [t.replace("_", " ").replace("@", "\n") for t in threats])
        axes.grid(visible=False, axis="x")
        axes.set(ylabel="accuracy (share of images right)", ylim=(0, 1), title=f"Rate read-out, {title} preset")
        figure.legend(loc="outside right center", frameon=False, title="● one trial   ○ mean of ten")


def figure_of_learning(records: list[Record], path: Path, title: str) -> None:
    """Weights that spikes have taught against their fixed point."""
    with drawn(path, (4.4, 3.4)) as figure:
        axes = figure.subplots()
        for colour, causal in zip(("#0072B2", "#D55E00"), (0.0, 1.0), strict=True):
            for index, r in enumerate(r.results for r in records if r.config["causal"] == causal):
                label = ("post before pre: regression", "pre before post: with shot noise")[int(causal)]
                point, learned = r["stdp.fixed_point"], r["stdp.weights"]
                axes.plot(point, learned, ".", ms=4, c=colour, label=None if index else label)
        axes.axline((0, 0), slope=1, c="#333333", lw=0.8)
        axes.set(xlabel="fixed point of the weight, derived", ylabel="weight learned from spikes")
        axes.set_title(f"Spike-timing plasticity, {title} preset")
        figure.legend(loc="outside lower center", frameon=False)
