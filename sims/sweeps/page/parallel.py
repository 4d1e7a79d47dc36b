"""Parallel coordinates: one axis a parameter and a goal, one line a complete trial, coloured by the first goal."""

import math
from collections.abc import Sequence
from typing import Any

from localnoise.sims.sweeps.page.content import Content

_FEW = 8  # up to so many different numbers each get a place of their own
_WIDE = 30.0  # ratio of largest to least from which on an axis is logarithmic
_ABSENT = "none"


def parallel(content: Content) -> dict[str, Any]:
    """Return the figure; an axis with a single value says nothing and is left out."""
    trials = [trial for trial in content.trials if trial.state == "complete"]
    columns = {name.replace("_", " "): [t.parameters.get(name) for t in trials] for name in content.parameters}
    columns = {name: values for name, values in columns.items() if len(set(map(repr, values))) > 1}
    axes = [{"label": name} | (_places(values) or _numbers(values)) for name, values in columns.items()]
    for goal in content.goals:
        axes.append({"label": goal.title} | _numbers([t.values.get(goal.name) for t in trials]))
    first = content.goals[0]
    line = {
        "color": _numbers([t.values.get(first.name) for t in trials])["values"],
        "colorscale": "Cividis",
        "showscale": False,  # the axis of the same goal is the scale
    }
    layout = {"height": 420, "margin": {"l": 90, "r": 70, "t": 70, "b": 30}}
    return {"data": [{"type": "parcoords", "dimensions": axes, "line": line, "labelangle": -12}], "layout": layout}


def _places(values: Sequence[Any]) -> dict[str, Any] | None:
    """Places for words, switches, few numbers; None for many numbers. A trial without the parameter has its own."""
    kinds = {value for value in values if value is not None}
    numeric = all(isinstance(value, int | float) and not isinstance(value, bool) for value in kinds)
    if numeric and len(kinds) > _FEW and None not in values:
        return None
    if numeric and len(kinds) > _FEW:
        return _with_absent(values)
    ordered = sorted(kinds) if numeric else sorted(kinds, key=str)
    names = [_ABSENT] * (None in values) + [f"{k:.4g}" if isinstance(k, float) else str(k) for k in ordered]
    known: list[Any] = [None] * (None in values) + list(ordered)
    places = list(range(len(known)))
    return {"values": [known.index(v) for v in values], "tickvals": places, "ticktext": names}


def _numbers(values: Sequence[Any]) -> dict[str, Any]:
    """Numbers, logarithmic if they span much; a missing one lies at the least."""
    there = [float(v) for v in values if v is not None and v == v]
    if not there:
        return {"values": [0.0 for _ in values], "tickvals": [0.0], "ticktext": [_ABSENT]}
    if min(there) > 0 and max(there) / min(there) >= _WIDE:
        logs = [math.log10(v if v is not None and v == v else min(there)) for v in values]
        ticks = range(math.floor(min(logs)), math.ceil(max(logs)) + 1)
        return {"values": logs, "tickvals": list(ticks), "ticktext": [f"{10.0**t:,.4g}" for t in ticks]}
    return {"values": [float(v) if v is not None and v == v else min(there) for v in values]}


def _with_absent(values: Sequence[Any]) -> dict[str, Any]:
    """Many numbers, with a place below them for trials without the parameter."""
    shown = _numbers(values)
    least, most = min(shown["values"]), max(shown["values"])
    below = least - (most - least) / 8
    shown["values"] = [below if v is None else x for v, x in zip(values, shown["values"], strict=True)]
    ticks = shown.get("tickvals") or [least + (most - least) * step / 4 for step in range(5)]
    texts = shown.get("ticktext") or [f"{tick:.4g}" for tick in ticks]
    keep = [(tick, text) for tick, text in zip(ticks, texts, strict=True) if tick >= least]
    return shown | {"tickvals": [below, *(t for t, _ in keep)], "ticktext": [_ABSENT, *(t for _, t in keep)]}
