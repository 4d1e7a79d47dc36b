"""The one console: tables and messages to standard output, progress to standard error.

Texts are printed as they are: brackets are no markup, control characters of a file's own are shown and never obeyed,
and what goes into a pipe or a file is never wrapped. A colour is a `Text`.
"""

import re
import shlex
import warnings
from collections.abc import Callable
from typing import Any

from rich.console import Console, RenderableType
from rich.measure import Measurement
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Column, Table
from rich.text import Text

from localnoise.errors import LocalnoiseWarning
from localnoise.kernels.cache import CacheWarning
from localnoise.sims.runtime.stage import Stage
from localnoise.sims.runtime.stopping import heed

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def plain(text: str) -> str:
    r"""Show control characters as escapes, so that no terminal obeys them; line ends and tabs stay.

    Examples
    --------
    >>> plain("red\x1b[31m")
    'red\\x1b[31m'
    """
    return _CONTROL.sub(lambda found: ascii(found[0])[1:-1], text)


class PlainConsole(Console):
    """A console for texts that are not ours: neither markup nor control characters in them have an effect."""

    def __init__(self, **options: Any) -> None:
        super().__init__(highlight=False, markup=False, emoji=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """Turn a text, a table's cell or title into what is printed."""
        return super().render_str(plain(text), **options)

    def print(self, *objects: Any, **options: Any) -> None:
        """Print; unless on a terminal, a line is as long as it is: paths and commands stay whole."""
        if not self.is_terminal and all(isinstance(part, str | Text) for part in objects):
            options.setdefault("soft_wrap", True)
        super().print(*objects, **options)


console = PlainConsole()
errors = PlainConsole(stderr=True)


class _What(ProgressColumn):
    """A column that says what is being done, on one line."""

    def __init__(self) -> None:
        super().__init__(table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis"))

    def render(self, task: Task) -> RenderableType:
        return Text(plain(task.description))


class _Bars(Progress):
    """Bars that look for a signal that was dropped whenever progress is reported."""

    def update(self, task_id: TaskID, **told: Any) -> None:
        """Change a task."""
        heed()
        super().update(task_id, **told)

    def advance(self, task_id: TaskID, advance: float = 1) -> None:
        """Advance a task."""
        heed()
        super().advance(task_id, advance)


def progress() -> Progress:
    """Bars with what is being done, how far it is, and the time left."""
    return _Bars(
        _What(),
        BarColumn(bar_width=12),
        TextColumn("{task.percentage:>3.0f}%", markup=False),
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
        if issubclass(category, LocalnoiseWarning | CacheWarning):
            errors.print(Text.assemble(("warning: ", "bold yellow"), plain(str(message))), soft_wrap=True)
        else:
            before(message, category, *place, **more)

    warnings.showwarning = show


def follow(bars: Progress, bar: TaskID) -> Callable[[int, int | None], None]:
    """Return what a long call may tell (done, all of it): the bar follows."""

    def advance(done: int, total: int | None) -> None:
        bars.update(bar, completed=done, total=total)

    return advance


def staged(bars: Progress) -> Stage:
    """Return what a step tells (what is being done, done, of): a bar for each thing that is done."""
    shown: dict[str, TaskID] = {}

    def stage(what: str, done: int, of: int) -> None:
        if what not in shown:
            for bar in shown.values():  # the one before is over, however much it was
                bars.update(bar, total=bars.tasks[bar].completed, completed=bars.tasks[bar].completed)
            shown[what] = bars.add_task(what)
        bars.update(shown[what], completed=done, total=of or None)

    return stage


def command(*words: object) -> str:
    """Return a command of ours as one types it into a shell."""
    return shlex.join(["localnoise", *map(str, words)])


def show(table: Table | str) -> None:
    """Print a table at its own width, however narrow the terminal: numbers are never cut; or a text."""
    if isinstance(table, str):
        console.print(table)
        return
    natural = Measurement.get(console, console.options.update(width=1000), table).maximum
    PlainConsole(width=max(natural, console.width)).print(table, crop=False)
