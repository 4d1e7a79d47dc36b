"""Figures of `localnoise train`: clean accuracy beside the other training's, and accuracy by strength and corruption.

A color is a way of training; so is a marker, but among several noises, which then have one each, and a line style.
"""

from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import blended_transform_factory

from localnoise.sims.attacks import ATTACKS
from localnoise.sims.defenses.repair_arms import UNDEFENDED
from localnoise.sims.evaluation.names import CLEAN, WORST
from localnoise.sims.models.training import BACKPROP
from localnoise.sims.reports.comparison import Level
from localnoise.sims.reports.figures import DOUBLE, HUES, LINES, SINGLE, drawn, error_bars, legend, lettered
from localnoise.sims.reports.table import sentence, words
from localnoise.sims.reports.trained_rows import Found, Row, accuracy_of, gaps, less, row_of
from localnoise.sims.reports.trained_rows import accuracies as per_seed
from localnoise.sims.results.statistics import Estimate

_COLOURS = {
    BACKPROP: "#000000",
    "local-heads": "#0072B2",
    "similarity": "#D55E00",
    "channels": "#009E73",
    "softhebb": "#E69F00",
}
_MARKS = "osDv^P*X"
_MANY = 8  # corruptions in a panel beside an attack's; more have a line of their own
_FEW = 12  # points of a figure as wide as a column
_GREY, _APART = "#555555", 0.24
_EDGE: dict[str, Any] = {"mec": "#333333", "mew": 0.4}


class Look(NamedTuple):
    """The look of a row: marker, color, line."""

    colour: str
    marker: str
    line: str


def looks(rows: Sequence[str]) -> dict[str, Look]:
    """Return each row's look: its training's color, the same in every figure where it is ours, and its noise's mark."""
    names = list(dict.fromkeys(Row.read(row).training for row in rows))
    arms = list(dict.fromkeys(Row.read(row).arm for row in rows))
    left = [hue for hue in HUES if hue not in _COLOURS.values()]
    others = [name for name in names if name not in _COLOURS]
    colours = _COLOURS | {name: left[i % len(left)] for i, name in enumerate(others)}
    kinds, several = list(LINES), len(arms) > 1
    return {
        row_of(name, arm): Look(colours[name], _MARKS[(j if several else i) % len(_MARKS)], kinds[j % len(kinds)])
        for (i, name), (j, arm) in product(enumerate(names), enumerate(arms))
    }


def accuracies(found: Found, rows: Sequence[str], against: str, path: Path) -> None:
    """Clean accuracy of each row, seeds as dots, a dashed line at `against`'s; and the paired difference from it."""
    places, heads = _placed(rows)
    twins = {row: row_of(against, Row.read(row).arm) for row in rows}
    others = {row: found.get(twin, {}).get(CLEAN, {}) for row, twin in twins.items()}
    compared = {row: less(found[row][CLEAN], others[row], CLEAN) for row in rows if row != twins[row]}
    whom, look = "backpropagation" if against == BACKPROP else against, looks(rows)
    beside = any(compared.values())
    with drawn(path, (DOUBLE if beside else SINGLE, 1.2 + 0.3 * max(places.values()))) as page:
        panels = page.subplots(1, 1 + beside, sharey=True, squeeze=False)[0]
        for row, y in places.items():
            own = found[row][CLEAN]
            _beside(panels[0], y, accuracy_of(own, CLEAN), per_seed(own, CLEAN), look[row])
            if beside and (mean := accuracy_of(others[row], CLEAN)) is not None:
                panels[0].plot([mean.mean] * 2, [y - 0.5, y + 0.5], color=_GREY, ls="--", lw=0.8, zorder=1)
            if compared.get(row) is not None:
                _beside(panels[1], y, compared[row], gaps(own, others[row], CLEAN), look[row])
        across = blended_transform_factory(panels[0].transAxes, panels[0].transData)
        for y, text in heads:
            panels[0].text(0.01, y, text, transform=across, va="center", style="italic")
        panels[0].set_yticks(list(places.values()), [sentence(Row.read(row).training) for row in places])
        panels[0].set_ylim(max(places.values()) + 0.65, -0.6)
        for axes, said in zip(panels, ("Accuracy (share of images right)", "Paired difference"), strict=False):
            axes.grid(visible=False, axis="y")
            axes.tick_params(axis="y", length=0)
            axes.margins(x=0.08)
            axes.xaxis.set_major_locator(MaxNLocator(6 if beside else 5, steps=[1, 2, 5, 10]))
            axes.set_xlabel(said)
        low, high = panels[0].get_xlim()
        panels[0].set_xlim(max(0.0, low), min(1.0, high))
        if beside:
            panels[1].axvline(0, color=_GREY, ls="--", lw=0.8, zorder=1)
            lettered(panels, ["Clean images", f"Less {whom}"])
        else:
            panels[0].set_title("Clean images", loc="left")
        _key(page, f"mean of {whom}" * beside, max(len(found[row][CLEAN]) for row in rows) > 1)


def _placed(rows: Sequence[str]) -> tuple[dict[str, float], list[tuple[float, str]]]:
    """Return each row's height, rows of one noise together; and where there are several noises their names'."""
    arms = list(dict.fromkeys(Row.read(row).arm for row in rows))
    places: dict[str, float] = {}
    heads, at = list[tuple[float, str]](), 0.0
    for arm in arms:
        own = [row for row in rows if Row.read(row).arm == arm]
        if len(arms) > 1:
            heads.append((at, sentence(Row.read(own[0]).noise)))
            at += 0.8
        places |= {row: at + i for i, row in enumerate(own)}
        at += len(own) + 0.2
    return places, heads


def _beside(axes: Any, y: float, mean: Estimate | None, seeds: Sequence[float], look: Look) -> None:
    """Draw a mean with its interval, and below it each seed's own."""
    if mean is None:
        return
    spread = np.nan_to_num([[mean.mean - mean.low], [mean.high - mean.mean]])
    style = {"fmt": look.marker, "color": look.colour, "elinewidth": 0.7} | _EDGE
    axes.errorbar([mean.mean], [y], xerr=spread, **style)
    if len(seeds) > 1:
        axes.plot(seeds, [y + _APART] * len(seeds), "o", ms=2.2, mew=0, color=look.colour, alpha=0.55)


def _key(page: Any, line: str, several: bool) -> None:
    """Say what markers, dots and lines are."""
    dot: dict[str, Any] = {"color": _GREY, "marker": "o"}
    handles = {f"Mean, 95 % interval over {'seeds' if several else 'images'}": Line2D([], [], lw=0.7, **dot | _EDGE)}
    if several:
        handles["One seed"] = Line2D([], [], ls="none", ms=2.2, mew=0, **dot)
    if line:
        handles[sentence(line)] = Line2D([], [], color=_GREY, ls="--", lw=0.8)
    look: Any = {"frameon": False, "columnspacing": 1.2, "handletextpad": 0.5}
    page.legend(handles.values(), handles, loc="outside lower center", ncols=3, **look)


def robustness(found: Found, rows: Sequence[str], threats: Sequence[str], path: Path) -> None:
    """Accuracy against the strength of each attack, from clean images on; then under all else, side by side."""
    levels = [Level.named(threat) for threat in threats if any(found[row].get(threat) for row in rows)]
    attacks: dict[str, list[Level]] = {}
    for level in levels:
        if level.name == WORST or level.name in ATTACKS:
            attacks.setdefault(level.name, []).append(level)
    others = [level for level in levels if level.name not in attacks]
    look = {row: own for row, own in looks(rows).items() if row in rows}
    below = bool(attacks) and (len(attacks) > 2 or len(others) > _MANY)
    layout: list[Any] = [[*attacks, *(["others"] if others and not below else [])]]
    layout += [["others"] * len(attacks)] if below and others else []
    wide = [max(2.0, 0.55 * len(others)) if name == "others" else 2.0 for name in layout[0]]
    longest = max((len(level.words) for level in others), default=0)
    high = 2.1 * len(layout) + 0.055 * longest * (len(others) > 0) + 0.3
    narrow, one_noise = [*map(len, layout)] == [1] and len(others) * len(rows) <= _FEW, not any(map(_noise, rows))
    columns = 1 + one_noise if narrow else 2 + 2 * one_noise
    failed = any(_failed(found, row, one.label) for row in rows for own in attacks.values() for one in own)
    high += 0.17 * (-(-len(rows) // columns) + failed)
    with drawn(path, (SINGLE if narrow else DOUBLE, high)) as page:
        panels: Mapping[str, Any] = page.subplot_mosaic(layout, width_ratios=wide)
        for name, own in attacks.items():
            _over_strength(panels[name], found, look, sorted(own, key=lambda one: one.level))
        if others:
            _side_by_side(panels["others"], found, look, others)
        for axes in panels.values():
            axes.set_ylim(-0.03, 1.0)
        for axes in (panels[line[0]] for line in layout):
            axes.set_ylabel("Accuracy (share of images right)")
        titles = {WORST: "Adaptive attacker", "others": "Corrupted images"}
        said = [titles.get(name) or sentence(words(name)) for name in panels]
        if len(said) > 1:
            lettered(panels.values(), said)
        else:
            next(iter(panels.values())).set_title(said[0], loc="left")
        legend(page, "Hollow: a check of the evaluation failed" if failed else None, columns=columns)


def _noise(row: str) -> str:
    """Return the noise of a row in words; nothing where there is none."""
    own = Row.read(row)
    return "" if own.arm == UNDEFENDED else own.noise


def _name(row: str) -> str:
    return ", ".join(filter(None, (Row.read(row).training, _noise(row))))


def _over_strength(axes: Any, found: Found, looks_of: Mapping[str, Look], levels: Sequence[Level]) -> None:
    """A line for each row; rows stand a little beside one another, so that intervals can be read."""
    step = 0.012 * levels[-1].level
    for turn, (row, look) in enumerate(looks_of.items()):
        own = [(0.0, CLEAN), *((one.level, one.label) for one in levels if found[row].get(one.label))]
        dx = step * (turn - (len(looks_of) - 1) / 2)
        style = {"color": look.colour, "marker": look.marker, "ls": look.line}
        estimates = [e for _, label in own if (e := accuracy_of(found[row][label], label)) is not None]
        error_bars(axes, [x + dx for x, _ in own], estimates, label=_name(row), **style)
        for (x, label), estimate in zip(own, estimates, strict=True):
            if _failed(found, row, label):
                axes.plot([x + dx], [estimate.mean], look.marker, mfc="white", mec=look.colour, zorder=3)
    axes.set_xlabel("Strength eps (0: clean)")


def _side_by_side(axes: Any, found: Found, looks_of: Mapping[str, Look], levels: Sequence[Level]) -> None:
    """Rows beside one another at each of the levels."""
    shift = np.linspace(-0.3, 0.3, len(looks_of)) if len(looks_of) > 1 else np.zeros(1)
    for (row, look), dx in zip(looks_of.items(), shift, strict=True):
        own = [
            (x + dx, e) for x, one in enumerate(levels) if (e := accuracy_of(found[row].get(one.label, {}), one.label))
        ]
        style = {"fmt": look.marker, "color": look.colour, "label": _name(row)}
        error_bars(axes, [x for x, _ in own], [e for _, e in own], **style)
    names = [sentence(level.words) for level in levels]
    turned = {"rotation": 35, "ha": "right", "rotation_mode": "anchor"} if len(names) > 2 else {}
    axes.set_xticks(range(len(names)), names, **turned)
    axes.grid(visible=False, axis="x")
    for x in range(len(names) - 1):
        axes.axvline(x + 0.5, color="#DDDDDD", lw=0.6)
    axes.set_xlim(-0.5, len(names) - 0.5)


def _failed(found: Found, row: str, threat: str) -> bool:
    """Return whether an attack's checks failed in one of the seeds: such a marker is hollow."""
    return any(record.results.get("adaptive.unreliable") for record in found[row].get(threat, {}).values())
