"""Figures for print: colour-blind-safe (Okabe and Ito 2008), labelled axes, legends outside the data."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle, product
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from localnoise.files import write_figure
from localnoise.sims.defenses import DEFENSES
from localnoise.sims.reports.comparing import Comparison
from localnoise.sims.reports.side_by_side import PaperRow
from localnoise.sims.reports.summary import Summary
from localnoise.sims.reports.table import words
from localnoise.sims.results.statistics import Estimate

STYLE: Any = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "savefig.dpi": 200,
    "figure.constrained_layout.use": True,
}
COLOURS = {
    "none": "#000000",
    "identity": "#999999",
    "diagonal": "#56B4E9",
    "full": "#0072B2",
    "raster-1": "#F0E442",
    "multiscale-4": "#E69F00",
    "multiscale-8": "#D55E00",
    "hubs-8": "#882255",
    "signal-4": "#009E73",
    "signal-8": "#009E73",
    "bank-8": "#117733",
    "augmentation": "#CC79A7",
}
HUES = tuple(dict.fromkeys(COLOURS.values()))
LINES = {"-": "—", ":": "···", "--": "- -", "-.": "-·-"}  # and how a legend writes them
MARKERS = {True: "sDP*", False: "o^vX"}  # of central arms, and of local ones


class Look(NamedTuple):
    """How an arm is drawn."""

    colour: str
    marker: str


def looks(arms: Sequence[str]) -> dict[str, Look]:
    """Return a look for any arms, the same for the same arms: each its own, as long as colours and markers last.

    An arm that has a colour keeps it; the others share out what these leave, then come further markers.
    """
    fixed = {arm: COLOURS[arm] for arm in arms if arm in COLOURS}
    left = [hue for hue in HUES if hue not in fixed.values()] or HUES
    found: dict[str, Look] = {}
    for arm in sorted(dict.fromkeys(arms), key=lambda name: name not in fixed):
        marks = MARKERS[DEFENSES[arm].central]
        own = [Look(fixed[arm], mark) for mark in marks] if arm in fixed else []
        free = (Look(hue, mark) for mark, hue in product(marks, left))
        more = (Look(hue, mark) for mark, hue in product(marks, HUES))
        all_of_them = [*own, *free, *more]
        found[arm] = next((look for look in all_of_them if look not in found.values()), all_of_them[0])
    return found


@contextmanager
def drawn(path: Path, size: tuple[float, float]) -> Iterator[Figure]:
    """Yield a figure of `size` inches in the house style; write it to `path` aside and rename it."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=size)
        yield figure
        write_figure(figure, path)


def legend(figure: Figure, title: str | None = None) -> Any:
    """Draw a legend beside the data, of what the first axes name; None where they name nothing."""
    handles, labels = figure.axes[0].get_legend_handles_labels()
    if not handles:
        return None
    return figure.legend(handles, labels, loc="outside right center", frameon=False, title=title)


def accuracies(summary: Summary, path: Path, title: str) -> None:
    """Accuracy on each source, and on clean images, one marker an arm with its 95 % interval."""
    columns = [*summary.sources, "clean"]
    with drawn(path, (2.2 + 1.3 * len(columns), 3.6)) as figure:
        axes = figure.subplots()
        shift, look = np.linspace(-0.32, 0.32, len(summary.arms)), looks(summary.arms)
        for arm, dx in zip(summary.arms, shift, strict=True):
            points = [(x, e) for x, source in enumerate(columns) if (e := _point(summary, arm, source))]
            axes.errorbar(
                [x + dx for x, _ in points],
                [e.mean for _, e in points],
                yerr=[[e.mean - e.low for _, e in points], [e.high - e.mean for _, e in points]],
                fmt=look[arm].marker,
                markersize=5,
                color=look[arm].colour,
                markeredgecolor="#333333",
                markeredgewidth=0.5,
                elinewidth=1.2,
                label=DEFENSES[arm].label,
            )
        axes.set_xticks(range(len(columns)), [words(column) for column in columns])
        axes.grid(visible=False, axis="x")
        axes.set(ylabel="accuracy (share of images right)", ylim=(0, 1), title=title)
        legend(figure, "■ central   ● local")


def _point(summary: Summary, arm: str, source: str) -> Estimate | None:
    """The arm's accuracy on a source, or on clean images."""
    if source == "clean":
        return summary.clean.get(arm)
    entry = summary.entries.get((arm, source, source))
    return entry.accuracy if entry else None


def threats(table: Comparison, path: Path, title: str) -> None:
    """Accuracy against each threat, one marker an arm with its 95 % interval; hollow where a check failed."""
    with drawn(path, (2.8 + 1.1 * len(table.threats), 3.8)) as figure:
        axes = figure.subplots()
        shift = np.linspace(-0.34, 0.34, len(table.arms)) if len(table.arms) > 1 else [0.0]
        look = looks(table.arms)
        for arm, dx in zip(table.arms, shift, strict=True):
            found = [(x + dx, e) for x, t in enumerate(table.threats) if (e := table.entry(arm, t))]
            for x, entry in found:
                own, sound = entry.accuracy, not any(entry.unreliable.values())
                axes.errorbar(
                    [x],
                    [own.mean],
                    yerr=[[own.mean - own.low], [own.high - own.mean]],
                    fmt=look[arm].marker,
                    markersize=5,
                    color=look[arm].colour,
                    markerfacecolor=look[arm].colour if sound else "white",
                    markeredgecolor="#333333",
                    markeredgewidth=0.5,
                    elinewidth=1.2,
                    label=DEFENSES[arm].label if x == found[0][0] else None,
                )
        axes.set_xticks(range(len(table.threats)), [t.replace("_", " ").replace("@", "\n") for t in table.threats])
        axes.grid(visible=False, axis="x")
        axes.set(ylabel="accuracy (share of images right)", ylim=(0, 1), title=title)
        legend(figure, "■ central   ● local")


def strengths(rows: list[PaperRow], path: Path, title: str) -> None:
    """Accuracy against strength, a panel for each source, a line for each arm; hollow diamonds: the paper's values."""
    sources = list(dict.fromkeys(row.source for row in rows))
    wide = min(3, len(sources))
    high = -(-len(sources) // wide)
    with drawn(path, (2.6 * wide + 1.6, 2.2 * high + 0.6)) as figure:
        panels = figure.subplots(high, wide, squeeze=False, sharey=True).ravel()
        arms = list(dict.fromkeys(row.arm for row in rows))
        look, lines = looks(arms), dict(zip(sorted({row.trace for row in rows}, reverse=True), cycle(LINES)))
        for axes, source in zip(panels, sources, strict=False):
            for arm in arms:
                for trace, line in lines.items():
                    own = [r for r in rows if (r.source, r.arm, r.trace) == (source, arm, trace)]
                    if not own:
                        continue
                    spread = [r.measured.half_width for r in own]
                    place, mean = [r.level for r in own], [r.measured.mean for r in own]
                    colour, marker = look[arm]
                    label = DEFENSES[arm].label
                    axes.errorbar(place, mean, spread, ls=line, marker=marker, ms=4, c=colour, label=label)
                    told = [r for r in own if r.stated is not None]
                    means = [r.stated.mean for r in told if r.stated]
                    axes.plot([r.level for r in told], means, "D", mfc="none", ms=5, c=colour)
            axes.set(title=words(source), ylim=(0, 1))
        for axes in panels[len(sources) :]:
            axes.set_visible(False)
        figure.supxlabel("strength (eps of an attack; severity or scale of a modification)", fontsize=9)
        figure.supylabel("accuracy (share of images right)", fontsize=9)
        said = "  ".join(f"{LINES[line]} trace {trace:g}" for trace, line in lines.items())
        shown: dict[str, Any] = {}
        for axes in panels:
            for handle, name in zip(*axes.get_legend_handles_labels(), strict=True):
                shown.setdefault(name, handle)
        names = [DEFENSES[arm].label for arm in arms]
        figure.legend([shown[name] for name in names], names, loc="outside right center", frameon=False,
                      title=f"{title}\n{said}\n◇ stated")  # fmt: skip


def retentions(summary: Summary, path: Path, title: str) -> None:
    """Retention of the central gain against bytes per unit, one line a source."""
    local = [arm for arm in summary.arms if not DEFENSES[arm].central or arm == "full"]
    dress = cycle(Look(hue, mark) for mark, hue in product("osD^vP", HUES[2:]))
    with drawn(path, (6.4, 3.4)) as figure:
        axes = figure.subplots()
        for source, (colour, mark) in zip(summary.sources, dress, strict=False):
            found = [(arm, e) for arm in local if (e := summary.entries.get((arm, source, source))) and e.retention]
            axes.plot(
                [e.bytes_per_unit for _, e in found],
                [e.retention.mean for _, e in found if e.retention],
                mark,
                color=colour,
                markeredgecolor="#333333",
                markeredgewidth=0.5,
                label=words(source),
            )
        axes.axhline(1, color="#333333", linewidth=0.8, linestyle="--")
        axes.set_xscale("log")
        axes.set(xlabel="parameters (bytes per unit)", ylabel="retention of the central gain", title=title)
        legend(figure)
