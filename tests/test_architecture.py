"""Imports point one way, and the checks that say so do bite."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CONFIG = tomllib.loads((ROOT / "pyproject.toml").read_text())
EXTRAS = CONFIG["project"]["optional-dependencies"]


def project_name(requirement: str) -> str:
    return re.match(r"[\w.-]+", requirement)[0]


def declared(*extras: str) -> set[str]:
    """Name the dependencies of the core and of these extras."""
    requirements = [*CONFIG["project"]["dependencies"], *(r for extra in extras for r in EXTRAS[extra])]
    return {project_name(requirement) for requirement in requirements}


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the contracts on the package that lies in `folder`, laid out as installed."""
    command = [sys.executable, "-c", "import importlinter.cli as cli; cli.lint_imports_command()", "--no-cache"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture
def installed(tmp_path) -> Path:
    """Lay the package out as it installs: static tools cannot follow the package-dir map."""
    for name, folder in CONFIG["tool"]["setuptools"]["package-dir"].items():
        shutil.copytree(
            ROOT / folder, tmp_path.joinpath(*name.split(".")), ignore=shutil.ignore_patterns("__pycache__")
        )
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_contracts_hold(installed):
    done = lint_imports(installed)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("where", "line"),
    [
        pytest.param("localnoise", "from localnoise.hardware import __doc__", marks=pytest.mark.slow),
        pytest.param("localnoise", "import localnoise.sims", marks=pytest.mark.slow),
        ("localnoise", "def lazily():\n    import torch"),
        ("localnoise", "import brian2"),
        ("localnoise/hardware", "import localnoise.sims"),
        pytest.param("localnoise/hardware", "import torch", marks=pytest.mark.slow),
        ("localnoise/kernels", "from localnoise.errors import ArgumentError"),
        pytest.param("localnoise/kernels", "from localnoise import hardware", marks=pytest.mark.slow),
        pytest.param("localnoise/kernels", "from scipy import linalg", marks=pytest.mark.slow),
        ("localnoise/sims/attacks", "from localnoise.sims import evaluation"),
        pytest.param(
            "localnoise/sims/results", "from localnoise.sims.reports import summarised", marks=pytest.mark.slow
        ),
        pytest.param(
            "localnoise/sims/experiments", "from localnoise.sims.reports import summarised", marks=pytest.mark.slow
        ),
        ("localnoise/sims/reports", "from localnoise.sims.experiments import cell"),
        ("localnoise/sims", "import math"),  # no floor of its own
        ("localnoise/hardware/fitting", "from localnoise.hardware import export"),
    ],
)
def test_contracts_bite(installed, where, line):
    (installed / where / "planted.py").write_text(line + "\n")
    done = lint_imports(installed)
    assert done.returncode != 0
    assert "planted" in done.stdout


def test_the_floors_that_are_described_are_those_of_the_contract():
    contracts = CONFIG["tool"]["importlinter"]["contracts"]
    (contract,) = (c for c in contracts if c.get("containers") == ["localnoise.sims"])
    _, _, table = (ROOT / "docs" / "design.md").read_text().partition("| floor | holds |\n|---|---|\n")
    rows = [line.split("|")[1] for line in table.partition("\n\n")[0].splitlines()]
    described = [set(re.findall(r"`(\w+)(?:\.py|/)`", row)) for row in rows]
    assert described == [set(layer.split(" | ")) for layer in contract["layers"]]


CIRCLES = """
import grimp
graph = grimp.build_graph("localnoise", cache_dir=None)
modules = {module for module in graph.modules if not module.startswith("localnoise.sims")}
waiting = {module: graph.find_modules_directly_imported_by(module) & modules for module in modules}
while free := {module for module, needs in waiting.items() if not needs}:
    waiting = {module: needs - free for module, needs in waiting.items() if module not in free}
print(sorted(waiting))
"""


def test_no_module_below_sims_imports_itself_through_others(installed):
    """Module by module, within functions and for types too: the contract of import-linter looks at packages."""
    done = subprocess.run([sys.executable, "-c", CIRCLES], cwd=installed, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_circle_in_the_core_is_found_though_it_hides_in_a_function(installed):
    (installed / "localnoise" / "rules" / "planted.py").write_text("def late():\n    from localnoise import grid\n")
    done = lint_imports(installed)
    assert done.returncode != 0
    assert ".rules -> .grid" in done.stdout


@pytest.mark.parametrize(
    ("where", "line"),
    [
        ("localnoise/kernels", "import math\nimport numba\nimport numpy\nimport localnoise.kernels"),
        ("localnoise/hardware", "import localnoise.errors"),
        ("localnoise/sims/tools", "import brian2\nimport torch\nimport localnoise.hardware\nimport localnoise.errors"),
    ],
)
def test_contracts_allow_the_right_way(installed, where, line):
    (installed / where / "planted.py").write_text(line + "\n")
    done = lint_imports(installed)
    assert done.returncode == 0, done.stdout


def test_kernels_are_forbidden_every_other_dependency():
    (contract,) = (c for c in CONFIG["tool"]["importlinter"]["contracts"] if c["name"].startswith("Kernels"))
    assert declared("sims", "spiking") - {"llvmlite", "numba", "numpy"} <= set(contract["forbidden_modules"])


def banned(*arguments: str, code: str | None = None) -> list[dict]:
    command = [sys.executable, "-m", "ruff", "check", "--no-cache", "--select=TID", "--output-format=json", *arguments]
    done = subprocess.run(command, cwd=ROOT, input=code, capture_output=True, text=True, check=False)
    assert done.returncode in {0, 1}, done.stderr
    return json.loads(done.stdout)


BARE = ["import hardware", "import sims.cli", "from sims import cli", "from hardware.fixedpoint import Q"]


@pytest.mark.parametrize("line", [*BARE, "from . import cli"])
def test_bare_names_are_banned(line):
    assert banned("-", "--stdin-filename=sims/planted.py", code=line + "\n")


def test_no_bare_names_in_the_tree():
    assert banned(".") == []


def test_no_script_shadows_a_module_that_it_needs():
    """`python sims/compare.py` puts sims/ first on sys.path, where sims/types.py would be everyone's `types`."""
    taken = sys.stdlib_module_names | declared(*EXTRAS) | {"localnoise"}
    scripts = {path.stem for path in (ROOT / "sims").iterdir() if path.suffix == ".py" or path.is_dir()}
    assert scripts & taken == set()


def test_no_folder_shadows_the_package():
    """tests/ is on sys.path, where a plain folder wins over an editable install: mirror the core in tests/core/."""
    assert not (ROOT / "tests" / "localnoise").exists()
