"""Machine code is kept by the content of all its sources: never stale, never half written, and never in the way."""

import ast
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from toy import INNER, MAIN, PARTS, Toy

from localnoise.kernels import flags
from localnoise.kernels.cache import Sources
from localnoise.kernels.flags import SOURCES

ROOT = Path(__file__).parents[2]
UPDATE = """
from pathlib import Path
import flags

inner = Path(flags.__file__).with_name("inner.py")
inner.write_text(inner.read_text().replace("x + 1", "x + 3"))
"""


@pytest.fixture
def toy(tmp_path: Path) -> Toy:
    return Toy(tmp_path)


def test_an_edit_of_a_callee_alone_reaches_its_caller(toy: Toy) -> None:
    assert toy.run() == (20.0, 0, "")
    assert toy.run() == (20.0, 1, "")
    inner = toy.folder / INNER
    inner.write_text(inner.read_text().replace("x + 1", "x + 2"))
    assert toy.run() == (30.0, 0, "")
    inner.write_text(inner.read_text().replace("x + 2", "x + 1"))
    assert toy.run() == (20.0, 1, "")  # the first sources' code still lies there


def test_a_linked_callee_is_kept_for_callers_compiled_later(toy: Toy) -> None:
    flags, inner = toy.folder / "flags.py", toy.folder / INNER
    content = flags.read_text().replace(
        "import compiled", "import compiled\nfrom localnoise.kernels.linking import linked"
    )
    flags.write_text(content + "\ndef part(function):\n    return linked(function, SOURCES)\n")
    inner.write_text(inner.read_text().replace("kernel", "part"))
    assert toy.run() == (20.0, 0, "")
    assert [file.name.split("-")[1] for file in toy.files if file.name.startswith("inner")] == ["linked"]
    assert toy.run() == (20.0, 1, "")
    (whole,) = (file for file in toy.files if file.name.startswith("outer"))
    whole.unlink()
    kept = {file: file.stat().st_mtime_ns for file in toy.files}
    assert toy.run() == (20.0, 0, "")
    assert {file: file.stat().st_mtime_ns for file in kept} == kept  # the callee was not compiled again
    inner.write_text(inner.read_text().replace("x + 1", "x + 2"))
    assert toy.run() == (30.0, 0, "")


def test_an_edit_while_a_process_runs_is_not_kept_under_the_old_name(toy: Toy) -> None:
    toy.run()
    before = {file: file.read_bytes() for file in toy.files}
    main = toy.folder / MAIN
    main.write_text(UPDATE + PARTS[MAIN])
    assert toy.run()[:2] == (40.0, 0)  # neither read from the cache ...
    assert {file: file.read_bytes() for file in toy.files} == before  # ... nor written to it


@pytest.mark.parametrize("damage", [*(pytest.param(some, marks=pytest.mark.slow) for some in (b"", b"half")), None])
def test_a_damaged_file_is_compiled_anew_and_mended(toy: Toy, damage: bytes | None) -> None:
    toy.run()
    for file in toy.files:
        content = file.read_bytes()
        file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]) if damage is None else damage)
    assert toy.run() == (20.0, 0, "")
    assert toy.run() == (20.0, 1, "")


def test_without_a_folder_that_can_be_written_kernels_run_with_one_warning(toy: Toy) -> None:
    toy.cache.write_text("no folder")
    value, hits, said = toy.run()
    assert (value, hits) == (20.0, 0)
    assert said.count("compiled kernels cannot be kept in") == 1
    assert "NUMBA_CACHE_DIR" in said


def test_an_environment_that_changes_machine_code_changes_the_folder(toy: Toy) -> None:
    toy.run()
    assert toy.run(NUMBA_BOUNDSCHECK="1")[1] == 0
    assert toy.run(NUMBA_CPU_NAME="generic")[1] == 0
    assert len(list((toy.cache / "localnoise").iterdir())) == 3


def test_the_name_holds_every_source_and_not_where_it_lies(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.py").write_text("A = 1\n")
    one, two = Sources(tmp_path / "one"), Sources(tmp_path / "two")
    assert one.key == two.key
    assert one.unchanged()
    (tmp_path / "one" / "a.py").write_text("A = 10\n")
    assert not one.unchanged()
    assert Sources(tmp_path / "one").key != two.key
    assert not Sources(tmp_path / "nothing").unchanged()


def test_every_kernel_lies_in_the_sources_that_name_its_code() -> None:
    from localnoise.hardware import flags

    sources = {"localnoise": set(SOURCES.files), "hardware": set(flags._SOURCES.files)}
    decorators = ("@kernel", "@inlined", "@emitted", "@entry", "@shared_kernel", "@parallel_kernel", "@integer_")
    decorators += ("@shared_integer_kernel",)
    found = 0
    for folder, files in sources.items():
        for module in (ROOT / folder).rglob("*.py"):
            if any(line.startswith(decorators) for line in module.read_text().splitlines()):
                found += 1
                assert module in files, f"{module}: kernels here would go stale"
    assert found > 15


def test_whatever_a_kernel_imports_lies_in_the_sources_that_name_its_code() -> None:
    """A number imported from elsewhere is frozen into the machine code, which an edit of that file must not outlive."""
    from localnoise.hardware import flags

    found = 0
    for sources in (SOURCES, flags._SOURCES):
        for module in sources.files:
            tree = ast.parse(module.read_text())
            kernels = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.decorator_list]
            used = {node.id for kernel in kernels for node in ast.walk(kernel) if isinstance(node, ast.Name)}
            for line in tree.body:
                if isinstance(line, ast.ImportFrom) and (line.module or "").startswith("localnoise"):
                    for name in line.names:
                        if (name.asname or name.name) in used:
                            found += 1
                            origin = Path(str(importlib.util.find_spec(str(line.module)).origin))
                            assert origin in sources.files, f"{module.name}: {name.name} of {origin.name} is not named"
    assert found > 30


@pytest.mark.slow
def test_folders_that_nobody_used_for_a_month_are_removed(toy: Toy) -> None:
    toy.run()
    (ours,) = (toy.cache / "localnoise").iterdir()
    old, foreign = ours.with_name("0" * 20), ours.with_name("notes")
    for folder in (old, foreign):
        folder.mkdir()
        (folder / "file").write_text("")
        os.utime(folder, (time.time() - 40 * 86_400,) * 2)
    inner = toy.folder / INNER
    inner.write_text(inner.read_text() + "\n")
    toy.run()
    assert ours.exists()
    assert foreign.exists()
    assert not old.exists()


VARIANCE = "import localnoise as ln\nprint(round(float(ln.UnitGrid(shape=(4, 4), channels=2).sample(4000).var()), 1))\n"


@pytest.mark.slow
def test_an_update_of_the_package_draws_with_the_new_kernels(tmp_path: Path) -> None:
    site, cache = tmp_path / "site", tmp_path / "cache"
    shutil.copytree(ROOT / "localnoise", site / "localnoise", ignore=shutil.ignore_patterns("__pycache__"))
    environment = os.environ | {"NUMBA_CACHE_DIR": str(cache), "PYTHONPATH": str(site)}

    def variance() -> float:
        command = [sys.executable, "-c", VARIANCE]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=site, check=True)
        return float(done.stdout)

    assert variance() == 1.0
    normals = site / "localnoise" / "kernels" / "normals.py"
    content = normals.read_text()
    normals.write_text(
        content.replace("return radius * cosine, radius * sine", "return 2 * radius * cosine, 2 * radius * sine")
    )
    assert normals.read_text() != content
    assert variance() == 4.0


def test_the_numba_that_is_pinned_is_one_whose_insides_are_known() -> None:
    """Else kernels compiled ahead, linked callees and their tests would drop out together, unseen."""
    constraints = (ROOT / "constraints.txt").read_text()
    pinned = re.search(r"^numba==(\S+)$", constraints, re.MULTILINE)
    assert pinned
    assert pinned[1].startswith(flags._KNOWN)
