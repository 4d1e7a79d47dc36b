"""The commands of chips, in this process: large layers, help that says what is done, what is refused."""

import re
from pathlib import Path

import numpy as np
import pytest
from helping import help_of
from typer.testing import CliRunner, Result

from localnoise import Bank, Repair, UnitGrid
from localnoise.errors import ArgumentError
from localnoise.hardware import load_chip, load_chips
from localnoise.hardware import quantise as quantised
from localnoise.hardware.audit.selftest import SelfTest
from localnoise.hardware.export import manifest
from localnoise.hardware.fitting.memory import memory_map
from localnoise.sims.cli import build
from localnoise.sims.tools import quantised_grid


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

    monkeypatch.setattr(quantised_grid, "report", fail)
    UnitGrid(shape=(3, 3)).save(tmp_path / "grid.h5")
    assert isinstance(run("quantise", tmp_path / "grid.h5", "-o", tmp_path / "chip.h5").exception, MemoryError)
    assert load_chip(tmp_path / "chip.h5").config.units == 9


def test_an_export_with_a_self_test_says_what_it_takes(tmp_path: Path) -> None:
    d = np.random.default_rng(0).normal(size=(200, 2, 3, 3))
    quantised(UnitGrid((3, 3), 2, parents=2).learn(d)).save(tmp_path / "chip.h5")
    done = run("export", tmp_path / "chip.h5", "--selftest", 512, "--out", tmp_path / "a")
    assert done.exit_code == 0, done.output
    said = " ".join(done.output.split())
    test = SelfTest(load_chip(tmp_path / "chip.h5"), 512)
    assert f"Self-test: {test.state_bytes:,} bytes of RAM for each unit" in said
    assert f"{test.table_bytes:,} bytes of tables in flash" in said
    assert (tmp_path / "a" / "localnoise_audit.c").exists()
    assert manifest.read(tmp_path / "a")["selftest"] == {"draws": 512, "level": 0.01}
    done = run("export", tmp_path / "chip.h5", "--selftest", 512, "--format", "json", "--out", tmp_path / "b")
    assert "selftest=512: not of format json; expected with c99" in str(done.exception)


def test_help_says_what_export_calls_its_functions_and_what_verify_compares() -> None:
    told = re.sub(r"[\s│]+", " ", help_of("export"))
    assert "functions and macros with ln_ and LN_" in told
    assert "default: localnoise]" not in told
    told = re.sub(r"[\s│]+", " ", help_of("verify"))
    assert "at least, of draws, perturbed draws, means and innovations" in told
    assert "Fewer of the rest" in told


def test_all_members_of_a_bank_are_held_against_the_chip(tmp_path: Path) -> None:
    d = np.random.default_rng(0).normal(size=(200, 2, 4, 4))
    grids = [UnitGrid(shape=(4, 4), channels=2, parents=2).learn(d).normalise(v) for v in (0.2, 0.4, 0.6)]
    Bank(grids).save(tmp_path / "bank.h5")
    assert run("quantise", tmp_path / "bank.h5", "-o", tmp_path / "free.h5").exit_code == 0
    bank = load_chips(tmp_path / "free.h5")
    one, every = (memory_map(noise, whole_bytes=True).flash for noise in (bank.members[0], bank))
    said = 'source = "made up", status = "vendor-doc"'
    small = tmp_path / "small.toml"
    small.write_text(
        f'title = "small"\nkind = "microcontroller"\nclock = {{ value = 1000000, {said} }}\n[limits]\n'
        f"cores = {{ value = 1, {said} }}\nram = {{ value = 9999, {said} }}\n"
        f"flash = {{ value = {(one + every) // 2}, {said} }}\n"
    )
    done = run("chip", "fit", tmp_path / "free.h5", "--chip", small)
    assert done.exit_code == 1
    assert "members 1" in done.output
    assert "shared" in done.output
    for command in (
        ("quantise", tmp_path / "bank.h5", "-o", tmp_path / "chip.h5", "--chip", small),
        ("export", tmp_path / "free.h5", "--out", tmp_path / "build", "--chip", small),
    ):
        error = run(*command).exception
        assert isinstance(error, ArgumentError)
        assert f"the bank of 3 needs flash={every}: expected at most {(one + every) // 2} bytes" in str(error)
        assert "use members=1" in str(error)
    assert not (tmp_path / "chip.h5").exists()
    assert not (tmp_path / "build").exists()
    error = run("chip", "fit", tmp_path / "free.h5", "--place").exception
    assert "--place was given with a bank: expected one grid" in str(error)


def test_a_wide_layer_is_quantised_and_exported(tmp_path: Path) -> None:
    d = np.random.default_rng(0).normal(size=(300, 6, 4, 4))
    UnitGrid(shape=(4, 4), channels=6, parents=2, share="places", rank=2).learn(d).save(tmp_path / "grid.h5")
    done = run("quantise", tmp_path / "grid.h5", "-o", tmp_path / "chip.h5", "--chip", "stm32f407")
    assert done.exit_code == 0, done.output
    done = run("chip", "fit", tmp_path / "chip.h5", "--chip", "stm32f407")
    assert done.exit_code == 0, done.output
    assert "shared" in done.output
    done = run("export", tmp_path / "chip.h5", "--out", tmp_path / "build", "--chip", "stm32f407")
    assert done.exit_code == 0, done.output
    assert (tmp_path / "build" / "localnoise_narrow.c").is_file()
    error = run("export", tmp_path / "chip.h5", "--out", tmp_path / "rtl", "--format", "verilog").exception
    assert "--format='verilog' holds no grid with share='places', rank=2" in str(error)


def test_a_repair_is_quantised_held_against_a_chip_exported_and_verified(tmp_path: Path) -> None:
    h = np.tanh(np.random.default_rng(0).normal(size=(300, 2, 3, 3))).astype(np.float32)
    Repair((3, 3), 2, radius=1).learn("dark", 0.3 * h, h).save(tmp_path / "repair.h5")
    chip, build = tmp_path / "chip.h5", tmp_path / "build"
    done = run("quantise", tmp_path / "repair.h5", "--chip", "stm32f407", "-o", chip)
    assert done.exit_code == 0, done.output
    assert "equal decisions" in done.output
    assert "multiplications an image, to decide" in done.output
    assert load_chips(chip).sources == ["clean", "dark"]
    fit = run("chip", "fit", chip, "--chip", "stm32f407")
    assert fit.exit_code == 0, fit.output
    assert "fits ST STM32F407" in fit.output
    fit = run("chip", "fit", chip, "--chip", "ice40up5k")
    assert fit.exit_code == 1
    assert "are not published" in re.sub(r"\s+", " ", fit.output)
    assert run("export", chip, "--chip", "stm32f407", "--out", build).exit_code == 0
    verified = run("verify", build, "--on", "host", "--words", 200)
    assert verified.exit_code == 0, verified.output
    assert verified.output.count("equal to the bit") == 11
    for arguments, message in (
        (("quantise", tmp_path / "repair.h5", "--activations", "h.npy"), "--activations was given with a repair"),
        (("quantise", tmp_path / "repair.h5", "--rounding", "stochastic"), "a repair on a chip has 'half-up' alone"),
        (("export", chip, "--format", "verilog", "--out", tmp_path / "rtl"), "--format='verilog' holds no repair"),
        (("export", chip, "--learner", "lms", "--out", tmp_path / "lms"), "learner was given with a repair"),
        (
            ("export", chip, "--chip", "loihi1", "--out", tmp_path / "no"),
            "flash and RAM of a program are not published",
        ),
        (("chip", "fit", chip, "--place"), "--place was given with a repair"),
    ):
        failed = run(*arguments)
        assert isinstance(failed.exception, ArgumentError), failed.output
        assert message in str(failed.exception)
