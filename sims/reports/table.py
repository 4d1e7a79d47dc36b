"""Tables of texts, for the terminal and in Markdown: a frame's cells as they stand, its index as the rows' labels.

A frame whose index is only a count (pandas' RangeIndex) has no labels, and is shown by its columns alone.
"""

import math
from collections.abc import Collection, Sequence
from typing import Any

import pandas as pd
from rich.table import Table

from localnoise.sims.results.statistics import Estimate
from localnoise.sims.runtime.tables import terminal_table

_ATTACKS = {
    "pgd": "PGD", "art-pgd": "ART PGD", "art-autopgd": "ART AutoPGD", "art-fgm": "ART FGM", "art-square": "ART Square"
}  # fmt: skip


def texts(heads: Sequence[str], rows: Sequence[Sequence[Any]], labels: Sequence[str] | None = None) -> pd.DataFrame:
    """Return a frame of cells that are texts already; `labels` of its rows become its index."""
    return pd.DataFrame(list(rows), index=labels, columns=list(heads), dtype=object)


def as_terminal(
    table: pd.DataFrame,
    title: str,
    *,
    left: Collection[int] = (0,),
    groups: Sequence[object] = (),
    widest: int | None = None,
    padding: int = 1,
) -> Table:
    """Return a table for a terminal, as `terminal_table`; columns are counted with the labels."""
    return terminal_table(_heads(table), _rows(table), title, left=left, groups=groups, widest=widest, padding=padding)


def as_markdown(table: pd.DataFrame, left: Collection[int] = (0,)) -> str:
    """Return a table in Markdown; the columns `left` have no alignment, the others stand to the right."""
    heads = [head.replace("\n", " ") for head in _heads(table)]
    first = "| |" if _labelled(table) and not heads[0] else f"| {heads[0]} |"
    lines = [" ".join([first, *(f"{head} |" for head in heads[1:])])]
    lines.append("|" + "".join("---|" if place in left else "---:|" for place in range(len(heads))))
    return "\n".join([*lines, *("| " + " | ".join(map(str, row)) + " |" for row in _rows(table))])


def words(name: str) -> str:
    """A source's name as a reader writes it; ART's attacks keep their own names, beside ours of the same kind."""
    return _ATTACKS.get(name, name.replace("_", " "))


def sentence(text: str) -> str:
    """A name with a capital, as figures have it: legends, ticks and titles begin with it."""
    return text[:1].upper() + text[1:]


def share(value: float) -> str:
    """Three decimals without the leading zero."""
    return f"{value:.3f}".removeprefix("0")


def accuracy(estimate: Estimate | None) -> str:
    """An accuracy ± half of its 95 % interval; nothing where there is none."""
    return "" if estimate is None else f"{share(estimate.mean)} ±{share(estimate.half_width)}"


def signed(difference: Estimate | None) -> str:
    """A difference of accuracies, with its sign, ± half of its 95 % interval; nothing where there is none."""
    if difference is None:
        return ""
    half = "" if math.isnan(difference.half_width) else f" ±{share(difference.half_width)}"
    return f"{difference.mean:+.3f}{half}"


def _labelled(table: pd.DataFrame) -> bool:
    return not isinstance(table.index, pd.RangeIndex)


def _heads(table: pd.DataFrame) -> list[str]:
    return [*([table.index.name or ""] if _labelled(table) else []), *table.columns]


def _rows(table: pd.DataFrame) -> list[tuple[Any, ...]]:
    return list(table.itertuples(index=_labelled(table), name=None))
