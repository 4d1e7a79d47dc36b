"""How many examples Hypothesis tries: 20 at most in the fast tier, all of them under the profile `full`."""

from typing import Any

from hypothesis import settings

_FAST = 20


def examples(count: int, **more: Any) -> Any:
    """Return `settings` with so many examples, or the fast tier's where that profile is loaded."""
    return settings(max_examples=count if settings().max_examples > _FAST else min(count, _FAST), **more)
