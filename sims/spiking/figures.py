"""Figures of `localnoise spiking`: variability in the form of the neuroscience literature, learning, defense."""

import tomllib
from importlib.resources import files
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from localnoise.sims.reports.comparison import Level
from localnoise.sims.reports.figures import DOUBLE, SINGLE, drawn, error_bars, legend, lettered
from localnoise.sims.reports.table import sentence
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
    with drawn(path, (DOUBLE, 4.9)) as figure:
        panels = figure.subplots(2, 3)
        _variance(panels[0, 0], own)
        _correlation(panels[0, 1], own, "distance", np.arange(0.5, 14, 2), "Distance (units' pitch)")
        _correlation(panels[0, 2], own, "signal", np.linspace(-1, 1, 9), "Signal correlation")
        _histogram(panels[1, 0], own)
        _bars(panels[1, 1], own, "participation", "Participation ratio of the noise")
        _bars(panels[1, 2], own, "alignment", "Variance along stimulus\nchange (1: as along any)")
        source = records[0].config["source"]
        what = f"field of {Level(source['name'], source['level']).words}, {title}"
        lettered(panels.ravel())
        legend(figure, sentence(what), markerscale=2)


def _variance(axes: Any, own: dict[str, Any]) -> None:
    for name, found in own.items():
        mean, variance = (np.concatenate([r[key][:400] for r in found]) for key in ("mean", "variance"))
        shown = variance > 0
        axes.loglog(
            mean[shown], variance[shown], ".", ms=2, rasterized=True, c=COLOURS[name], label=VARIABILITIES[name].label
        )
    axes.axline((1, 1), (10, 10), c="#333333", lw=0.8, ls="--", label="Fano factor 1 (Poisson)")
    axes.set(xlabel="Mean count (spikes in 250 ms)", ylabel="Variance (spikes²)")


def _correlation(axes: Any, own: dict[str, Any], against: str, edges: Any, label: str) -> None:
    for name, found in own.items():
        x, y = (np.concatenate([np.float64(r[f"pairs.{key}"][:1800]) for r in found]) for key in (against, "noise"))
        mean, error, _ = binned(x, y, edges)
        axes.errorbar((edges[1:] + edges[:-1]) / 2, mean, 1.96 * error, c=COLOURS[name], marker="o", ms=3, lw=1)
    stated = published("noise correlation")
    axes.axhspan(min(f["low"] for f in stated), max(f["high"] for f in stated), color="#999999", alpha=0.2, lw=0)
    axes.set(xlabel=label, ylabel="Noise correlation $r_{sc}$\n(gray: published means)")


def _histogram(axes: Any, own: dict[str, Any]) -> None:
    edges = np.linspace(-1.025, 1.025, 42)  # between the two decimals that records hold
    for name, found in own.items():
        r = np.concatenate([np.float64(one["pairs.noise"][:1800]) for one in found])
        axes.stairs(np.histogram(r, edges, density=True)[0], edges, color=COLOURS[name])
    axes.set(xlabel="Noise correlation $r_{sc}$ of a pair", ylabel="Density", yscale="log")


def _bars(axes: Any, own: dict[str, Any], measure: str, label: str) -> None:
    for place, (name, found) in enumerate(own.items()):
        values = [float(r[measure]) for r in found]
        axes.plot([place] * len(values), values, "o", c=COLOURS[name], mec="#333333", mew=0.5, ms=5)
    axes.set_yscale("log")
    axes.set_xticks(range(len(own)), map(sentence, own), rotation=40, ha="right", rotation_mode="anchor")
    axes.set(ylabel=label)


def figure_of_defence(records: list[Record], path: Path, title: str) -> None:
    """Accuracy on clean images and under each threat, by kind of variability: one trial filled, ten trials hollow.

    A panel for each field that the variability is structured by; a kind without one stands in each.
    """
    found = accuracies(records)
    threats, fields = ordered(threat for _, _, threat in found), list(dict.fromkeys(field for _, field, _ in found))
    fielded = {field for name, field, _ in found if name == "structured"} or set(fields)
    shown = [field for field in fields if field in fielded]
    with drawn(path, (DOUBLE, 3.3)) as figure:
        panels = figure.subplots(1, len(shown), sharey=True, squeeze=False).ravel()
        for (axes, field), (index, (name, kind)) in product(
            zip(panels, shown, strict=True), enumerate(VARIABILITIES.items())
        ):
            for x, threat in enumerate(threats):
                for (arm, learned, against), pair in found.items():
                    if (arm, against) != (name, threat) or (learned in fielded and learned != field):
                        continue
                    place = x + (index - (len(VARIABILITIES) - 1) / 2) * 0.14
                    for step, estimate in enumerate(pair):
                        error_bars(axes, [place + 0.06 * step], [estimate], fmt="o", c=COLOURS[name],
                                   mec=COLOURS[name], mfc="white" if step else COLOURS[name])  # fmt: skip
            axes.plot([], [], "o", c=COLOURS[name], label=kind.label)
        for axes in panels:
            axes.set_xticks(
                range(len(threats)), ["\n".join(sentence(Level.named(t).words).rsplit(" ", 1)) for t in threats]
            )
            axes.grid(visible=False, axis="x")
            axes.set(ylim=(0, 1))
        panels[0].set_ylabel("Accuracy (share of images right)")
        lettered(panels, [f"Field of {Level.named(field).words}" for field in shown])
        legend(figure, f"Rate read-out, {title}.   ● one trial   ○ mean of ten")


def figure_of_learning(records: list[Record], path: Path, title: str) -> None:
    """Weights that spikes have taught against their fixed point."""
    with drawn(path, (SINGLE, 3.0)) as figure:
        axes = figure.subplots()
        for colour, causal in zip(("#0072B2", "#D55E00"), (0.0, 1.0), strict=True):
            for r in (r.results for r in records if r.config["causal"] == causal):
                label = ("post before pre: regression", "pre before post: with shot noise")[int(causal)]
                axes.plot(r["stdp.fixed_point"], r["stdp.weights"], ".", ms=3, c=colour, label=label)
        axes.axline((0, 0), slope=1, c="#333333", lw=0.8)
        axes.set(xlabel="Fixed point of the weight, derived", ylabel="Weight learned from spikes")
        axes.set_title(f"Spike-timing plasticity, {title}", loc="left")
        legend(figure, columns=1)
