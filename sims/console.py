"""The one console: tables and messages to standard output, progress to standard error."""

import warnings
from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.measure import Measurement
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Column, Table
from rich.text import Text

from localnoise.errors import LocalnoiseWarning

console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)


def progress() -> Progress:
    """Bars with what is being done, how far it is, and the time left."""
    return Progress(
        TextColumn("{task.description}", table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis")),
        BarColumn(bar_width=12),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(),
        TextColumn("left", table_column=Column(no_wrap=True)),
        TimeRemainingColumn(),
        console=errors,
        expand=True,
    )


def show_warnings_plainly() -> None:
    """Show localnoise's own warnings as one line of standard error; others as before."""
    before = warnings.showwarning

    def show(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
        if issubclass(category, LocalnoiseWarning):
            errors.print(Text.assemble(("warning: ", "bold yellow"), str(message)), soft_wrap=True)
        else:
            before(message, category, *place, **more)

    warnings.showwarning = show


def follow(bars: Progress, bar: TaskID) -> Callable[[int, int | None], None]:
    """Return what a long call may tell (done, all of it): the bar follows."""

    def advance(done: int, total: int | None) -> None:
        bars.update(bar, completed=done, total=total)

    return advance


def show(table: Table) -> None:
    """Print a table at its own width, however narrow the terminal: numbers are never cut."""
    natural = Measurement.get(console, console.options.update(width=1000), table).maximum
    Console(highlight=False, width=max(natural, console.width)).print(table, crop=False)
