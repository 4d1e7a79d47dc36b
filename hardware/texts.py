"""JSON that somebody else may have written: parsed, or refused with a ValueError whatever it holds."""

import json
from typing import Any

DEEPEST = 64  # levels of lists and tables in one another: what is ours has six


def from_json(text: str | bytes) -> Any:
    """Parse JSON; a ValueError says what is wrong, nested too deeply among it."""
    return _shallow(_parsed(text))


def _parsed(text: str | bytes) -> Any:
    try:
        return json.loads(text)
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
