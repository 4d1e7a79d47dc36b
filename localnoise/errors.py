"""One exception tree. Every message names the argument, its value, what was expected and the fix."""

import difflib
import re
from collections.abc import Collection, Iterable

__all__ = [
    "ArgumentError",
    "DataError",
    "FewDisplacementsWarning",
    "FewInputsWarning",
    "FileFormatError",
    "ForgottenWarning",
    "KilledError",
    "LocalnoiseError",
    "LocalnoiseWarning",
    "LockedError",
    "MissingDependencyError",
    "MixedRecordsError",
    "NotJsonError",
    "PluginError",
    "PluginWarning",
    "RidgeWarning",
    "RoundedWarning",
    "TooLargeError",
    "UnknownNameError",
    "WriteError",
]


class LocalnoiseError(Exception):
    """Base of everything that localnoise raises on purpose."""


class ArgumentError(LocalnoiseError, ValueError):
    """An argument has a value, shape or dtype that the function cannot use."""


class UnknownNameError(ArgumentError, KeyError):
    """A registry holds no part of this name: the message lists those that it holds, and the nearest one."""

    __str__ = Exception.__str__  # a KeyError would show the message in quotes


class NotJsonError(ArgumentError, TypeError):
    """A value that goes into a file as JSON, which cannot hold it."""


class DataError(LocalnoiseError, ValueError):
    """A data set's file is missing, truncated, mislabelled or of the wrong size."""


class FileFormatError(LocalnoiseError, OSError):
    """A file is not what localnoise writes: foreign, truncated, or of an unknown schema version."""


class LockedError(LocalnoiseError, OSError):
    """A file cannot be opened for its lock: another process holds it, or the file system has no locks."""


class WriteError(LocalnoiseError, OSError):
    """A file cannot be written where it was asked for: no plain file is there, or the disk has no room.

    Parameters
    ----------
    message : str
        One sentence.
    number : int or None
        The system's `errno`, kept as that; None: it said none.
    """

    def __init__(self, message: str, number: int | None = None) -> None:
        super().__init__(message)
        self.errno = number


class MixedRecordsError(LocalnoiseError, ValueError):
    """A file of records would come to hold results of different data or code, which no table may compare."""


class KilledError(LocalnoiseError, RuntimeError):
    """Processes were killed from outside time and again, as a system does that has no memory left."""


class TooLargeError(LocalnoiseError, MemoryError):
    """A dense result would not fit: the message states the memory that it would take."""


class MissingDependencyError(LocalnoiseError, ImportError):
    """An optional dependency is not installed: the message gives the install command."""


class PluginError(LocalnoiseError, ImportError):
    """A plug-in cannot be imported, or what it registers does not follow its protocol."""


class LocalnoiseWarning(UserWarning):
    """Base of everything that localnoise warns of."""


class FewDisplacementsWarning(LocalnoiseWarning):
    """Units learned from so few displacements that they fit chance: the message says how many are missing."""


class FewInputsWarning(LocalnoiseWarning):
    """A share is to be kept of so few inputs that it is less than one of them: the message says how many are needed."""


class ForgottenWarning(LocalnoiseWarning):
    """A grid forgets what it had learned: the statistics of it are not there, or another rule learns now."""


class RidgeWarning(LocalnoiseWarning):
    """The ridge is a good part of the noise: the displacements are small."""


class RoundedWarning(LocalnoiseWarning):
    """Integers decide otherwise than floating point for a good part of what they decide about."""


class PluginWarning(LocalnoiseWarning):
    """An installed plug-in is left out: it cannot be imported, or its name is taken."""


def choose(argument: str, value: object, allowed: Iterable[str]) -> str:
    """Return `value` if it is one of `allowed`, else raise an ArgumentError that suggests the nearest name."""
    names = allowed if isinstance(allowed, Collection) else list(allowed)
    if isinstance(value, str) and value in names:  # a registry is asked for the name before it is listed
        return value
    raise ArgumentError(unknown(argument, value, names))


def unknown(argument: str, value: object, names: Iterable[str]) -> str:
    """Return the sentence that refuses `value`, lists the names that are known, and suggests the nearest."""
    names = list(names)
    near = difflib.get_close_matches(str(value), names, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"{argument}={short(repr(value))}: expected one of {listed(map(repr, names))}{hint}"


def is_text(value: object, pattern: re.Pattern[str]) -> bool:
    """Return whether a value is a text that the pattern matches as a whole."""
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def listed(names: Iterable[str], most: int = 200) -> str:
    """Names as a sentence lists them: of many the first, in at most `most` characters, and how many there are.

    Examples
    --------
    >>> listed(["a", "b", "c"])
    'a, b, c'
    >>> listed(["alpha", "beta", "gamma"], most=12)
    'alpha, beta, ... (3 in all)'
    """
    every, shown = list(names), list[str]()
    while len(shown) < len(every) and len(", ".join([*shown, every[len(shown)]])) <= most:
        shown.append(every[len(shown)])
    return ", ".join(shown if len(shown) == len(every) else [*shown, f"... ({len(every)} in all)"])


def short(text: object, most: int = 100) -> str:
    """Return a text, the middle of a long one left out: an error is a sentence.

    Examples
    --------
    >>> short("abcdefghij", most=9)
    'abc...hij'
    """
    whole = " ".join(str(text).splitlines())
    keep = (most - 3) // 2
    return whole if len(whole) <= most else f"{whole[:keep]}...{whole[len(whole) - keep :]}"


def first_line(error: BaseException) -> str:
    """Return what another package says of a damaged file, within a sentence of ours."""
    return short((str(error).splitlines() or [type(error).__name__])[0], 150)
