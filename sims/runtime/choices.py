"""Options that take one name of several, or some of them: shown by the help, completed, anything else refused."""

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

import typer

from localnoise.errors import ArgumentError, choose
from localnoise.registry import Registry
from localnoise.sims.runtime.console import errors

Names = Iterable[str] | Callable[[], Iterable[str]]
_NONE: Mapping[str, str] = MappingProxyType({})
_WIDE = 24  # letters of names that the help shows in the option's own column


class OptionError(ArgumentError):
    """A command was given a value that its option does not take; nothing has run."""


def one_of(
    names: Names,
    *flags: str,
    help: str,
    several: bool = False,
    earlier: Mapping[str, str] = _NONE,
    made: Any = typer.Option,
) -> Any:
    """Return an option that takes one of these names.

    Parameters
    ----------
    names : iterable of str, registry or callable
        A registry, or what a callable returns, is looked at when a command is built: a plug-in's names are among them.
    flags : str
        As Typer takes them.
    help : str
        What the option is for, as Typer calls it.
    several : bool
        Whether it takes names separated by commas.
    earlier : mapping of str
        Names of an earlier version and what they are called now: they are taken with a warning.
    made : callable
        `typer.Option` or `typer.Argument`.
    """

    def known() -> list[str]:
        return list(names() if callable(names) else names)

    def check(context: typer.Context, option: typer.CallbackParam, value: Any) -> Any:
        if value in (None, option.default) or context.resilient_parsing:
            return value
        if value in earlier:
            errors.print(f"warning: {value} is now {earlier[value]}; the old name goes with the next version")
            return earlier[value]
        for name in words(value) if several else [value]:
            try:
                choose(option.opts[0], name, known())
            except ArgumentError as error:
                raise OptionError(str(error)) from None
        return value

    if callable(names) or isinstance(names, Registry):
        check.names = known  # type: ignore[attr-defined]
        return made(*flags, callback=check, autocompletion=known, help=help)
    shown = _shown(known(), help)
    if made is typer.Argument:  # its own name stands in the column
        shown = {"help": f"{help} One of: {', '.join(known())}."}
    return made(*flags, callback=check, autocompletion=known, **shown)


def show_choices(parameters: Iterable[Any]) -> None:
    """Let the help of a command's parameters show the names that are known by now."""
    for parameter in parameters:
        known = getattr(parameter.callback, "names", None)
        if known is not None:
            for name, value in _shown(known(), parameter.help).items():
                setattr(parameter, name, value)


def words(text: str) -> list[str]:
    """Names from "none, full": each once."""
    return list(dict.fromkeys(filter(None, (part.strip() for part in text.split(",")))))


def _shown(names: list[str], help: str) -> dict[str, str]:
    """Return metavar and help: the names stand in the option's column, or, where they are many, in its help."""
    joined = "|".join(names)
    if len(joined) <= _WIDE:
        return {"metavar": joined, "help": help}
    return {"metavar": "NAME", "help": f"{help} One of: {', '.join(names)}."}
