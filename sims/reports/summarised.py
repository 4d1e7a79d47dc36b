"""Tables for the terminal and for Markdown, from a summary."""

from collections.abc import Callable

from rich.table import Table

from localnoise.sims.defenses import DEFENSES
from localnoise.sims.reports.summary import MIXED, Entry, Summary
from localnoise.sims.reports.table import as_markdown, as_terminal, share, texts, words
from localnoise.sims.results.statistics import CLEAN, RATIO, RETENTION, Estimate

_BROKEN = {"obstruction": "obstruc-\ntion", "brighten": "bright-\nen"}


def terminal(summary: Summary, title: str) -> Table:
    """Accuracy, retention, parameters and bytes per unit, one row an arm; 80 columns with three sources."""
    sources = [_BROKEN.get(source, words(source).replace(" ", "\n")) for source in summary.sources]
    heads = ["clean", *sources, "reten-\ntion", "para-\nmeters", "bytes/\nunit"]
    rows = {}
    for arm in summary.arms:
        own = {s: entry for s in summary.sources if (entry := summary.entries.get((arm, s, s)))}
        if own:
            size, kept = max(own.values(), key=lambda entry: entry.parameters), summary.mean_retention(arm)
            rows[arm] = [
                share(summary.clean[arm].mean) if arm in summary.clean else "",
                *(share(own[s].accuracy.mean) if s in own else "" for s in summary.sources),
                f"{kept:.0%}" if arm != "none" and kept is not None else "",
                f"{size.parameters:,}",
                f"{size.bytes_per_unit:,.0f}",
            ]
    table = texts(heads, [*rows.values()], [DEFENSES[arm].label for arm in rows]).rename_axis("arm")
    return as_terminal(table, title, groups=[DEFENSES[arm].central for arm in rows], padding=0)


def footnote(summary: Summary) -> str:
    """Say what the table's numbers are, and how wide their intervals."""
    entries = summary.entries.values()
    widest = {
        name: max(
            (e.accuracy for (_, s, t), e in summary.entries.items() if s == t == name), key=lambda a: a.half_width
        )
        for name in summary.sources
    }
    spread = ", ".join(f"{words(name)} ±{share(e.half_width)} (n = {e.images:,})" for name, e in widest.items())
    seeds = max(entry.accuracy.seeds for entry in entries)
    over = f"over {seeds} seeds" if seeds > 1 else "over images, one seed"
    return (
        f"Widest 95 % interval {over}: {spread}. {CLEAN}\n"
        "Retention: (acc - acc of no noise) / (acc of full - acc of no noise), of means over seeds; the columns' mean."
    )


def all_of(summary: Summary) -> str:
    """Accuracy, clean accuracy, retention and lead as Markdown tables, and how they are estimated."""
    parts = {
        "Accuracy on the modified test set": markdown(summary, lambda entry: entry.accuracy),
        "Accuracy of the same nets on the clean test set": markdown(summary, lambda entry: entry.clean),
        "Retention of the central gain": markdown(summary, lambda entry: entry.retention),
        "Accuracy less that of augmentation with the same sources, paired by seed": markdown(
            summary, lambda entry: entry.lead
        ),
    }
    note = "± is half of the 95 % interval: Student's t over seeds, of one seed Wilson's over images."
    tables = [f"{title}:\n\n{table}" for title, table in parts.items()]
    several = any(entry.retention.seeds > 1 for entry in summary.entries.values() if entry.retention is not None)
    return "\n\n".join([*tables, f"{note} {RETENTION if several else RATIO}"])


def markdown(summary: Summary, value: Callable[[Entry], Estimate | None], digits: int = 3) -> str:
    """One value of every entry as a Markdown table, rows = arms, columns = sources; then the mixed nets."""
    rows, labels = [], []
    for arm in summary.arms:
        for learned, mark in ((None, ""), (MIXED, ", one net for all modifications")):
            found = [summary.entries.get((arm, learned or source, source)) for source in summary.sources]
            cells = [_markdown_cell(value(entry) if entry else None, digits) for entry in found]
            if any(cells):
                rows.append(cells)
                labels.append(f"{DEFENSES[arm].label}{mark}")
    heads = [words(source) for source in summary.sources]
    return as_markdown(texts(heads, rows, labels), left=range(len(heads) + 1))


def _markdown_cell(estimate: Estimate | None, digits: int) -> str:
    if estimate is None:
        return ""
    spread = "" if estimate.half_width != estimate.half_width else f" ± {estimate.half_width:.{digits}f}"
    return f"{estimate.mean:.{digits}f}{spread}"
