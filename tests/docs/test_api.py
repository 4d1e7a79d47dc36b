"""The API's pages hold every public name; packages name what is public, in `__all__` and to `dir`."""

import importlib
import subprocess
import sys
from types import ModuleType
from typing import Any

import pytest
from api_pages import found, listed, named

import localnoise


def public(package: ModuleType) -> dict[str, ModuleType]:
    """Return the packages that are public, each named by `__all__` of the one before."""
    inner = [getattr(package, name) for name in package.__all__]
    out = {package.__name__: package}
    for one in inner:
        if isinstance(one, ModuleType):
            out |= public(one)
    return out


PACKAGES = public(localnoise)


def test_packages_are_found_from_the_root():
    assert PACKAGES.keys() >= {
        *(f"localnoise.{name}" for name in ("central", "certificate", "errors", "local", "nn", "orders", "plugins")),
        *(f"localnoise.{name}" for name in ("hardware.audit", "hardware.export", "hardware.network", "nn.rewards")),
        *(f"localnoise.{name}" for name in ("rules", "sims.attacks", "sims.defenses", "sims.perturbations", "spiking")),
    }


def places(package: str, name: str, thing: Any) -> set[str]:
    """Return the paths under which a page may list a name: of the package, and of the module that defines it."""
    out = {f"{package}.{name}"}
    if hasattr(thing, "__qualname__") and hasattr(thing, "__module__"):
        out.add(f"{thing.__module__}.{thing.__qualname__}")
    return out


def test_every_public_name_is_on_a_page():
    there = {path for path, _ in listed()}
    there |= {thing.canonical_path.replace("_.", ".") for _, thing in listed()}  # modules that the copy has renamed
    missing = [
        f"{package}.{name}"
        for package, module in PACKAGES.items()
        for name in module.__all__
        if not isinstance(thing := getattr(module, name), ModuleType) and not places(package, name, thing) & there
    ]
    assert missing == []


def test_pages_name_nothing_twice_and_nothing_that_is_not_there():
    paths = [path for path, _ in listed()]
    assert len(paths) == len(set(paths))
    for path in named():
        found(path)


@pytest.mark.parametrize("name", PACKAGES)
def test_dir_shows_what_is_public_and_it_is_there(name):
    package = importlib.import_module(name)
    shown = {each for each in dir(package) if not each.startswith("__")}
    if hasattr(package, "__path__"):
        assert shown == set(package.__all__)
    assert shown >= set(package.__all__)
    assert len(package.__all__) == len(set(package.__all__))
    for each in package.__all__:
        getattr(package, each)
    if hasattr(package, "__getattr__"):
        with pytest.raises(AttributeError, match="no attribute 'nothing'"):
            _ = package.nothing


def test_names_are_listed_before_anything_heavy_is_imported():
    code = """
import sys, localnoise as ln
print(*dir(ln), *dir(ln.sims), *dir(ln.hardware), *ln.hardware.__all__)
print({"torch", "brian2", "localnoise.nn", "localnoise.sims.attacks"} & set(sys.modules))
print(ln.sims.attacks.PGD.__name__, ln.hardware.export.verify.__name__, "evaluate" in dir(ln.nn))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    names, heavy, late = done.stdout.splitlines()
    assert {"nn", "sims", "attacks", "export"} <= set(names.split()), done.stderr
    assert heavy == "set()"
    assert late == "PGD verify True"
