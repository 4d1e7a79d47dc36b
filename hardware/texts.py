"""JSON and TOML that somebody else may have written: parsed, or refused with a ValueError whatever they hold."""

import json
import tomllib
from typing import Any

DEEPEST = 64  # levels of lists and tables in one another: what is ours has six


def from_json(text: str | bytes) -> Any:
    """Parse JSON; a ValueError says what is wrong, nested too deeply among it."""
    return _shallow(_parsed(json.loads, text))


def from_toml(text: str) -> dict[str, Any]:
    """Parse TOML; as `from_json`."""
    found: dict[str, Any] = _shallow(_parsed(tomllib.loads, text))
    return found


def _parsed(parse: Any, text: Any) -> Any:
    try:
        return parse(text)
    except RecursionError:
        raise _too_deep() from None


def _shallow(value: Any) -> Any:
    """Return `value` if no list or table in it lies too deep; walked without recursion."""
    level = [value]
    for _ in range(DEEPEST):
        nested = [part.values() if isinstance(part, dict) else part for part in level if isinstance(part, (dict, list))]
        if not nested:
            return value
        level = [part for parts in nested for part in parts]
    raise _too_deep()


def _too_deep() -> ValueError:
    return ValueError(f"lists or tables nested more than {DEEPEST} deep")
