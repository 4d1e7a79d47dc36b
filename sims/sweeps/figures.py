"""Figures of a sweep: fronts, importances, parallel coordinates, robustness by links and bits."""

import math
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from localnoise.sims.reports.figures import DOUBLE, SINGLE, drawn, legend, lettered
from localnoise.sims.reports.labelling import label_points
from localnoise.sims.reports.table import sentence
from localnoise.sims.sweeps.page import Content, Goal, PageTrial

_LOOK = {"complete": ("#0072B2", "o"), "pruned": ("#E69F00", "v")}  # Okabe and Ito 2008
_FRONT, _PALE = "#D55E00", "#BBBBBB"


def figures(content: Content, folder: Path) -> list[Path]:
    """Draw every figure that the trials allow; returns the files."""
    found = []
    if len(content.goals) > 1:
        found.append(fronts(content, folder / "front.png"))
    if content.importance:
        found.append(importances(content, folder / "importance.png"))
    if sum(trial.state == "complete" for trial in content.trials) > 1:
        found.append(parallel(content, folder / "parallel.png"))
    if (path := by_size(content, folder / "retention.png")) is not None:
        found.append(path)
    return found


def fronts(content: Content, path: Path) -> Path:
    """The first goal against every other: the front as a line, its trials by number, baselines as levels."""
    first, *others = content.goals
    wide = min(2, len(others))
    high = -(-len(others) // wide)
    with drawn(path, (DOUBLE if wide > 1 else SINGLE, 2.5 * high + 0.7)) as page:
        panels = page.subplots(high, wide, squeeze=False).ravel()
        for axes, other in zip(panels, others, strict=False):
            for state, (colour, mark) in _LOOK.items():
                some = [t for t in content.trials if t.state == state]
                x, y = ([t.values[g.name] for t in some] for g in (other, first))
                if some:
                    axes.plot(x, y, mark, ms=3, color=colour, alpha=0.6, label=f"{state} ({len(some)})", ls="")
            best = sorted((t for t in content.trials if t.number in content.front), key=lambda t: t.values[other.name])
            x, y = ([t.values[goal.name] for t in best] for goal in (other, first))
            spread = [t.half_widths.get(first.name, 0.0) for t in best]
            label = f"Pareto front ({len(best)}), by number of trial"
            axes.errorbar(x, y, spread, fmt="-o", ms=4, elinewidth=0.7, color=_FRONT, label=label)
            for dashes, one in zip(("--", ":", "-."), content.references, strict=False):
                if first.name in one.values:
                    mean, half = one.values[first.name], one.half_widths.get(first.name, 0.0)
                    axes.axhspan(mean - half, mean + half, color="#777777", alpha=0.12, lw=0)
                    axes.axhline(mean, color="#333333", lw=0.9, ls=dashes, label=one.label)
            axes.set(xlabel=sentence(_title(other)), ylabel=sentence(_title(first)))
            if other.best == "low" and min(t.values[other.name] for t in content.trials if t.values) > 0:
                _logarithmic(axes)
        for axes in panels[len(others) :]:
            axes.set_visible(False)
        if len(others) > 1:
            lettered(panels[: len(others)])
        legend(page, columns=2 if wide > 1 else 1)
        for axes, other in zip(panels, others, strict=False):
            label_points(axes, _numbers([t for t in content.trials if t.number in content.front], other, first))
    return path


def _numbers(front: list[PageTrial], other: Goal, first: Goal) -> list[tuple[float, float, str]]:
    """Return where the numbers of the front's trials stand; those that lie close share a place, the lowest first."""
    places: list[tuple[float, float, list[int]]] = []
    for trial in sorted(front, key=lambda trial: trial.values[other.name]):
        x, y = trial.values[other.name], trial.values[first.name]
        near = [numbers for u, v, numbers in places if abs(x - u) < 0.06 * abs(x) and math.isclose(y, v, rel_tol=0.02)]
        if near:
            near[0].append(trial.number)
        else:
            places.append((x, y, [trial.number]))
    return [(x, y, ", ".join(map(str, sorted(numbers)))) for x, y, numbers in places]


def importances(content: Content, path: Path) -> Path:
    """Draw how much each hyperparameter separates the better trials from the others, by goal."""
    names = [name for name in content.parameters if any(name in own for own in content.importance.values())]
    goals = [goal for goal in content.goals if goal.name in content.importance]
    with drawn(path, (SINGLE if len(goals) == 1 else DOUBLE, 0.8 + 0.2 * len(names))) as page:
        for axes, goal in zip(np.atleast_1d(page.subplots(1, len(goals), sharey=True)), goals, strict=True):
            shares = [content.importance[goal.name].get(name, 0.0) for name in names]
            axes.barh([sentence(name.replace("_", " ")) for name in names], shares, color=_LOOK["complete"][0])
            axes.set(xlabel="Importance (PED-ANOVA)", xlim=(0, 1), title=sentence(goal.label))
            axes.invert_yaxis()
    return path


def parallel(content: Content, path: Path) -> Path:
    """One line a complete trial, over hyperparameters and goals; the front is coloured."""
    trials = [trial for trial in content.trials if trial.state == "complete"]
    names = [*content.parameters, *(goal.name for goal in content.goals)]
    columns = [_column([t.parameters.get(name) for t in trials]) for name in content.parameters]
    columns += [_scale([t.values[goal.name] for t in trials]) for goal in content.goals]
    with drawn(path, (DOUBLE, 3.0)) as page:
        axes = page.subplots()
        for index, trial in sorted(enumerate(trials), key=lambda pair: pair[1].number in content.front):
            best = trial.number in content.front
            heights = [heights[index] for heights, _ in columns]
            axes.plot(range(len(names)), heights, color=_FRONT if best else _PALE, lw=1.6 if best else 0.7)
        for place, (_, ticks) in enumerate(columns):
            for height, text in ticks:
                axes.annotate(text, (place, height), xytext=(4, 2), textcoords="offset points", fontsize=6,
                              bbox={"fc": "white", "ec": "none", "alpha": 0.8, "pad": 0.8})  # fmt: skip
        labels = [name.replace("_", "\n") for name in content.parameters]
        labels += [_title(goal).replace(" ", "\n").replace("/\n", "/ ") for goal in content.goals]
        axes.set_xticks(range(len(names)), map(sentence, labels))
        axes.set(yticks=[], xlim=(-0.1, len(names) - 0.4), ylim=(-0.06, 1.1))
        axes.grid(axis="x")
        axes.spines["left"].set_visible(False)
        axes.set_title("Complete trials; colored: on the front", loc="left")
    return path


def by_size(content: Content, path: Path) -> Path | None:
    """Retention (or the first goal) against links and bits, where the trials have them."""
    kept = "retention" if any("retention" in t.values for t in content.trials) else content.goals[0].name
    panels = {"links": "Links of the grid", "weight_bits": "Weight bits", "word_bits": "Word bits"}
    trials = [t for t in content.trials if t.state != "failed" and kept in t.values]
    found = {n: label for n, label in panels.items() if len({_of(t, n) for t in trials} - {None}) > 1}
    if not found:
        return None
    with drawn(path, (SINGLE if len(found) == 1 else DOUBLE, 2.7)) as page:
        for axes, (name, label) in zip(
            np.atleast_1d(page.subplots(1, len(found), sharey=True)), found.items(), strict=True
        ):
            for state, (colour, mark) in _LOOK.items():
                some = [t for t in trials if t.state == state and _of(t, name) is not None]
                axes.plot(
                    [_of(t, name) for t in some], [t.values[kept] for t in some], mark, ms=4, color=colour, label=state
                )
            axes.set(xlabel=label)
            axes.xaxis.get_major_locator().set_params(integer=True)
            if name == "links":
                _logarithmic(axes)
        word = "Retention of the central gain" if kept == "retention" else sentence(_title(content.goals[0]))
        page.axes[0].set_ylabel(word)
        if len(found) > 1:
            lettered(page.axes)
        legend(page)
    return path


def _logarithmic(axes: Any) -> None:
    """A logarithmic axis whose ticks are few and plain numbers."""
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.tick_params(axis="x", rotation=30)


def _of(trial: PageTrial, name: str) -> float | None:
    return trial.values.get(name, trial.parameters.get(name))


def _title(goal: Goal) -> str:
    return f"{goal.label} / {goal.unit}" if goal.unit else goal.label


def _column(values: list[Any]) -> tuple[list[float], list[tuple[float, str]]]:
    """Heights in [0, 1] of a column's values, and its ticks; what was not asked for lies at the bottom."""
    given = sorted({value for value in values if value is not None}, key=lambda v: (isinstance(v, str), v))
    if len(given) <= 8 or any(isinstance(value, str) for value in given):
        places = {value: (i + 1) / len(given) for i, value in enumerate(given)}
        ticks = [(height, f"{v:g}" if isinstance(v, float) else str(v)) for v, height in places.items()]
        return [places.get(value, 0.0) for value in values], [*ticks, *([(0.0, "–")] if None in values else [])]
    scaled = iter(_scale([value for value in values if value is not None])[0])
    return [0.0 if value is None else next(scaled) for value in values], _scale([float(v) for v in given])[1]


def _scale(values: list[float]) -> tuple[list[float], list[tuple[float, str]]]:
    """Heights of numbers between their bounds, which are the ticks."""
    low, high = min(values), max(values)
    heights = [0.1 + 0.9 * (value - low) / ((high - low) or 1.0) for value in values]
    return heights, [(height, f"{v:.3f}" if high <= 1 else f"{v:,.0f}") for height, v in ((0.1, low), (1.0, high))]
