"""Where a TOML file says what: line numbers of keys, so that an error can point at one."""

import re
from collections.abc import Sequence

_TABLE = re.compile(r"^\s*\[+\s*([^\]]+?)\s*\]+")
_KEY = re.compile(r"""^\s*("[^"]+"|'[^']+'|[A-Za-z0-9_.\- ]+?)\s*=""")


def line_of(text: str, place: Sequence[str | int]) -> int:
    r"""Line (from 1) of the key that lies nearest on the way to `place`; 1 if none does.

    Examples
    --------
    >>> line_of('trials = 3\n[space]\nrule = ["lms"]', ("space", "rule", 0))
    3
    """
    found, depth = 1, 0
    table: tuple[str, ...] = ()
    wanted = [str(part) for part in place]
    for number, line in enumerate(text.splitlines(), 1):
        if match := _TABLE.match(line):
            path = table = _parts(match[1])
        elif match := _KEY.match(line):
            path = (*table, *_parts(match[1]))
        else:
            continue
        if len(path) > depth and list(path) == wanted[: len(path)]:
            found, depth = number, len(path)
    return found


def _parts(text: str) -> tuple[str, ...]:
    return tuple(part.strip().strip("\"'") for part in text.split("."))
