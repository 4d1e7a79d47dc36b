"""Commands by name: a function that `register` decorates is one, and its file is all that it takes.

`localnoise --help` lists ours without importing them, since torch takes seconds: of each module of `sims` and
`sims.tools` it reads the call of `register` as text. Commands of plug-ins are found as all parts are.
"""

import ast
import importlib
import re
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

from localnoise.errors import ArgumentError
from localnoise.registry import Registry

PANELS = ("Start", "Learn", "Evaluate", "Chip", "Spikes", "Search")
"""Of `localnoise --help`, in their order."""
Function = TypeVar("Function", bound=Callable[..., Any])


class Command(Protocol):
    """A function whose options are annotated for Typer, or a group of them that is a `typer.Typer`.

    Attributes
    ----------
    panel : str
        Of `localnoise --help`, one of `PANELS`.
    summary : str
        One sentence for this list.
    """

    panel: str
    summary: str

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        """Run it."""


def _fault(name: str, command: Any) -> str:
    if command.panel not in PANELS:
        return f"has panel={command.panel!r}: expected one of {', '.join(PANELS)}"
    return "" if isinstance(command.summary, str) and command.summary.strip() else "has no summary: expected a sentence"


COMMANDS = Registry("command", Command, group="localnoise.commands", check=_fault)
"""Commands that were imported, and those of plug-ins; `ours` are imported when they are asked for."""


def register(name: str, panel: str, summary: str) -> Callable[[Function], Function]:
    """Return a decorator that makes a function, or a group that is a `typer.Typer`, a command.

    Parameters
    ----------
    name : str
        As one types it: "my-command".
    panel : str
        Of `localnoise --help`: Start, Learn, Evaluate, Chip, Spikes or Search.
    summary : str
        One sentence for this list. `localnoise NAME --help` shows the function's docstring.

    Returns
    -------
    callable
        function -> the same function.

    Raises
    ------
    ArgumentError
        The name is taken, or no plain name.
    PluginError
        There is no such panel, or no summary.
    """
    module = sys._getframe(1).f_globals.get("__name__", "")

    def enter(function: Function) -> Function:
        held = ours().get(name)
        if module == "__main__":  # a module of ours that runs as a script
            return function
        if held is not None and held.module != module:
            raise ArgumentError(
                f"command {name!r} of {module} has the name of one of ours ({held.module}): expected a name of its own"
            )
        vars(function).update(panel=panel, summary=summary)
        COMMANDS.register(name, module)(function)
        return function

    return enter


class Listed(NamedTuple):
    """An entry of the list of commands."""

    panel: str
    summary: str
    module: str  # "" of a plug-in's, which is imported


_CALL = re.compile(r"^@?commands\.(register\(.*?\))(?=\n(?:def |@)|\()", re.MULTILINE | re.DOTALL)


@cache
def ours() -> dict[str, Listed]:
    """Return localnoise's own commands by name, in the order of panels, then of names; none is imported."""
    home = Path(__file__).parents[1]
    found = dict[str, Listed]()
    for path in [*home.glob("*.py"), *home.glob("tools/*.py")]:
        module = ".".join(("localnoise.sims", *path.relative_to(home).with_suffix("").parts))
        for call in _CALL.findall(path.read_text(encoding="utf-8")):
            name, panel, summary = (ast.literal_eval(word) for word in ast.parse(call, mode="eval").body.args)
            found[name] = Listed(panel, summary, module)
    return _in_order(found)


def listed() -> dict[str, Listed]:
    """Return all commands by name. Plug-ins' are imported for it: one that cannot be is left out, with a warning."""
    theirs = {name: one for name, one in COMMANDS.available().items() if name not in ours()}
    return _in_order(ours() | {name: Listed(one.panel, one.summary, "") for name, one in theirs.items()})


def _in_order(found: dict[str, Listed]) -> dict[str, Listed]:
    return dict(sorted(found.items(), key=lambda item: (PANELS.index(item[1].panel), item[0])))


def find(name: str) -> Command:
    """Return a command by its name; its module is imported now.

    Raises
    ------
    UnknownNameError
        There is none: which there are, and the nearest.
    PluginError
        One of a plug-in that cannot be imported.
    """
    if name in ours():
        importlib.import_module(ours()[name].module)
    found: Command = COMMANDS.find(name, "command")
    return found
