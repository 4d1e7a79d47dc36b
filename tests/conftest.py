"""The order of the files: slow ones first, so that no process is left alone with one at the end."""

import pytest

_SLOW = (
    "test_sweep_survival.py",
    "test_export.py",
    "test_readme.py",
    "test_cli.py",
    "test_experiment.py",
    "test_sweep.py",
    "test_spiking.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the order otherwise."""
    items.sort(key=lambda item: item.path.name not in _SLOW)
