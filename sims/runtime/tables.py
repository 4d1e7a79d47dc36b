"""Tables of texts for the terminal: what stands to the left, and numbers to the right."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from rich import box
from rich.table import Table


def terminal_table(
    heads: Sequence[object],
    rows: Iterable[Sequence[Any]],
    title: str = "",
    *,
    left: Collection[int] = (0,),
    groups: Sequence[object] = (),
    widest: int | None = None,
    padding: int = 1,
) -> Table:
    """Return a table for a terminal.

    Parameters
    ----------
    heads : sequence
        A head a column, of several lines if need be; all empty, the table has no heads.
    rows : iterable of sequences
        Cells, shown as texts.
    title : str
    left : collection of int
        Columns that stand to the left; the others are numbers and stand to the right.
    groups : sequence
        A value a row: a blank line parts rows of different values.
    widest : int, optional
        Characters from which on a column but the first is wrapped; by default none is.
    padding : int
        Blanks beside a column.
    """
    out = Table(
        title=title or None,
        title_justify="left",
        box=box.SIMPLE,
        show_edge=False,
        show_header=any(heads),
        pad_edge=False,
        padding=(0, padding),
    )
    for place, head in enumerate(heads):
        side, wrapped = "left" if place in left else "right", widest is not None and place > 0
        out.add_column(head, justify=side, no_wrap=not wrapped, max_width=widest if wrapped else None)  # type: ignore[arg-type]
    for number, row in enumerate(rows):
        if number and groups and groups[number] != groups[number - 1]:
            out.add_section()
        out.add_row(*map(str, row))
    return out
