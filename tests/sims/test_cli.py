"""The command line as a user meets it: help, whole commands on a few hundred images, errors in one sentence."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helping import help_of, invoked
from helping import run_command as run

from localnoise import UnitGrid, load
from localnoise.sims.cli import owners
from localnoise.sims.results.records import RecordFile
from localnoise.sims.runtime.commands import PANELS, ours
from localnoise.sims.runtime.renamed import RENAMED, renamed
from localnoise.sims.runtime.spoken import with_options
from localnoise.sims.tools.names import KINDS, families
from localnoise.sims.tools.remade import REPORTS

PNG = b"\x89PNG"


def test_help_lists_every_command_without_torch() -> None:
    code = "import sys; sys.argv = ['localnoise', '--help']\nfrom localnoise.sims.cli import main\n"
    code += "try:\n    main()\nfinally:\n    print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert all(name in done.stdout for name in ours())
    assert done.stdout.rstrip().endswith("False")


def test_help_groups_commands_in_panels() -> None:
    told = help_of()
    assert [told.index(f"─ {panel} ─") for panel in PANELS] == sorted(told.index(f"─ {panel} ─") for panel in PANELS)


@pytest.mark.parametrize("kind", KINDS)
def test_names_are_listed_each_with_one_plain_sentence(kind: str) -> None:
    done = invoked("list", kind, "--all")
    rows = [line.split(maxsplit=1) for line in done.output.splitlines()[2:] if line.strip()]
    assert [name for name, _ in rows] == [name for name, _ in KINDS[kind](True)]
    assert len(rows) > 1
    said = [text.strip() for _, text in rows]
    assert len(set(said)) >= len(said) - 10, "but for families, each has a sentence of its own"
    for name, text in zip((name for name, _ in rows), said, strict=True):
        assert len(text) > 10, name
        assert text != name
        assert not re.search(r"\([A-Z], ?\)|int32|_u\b|\^-", text), text  # neither signatures nor equations


def test_what_there_is_to_list_is_listed() -> None:
    rows = invoked("list").output.splitlines()[2:]
    assert [line.split()[0] for line in rows] == list(KINDS)


def test_lists_are_short_unless_asked() -> None:
    few = [name for name, _ in KINDS["defenses"](False)]
    assert not any(name.startswith(("chip-", "wires-")) for name in few)
    short = invoked("list", "defenses").output
    assert f"{len(KINDS['defenses'](True)) - len(few)} more with --all" in short
    assert re.search(r"^multiscale-K .*K = 2, 4, 8\.", short, flags=re.MULTILINE)
    assert "multiscale-4 " not in short


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([("a-1", "Said."), ("a-2", "Said.")], [("a-K", "Said. K = 1, 2.")]),
        ([("a-1", "Said."), ("a-2", "Other.")], [("a-1", "Said."), ("a-2", "Other.")]),
        ([("a-1", "Said."), ("b-1", "Said.")], [("a-1", "Said."), ("b-1", "Said.")]),
        ([("w8-x", "Said."), ("w9-x", "Said.")], [("w8-x", "Said."), ("w9-x", "Said.")]),
        ([("none", "Nothing.")], [("none", "Nothing.")]),
    ],
)
def test_names_that_differ_by_a_number_and_say_the_same_share_a_row(rows: Any, expected: Any) -> None:
    assert families(rows) == expected


def test_networks_are_listed_as_tasks_with_a_warning() -> None:
    done = run("list", "networks")
    assert done.returncode == 0
    assert done.stderr == "warning: networks is now tasks; the old name goes with the next version\n"
    assert done.stdout == run("list", "tasks").stdout


@pytest.mark.parametrize(
    ("arguments", "own", "expected"),
    [
        (["--arms", "none", "--budget=full"], {"--defenses", "--preset"}, ["--defenses", "none", "--preset=full"]),
        (["--out", "a"], {"--out", "--output"}, ["--out", "a"]),
        (["--out", "a"], {"--output"}, ["--output", "a"]),
        (["--fan-in", "2"], {"--fan-in"}, ["--fan-in", "2"]),
        (["--", "--arms"], {"--defenses"}, ["--", "--arms"]),
        (["chip.h5", "-o", "build"], {"--out"}, ["chip.h5", "--out", "build"]),
        (["grid.h5", "-o", "a.h5"], {"--output", "-o"}, ["grid.h5", "-o", "a.h5"]),
        (["--full", "--out", "a"], {"--data", "--out"}, ["--data=full", "--out", "a"]),
        (["--workers", "2"], {"--jobs"}, ["--jobs", "2"]),
        (["--keep", "nets"], {"--cache", "--out"}, ["--cache", "nets"]),
        (["--keep", "run.h5"], {"--cache", "--keep"}, ["--keep", "run.h5"]),
        (["--radius", "1"], {"--signal-radius"}, ["--signal-radius", "1"]),
        (["--radius", "1"], {"--signal-radius", "--radius"}, ["--radius", "1"]),
        (["--defense=a"], {"--defenses"}, ["--defenses=a"]),
    ],
)
def test_earlier_names_of_options_mean_the_new_ones(
    arguments: list[str], own: set[str], expected: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert renamed(arguments, own) == expected
    changed = arguments != expected
    assert ("the old name goes with the next version" in capsys.readouterr().err) == changed


def test_no_option_has_an_earlier_name() -> None:
    """One vocabulary: what was renamed is nowhere the name of something else, but for what means one other thing."""
    other = {
        "--out": "older",
        "--output": "file",
        "--keep": "HDF5 file",
        "--defense": "none; a",
        "--radius": "parents",
    }
    for command in ours():
        told = " ".join(re.sub("[│\n]", " ", re.sub(r"^│ +-(?=-)", "¦-", help_of(command), flags=re.MULTILINE)).split())
        options = dict(re.findall(r"¦(--[a-z-]+)([^¦╰]*)", told))
        assert options, command
        assert not options.keys() & (RENAMED.keys() - other.keys()), command
        for option in options.keys() & other.keys():
            assert other[option] in options[option], (command, option)


@pytest.mark.parametrize("command", list(ours()))
def test_help_of_each_command_has_examples(command: str) -> None:
    told = help_of(command)
    assert "Examples" in told
    assert f"localnoise {command}" in told


def test_report_names_every_command_whose_records_it_reads() -> None:
    told = help_of("report")
    assert len(REPORTS) > 10
    assert [name for name in REPORTS if name.partition("-")[0] not in re.findall(r"\w+", told)] == []


def test_fit_learns_a_grid_by_any_rule(small_dir: Path, tmp_path: Path) -> None:
    common = ("--data", "full", "--data-dir", small_dir, "--epochs", 1, "--cache", tmp_path / "cache")
    done = run("fit", "--train", "rotate", "--parents", 4, "-o", tmp_path / "g.h5", *common)
    assert done.returncode == 0, done.stderr
    grid = load(tmp_path / "g.h5")
    assert abs(grid.variance().mean() - 0.5) < 1e-3
    assert grid.provenance["source"] == "rotate"
    done = run("fit", "--rule", "lms", "--signal", "local", "--parents", 4, "-o", tmp_path / "s.h5", *common)
    assert done.returncode == 0, done.stderr
    assert load(tmp_path / "s.h5").field.signal


@pytest.mark.slow  # the spectrum of 3,136 neurons
def test_a_layer_of_images_is_inspected(tmp_path: Path) -> None:
    d, h = np.random.default_rng(0).normal(size=(2, 300, 16, 14, 14)).astype(np.float32)
    UnitGrid((14, 14), 16, parents=4, signal="local").learn(d, h, rule="lms").save(tmp_path / "g.h5")
    inspected(tmp_path / "g.h5", "3,4")


def inspected(path: Path, unit: str) -> None:
    done = run("inspect", path, "--unit", unit)
    assert done.returncode == 0, done.stderr
    assert "participation ratio" in done.stdout
    assert "multiscale" in done.stdout
    assert path.with_suffix(".png").read_bytes()[:4] == PNG


def test_fit_at_a_dense_layer_of_another_network(small_dir: Path, tmp_path: Path) -> None:
    common = ("--data", "full", "--data-dir", small_dir, "--epochs", 1, "--cache", tmp_path / "cache")
    done = run("fit", "--network", "v3", "--activation", "relu", "--layer", 3, "-o", tmp_path / "g.h5", *common)
    assert done.returncode == 0, done.stderr
    grid = load(tmp_path / "g.h5")
    assert (grid.config.channels, grid.config.shape) == (1, (1, 32))
    assert [grid.provenance[name] for name in ("network", "activation", "layer")] == ["v3", "relu", 3]
    inspected(tmp_path / "g.h5", "0,7")


def test_data_draws_its_sheets(small_dir: Path, tmp_path: Path) -> None:
    done = run("data", "--data-dir", small_dir, "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Ankle boot" in done.stdout
    assert "400" in done.stdout
    assert {path.name for path in tmp_path.glob("*.png")} == {"classes.png", "modifications.png"}


@pytest.mark.slow
def test_each_module_is_a_script_too(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    UnitGrid((3, 4), 2).save(tmp_path / "g.h5")
    command = [sys.executable, root / "sims" / "tools" / "inspection.py", tmp_path / "g.h5"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "3 x 4" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("inspect", "missing.h5"), 1, "no such file"),
        (("fit", "--train", "rotat"), 1, "did you mean 'rotate'"),
        (("fit", "--rule", "moment"), 2, "did you mean 'moments'"),
        (("fit", "--variance", "-1"), 1, "variance=-1.0: expected"),
        (("fit", "--parents", "0"), 1, "parents=0: expected"),
        (("fit", "--network", "v9"), 1, "task='v9': expected one of 'v1', 'v2', 'v3'"),
        (
            ("compare", "--test", "dmi@0.3"),
            1,
            "--test='dmi': expected clean, adaptive, a modification such as rotate (`local",
        ),
        (("compare", "--test", "dmi@0.3"), 1, "noise list perturbations` shows them)"),
        (("compare", "--defenses", "multiscal-4"), 1, "--defenses='multiscal-4': expected one of"),
        (("export", "v2", "--chip", "stm32f40", "--out", "x"), 1, "--chip='stm32f40': expected one of"),
        (("fit", "--train", "rotat"), 1, "--train='rotat': expected"),
        (("fit", "--layer", "6"), 1, "layer=6: expected one of 1, 2, 3, 4, 5"),
        (("data", "--data-dir", "nowhere"), 1, "nowhere"),
        (("retention", "--defenses", "none,ful"), 1, "did you mean 'full'"),
        (("demmo",), 2, "demo"),
        (("inspect",), 2, "FILE.H5"),
        (("fit", "--parents", "many"), 2, "--parents"),
    ],
)
def test_bad_input_is_one_sentence_and_a_code(
    arguments: tuple[str, ...], code: int, message: str, tmp_path: Path
) -> None:
    done = run(*arguments, cwd=tmp_path)
    assert done.returncode == code, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "owner"),
    [
        (("compare", "--radius", "1"), "fit"),
        (("repair", "--defenses", "x"), "compare"),
        (("verify", "x", "--chip", "x"), "chip fit"),
    ],
)
def test_an_option_of_another_command_is_said_to_be_its(arguments: tuple[str, ...], owner: str) -> None:
    done = run(*arguments)
    said = " ".join(done.stderr.replace("\u2502", " ").split())
    assert done.returncode == 2
    assert f"{arguments[-2]} is an option of " in said
    assert owner in owners(arguments[-2])
    assert arguments[0] not in owners(arguments[-2])
    assert "Possible options" not in said


def test_an_argument_keeps_its_name_where_its_option_was_not_given() -> None:
    assert with_options("layer='akt': expected", [("task", ["--task"])]) == "layer='akt': expected"
    assert with_options("train: inputs hold NaN", [("train", ["--train"])]) == "train: inputs hold NaN"


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    done = run("--debug", "inspect", "missing.h5", cwd=tmp_path)
    assert done.returncode == 1
    assert "Traceback" in done.stderr


@pytest.mark.slow
def test_a_stopped_experiment_leaves_no_process_and_goes_on(small_dir: Path, tmp_path: Path) -> None:
    """Only the main process is signalled, first asked to end, then killed: its workers must find out."""
    words = ["compare", "--defenses", "none,identity", "--test", "rotate,obstruction,brighten"]
    words += ["--out", str(tmp_path / "out"), "--jobs", "2", "--network", "v1", "--epochs", "1"]
    words += ["--preset", "standard", "--seeds", "1", "--data-dir", str(small_dir)]
    command, finished = [sys.executable, "-m", "localnoise.sims.cli", *words], 0
    for stop, code in ((signal.SIGTERM, 130), (signal.SIGKILL, -signal.SIGKILL)):
        log = tmp_path / stop.name
        with log.open("w") as sink:
            running = subprocess.Popen(command, stdout=sink, stderr=sink, start_new_session=True)
            patience = time.monotonic() + 200
            while " of 8: " not in log.read_text():  # a cell is recorded
                assert running.poll() is None, log.read_text()
                assert time.monotonic() < patience
                time.sleep(0.05)
            running.send_signal(stop)
            assert running.wait(30) == code
            patience = time.monotonic() + 60
            while _alive(running.pid):
                assert time.monotonic() < patience, "a worker outlived its parent"
                time.sleep(0.1)
        before, finished = finished, len(list(RecordFile(tmp_path / "out" / "record.sqlite")))
        assert finished > before
    done = run(*words)
    assert done.returncode == 0, done.stderr
    (fresh,) = re.findall(r"(\d+) of 8 cells run", done.stdout)
    assert int(fresh) <= 8 - finished
    assert len(list(RecordFile(tmp_path / "out" / "record.sqlite"))) == 8


def _alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
