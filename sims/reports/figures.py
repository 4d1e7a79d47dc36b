"""Figures for print: a column or a page wide, 8 pt, colour-blind-safe (Okabe and Ito 2008), as PNG, PDF and SVG."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain, cycle, product, repeat
from pathlib import Path
from string import ascii_lowercase
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from localnoise.files import write_figure
from localnoise.sims.defenses import DEFENSES
from localnoise.sims.reports.comparing import Comparison
from localnoise.sims.reports.comparison import Level
from localnoise.sims.reports.side_by_side import PaperRow
from localnoise.sims.reports.summary import Summary
from localnoise.sims.reports.table import sentence, words
from localnoise.sims.results.experiment import is_draft
from localnoise.sims.results.statistics import Estimate

SINGLE, DOUBLE = 3.4, 7.0  # inches: one column of a journal, and two
KINDS = (".png", ".pdf", ".svg")
_UNDATED: dict[str, Any] = {".pdf": {"CreationDate": None}, ".svg": {"Date": None}}  # the same picture, the same bytes
STYLE: Any = {
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 8,
    "legend.title_fontsize": 8,
    "figure.labelsize": 8,
    "figure.titlesize": 8,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "grid.linewidth": 0.5,
    "lines.linewidth": 1,
    "lines.markersize": 4,
    "savefig.dpi": 200,
    "pdf.fonttype": 42,
    "svg.hashsalt": "localnoise",
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
    "penalty-8": "#AA4499",
    "three-factor-8": "#44AA99",
    "undefended": "#000000",
    "repair": "#332288",
    "repair-16": "#332288",
}
HUES = tuple(dict.fromkeys(COLOURS.values()))
LINES = {"-": "—", ":": "···", "--": "- -", "-.": "-·-"}  # and how a legend writes them
MARKERS = {True: "sDP*", False: "o^vX"}  # of central arms, and of local ones
_BARS: dict[str, Any] = {"elinewidth": 0.7, "mec": "#333333", "mew": 0.4}
_WHOLE: dict[str, Any] = {"clip_on": False, "zorder": 3}  # markers at 0 and 1, which the axes would cut
_KEY = "■ central   ● local"


class Look(NamedTuple):
    """The look of an arm in figures."""

    colour: str
    marker: str


def looks(arms: Sequence[str]) -> dict[str, Look]:
    """Return a look for any arms, the same for the same arms: each its own, as long as colours and markers last.

    An arm that has a colour keeps it; the others share out what these leave, each a colour of its own as long as there
    are any, then come further markers.
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
        taken = {look.colour for look in found.values()}
        fresh = [look for look in all_of_them if look not in found.values()]
        apart = [*own, *(look for look in fresh if look.colour not in taken)]
        found[arm] = next((look for look in [*apart, *fresh] if look in fresh), all_of_them[0])
    return found


@contextmanager
def drawn(path: Path, size: tuple[float, float], *, alone: bool = False) -> Iterator[Figure]:
    """Yield a figure of `size` inches in the house style; write it in each of `KINDS`, aside and renamed.

    alone : write `path` only.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=size)
        yield figure
        for kind in [path.suffix] if alone or is_draft() else KINDS:
            metadata = {"metadata": _UNDATED[kind]} if kind in _UNDATED else {}
            write_figure(figure, path.with_suffix(kind), **metadata)
            figure.set_layout_engine("none")  # laid out once: it is what takes the time, and all kinds look the same


def kinds(name: str) -> list[str]:
    """Return the names of the files that `drawn` writes for a figure."""
    return [Path(name).with_suffix(kind).name for kind in KINDS]


def lettered(panels: Iterable[Any], titles: Sequence[str] = ()) -> None:
    """Give panels their letters, and their titles beside them."""
    for letter, axes, title in zip(ascii_lowercase, panels, chain(titles, repeat("")), strict=False):
        axes.set_title(f"$\\bf{{{letter}}}$  {title}".rstrip(), loc="left")


def error_bars(axes: Any, x: Sequence[float], estimates: Sequence[Estimate], **style: Any) -> None:
    """Draw means with their 95 % intervals; the intervals are thin, and none where one is not known."""
    mean, spread = _means(estimates)
    axes.errorbar(x, mean, spread, **_BARS | style)


def lying_bars(axes: Any, y: Sequence[float], estimates: Sequence[Estimate], **style: Any) -> None:
    """Draw means along x, as `error_bars` does along y."""
    mean, spread = _means(estimates)
    axes.errorbar(mean, y, xerr=spread, **_BARS | style)


def _means(estimates: Sequence[Estimate]) -> tuple[list[float], Any]:
    low, high = ([getattr(e, end) for e in estimates] for end in ("low", "high"))
    mean = [e.mean for e in estimates]
    return mean, np.nan_to_num([np.subtract(mean, low), np.subtract(high, mean)])


def legend(figure: Figure, title: str | None = None, columns: int = 3, markerscale: float = 1) -> Any:
    """Draw a legend below the panels, of all that they name, each name once; None where they name nothing."""
    found: dict[str, Any] = {}
    for axes in figure.axes:
        for handle, name in zip(*axes.get_legend_handles_labels(), strict=True):
            found.setdefault(sentence(name), handle)
    if not found:
        return None
    return figure.legend(
        found.values(), found, loc="outside lower center", frameon=False, title=title, ncols=min(columns, len(found)),
        columnspacing=1.2, handletextpad=0.5, markerscale=markerscale,
    )  # fmt: skip


def accuracies(summary: Summary, path: Path, title: str) -> None:
    """Accuracy on each source, and on clean images, one marker an arm with its 95 % interval."""
    columns = [*summary.sources, "clean"]
    with drawn(path, (DOUBLE, 3.4)) as figure:
        axes = figure.subplots()
        shift, look = np.linspace(-0.36, 0.36, len(summary.arms)), looks(summary.arms)
        for arm, dx in zip(summary.arms, shift, strict=True):
            found = [(x + dx, e) for x, source in enumerate(columns) if (e := _point(summary, arm, source))]
            places, estimates = [x for x, _ in found], [e for _, e in found]
            style = {"fmt": look[arm].marker, "color": look[arm].colour, "label": DEFENSES[arm].label} | _WHOLE
            error_bars(axes, places, estimates, **style)
        _columns(axes, [sentence(words(column)) for column in columns], title)
        legend(figure, _KEY)


def _columns(axes: Any, names: Sequence[str], title: str) -> None:
    """Dress the panel of accuracies by name: white lines part the names."""
    turned = {"rotation": 35, "ha": "right", "rotation_mode": "anchor"} if len(names) > 8 else {}
    axes.set_xticks(range(len(names)), names, **turned)
    axes.grid(visible=False, axis="x")
    for x in range(len(names) - 1):
        axes.axvline(x + 0.5, color="#DDDDDD", lw=0.6)
    axes.set(ylabel="Accuracy (share of images right)", ylim=(0, 1), xlim=(-0.5, len(names) - 0.5))
    axes.set_title(title, loc="left")


def _point(summary: Summary, arm: str, source: str) -> Estimate | None:
    """The arm's accuracy on a source, or on clean images."""
    if source == "clean":
        return summary.clean.get(arm)
    entry = summary.entries.get((arm, source, source))
    return entry.accuracy if entry else None


def threats(table: Comparison, path: Path, title: str, names: Mapping[str, str] | None = None) -> None:
    """Accuracy on clean images and against each threat, a marker an arm with its interval; hollow where a check failed.

    names : what arms are called, where it is not by their labels.
    """
    rows = [row for row in table.rows if row not in table.groups]
    called, words_of = names or {}, [row if row == "clean" else Level.named(row).words for row in rows]
    longest = max(map(len, words_of), default=0)
    with drawn(path, (DOUBLE, 3.4 + 0.04 * max(0, longest - 16) + 0.15 * (len(table.arms) // 3))) as figure:
        axes, look = figure.subplots(), looks(table.arms)
        shift = np.linspace(-0.36, 0.36, len(table.arms)) if len(table.arms) > 1 else [0.0]
        for arm, dx in zip(table.arms, shift, strict=True):
            for x, row in enumerate(rows):
                found, entry = table.estimate(arm, row), table.entry(arm, row)
                if found is None:
                    continue
                style = {"fmt": look[arm].marker, "color": look[arm].colour} | _WHOLE
                style |= {"mfc": "white"} if entry is not None and any(entry.unreliable.values()) else {}
                error_bars(axes, [x + dx], [found], label=called.get(arm) or DEFENSES[arm].label, **style)
        _columns(axes, list(map(sentence, words_of)), title)
        legend(figure, _KEY, columns=2 if any(len(name) > 30 for name in called.values()) else 3)


def strengths(rows: list[PaperRow], path: Path, title: str) -> None:
    """Accuracy against strength, a panel for each source, a line for each arm; hollow diamonds: the paper's values."""
    sources = list(dict.fromkeys(row.source for row in rows))
    wide = min(4, len(sources))
    high = -(-len(sources) // wide)
    with drawn(path, (DOUBLE, 1.55 * high + 0.9)) as figure:
        panels = figure.subplots(high, wide, squeeze=False, sharey=True).ravel()
        arms = list(dict.fromkeys(row.arm for row in rows))
        look, lines = looks(arms), dict(zip(sorted({row.trace for row in rows}, reverse=True), cycle(LINES)))
        for axes, source in zip(panels, sources, strict=False):
            for arm, (trace, line) in product(arms, lines.items()):
                own = [r for r in rows if (r.source, r.arm, r.trace) == (source, arm, trace)]
                colour, marker = look[arm]
                told = [(r.level, r.stated.mean) for r in own if r.stated is not None]
                if own:
                    levels, measured = [r.level for r in own], [r.measured for r in own]
                    style = {"ls": line, "marker": marker, "ms": 3, "color": colour, "label": DEFENSES[arm].label}
                    error_bars(axes, levels, measured, **style)
                axes.plot([x for x, _ in told], [y for _, y in told], "D", mfc="none", mew=0.7, ms=4.5, c=colour)
            axes.set(ylim=(0, 1))
        lettered(panels[: len(sources)], [sentence(words(source)) for source in sources])
        for axes in panels[len(sources) :]:
            axes.set_visible(False)
        for axes in panels[max(len(sources) - wide, 0) : len(sources)]:
            axes.set_xlabel("Strength")
        for axes in panels[: len(sources) : wide]:
            axes.set_ylabel("Accuracy")
        said = "   ".join(f"{LINES[line]} variance {trace:g}" for trace, line in lines.items())
        legend(
            figure,
            f"{title}. Strength: an attack's eps, a modification's severity or scale.\n{said}   ◇ stated by the paper",
            columns=4,
        )


def retentions(summary: Summary, path: Path, title: str) -> None:
    """Retention of the central gain against bytes per unit, with 95 % intervals; sources stand beside one another."""
    local = [arm for arm in summary.arms if not DEFENSES[arm].central or arm == "full"]
    dress = cycle(Look(hue, mark) for mark, hue in product("osD^vP", HUES[2:]))
    with drawn(path, (SINGLE, 3.2)) as figure:
        axes, apart = figure.subplots(), np.geomspace(0.9, 1 / 0.9, max(len(summary.sources), 2))
        for source, (colour, mark), dx in zip(summary.sources, dress, apart, strict=False):
            found = [(arm, e) for arm in local if (e := summary.entries.get((arm, source, source))) and e.retention]
            places = [e.bytes_per_unit * dx for _, e in found]
            shares = [e.retention for _, e in found if e.retention]
            error_bars(axes, places, shares, fmt=mark, color=colour, label=words(source))
        axes.axhline(1, color="#333333", linewidth=0.8, linestyle="--")
        axes.set_xscale("log")
        axes.set(xlabel="Parameters (bytes per unit)", ylabel="Retention of the central gain")
        axes.set_title(title, loc="left")
        legend(figure)
