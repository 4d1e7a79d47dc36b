"""Reading TOML that anyone may have written: studies, chip profiles."""

import re
import tomllib
from pathlib import Path
from typing import Any

from localnoise.errors import FileFormatError
from localnoise.hdf5 import refuse_irregular

_MOST = 2**20  # bytes of a file
_DEEP = re.compile(r"(?:[^\n=.]*\.){40}")  # the parser's time grows with the square of a key's parts


def text_of_toml(path: Path, expected: str) -> str:
    """Return a file's text; `expected` ends the message where there is none, "a chip profile in TOML".

    Raises
    ------
    FileFormatError
        No such file, none that may be read, too large a one, or no text.
    """
    refuse_irregular(path, expected)
    try:
        with path.open("rb") as file:
            content = file.read(_MOST + 1)
        if len(content) > _MOST:
            raise FileFormatError(f"{path}: more than {_MOST >> 20} MiB, is not TOML by hand: expected {expected}")
        return content.decode()
    except UnicodeDecodeError as error:
        raise FileFormatError(
            f"{path}: is not TOML ({error.reason} at byte {error.start}): expected {expected}"
        ) from None
    except OSError as error:
        if isinstance(error, FileFormatError):
            raise
        raise FileFormatError(f"{path}: cannot be read ({error.strerror}): expected {expected}") from None


def parse_toml(text: str) -> dict[str, Any]:
    """Return the tables of a text.

    Raises
    ------
    ValueError
        It is no TOML, or nested deeper than anything written by hand.
    """
    try:
        if any(_DEEP.match(line.partition("=")[0]) for line in text.splitlines()):
            raise ValueError("a key of more than 40 parts")
        return tomllib.loads(text)
    except (RecursionError, MemoryError):
        raise ValueError("nested too deeply") from None
