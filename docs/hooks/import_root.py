"""Lay the package out as it ships, so that the API pages find `localnoise.hardware`: it stands at the top here."""

import re
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from mkdocs.plugins import event_priority

ROOT = Path(__file__).parents[2]
SHIPPED = {"localnoise": "localnoise", "hardware": "localnoise/hardware", "sims": "localnoise/sims"}
NAMESAKE = re.compile(r"\.(\w+)( import \1 as \1)$", re.MULTILINE)


@cache
def _folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="localnoise-docs-"))


@event_priority(100)  # before mkdocstrings reads its configuration
def on_config(config: Any) -> Any:
    """Copy the Python files and point mkdocstrings at the copy."""
    lay_out(_folder())
    config.plugins["mkdocstrings"].config.handlers["python"]["paths"] = [str(_folder())]
    return config


def on_shutdown() -> None:
    """Remove the copy."""
    shutil.rmtree(_folder(), ignore_errors=True)


def lay_out(copy: Path) -> None:
    """Copy the package's Python files into a folder, as an installed package has them."""
    for folder, shipped in SHIPPED.items():
        shutil.copytree(ROOT / folder, copy / shipped, ignore=_all_but_python, dirs_exist_ok=True)
    for package in copy.rglob("__init__.py"):
        _part_namesakes(package)


def _all_but_python(folder: str, names: list[str]) -> list[str]:
    kept = [name for name in names if name.endswith(".py") or (Path(folder, name).is_dir() and name != "__pycache__")]
    return [name for name in names if name not in kept]


def _part_namesakes(package: Path) -> None:
    """Rename in the copy each module that holds an object of its own name: Griffe takes one for the other."""
    text = package.read_text(encoding="utf-8")
    for name, _ in NAMESAKE.findall(text):
        module = package.with_name(f"{name}.py")
        if module.exists():
            module.rename(package.with_name(f"{name}_.py"))
            text = text.replace(f".{name} import ", f".{name}_ import ")
    package.write_text(text, encoding="utf-8")
