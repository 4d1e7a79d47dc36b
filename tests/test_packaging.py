"""The wheel holds the tree, no more and no less, and works away from the checkout."""

import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SETUPTOOLS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
PACKAGES = {name: ROOT / folder for name, folder in SETUPTOOLS["package-dir"].items()}

IMPORT_SHARE = 0.5  # of the time that NumPy and Numba take, which no use of the package can do without
HEAVY = {"brian2", "kornia", "matplotlib", "torch"}


def files(folder: Path) -> list[Path]:
    """What the folder should ship, relative to it: everything but hidden and compiled files."""
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return [path for path in found if not any(part.startswith((".", "__pycache__")) for part in path.parts)]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Build the wheel from a copy: a stale build/ in the checkout must not reach it."""
    source = tmp_path_factory.mktemp("source")
    for path in ROOT.iterdir():
        if path.is_file() and path.name != ".git":
            shutil.copy(path, source)
    for folder in PACKAGES.values():
        shutil.copytree(folder, source / folder.name, ignore=shutil.ignore_patterns("__pycache__"))
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out, source]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    (path,) = out.iterdir()
    return path


@pytest.fixture(scope="module")
def away(wheel, tmp_path_factory):
    """Install the wheel into a folder of its own; return a function that runs code in a Python that sees it there."""
    site = tmp_path_factory.mktemp("site")
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", site, wheel]
    subprocess.run(install, check=True)
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    cache = tmp_path_factory.mktemp("numba")
    env = os.environ | {"PYTHONPATH": str(site), "NUMBA_CACHE_DIR": str(cache)}

    def run(code: str) -> str:
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, cwd=elsewhere, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    run.site, run.cache = site, cache
    return run


def test_package_list_equals_the_tree():
    tree = {
        ".".join((name, *path.parent.parts))
        for name, folder in PACKAGES.items()
        for path in files(folder)
        if path.suffix == ".py"
    }
    assert sorted(tree) == sorted(SETUPTOOLS["packages"]), "correct tool.setuptools.packages in pyproject.toml"


def test_every_package_has_an_init():
    folders = {(folder / path).parent for folder in PACKAGES.values() for path in files(folder) if path.suffix == ".py"}
    assert [folder for folder in sorted(folders) if not (folder / "__init__.py").is_file()] == []


def test_wheel_holds_exactly_the_tree(wheel):
    shipped = {Path(name) for name in zipfile.ZipFile(wheel).namelist()}
    metadata = {path for path in shipped if path.parts[0].endswith(".dist-info")}
    tree = {Path(*name.split("."), path) for name, folder in PACKAGES.items() for path in files(folder)}
    assert shipped - metadata == tree
    assert Path("localnoise/py.typed") in shipped
    assert any(path.name == "LICENSE" for path in metadata)


def test_embedded_data_ship_with_their_licence(wheel):
    shipped = {Path(name) for name in zipfile.ZipFile(wheel).namelist()}
    folders = {path.parent for path in shipped if path.suffix in {".gz", ".h5", ".npz"}}
    assert folders, "localnoise must run its demonstration without a download"
    assert [folder for folder in folders if folder / "LICENSE" not in shipped] == []


@pytest.mark.parametrize("name", PACKAGES)
def test_imports_from_where_it_was_installed(away, name):
    file = Path(away(f"import {name} as module; print(module.__file__)").strip())
    assert file.is_relative_to(away.site)


def test_versions_agree(away):
    stated, installed = away(
        "import localnoise, importlib.metadata as m; print(localnoise.__version__, m.version('localnoise'))"
    ).split()
    assert stated == installed


def test_console_script_resolves(away):
    code = "import importlib.metadata as m; (point,) = m.entry_points(name='localnoise'); print(point.value, {})"
    assert away(code.format("callable(point.load())")) == "localnoise.sims.cli:main True\n"


def test_import_is_light(away):
    # A share of processor time in one process, the least of several: no other load and no slow machine counts.
    clock = "time.process_time()"
    code = f"""import sys, time
start = {clock}
import numba, numpy
base = {clock}
import localnoise
print(({clock} - base) / (base - start), *sys.modules)"""
    runs = [away(code).split() for _ in range(5)]
    assert min(float(share) for share, *_ in runs) < IMPORT_SHARE
    assert HEAVY.isdisjoint(runs[0][1:])
    assert not list(away.cache.rglob("*.nb[ic]")), "importing localnoise compiled a kernel"
