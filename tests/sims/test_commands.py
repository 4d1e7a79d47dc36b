"""Commands: read from their files without importing them, found by decorators, refused in one sentence."""

import importlib
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import localnoise.sims
from localnoise.errors import ArgumentError, PluginError
from localnoise.sims.runtime import commands

HOME = Path(localnoise.sims.__file__).parent
GREETING = """
from localnoise.sims.runtime import commands

@commands.register("greet", {panel!r}, {summary!r})
def greet(name: str) -> None:
    print("Hello,", name)
"""


def test_what_is_read_is_what_importing_registers() -> None:
    for name, said in commands.ours().items():
        importlib.import_module(said.module)
        part = commands.COMMANDS[name]
        assert (part.panel, part.summary) == (said.panel, said.summary), name


def test_every_call_is_read() -> None:
    """One that the reader of the text overlooked would be missing from the list."""
    calls = sum(path.read_text().count("commands.register(") for path in HOME.rglob("*.py"))
    assert calls == len(commands.ours()) > 20


def test_panels_come_in_their_order_and_names_in_the_alphabets() -> None:
    places = [(commands.PANELS.index(said.panel), name) for name, said in commands.ours().items()]
    assert places == sorted(places)
    assert {said.panel for said in commands.ours().values()} == set(commands.PANELS)


@pytest.mark.parametrize(
    ("panel", "summary", "expected"),
    [
        ("Cooking", "Say hello.", "has panel='Cooking': expected one of Start, Learn, Evaluate, Chip, Spikes, Search"),
        ("Start", " ", "has no summary: expected a sentence"),
    ],
)
def test_what_is_no_command_is_refused(panel: str, summary: str, expected: str) -> None:
    with pytest.raises(PluginError, match=expected):
        commands.register("greet", panel, summary)(lambda: None)


def test_a_name_of_ours_is_refused() -> None:
    with pytest.raises(ArgumentError, match=r"command 'compare' of .* has the name of one of ours \(localnoise.sims"):
        commands.register("compare", "Start", "Say hello.")(lambda: None)


def test_a_module_that_runs_as_a_script_registers_nothing() -> None:
    script = ModuleType("__main__")
    code = GREETING.format(panel="Start", summary="Say hello.")
    exec(code, vars(script))
    assert "greet" not in commands.listed()


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run `localnoise --plugin greeting WORDS` as a process: what a module registers stays with it."""
    command = [sys.executable, "-m", "localnoise.sims.cli", "--plugin", "greeting", *words]
    place = os.environ | {"PYTHONPATH": str(folder)}
    return subprocess.run(command, env=place, capture_output=True, text=True, check=False)


def test_a_module_of_ones_own_adds_a_command(tmp_path: Path) -> None:
    (tmp_path / "greeting.py").write_text(GREETING.format(panel="Search", summary="Say hello to someone."))
    listed = run(tmp_path, "--help").stdout
    assert "Say hello to someone." in listed[listed.index("─ Search ─") :]
    done = run(tmp_path, "greet", "Ada")
    assert (done.returncode, done.stdout, done.stderr) == (0, "Hello, Ada\n", "")


def test_a_panel_that_there_is_not_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "greeting.py").write_text(GREETING.format(panel="Cooking", summary="Say hello."))
    done = run(tmp_path, "--help")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: plugin='greeting' cannot be imported (PluginError: command 'greet' of ")
    assert "has panel='Cooking': expected one of Start, Learn" in done.stderr
    assert done.stderr.count("\n") == 1
