"""Tables for the terminal and for Markdown, from a summary."""

from collections.abc import Callable

from rich import box
from rich.table import Table

from localnoise.sims.defenses import DEFENSES
from localnoise.sims.reports.summary import MIXED, Entry, Summary
from localnoise.sims.results.statistics import CLEAN, RETENTION, Estimate

_ATTACKS = {
    "pgd": "PGD", "art-pgd": "ART PGD", "art-autopgd": "ART AutoPGD", "art-fgm": "ART FGM", "art-square": "ART Square"
}  # fmt: skip
_BROKEN = {"obstruction": "obstruc-\ntion", "brighten": "bright-\nen"}


def terminal(summary: Summary, title: str) -> Table:
    """Accuracy, retention, parameters and bytes per unit, one row an arm; 80 columns with three sources."""
    table = Table(title=title, title_justify="left", box=box.SIMPLE, show_edge=False, pad_edge=False, padding=0)
    table.add_column("arm", no_wrap=True)
    sources = [_BROKEN.get(source, words(source).replace(" ", "\n")) for source in summary.sources]
    for column in ("clean", *sources, "reten-\ntion", "para-\nmeters", "bytes/\nunit"):
        table.add_column(column, justify="right", no_wrap=True)
    before = DEFENSES[summary.arms[0]].central
    for arm in summary.arms:
        own = {s: entry for s in summary.sources if (entry := summary.entries.get((arm, s, s)))}
        if not own:
            continue
        if DEFENSES[arm].central != before:
            table.add_section()
        size = max(own.values(), key=lambda entry: entry.parameters)
        table.add_row(
            DEFENSES[arm].label,
            share(summary.clean[arm].mean) if arm in summary.clean else "",
            *(share(own[s].accuracy.mean) if s in own else "" for s in summary.sources),
            f"{kept:.0%}" if arm != "none" and (kept := summary.mean_retention(arm)) is not None else "",
            f"{size.parameters:,}",
            f"{size.bytes_per_unit:,.0f}",
        )
        before = DEFENSES[arm].central
    return table


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
    return "\n\n".join([*tables, f"{note} {RETENTION}"])


def markdown(summary: Summary, value: Callable[[Entry], Estimate | None], digits: int = 3) -> str:
    """One value of every entry as a Markdown table, rows = arms, columns = sources; then the mixed nets."""
    lines = ["| | " + " | ".join(map(words, summary.sources)) + " |", "|---" * (len(summary.sources) + 1) + "|"]
    for arm in summary.arms:
        for learned, mark in ((None, ""), (MIXED, ", one net for all modifications")):
            found = [summary.entries.get((arm, learned or source, source)) for source in summary.sources]
            if any(found):
                texts = [_markdown_cell(value(entry) if entry else None, digits) for entry in found]
            if any(found) and any(texts):
                lines.append(f"| {DEFENSES[arm].label}{mark} | " + " | ".join(texts) + " |")
    return "\n".join(lines)


def words(name: str) -> str:
    """A source's name as a reader writes it; ART's attacks keep their own names, beside ours of the same kind."""
    return _ATTACKS.get(name, name.replace("_", " "))


def share(value: float) -> str:
    """Three decimals without the leading zero."""
    return f"{value:.3f}".removeprefix("0")


def _markdown_cell(estimate: Estimate | None, digits: int) -> str:
    if estimate is None:
        return ""
    spread = "" if estimate.half_width != estimate.half_width else f" ± {estimate.half_width:.{digits}f}"
    return f"{estimate.mean:.{digits}f}{spread}"
