"""The page's tables, and its list of facts, as HTML; every text that is not ours is escaped."""

import math
from collections.abc import Iterable
from html import escape
from typing import Any

from localnoise.sims.sweeps.page.content import Content, Goal, PageTrial, Reference

_MORE = ("links", "retention", "word_bits")  # values that are no goals but have a column where a trial has them


def facts(content: Content) -> str:
    """Return the facts, and how many trials there were, as a definition list."""
    counts = {state: sum(t.state == state for t in content.trials) for state in ("complete", "pruned", "failed")}
    told = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
    hours = sum(trial.seconds for trial in content.trials) / 3600
    shown = content.facts | {"Trials": f"{len(content.trials)}: {told}", "Time": f"{hours:.2f} h, summed over trials"}
    pairs = (f"<div><dt>{escape(name)}</dt><dd>{escape(text)}</dd></div>" for name, text in shown.items())
    return f'<dl class="facts">{"".join(pairs)}</dl>'


def front(content: Content) -> str:
    """Return the best configurations, best by the first goal first, each with the command that makes it again.

    Below them the baselines; ± is half of the 95 % interval.
    """
    chosen = [trial for trial in content.ranked if trial.number in content.front]
    if not chosen:
        return "<p>No trial is complete.</p>"
    every: tuple[PageTrial | Reference, ...] = (*chosen, *content.references)
    known = {name for one in every for name in one.values}
    goals = [goal for goal in (*content.goals, *content.also) if goal.name in known]
    head = ["trial", *(goal.title for goal in goals), "configuration", "command"]
    rows = []
    for trial in chosen:
        told = ", ".join(f"{name.replace('_', ' ')} {plain(value)}" for name, value in trial.parameters.items())
        values = (_number(trial.values.get(goal.name), goal, trial.half_widths.get(goal.name)) for goal in goals)
        cells = [_cell(trial.number, str(trial.number)), *values, f'<td class="told">{escape(told)}</td>']
        whole = " ".join(
            f"<span>{escape(word)}</span>" for word in trial.command.split(" ")
        )  # lines break between words
        cells.append(f'<td class="command"><code>{whole}</code>{copy(trial)}</td>')
        rows.append(f"<tr>{''.join(cells)}</tr>")
    for other in content.references:
        shown = (_number(other.values.get(goal.name), goal, other.half_widths.get(goal.name)) for goal in goals)
        cells = ["<td></td>", *shown, f'<td class="told">{escape(other.label)}</td>', "<td></td>"]
        rows.append(f'<tr class="reference">{"".join(cells)}</tr>')
    return _table("front", "best configurations", [f'<th scope="col">{escape(name)}</th>' for name in head], rows)


def trials(content: Content) -> str:
    """Return all trials, failed ones with their errors; each heading is a button that sorts by its column."""
    named = {goal.name for goal in content.goals} | set(content.parameters)
    more = [name for name in _MORE if name not in named]
    columns: dict[str, list[str]] = {
        "trial": [_cell(t.number, str(t.number)) for t in content.ranked],
        "state": [f'<td class="{t.state}">{t.state}</td>' for t in content.ranked],
        **{goal.title: [_number(t.values.get(goal.name), goal) for t in content.ranked] for goal in content.goals},
        **{name.replace("_", " "): [_value(t.values.get(name)) for t in content.ranked] for name in more},
        **{n.replace("_", " "): [_value(t.parameters.get(n)) for t in content.ranked] for n in content.parameters},
        "seeds": [_cell(t.seeds, str(t.seeds)) for t in content.ranked],
        "time (s)": [_cell(t.seconds, f"{t.seconds:,.1f}") for t in content.ranked],
        "peak memory (MB)": [_cell(t.peak_bytes, f"{t.peak_bytes / 1e6:,.0f}") for t in content.ranked],
        "command": [f"<td>{copy(t)}</td>" for t in content.ranked],
        "error": [f'<td class="error">{escape(t.error)}</td>' for t in content.ranked],
    }
    if not any(trial.peak_bytes for trial in content.trials):
        del columns["peak memory (MB)"]
    columns = {name: cells for name, cells in columns.items() if any("></td>" not in cell for cell in cells)}
    head, rows = list(columns), [f"<tr>{''.join(row)}</tr>" for row in zip(*columns.values(), strict=True)]
    return _table("trials", "all trials", [_heading(name, sortable=name != "command") for name in head], rows)


def copy(trial: PageTrial) -> str:
    """Return a button that copies the trial's command, if it has one."""
    if not trial.command:
        return ""
    said = f'aria-label="Copy the command of trial {trial.number}"'
    return f'<button type="button" class="copy" {said} data-copy="{escape(trial.command)}">Copy</button>'


def plain(value: Any) -> str:
    """A parameter's value as a reader writes it."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _heading(name: str, *, sortable: bool) -> str:
    if not sortable:
        return f'<th scope="col">{escape(name)}</th>'
    return f'<th scope="col" aria-sort="none"><button type="button" class="sort">{escape(name)}</button></th>'


def _number(value: float | None, goal: Goal, half_width: float | None = None) -> str:
    if value is None or math.isnan(value):
        return "<td></td>"
    if half_width is not None:
        return _cell(value, f"{value:.3f} ± {half_width:.3f}")
    whole = bool(goal.unit) and abs(value) >= 1000
    return _cell(value, f"{value:,.0f}" if whole else f"{value:.4g}")


def _value(value: Any) -> str:
    if value is None:
        return "<td></td>"
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _cell(value, f"{value:,}" if isinstance(value, int) else f"{value:.4g}")
    return f"<td>{escape(str(value))}</td>"


def _cell(value: float, text: str) -> str:
    return f'<td class="number" data-value="{value!r}">{text}</td>'


def _table(name: str, caption: str, head: Iterable[str], rows: Iterable[str]) -> str:
    # The box scrolls sideways, not the page; the keyboard scrolls it too, once it can have the focus.
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{caption}"><table id="{name}">'
        f"<thead><tr>{''.join(head)}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )
