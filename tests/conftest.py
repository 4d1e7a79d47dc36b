"""What holds for all tests: the tiers, no deadline for an example, and the slow files first.

So no slow or busy machine fails a test, and no process is left alone with a slow file at the end.
"""

import os
from collections import defaultdict
from collections.abc import Sequence

import pytest
from hypothesis import settings
from pairwise import covering
from warming import warm

settings.register_profile("fast", deadline=None, max_examples=20)
settings.register_profile("full", deadline=None, max_examples=100)  # `--hypothesis-profile=full`; see `examples`
settings.load_profile("fast")

_SLOW = (
    "test_sweep_survival.py",
    "test_export.py",
    "test_pages.py",
    "test_cli.py",
    "test_cli_chips.py",
    "test_experiment.py",
    "test_sweep.py",
    "test_spiking.py",
)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """One worker more than cores: tests that kill and stop processes wait much of their time."""
    return (os.cpu_count() or 1) + 1


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(specs: Sequence[object]) -> None:
    """Compile what all workers need before there are any; let their threads sleep where they wait for each other."""
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # OpenMP's threads spin otherwise: on the cores of others
    warm(len(specs))


@pytest.hookimpl(tryfirst=True)  # before the tiers are told apart
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave to the slow tier toolchains, browsers and what `pairwise` does not choose; keep the order otherwise."""
    for item in items:
        if "browser" in getattr(item, "fixturenames", ()):  # the fixture that starts Chromium
            item.add_marker(pytest.mark.browser)
        if item.get_closest_marker("toolchain") or item.get_closest_marker("browser"):
            item.add_marker(pytest.mark.slow)
    crossed = defaultdict(list)
    for item in items:
        if item.get_closest_marker("pairwise") and isinstance(item, pytest.Function) and hasattr(item, "callspec"):
            crossed[item.path, item.originalname].append(item)
    for alike in crossed.values():
        chosen = covering([item.callspec.params for item in alike])
        for index, item in enumerate(alike):
            if index not in chosen:
                item.add_marker(pytest.mark.slow)
    items.sort(key=lambda item: item.path.name not in _SLOW)
