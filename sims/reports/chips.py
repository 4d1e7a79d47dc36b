"""Figures of chip grids: errors unit by unit; robustness against bits; robustness against wires and bytes."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter

from localnoise.hardware import ChipGrid, Report
from localnoise.hardware.chips.profile import Profile
from localnoise.sims.reports.comparison import Level
from localnoise.sims.reports.deployed import ChipRow
from localnoise.sims.reports.figures import DOUBLE, drawn, error_bars, legend, lettered
from localnoise.sims.reports.table import sentence
from localnoise.sims.results.statistics import Estimate

_HUES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_MARKS = "osD^vP"
Table = dict[tuple[str, str], ChipRow]


def quantised_figure(found: Report, chip: ChipGrid, path: Path) -> None:
    """Four maps over the grid: error of weights and of covariance, divergence, saturated words."""
    maps = {
        "Weight error": (found.weight_error, "relative"),
        "Covariance error": (found.covariance_error, "relative Frobenius"),
        "Divergence": (found.divergence, "nats"),
        "Saturated words": (found.saturated, "share of draws"),
    }
    with drawn(path, (DOUBLE, 2.4), alone=True) as figure:
        panels = figure.subplots(1, 4)
        for axes, (values, unit) in zip(panels, maps.values(), strict=True):
            shown = axes.imshow(
                np.reshape(values, chip.config.shape), cmap="cividis", vmin=0, vmax=max(values.max(), 1e-3)
            )
            ticks = MaxNLocator(2)
            figure.colorbar(shown, ax=axes, label=sentence(unit), location="bottom", ticks=ticks, format="%.2g")
            axes.set(xlabel="x (units)", ylabel="y (units)")
            axes.grid(visible=False)
            axes.xaxis.get_major_locator().set_params(integer=True)
            axes.yaxis.get_major_locator().set_params(integer=True)
        lettered(panels, list(maps))
        f = chip.formats
        figure.suptitle(f"{f.weight_bits}-bit weights, {f.word_bits}-bit words, {f.generator}")


def bits_figure(table: Table, by_weight: dict[int, str], by_word: dict[int, str], path: Path) -> None:
    """Accuracy less float against weight bits and word bits, a line a source; divergence against weight bits."""
    sources = list(dict.fromkeys(source for _, source in table))
    with drawn(path, (DOUBLE, 2.9)) as figure:
        left, middle, right = panels = figure.subplots(1, 3)
        middle.sharey(left)
        for axes, arms, name in ((left, by_weight, "Weight"), (middle, by_word, "Word")):
            for index, source in enumerate(sources):
                found = [(n, row.less) for n, arm in arms.items() if (row := table.get((arm, source))) and row.less]
                aside = 0.3 * (index - (len(sources) - 1) / 2) / max(len(sources), 1)
                style = {"color": _HUES[index % 7], "marker": _MARKS[index % 6], "label": Level.named(source).words}
                error_bars(axes, [n + aside for n, _ in found], [gap for _, gap in found], **style)
            axes.axhspan(-0.01, 0.01, color="#999999", alpha=0.35, lw=0, label="within 1 point")
            axes.set(xlabel=f"{name} bits", xticks=list(arms))
        left.set_ylabel("Accuracy less float (share of images)")
        for index, source in enumerate(sources):
            said = [(n, row.facts) for n, arm in by_weight.items() if (row := table.get((arm, source))) and row.facts]
            bits, nats = [n for n, _ in said], [facts["divergence"] for _, facts in said]
            right.semilogy(bits, nats, marker=_MARKS[index % 6], mec="#333333", mew=0.4, color=_HUES[index % 7])
        right.set(xlabel="Weight bits", ylabel="KL divergence (nats per unit)", xticks=list(by_weight))
        lettered(panels)
        legend(figure, columns=4)


def wires_figure(table: Table, arms: Mapping[str, Sequence[str]], chips: Mapping[str, float], path: Path) -> None:
    """Mean retention over the sources against links, wire length and bytes per unit, a line an order.

    Its interval is the mean of the sources' intervals: as if they erred together, which is the widest that it can be.

    arms : arms of each order, by fan-in;  chips : bytes per unit that each chip has room for.
    """
    sources = list(dict.fromkeys(source for _, source in table))
    with drawn(path, (DOUBLE, 2.9)) as figure:
        panels = figure.subplots(1, 3, sharey=True)
        places = (("Links", "links"), ("Wire length (units' pitch)", "wire_length"), ("Bytes per unit", ""))
        for axes, (label, fact) in zip(panels, places, strict=True):
            for index, (order, names) in enumerate(arms.items()):
                points = [point for arm in names if (point := _mean(table, arm, sources, fact))]
                style = {"marker": _MARKS[index], "color": _HUES[index], "label": order}
                error_bars(axes, [x for x, _ in points], [mean for _, mean in points], **style)  # none without a gain
            axes.axhline(1, color="#333333", lw=0.8, ls="--")
            axes.set(xlabel=label)
            if axes.dataLim.width > 0:
                axes.set_xscale("log")
                axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
                axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
                axes.xaxis.set_minor_formatter(NullFormatter())
                axes.tick_params(axis="x", rotation=35)
        most = 4 * max((row.bytes_per_unit for row in table.values() if "links" in row.facts), default=0.0)
        shown = {name: room for name, room in chips.items() if room < most}  # far beyond, a chip sets no limit here
        for index, (name, room) in enumerate(shown.items()):
            panels[2].axvline(room, color=_HUES[2 + index % 5], lw=1, ls=":", label=f"room on {name}")
        panels[0].set_ylabel(f"Retention, mean of {len(sources)} sources")
        lettered(panels)
        legend(figure)


def _mean(table: Table, arm: str, sources: Sequence[str], fact: str) -> tuple[float, Estimate] | None:
    own = [table[arm, source] for source in sources if (arm, source) in table]
    shares = [row.kept.share for row in own if row.kept and row.kept.share]
    if not shares:
        return None
    low, mean, high = (float(np.mean([getattr(one, name) for one in shares])) for name in ("low", "mean", "high"))
    estimate = Estimate(mean, low, high, shares[0].seeds, shares[0].images)
    return own[0].facts[fact] if fact else own[0].bytes_per_unit, estimate


def room(profile: Profile, units: int, weight_bits: int = 8) -> float | None:
    """Bytes per unit that a chip's memory has room for, of `units`; None where it is not published, or not limited."""
    limits: dict[str, Any] = {name: profile.limit(name) for name in profile.limits}
    bits = [limits.get(name) for name in ("block_ram", "single_port_ram")]
    known = [
        limits.get("flash"),
        limits.get("memory"),
        None if limits.get("weights") is None else limits["weights"] * weight_bits / 8,
        sum(b for b in bits if b) / 8 if any(bits) else None,
    ]
    found = [value for value in known if value is not None and np.isfinite(value)]
    return min(found) / units if found else None
