"""Errors in the words of the command line: a message that names an argument names the option that was given."""

import re
from collections.abc import Iterable
from typing import Any

from localnoise.errors import LocalnoiseError

ALSO = {
    "threat": ("--test",),
    "threats": ("--test",),
    "source": ("--train",),
    "profile": ("--chip",),
    "defense": ("--defenses", "--defense"),
    "traces": ("--variances",),
}
"""Options whose values reach a function under another name than the command's own."""


def with_options(message: str, given: Iterable[tuple[str, list[str]]]) -> str:
    """Return a message that begins with ARGUMENT=VALUE with the option in its place, if that option was given.

    given : name in the command's signature, and flags, of each option that stands on the command line.

    Examples
    --------
    >>> with_options("profile='stm': expected another", [("chip", ["--chip"])])
    "--chip='stm': expected another"
    """
    argument = re.match(r"([a-z_]+)=", message)
    if argument is None:
        return message
    called = argument[1]
    for name, flags in given:
        long = [flag for flag in flags if flag.startswith("--")]
        if long and (name == called or set(long) & set(ALSO.get(called, ()))):
            return f"{long[0]}{message[len(called) :]}"
    return message


def speak(error: LocalnoiseError, context: Any) -> None:
    """Let an error name the options that were given to the command of this context."""
    given = [
        (parameter.name, list(parameter.opts))
        for parameter in context.command.params
        if getattr(context.get_parameter_source(parameter.name), "name", "") == "COMMANDLINE"
    ]
    if error.args and isinstance(error.args[0], str):
        error.args = (with_options(error.args[0], given), *error.args[1:])
