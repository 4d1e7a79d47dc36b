"""`localnoise inspect` of files that hold no grid: facts that the file's own numbers say, no figure."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import localnoise as ln
from localnoise.errors import ArgumentError, FileFormatError
from localnoise.hardware import quantise
from localnoise.local import LocalLayer
from localnoise.repair.worth import Worth
from localnoise.sims.tools.described import facts
from localnoise.sims.tools.inspection import inspect

H = np.tanh(np.random.default_rng(0).normal(size=(300, 2, 3, 4)).cumsum(axis=3)).astype(np.float32)


def _repair() -> ln.Repair:
    made = ln.Repair((3, 4), 2, radius=1, bends=0, parents=2, asks=2)
    both = np.stack([np.roll(H, 1, 2), np.roll(H, -1, 2)], 1).reshape(600, 2, 3, 4)
    return made.learn("dark", 0.3 * H, H).learn("turn", both, np.repeat(H, 2, 0), causes=np.arange(600) % 2)


def _layer() -> LocalLayer:
    return LocalLayer((3, 4), 2, (1, 6, 8), rule="softhebb")


MADE = {
    "repair": (
        _repair,
        [
            "a repair",
            "within radius 1",
            "within radius 0",
            "every 2 rows",
            "source turn 2 causes, from 480 activations",
        ],
    ),
    "bank": (
        lambda: ln.Bank([ln.UnitGrid((3, 4), 2).learn(H), ln.central.full(H)], clean=0.25, shares=[1, 3]),
        ["a bank", "UnitGrid .250, CentralNoise .750", "clean", ".250"],
    ),
    "central": (lambda: ln.central.full(H), ["central noise, full", "300 displacements", "3 x 4, 2 channels"]),
    "affine": (lambda: ln.central.affine(0.1 * H, H), ["signal-dependent", "24 neurons"]),
    "surprise": (lambda: ln.UnitGrid((3, 4), 2, parents=2).surprise(H), ["a surprise", "3 x 4"]),
    "layer": (_layer, ["a layer of units", "1 x 6 x 8", "softhebb", "relu"]),
}


@pytest.mark.parametrize("name", MADE)
def test_what_a_file_holds_is_said(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make, words = MADE[name]
    held = make()
    held.save(tmp_path / "held.h5")
    inspect(tmp_path / "held.h5")
    said = " ".join(capsys.readouterr().out.split())
    for word in [*words, f"{held.parameters:,}"]:
        assert word in said
    assert not list(tmp_path.glob("*.png"))


def test_what_a_repair_asks_is_said() -> None:
    repair = _repair()
    assert facts(repair)["source dark"] == "one cause, from 240 activations"
    repair.margin, repair.margins = 0.5, {"dark": 2.0, "turn": 0.0}
    repair.worth = replace(Worth.of_all(3, passed=[2]), least=0.04, more=np.array([0.0, 0.16, 0.0]))
    said = facts(repair)
    assert said["margin of all sources"] == "0.5"
    assert said["source dark"].endswith("margin 2, repaired where it is worth more than .200")
    assert said["source turn"] == "2 causes, from 480 activations"
    assert facts(ln.Repair((3, 4), 2))["sources"] == "none: not learned"


def test_provenance_hides_no_fact(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    layer = _layer()
    layer.provenance = {"units": "mine"}
    layer.save(tmp_path / "layer.h5")
    inspect(tmp_path / "layer.h5")
    said = " ".join(capsys.readouterr().out.split())
    assert "units 3 x 4, 2 channels" in said
    assert "provenance: units mine" in said


@pytest.mark.parametrize("asked", [{"figure": Path("x.png")}, {"unit": "1,1"}])
def test_a_figure_is_of_a_grid_alone(asked: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    _layer().save("layer.h5")
    with pytest.raises(ArgumentError, match=r"with layer\.h5, which holds a layer of units .*: expected none.*leave"):
        inspect(Path("layer.h5"), **asked)
    assert not Path("x.png").exists()


def test_integers_of_a_chip_are_read_elsewhere(tmp_path: Path) -> None:
    chip = quantise(ln.UnitGrid((3, 4), 2, parents=2).learn(H))
    chip.save(tmp_path / "chip.h5")
    with pytest.raises(FileFormatError, match=r"use localnoise\.hardware\.load_chips, or `localnoise chip fit`"):
        inspect(tmp_path / "chip.h5")
