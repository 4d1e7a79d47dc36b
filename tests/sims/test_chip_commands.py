"""The commands of chips, in this process: large layers, help that says what is done, what is refused."""

import re
from pathlib import Path

import pytest
from helping import help_of
from typer.testing import CliRunner, Result

from localnoise import UnitGrid
from localnoise.hardware import load_chip
from localnoise.sims.cli import build
from localnoise.sims.tools import quantise


def run(*arguments: object) -> Result:
    said = list(map(str, arguments))
    return CliRunner().invoke(build(said), said, env={"COLUMNS": "100", "NO_COLOR": "1"})


def test_a_large_layer_is_quantised_and_its_report_says_that_it_sampled(tmp_path: Path) -> None:
    UnitGrid(shape=(92, 92), parents=1).save(tmp_path / "grid.h5")  # 8,464 neurons: more than are compared one by one
    done = run("quantise", tmp_path / "grid.h5", "-o", tmp_path / "chip.h5", "--figure", tmp_path / "errors.png")
    assert done.exit_code == 0, done.output
    assert "2,048 sampled of 8,464" in done.output
    assert "without feedback: more than 8,192 neurons" in done.output
    assert load_chip(tmp_path / "chip.h5").config.neurons == 8464
    assert (tmp_path / "errors.png").stat().st_size > 1000


def test_the_chip_is_saved_before_it_is_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(quantise, "report", fail)
    UnitGrid(shape=(3, 3)).save(tmp_path / "grid.h5")
    assert isinstance(run("quantise", tmp_path / "grid.h5", "-o", tmp_path / "chip.h5").exception, MemoryError)
    assert load_chip(tmp_path / "chip.h5").config.units == 9


def test_help_says_what_export_calls_its_functions_and_what_verify_compares() -> None:
    told = re.sub(r"[\s│]+", " ", help_of("export"))
    assert "functions and macros with ln_ and LN_" in told
    assert "default: localnoise]" not in told
    told = re.sub(r"[\s│]+", " ", help_of("verify"))
    assert "at least, of draws, perturbed draws, means and innovations" in told
    assert "Fewer of the rest" in told
