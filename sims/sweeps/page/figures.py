"""The sweep's figures as Plotly's own dictionaries of traces and layout; page.js draws them in the page's colours."""

from collections.abc import Callable, Iterator, Sequence
from html import escape
from itertools import cycle
from typing import Any

from localnoise.sims.sweeps.page.content import Content, Goal, PageTrial
from localnoise.sims.sweeps.page.listing import plain
from localnoise.sims.sweeps.page.searched import searched

Figure = dict[str, Any]
BLUE, ORANGE, GREEN, PINK, SKY, GREY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#8A8A8A"
_HUES = (BLUE, ORANGE, GREEN, PINK, SKY)
_WIDE = 30.0  # from this ratio of largest to least value on, an axis is logarithmic
_ABOVE = {"orientation": "h", "x": 0, "xanchor": "left", "y": 1.02, "yanchor": "bottom"}


def figures(content: Content) -> dict[str, Figure]:
    """All figures that the trials have values for, by the id of their place in the page."""
    first, *others = content.goals
    there = {name for trial in content.trials for name in trial.values}
    drawn = {f"pareto-{goal.name}": pareto(content, first, goal) for goal in others if goal.name in there}
    if any(content.importance.values()):
        drawn["importance"] = importance(content)
    drawn |= searched(content)
    kept = any("retention" in trial.values for trial in content.trials)
    height = Goal(name="retention", label="retention of the central gain", unit="", best="high") if kept else first
    places: dict[str, tuple[str, Callable[[PageTrial], Any]]] = {
        "links": ("links", lambda trial: trial.values.get("links")),
        "weight_bits": ("weight bits", lambda trial: trial.parameters.get("weight_bits")),
        "word_bits": ("word bits", lambda trial: trial.parameters.get("word_bits", trial.values.get("word_bits"))),
    }
    for name, (label, place) in places.items():
        if (figure := against(content, label, place, height)) is not None:
            drawn[f"against-{name}"] = figure
    return drawn


def pareto(content: Content, high: Goal, wide: Goal) -> Figure:
    """One goal against another, a marker a trial; the line joins what no trial beats in these two."""
    traces: list[Figure] = []
    both = [t for t in content.trials if high.name in t.values and wide.name in t.values]
    best = [t for t in both if t.number in content.front and t.state == "complete"]
    kinds = {
        "complete": ("complete", [t for t in both if t.state == "complete" and t not in best], "circle", BLUE),
        "pruned": ("pruned (values when stopped)", [t for t in both if t.state == "pruned"], "triangle-up-open", GREY),
        "failed": ("failed", [t for t in both if t.state == "failed"], "x-thin-open", PINK),
    }
    for state, (label, trials, symbol, hue) in kinds.items():
        without = sum(t.state == state and t not in both for t in content.trials)
        note = f"; {without} without values" if without else ""
        if trials or without:
            traces.append(_markers(trials, wide, high, f"{label}{note}", symbol, hue))
    steps = unbeaten(best, high, wide)
    line = _markers(steps, wide, high, "best in these two goals", "circle", ORANGE)
    traces.append(line | {"mode": "lines", "line": {"color": ORANGE, "width": 2}, "hoverinfo": "skip"})
    for name in ("hovertemplate", "error_x", "error_y"):
        traces[-1].pop(name)
    traces.append(_markers(best, wide, high, "Pareto front over all goals", "circle", ORANGE, size=11))
    layout = _axes(_axis(wide.title, _values(both, wide)), high.title)
    return {"data": traces, "layout": layout | {"shapes": list(_levels(content, high))}}


def _levels(content: Content, high: Goal) -> Iterator[Figure]:
    """Each baseline's value of a goal as a line across the figure, with its 95 % interval as a band."""
    for dash, one in zip(cycle(("dash", "dot", "dashdot")), content.references, strict=False):
        if (value := one.values.get(high.name)) is None:
            continue
        across = {"xref": "paper", "x0": 0, "x1": 1, "layer": "below"}
        if half := one.half_widths.get(high.name):
            band = {"type": "rect", "y0": value - half, "y1": value + half}
            yield across | band | {"fillcolor": GREY, "opacity": 0.15, "line": {"width": 0}}
        name = {"text": one.label, "textposition": "start", "yanchor": "bottom", "font": {"size": 11, "color": GREY}}
        yield across | {"type": "line", "y0": value, "y1": value, "line": {"color": GREY, "dash": dash}, "label": name}


def unbeaten(trials: Sequence[PageTrial], one: Goal, other: Goal) -> list[PageTrial]:
    """Trials that no other one equals or beats in both goals, in order of `other`."""
    signs = [1 if goal.best == "low" else -1 for goal in (one, other)]
    ranked = sorted(trials, key=lambda t: (signs[1] * t.values[other.name], signs[0] * t.values[one.name]))
    kept: list[PageTrial] = []
    for trial in ranked:
        if not kept or signs[0] * trial.values[one.name] < signs[0] * kept[-1].values[one.name]:
            kept.append(trial)
    return kept


def importance(content: Content) -> Figure:
    """Each parameter's share in what moves each goal, bars side by side."""
    total: dict[str, float] = {}
    for shares in content.importance.values():
        for name, share in shares.items():
            total[name] = total.get(name, 0) + share
    names = sorted(total, key=total.__getitem__, reverse=True)
    labels = {goal.name: goal.label for goal in content.goals}
    traces = [
        {
            "type": "bar",
            "orientation": "h",
            "name": labels.get(goal, goal),
            "y": [words(name) for name in names],
            "x": [shares.get(name, 0) for name in names],
            "marker": {"color": _HUES[index % len(_HUES)]},
            "hovertemplate": "%{y}: %{x:.1%}",
        }
        for index, (goal, shares) in enumerate(content.importance.items())
    ]
    layout = _axes({"title": {"text": "share of importance"}, "tickformat": ".0%", "rangemode": "tozero"}, "")
    layout["yaxis"] |= {"autorange": "reversed", "showgrid": False}  # Plotly draws bars from below
    return {"data": traces, "layout": layout | {"height": 170 + (14 + 12 * len(traces)) * len(names)}}


def against(content: Content, label: str, place: Callable[[PageTrial], Any], high: Goal) -> Figure | None:
    """A goal against what a trial costs; None unless two complete trials differ in it."""
    found = [t for t in content.trials if t.state == "complete" and high.name in t.values and _is_number(place(t))]
    if len({place(t) for t in found}) < 2:
        return None
    traces = []
    for name, hue, size in (("complete", BLUE, 8), ("Pareto front over all goals", ORANGE, 11)):
        own = [t for t in found if (t.number in content.front) == (hue == ORANGE)]
        trace = _markers(own, high, high, name, "circle", hue, size=size)
        traces.append(trace | {"x": [place(t) for t in own], "error_x": {"visible": False}})
        traces[-1]["hovertemplate"] = f"%{{text}}<br>{label}: %{{x:.4~g}}<br>{high.title}: %{{y:.4~g}}"
    return {"data": traces, "layout": _axes(_axis(label, [float(place(t)) for t in found]), high.title)}


def words(name: str) -> str:
    """A parameter's or value's name as a reader writes it."""
    return name.replace("_", " ")


def _markers(
    trials: Sequence[PageTrial], wide: Goal, high: Goal, name: str, symbol: str, hue: str, size: int = 8
) -> Figure:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": [t.values[wide.name] for t in trials] or [None],  # an empty trace would have no entry in the legend
        "y": [t.values[high.name] for t in trials] or [None],
        "text": [hover(t) for t in trials] or [""],
        "error_y": _intervals(trials, high, hue, name),
        "error_x": _intervals(trials, wide, hue, name),
        "marker": {"symbol": symbol, "color": hue, "size": size, "line": {"width": 2 if "open" in symbol else 0}},
        "hovertemplate": f"%{{text}}<br>{wide.title}: %{{x:.4~g}}<br>{high.title}: %{{y:.4~g}}<extra></extra>",
    }


def hover(trial: PageTrial) -> str:
    """A trial's number, seeds and hyperparameters, as Plotly's label shows them."""
    told = [f"{words(name)}: {plain(value)}" for name, value in trial.parameters.items()]
    return "<br>".join(map(escape, [f"trial {trial.number}, {trial.seeds} seed{'s' * (trial.seeds != 1)}", *told]))


def _intervals(trials: Sequence[PageTrial], goal: Goal, hue: str, name: str) -> Figure:
    """Half widths of 95 % intervals; those of the front in full color."""
    halves = [t.half_widths.get(goal.name) for t in trials]
    own = {"type": "data", "array": halves, "visible": any(halves), "thickness": 1, "width": 0}
    return own | {"color": hue if name.startswith("Pareto") else f"{hue}40"}


def _axes(xaxis: Figure, ytitle: str) -> Figure:
    yaxis = {"title": {"text": ytitle, "standoff": 10}, "automargin": True}
    # No title: the heading of its section tells. Legends stand above the data.
    return {"xaxis": xaxis | {"automargin": True}, "yaxis": yaxis, "legend": _ABOVE, "height": 400}


def _axis(title: str, values: Sequence[float]) -> Figure:
    axis: Figure = {"title": {"text": title, "standoff": 10}}
    if values and min(values) > 0 and max(values) / min(values) >= _WIDE:
        axis |= {"type": "log", "dtick": "D1" if max(values) / min(values) < 300 else 1, "exponentformat": "SI"}
    return axis


def _values(trials: Sequence[PageTrial], goal: Goal) -> list[float]:
    return [t.values[goal.name] for t in trials]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value == value
