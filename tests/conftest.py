"""What holds for all tests: no deadline for an example, and the slow files first.

So no slow or busy machine fails a test, and no process is left alone with a slow file at the end.
"""

import pytest
from hypothesis import settings

settings.register_profile("localnoise", deadline=None)
settings.load_profile("localnoise")

_SLOW = (
    "test_sweep_survival.py",
    "test_export.py",
    "test_pages.py",
    "test_cli.py",
    "test_experiment.py",
    "test_sweep.py",
    "test_spiking.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the order otherwise."""
    items.sort(key=lambda item: item.path.name not in _SLOW)
