"""The command that audits a device, on files as a user has them."""

import json
import re
from pathlib import Path

import h5py
import numpy as np
from helping import run_command as run

import localnoise as ln
from localnoise.hardware import quantise


def test_a_devices_words_are_audited(tmp_path: Path) -> None:
    d = np.random.default_rng(0).normal(size=(2000, 2, 3, 3)).cumsum(axis=3)
    chip = quantise(ln.UnitGrid((3, 3), 2, parents=2).learn(d))
    chip.save(tmp_path / "chip.h5")
    words = chip.words(1500, seed=7)
    np.save(tmp_path / "good.npy", words)
    words[:, 1, 2, 0] += words[:, 0, 2, 0] // 2  # what a weight that is off does
    with h5py.File(tmp_path / "log.h5", "w") as file:
        file["words"] = words
    done = run("audit", "good.npy", "--grid", "chip.h5", "--seed", 7, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Sound: no fault found; 1,500 draws show" in done.stdout
    arguments = ("--grid", "chip.h5", "--figure", "audit.png", "--output", "verdict.json")
    done = run("audit", "log.h5:words", *arguments, cwd=tmp_path)
    assert done.returncode == 1
    said = re.sub(r"\s+", " ", done.stdout)
    assert "unit (2, 0), channel 1 has a link from its own channel 0" in said
    assert "Without --seed, two units that exchanged their seeds cannot be told." in said
    assert (tmp_path / "audit.png").stat().st_size > 5000
    verdict = json.loads((tmp_path / "verdict.json").read_text())
    assert verdict["findings"][0]["unit"] == [2, 0]
    done = run("audit", "good.npy", "--grid", "chip.h5", "--activations", "good.npy", cwd=tmp_path)
    assert "h was given, but the grid reads no activation" in done.stderr
    assert run("audit", "words", "--grid", "chip.h5", cwd=tmp_path).returncode == 1
