"""Parameters of which some are left to the slow tier."""

from collections.abc import Container, Iterable
from typing import Any

import pytest


def some_slow(values: Iterable[Any], slow: Container[Any]) -> list[Any]:
    """Return parameters for `pytest.mark.parametrize`, those in `slow` marked as slow."""
    return [pytest.param(value, marks=pytest.mark.slow) if value in slow else value for value in values]
