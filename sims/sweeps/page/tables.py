"""The page's tables, and its list of facts, as HTML; every text that is not ours is escaped."""

import math
from collections.abc import Iterable
from html import escape
from typing import Any

from localnoise.sims.sweeps.page.content import Content, Goal, PageTrial

_MORE = ("links", "retention", "word_bits")  # values that are no goals but have a column where a trial has them


def facts(content: Content) -> str:
    """Return the facts, and how many trials there were, as a definition list."""
    counts = {state: sum(t.state == state for t in content.trials) for state in ("complete", "pruned", "failed")}
    told = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
    hours = sum(trial.seconds for trial in content.trials) / 3600
    shown = content.facts | {"trials": f"{len(content.trials)}: {told}", "time": f"{hours:.2f} h, summed over trials"}
    pairs = (f"<div><dt>{escape(name)}</dt><dd>{escape(text)}</dd></div>" for name, text in shown.items())
    return f'<dl class="facts">{"".join(pairs)}</dl>'


def front(content: Content) -> str:
    """Return the best configurations, best by the first goal first, each with the command that makes it again.

    Below them the baselines; ± is half of the 95 % interval.
    """
    goals = (*content.goals, *content.also)
    first, chosen = goals[0], [trial for trial in content.trials if trial.number in content.front]
    if not chosen:
        return "<p>No trial is complete.</p>"
    lost = -math.inf if first.best == "high" else math.inf
    chosen.sort(key=lambda t: t.values.get(first.name, lost), reverse=first.best == "high")
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
    more = [name for name in _MORE if name not in named and any(name in t.values for t in content.trials)]
    columns = [goal.title for goal in content.goals] + [name.replace("_", " ") for name in more + content.parameters]
    head = ["trial", "state", *columns, "seeds", "time (s)", "peak memory (MB)", "command", "error"]
    rows = []
    for trial in content.trials:
        cells = [_cell(trial.number, str(trial.number)), f'<td class="{trial.state}">{trial.state}</td>']
        cells += [_number(trial.values.get(goal.name), goal) for goal in content.goals]
        cells += [_value(trial.values.get(name)) for name in more]
        cells += [_value(trial.parameters.get(name)) for name in content.parameters]
        cells += [_cell(trial.seeds, str(trial.seeds)), _cell(trial.seconds, f"{trial.seconds:,.1f}")]
        cells += [_cell(trial.peak_bytes, f"{trial.peak_bytes / 1e6:,.0f}"), f"<td>{copy(trial)}</td>"]
        cells.append(f'<td class="error">{escape(trial.error)}</td>')
        rows.append(f"<tr>{''.join(cells)}</tr>")
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
