"""Parameters of a defense that is spelled out: `PREFIX` and NAME=VALUE:..., as in `repair:radius=1:dense=yes`."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from localnoise.errors import ArgumentError, choose

WORDS = {"yes": True, "no": False}


def parameters(name: str, prefix: str, kinds: Mapping[str, type]) -> dict[str, Any]:
    """Return the values that a name gives, each of its kind: str, bool (yes or no), int or float.

    Raises
    ------
    ArgumentError
        An unknown name, the nearest is suggested; or a value of another kind.
    """
    given: dict[str, Any] = {}
    for part in filter(None, name.removeprefix(prefix).split(":")):
        key, _, text = part.partition("=")
        kind = kinds[choose(f"arm {name!r}: parameter", key, list(kinds))]
        if kind is bool:
            given[key] = WORDS[choose(f"arm {name!r}: {key}", text, list(WORDS))]
            continue
        try:
            given[key] = kind(text)
        except ValueError:
            wanted = "a number" if kind is float else "a whole number"
            raise ArgumentError(f"arm {name!r}: {key}={text!r}: expected {wanted}") from None
    return given


def text_of(value: Any) -> str:
    """Return a value as `parameters` reads it again."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return np.format_float_positional(value, trim="-") if isinstance(value, float) else str(value)
