"""The command line from a fitted grid to a chip: quantise, chip, export, verify, each as one types it."""

import json
from pathlib import Path

import numpy as np
import pytest
from helping import help_of
from helping import run_command as run

from localnoise import UnitGrid
from localnoise.hardware import quantise

PNG = b"\x89PNG"


@pytest.mark.parametrize(
    ("network", "layer"),
    [("v3", 3), pytest.param("v2", 2, marks=pytest.mark.slow)],  # 32 and 3,136 neurons
)
def test_quantise_then_fit_a_chip(small_dir: Path, tmp_path: Path, network: str, layer: int) -> None:
    common = ("--network", network, "--layer", layer)
    common += ("--data", "full", "--data-dir", small_dir, "--epochs", 1, "--cache", tmp_path / "cache")
    run("fit", "--train", "rotate", "--parents", 2, "--signal", "local", "--keep", "run.h5", *common, cwd=tmp_path)
    done = run("quantise", "grid.h5", cwd=tmp_path)
    assert done.returncode == 1
    assert "--activations is missing" in done.stderr
    done = run("quantise", "grid.h5", "--activations", "run.h5:h", "--figure", "errors.png", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "covariance error" in done.stdout
    assert "mean error, relative" in done.stdout
    assert (tmp_path / "errors.png").read_bytes()[:4] == PNG
    done = run("chip", "fit", "chip.h5", "--chip", "stm32f407", "--learner", "lms", cwd=tmp_path)
    assert done.returncode == int(network == "v2")  # the learner's state exceeds the RAM
    assert ("exceeds" in done.stdout) == (network == "v2")
    assert "one draw, dense covariance" in done.stdout
    done = run("chip", "fit", "chip.h5", "--chip", "stm32h747", cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert "fits what is published" in done.stdout


def test_chips_are_listed_and_shown() -> None:
    listed = run("list", "chips").stdout
    earlier = run("chip", "list")
    assert earlier.stdout == listed
    assert "`list chips`" in earlier.stderr
    assert all(name in listed for name in ("loihi1", "ice40up5k", "stm32f407", "ideal"))
    shown = run("chip", "show", "loihi2").stdout
    assert "not published" in shown
    done = run("chip", "show", "loihi3")
    assert done.returncode == 1
    assert "did you mean 'loihi" in done.stderr


def test_generators_are_measured(tmp_path: Path) -> None:
    small = ("--units", 12, "--draws", 3000, "--figure", tmp_path / "seeding.png")
    done = run("chip", "random", "--generator", "lfsr32,xorshift32", *small)
    assert done.returncode == 0, done.stderr
    assert "draws without overlap" in done.stdout
    assert (tmp_path / "seeding.png").read_bytes()[:4] == PNG
    done = run("chip", "random", "--generator", "lfsr33")
    assert done.returncode == 2
    assert "did you mean 'lfsr" in done.stderr


@pytest.mark.parametrize("command", ["show", "fit", "random"])
def test_help_of_each_chip_command_has_examples(command: str) -> None:
    told = help_of("chip", command)
    assert "Examples" in told
    assert f"localnoise chip {command}" in told


def test_a_grid_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    d = np.random.default_rng(0).normal(size=(300, 2, 10, 10))
    UnitGrid(shape=(10, 10), channels=2, parents=8).learn(d).save(tmp_path / "grid.h5")
    done = run("quantise", "grid.h5", "--chip", "xylo_audio2", cwd=tmp_path)
    assert done.returncode == 1
    assert "expected at most" in done.stderr
    assert "memory map" in done.stdout  # the whole report comes first
    assert "would fit" in done.stdout
    assert not (tmp_path / "chip.h5").exists()
    assert run("quantise", "grid.h5", cwd=tmp_path).returncode == 0
    done = run("export", "chip.h5", "--chip", "xylo_audio2", cwd=tmp_path)
    assert done.returncode == 1
    assert "expected at most" in done.stderr
    assert done.stdout.count("exceeds") >= 1
    assert not (tmp_path / "build").exists()


def test_quantise_export_verify(tmp_path: Path) -> None:
    grid = UnitGrid(shape=(4, 4), channels=2, parents=3)
    d = np.random.default_rng(0).normal(size=(300, 2, 4, 4))
    grid.learn(d).save(tmp_path / "grid.h5")
    assert run("quantise", "grid.h5", "--chip", "stm32f407", cwd=tmp_path).returncode == 0
    done = run("export", "chip.h5", "--chip", "stm32f407", "--learner", "sign-lms", "--rate", 3, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    done = run("verify", "build", "--words", 2000, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (
        done.stdout.count("equal to the bit") == 12
    )  # host and Cortex-M4: draw, seeded too, mean, innovation, learn, draw again
    assert "instructions a draw" in done.stdout
    done = run("export", "chip.h5", cwd=tmp_path)
    assert done.returncode == 1
    assert "use --force" in done.stderr
    done = run("export", "chip.h5", "--name", "2nd", "--out", "named", cwd=tmp_path)
    assert done.returncode == 1
    assert "name='2nd': is no identifier; expected a C identifier" in done.stderr
    done = run("export", "chip.h5", "--name", "second", "--out", "named", cwd=tmp_path)
    assert "second_tables.h" in done.stdout
    assert run("verify", "named", "--words", 200, "--on", "host", cwd=tmp_path).returncode == 0
    (tmp_path / "build" / "localnoise.c").write_text("int x;")
    done = run("verify", "build", cwd=tmp_path)
    assert done.returncode == 1
    assert "localnoise.c: edited since it was exported" in done.stderr
    done = run("export", "chip.h5", "--learner", "three-factor", "--out", "told", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "told" / "manifest.json").read_text())["learner"] == {
        "rule": "three-factor", "rate": 8, "extra": 12, "stochastic": True, "seed": 0,
    }  # fmt: skip
    done = run("export", "chip.h5", "--rate", 3, "--out", "none", cwd=tmp_path)
    assert done.stderr == (
        "error: --rate=3: the first step of a learner, and none was asked for; add --learner, or leave --rate out\n"
    )


@pytest.mark.slow
def test_verilog_is_exported_placed_and_verified(tmp_path: Path) -> None:
    quantise(UnitGrid(shape=(3, 3), channels=2, parents=2), feedback=False).save(tmp_path / "chip.h5")
    options = ("export", "chip.h5", "--chip", "ice40up5k", "--format", "verilog", "--out", "rtl", "--engines", 2)
    done = run(*options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    done = run("verify", "rtl", "--words", 200, cwd=tmp_path)
    assert done.stdout.count("equal to the bit") == 3, done.stdout + done.stderr
    done = run("chip", "fit", "chip.h5", "--chip", "ice40up5k", "--place", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "clock, MHz" in done.stdout
    assert "not published" not in done.stdout.splitlines()[-1]
    done = run("chip", "fit", "chip.h5", "--chip", "stm32f407", "--place", cwd=tmp_path)
    assert done.returncode == 1
    assert "chip='stm32f407': expected one of 'ice40up5k'" in done.stderr
    done = run("export", "chip.h5", "--engines", 2, "--out", "c", cwd=tmp_path)
    assert "engines=2: not of format c99; expected with verilog" in done.stderr


def test_weights_that_block_ram_cannot_hold_must_be_loaded(tmp_path: Path) -> None:
    quantise(UnitGrid(shape=(10, 10), channels=8, parents=4), feedback=False).save(tmp_path / "chip.h5")
    done = run("export", "chip.h5", "--chip", "ice40up5k", "--format", "verilog", "--out", "rtl", cwd=tmp_path)
    assert done.returncode == 1
    assert "expected --load-weights" in done.stderr
    assert not (tmp_path / "rtl").exists()
