"""`learn` and `sample`: displacements and noise that lie in HDF5 files."""

import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

import localnoise as ln
from localnoise.errors import ArgumentError, FileFormatError
from localnoise.sims.tools.learn import learn
from localnoise.sims.tools.sample import sample

d = np.random.default_rng(0).normal(size=(300, 2, 3, 4)).astype(np.float32)
h = np.random.default_rng(1).normal(size=d.shape).astype(np.float32)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    with h5py.File(tmp_path / "run.h5", "w") as opened:
        opened["layer2/d"], opened["layer2/h"], opened["deep"] = d, h, d[:, None]
    return tmp_path / "run.h5"


def test_a_grid_is_learned_from_a_file_and_draws_into_one(file: Path, tmp_path: Path) -> None:
    grid, noise = tmp_path / "g.h5", tmp_path / "noise.h5"
    learn(file, grid, dataset="layer2/d", order="raster", radius=1, variance=0.5)
    expected = ln.UnitGrid((3, 4), 2, order="raster", radius=1).learn(d).normalise(0.5)
    np.testing.assert_array_equal(ln.load(grid).field.B, expected.field.B)
    sample(grid, noise, count=50, seed=3, start=5)
    with h5py.File(noise) as opened:
        np.testing.assert_array_equal(opened["noise"], expected.sample(50, seed=3, start=5))
        assert dict(opened["noise"].attrs) == {"grid": "g.h5", "seed": 3, "start": 5}


def test_a_signal_dependent_one_too(file: Path, tmp_path: Path) -> None:
    grid, noise = tmp_path / "g.h5", tmp_path / "noise.h5"
    learn(file, grid, dataset="layer2/d", activations="layer2/h")
    sample(grid, noise, seed=3, activations=f"{file}:layer2/h")
    expected = ln.UnitGrid((3, 4), 2, signal="local").learn(d, h).perturb(h, seed=3)
    with h5py.File(noise) as opened:
        np.testing.assert_array_equal(opened["noise"], expected)


def test_a_warning_is_one_line(file: Path, tmp_path: Path) -> None:
    with h5py.File(file, "r+") as opened:
        opened["few"] = d[:20]
    script = "import sys; from localnoise.sims.cli import main; main()"
    command = [sys.executable, "-c", script, "learn", str(file), "--dataset", "few", "-o", str(tmp_path / "g.h5")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    told = [line for line in done.stderr.splitlines() if "warning" in line.lower()]
    assert len(told) == 1
    assert told[0].startswith("warning: d has 20 displacements for up to 8 regressors a unit")
    assert told[0].endswith("give 44 more, or fewer parents")
    assert "learn.py" not in done.stderr


def test_mistakes_get_one_sentence(file: Path, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no HDF5")
    grid = tmp_path / "g.h5"
    ln.UnitGrid((3, 4), 2).save(grid)
    cases = {
        r"run.h5='layer/d': expected one of .*; did you mean 'layer2/d'": lambda: learn(file, dataset="layer/d"),
        r"deep has shape \(300, 1, 2, 3, 4\): expected \(T, C, H, W\)": lambda: learn(file, dataset="deep"),
        r"variance=-1": lambda: learn(file, dataset="layer2/d", variance=-1),
        r"rule='lsm': .*did you mean 'lms'": lambda: learn(file, rule="lsm"),
        r"activations='run.h5': expected FILE:NAME": lambda: sample(grid, activations="run.h5"),
        r"count=0: expected a whole number >= 1": lambda: sample(grid, tmp_path / "noise.h5", count=0),
    }
    for message, call in cases.items():
        with pytest.raises(ArgumentError, match=message) as caught:
            call()
        assert "\n" not in str(caught.value)
    for path, message in ((tmp_path / "text", "not an HDF5 file"), (tmp_path / "none.h5", "no such file")):
        with pytest.raises(FileFormatError, match=message):
            learn(path)
    assert not (tmp_path / "noise.h5").exists()
