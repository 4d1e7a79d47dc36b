"""Earlier names of arguments: taken for one version more, with a warning that names the new one."""

import functools
import warnings
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from localnoise.errors import ArgumentError

P = ParamSpec("P")
R = TypeVar("R")


def renamed(**names: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Return a decorator of a function that still takes its keyword arguments by earlier names.

    Parameters
    ----------
    **names : str
        The present name of each earlier one.

    Examples
    --------
    >>> @renamed(trace="variance")
    ... def identity(variance=2.0):
    ...     return variance
    >>> identity(variance=0.5)  # or trace=0.5, with a warning
    0.5
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def called(*arguments: P.args, **named: P.kwargs) -> R:
            return function(*arguments, **_present(function.__name__, names, named))

        return called

    return decorate


def _present(function: str, names: dict[str, str], given: dict[str, Any]) -> dict[str, Any]:
    for before in names.keys() & given.keys():
        now = names[before]
        if now in given:
            raise ArgumentError(
                f"{function} got {now}={given[now]!r} and {before}={given[before]!r}: expected {now} alone"
            )
        warnings.warn(
            f"{function}: the argument {before} is called {now} now; {before} will go with the next version",
            DeprecationWarning,
            stacklevel=3,
        )
        given = {name: value for name, value in given.items() if name != before} | {now: given[before]}
    return given
