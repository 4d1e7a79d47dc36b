"""Figures of an audit, of records alone: what surprises, what is certified, how noise lies."""

from collections.abc import Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np

from localnoise.sims.auditing.detectors import ALONE, CHIP, DENSE, LOCAL, NAMED
from localnoise.sims.auditing.schema import Certificate, Document, Structure, Told
from localnoise.sims.reports.figures import DOUBLE, HUES, drawn, lettered
from localnoise.sims.reports.table import sentence, words
from localnoise.sims.results.records import Record

_ROWS = 4  # images with maps
_MOST = 6.0  # standard deviations at which a map is saturated
_LOOKS = {
    LOCAL: ("#D55E00", "o"),
    ALONE: ("#56B4E9", "s"),
    DENSE: ("#0072B2", "D"),
    CHIP: ("#009E73", "^"),
    NAMED: ("#CC79A7", "v"),
}


def surprise_figure(told: Sequence[Told], path: Path, title: str) -> None:
    """Draw the area under the ROC curve against each corruption, a panel for each layer."""
    layers = list(dict.fromkeys(one.layer for one in told if one.what == "image"))
    names = list(dict.fromkeys(one.against for one in told if one.what == "image"))
    with drawn(path, (DOUBLE, 1.6 * len(layers) + 0.9)) as figure:
        panels = figure.subplots(len(layers), 1, sharex=True, squeeze=False)[:, 0]
        for axes, layer in zip(panels, layers, strict=True):
            own = [one for one in told if one.what == "image" and one.layer == layer]
            kinds = [kind for kind in _LOOKS if any(one.detector == kind for one in own)]
            for at, kind in enumerate(kinds):
                colour, marker = _LOOKS[kind]
                mine = [one for one in own if one.detector == kind]
                x = [names.index(one.against) + (at - (len(kinds) - 1) / 2) * 0.16 for one in mine]
                y = [one.area.value for one in mine]
                low = [one.area.value - (one.area.value if one.area.low is None else one.area.low) for one in mine]
                style: Any = {"fmt": marker, "color": colour, "label": kind, "capsize": 0, "elinewidth": 0.8}
                axes.errorbar(x, y, yerr=np.maximum(low, 0), **style)
            axes.axhline(0.95, color="#888888", lw=0.6, ls="--")
            axes.set(ylabel="AUROC", ylim=(0.4, 1.02))
        lettered(panels, [sentence(layer) for layer in layers])
        ticks = [sentence(words(name)).replace("@", " ") for name in names]
        panels[-1].set_xticks(range(len(names)), ticks, rotation=35, ha="right", rotation_mode="anchor")
        handles, labels = panels[-1].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=4, title=title, frameon=False)


def maps_figure(record: Record, path: Path) -> None:
    """Draw images with a defect of a known place, and where each layer's units are surprised."""
    shown, corners = record.results["shown"], record.results["corners"]
    layers = [name.removeprefix("images/") for name in record.results if name.startswith("images/")]
    side = shown.shape[1]
    with drawn(path, (DOUBLE, 1.25 * (1 + len(layers)) + 0.4)) as figure:
        panels = figure.subplots(1 + len(layers), len(shown), squeeze=False)
        for column, (image, (y, x)) in enumerate(zip(shown, corners, strict=True)):
            for row, name in enumerate([None, *layers]):
                axes = panels[row, column]
                axes.imshow(image, cmap="gray", vmin=0, vmax=1, extent=(0, side, side, 0))
                if name is not None:
                    z = record.results[f"images/{name}"][column]
                    seen = axes.imshow(
                        z,
                        cmap="magma",
                        vmin=0,
                        vmax=_MOST,
                        alpha=0.75,
                        extent=(0, side, side, 0),
                        interpolation="nearest",
                    )
                axes.plot([x, x + 6, x + 6, x, x], [y, y, y + 6, y + 6, y], color="#56B4E9", lw=1)
                axes.set_xticks([])
                axes.set_yticks([])
                axes.grid(visible=False)
        for row, name in enumerate(["Image", *(f"Surprise of the {name}" for name in layers)]):
            panels[row, 0].set_ylabel(name)
        figure.colorbar(seen, ax=panels, shrink=0.6, label="Surprise (z)", extend="max")


def certificate_figure(found: Sequence[Certificate], path: Path, title: str) -> None:
    """Draw certified accuracy against the radius, and certified coverage against severity."""
    with drawn(path, (DOUBLE, 2.5 * len(found))) as figure:
        panels, heads = figure.subplots(len(found), 2, squeeze=False), list[str]()
        for (left, right), one in zip(panels, found, strict=True):
            for colour, name, numbers in (
                ("#D55E00", "local with a floor", one.local),
                ("#999999", "isotropic, equal clean accuracy", one.isotropic),
            ):
                left.plot(one.radii, [number.value for number in numbers], color=colour, label=name)
                edges = ([(n.value if e is None else e) for n in numbers for e in (n.low, n.high)],)
                low, high = edges[0][::2], edges[0][1::2]
                left.fill_between(one.radii, low, high, color=colour, alpha=0.2, lw=0)
            left.axvline(one.largest_radius, color="#888888", lw=0.6, ls=":")
            left.set(xlabel="Radius (standard deviations of the noise)", ylabel="Certified accuracy", ylim=(0, 1))
            left.legend(frameon=False)
            levels = [covered.level for covered in one.covered]
            right.plot(levels, [c.local.value for c in one.covered], "o-", color="#D55E00", label="covered, local")
            right.plot(
                levels, [c.isotropic.value for c in one.covered], "s-", color="#999999", label="covered, isotropic"
            )
            right.plot(levels, [c.undefended.value for c in one.covered], "k--", label="accuracy, undefended")
            right.set(
                xlabel=f"Level of {words(one.source.partition('@')[0])}", ylabel="Share of test inputs", ylim=(0, 1)
            )
            right.legend(frameon=False)
            heads += [f"{sentence(words(title).replace('@', ' '))}: {one.displacements}", "Certified coverage"]
        lettered(panels.ravel(), heads)


def structure_figure(records: Sequence[Record], structures: Sequence[Structure], path: Path) -> None:
    """Draw each defense's variance map, and spectra, correlations and coverage side by side."""
    first = {r.config["defense"]: r.results for r in reversed(records) if r.config["part"] == "structure"}
    names = [one.defense for one in structures]
    colors = dict.fromkeys(("#D55E00", "#0072B2", *HUES, "#CC79A7", "#F0E442"))
    hues = dict(zip(names, cycle(colors)))
    with drawn(path, (DOUBLE, 6.2)) as figure:
        parts: Any = figure.subfigures(3, 1, height_ratios=(0.9, 1, 1.4))
        top, middle, bottom = parts
        panels = top.subplots(1, len(names), squeeze=False)[0]
        for axes, name in zip(panels, names, strict=True):
            seen = axes.imshow(first[name]["map"], cmap="cividis")
            axes.set(xticks=[], yticks=[])
            axes.grid(visible=False)
            top.colorbar(
                seen, ax=axes, location="bottom", shrink=0.8, ticks=[seen.norm.vmin, seen.norm.vmax]
            ).ax.set_xticklabels([f"{edge:.2g}" for edge in (seen.norm.vmin, seen.norm.vmax)])
        spectrum, distance = middle.subplots(1, 2)
        for name in names:
            values = first[name]["spectrum"]
            spectrum.loglog(np.arange(1, len(values) + 1), values / values.sum(), color=hues[name], label=name)
            distance.plot(first[name]["correlation"], color=hues[name], label=name)
        spectrum.set(xlabel="Direction", ylabel="Share of its variance")
        distance.set(xlabel="Distance (units)", ylabel="Correlation")
        distance.legend(frameon=False, ncols=2)
        left, right = bottom.subplots(1, 2)
        corruptions = [lies.corruption for lies in structures[0].corruptions]
        width = 0.8 / len(names)
        for at, one in enumerate(structures):
            x = np.arange(len(corruptions)) + (at - (len(names) - 1) / 2) * width
            left.bar(x, [lies.inside.value for lies in one.corruptions], width, color=hues[one.defense])
            gained = [lies.density["noise"] - lies.density["diagonal"] for lies in one.corruptions]
            right.bar(x, gained, width, color=hues[one.defense], label=one.defense)
        left.set(ylabel="Share inside", ylim=(0, 1))
        right.set(ylabel="Log density over diagonal\n(nats a neuron)")
        for axes in (left, right):
            ticks = [sentence(words(name)).replace("@", " ") for name in corruptions]
            axes.set_xticks(range(len(ticks)), ticks, rotation=35, ha="right", rotation_mode="anchor")
        heads = [*names, "Spectrum", "Correlation"]
        heads += ["Displacements inside its leading directions", "Held-out displacements"]
        panels[0].set_ylabel("Variance")
        lettered([*panels, spectrum, distance, left, right], heads)


def figures(records: Sequence[Record], made: Document, out: Path) -> list[str]:
    """Draw what the records hold; returns the figures' names, PNG."""
    names = []
    if made.structure:
        structure_figure(records, made.structure, out / "structure.png")
        names.append("structure.png")
    if made.certificates:
        certificate_figure(made.certificates, out / "certificate.png", made.certificates[0].source)
        names.append("certificate.png")
    if made.surprise:
        surprise_figure(made.surprise, out / "surprise.png", made.title)
        names.append("surprise.png")
        own = next(record for record in records if record.config["part"] == "surprise")
        if "shown" in own.results:
            maps_figure(own, out / "maps.png")
            names.append("maps.png")
    return names
