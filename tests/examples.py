"""How many examples Hypothesis tries: 20 at most in the fast tier, all of them under the profile `full`."""

from typing import Any

from hypothesis import settings

_FAST = 20


def examples(count: int, fast: int = _FAST, **more: Any) -> Any:
    """Return `settings` with `count` examples, or with `fast` at most where the fast tier's profile is loaded."""
    return settings(max_examples=count if settings().max_examples > _FAST else min(count, fast), **more)
