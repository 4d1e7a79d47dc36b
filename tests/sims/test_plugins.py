"""Parts of other people: a perturbation, an attack and a defense enter by a module, in workers too."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from localnoise.errors import ArgumentError, PluginError
from localnoise.registry import Registry
from localnoise.sims.attacks import ATTACKS, EPS, PGD
from localnoise.sims.cli import plugged
from localnoise.sims.defenses import DEFENSES, Defense, named, register
from localnoise.sims.defenses.registry import REGISTRY
from localnoise.sims.perturbations import MODIFICATIONS, Modification
from localnoise.sims.results.records import RecordFile

PARTS = """
from localnoise import UnitGrid
from localnoise.sims.attacks import ATTACKS, FGSM
from localnoise.sims.defenses import Defense, register
from localnoise.sims.defenses.registry import REGISTRY
from localnoise.sims.perturbations import MODIFICATIONS, Modification

MODIFICATIONS.register("halved")(
    Modification(
        name="halved", function=lambda images, level, words: images * (1 - level / 2), words=0, level=1.0, lowest=0.0,
        highest=1.0, unit="half of the brightness", description="Every pixel at half of its brightness.",
    )
)


@ATTACKS.register("one-step")
def one_step(settings, eps):
    return FGSM(eps=eps, draws=1)


def build(d, h, variance):
    return UnitGrid(shape=d.shape[2:], channels=d.shape[1], parents=1).learn(d).normalise(variance)


register(Defense(name="mine", label="a grid of one parent", build=build, central=False))
"""

TRAINING = """
from dataclasses import dataclass
from math import prod
from typing import ClassVar

from torch import nn
from localnoise.local import UNIT_RULES
from localnoise.local.rules.softhebb import UnitSoftHebb
from localnoise.nn.local import LOCAL_RULES


@LOCAL_RULES.register("squares")
@dataclass(frozen=True, kw_only=True)
class Squares:
    name: ClassVar[str] = "squares"
    labels: ClassVar[bool] = True

    def head(self, stage, classes):
        return nn.Sequential(nn.Flatten(), nn.Linear(prod(stage.shape), classes))

    def teach(self, stage, head, x, out, labels):
        logits = head(out)
        nn.functional.mse_loss(logits, nn.functional.one_hot(labels, logits.shape[1]).float()).backward()


@UNIT_RULES.register("counting")
@dataclass(frozen=True, kw_only=True)
class Counting(UnitSoftHebb):
    name: ClassVar[str] = "counting"

    def observe(self, units, W, state, x, labels):
        W += len(x)
        state["seen"] += len(x)
"""

UNITS = """
import sys
import numpy as np, localnoise as ln
from localnoise.local import LocalLayer
ln.plugins.load("training_of_mine")
x = np.random.default_rng(0).normal(size=(50, 1, 6, 6)).astype(np.float32)
layer = LocalLayer((3, 3), 2, (1, 6, 6), radius=1, rule="counting")
before = layer.W.copy()
assert np.array_equal(layer.learn(x).W, before + 50) and layer.rule.name == "counting"
"""

TASK = """
import torch
from torch import nn
import localnoise as ln

images, classes = torch.rand(100, 1, 28, 28, generator=torch.Generator().manual_seed(0)), torch.arange(100) % 3
net = lambda: nn.Sequential(nn.AvgPool2d(7), nn.Flatten(), nn.Linear(16, 8), nn.Tanh(), nn.Linear(8, 3))
task = ln.Task(model=net, layer="3", train=(images, classes), test=(images, classes), bounds=(0, 1))
"""


@pytest.mark.parametrize(
    ("arguments", "modules", "rest"),
    [
        (["--plugin", "a.b", "list", "rules"], ["a.b"], ["list", "rules"]),
        (["list", "rules", "--plugin=a", "--plugin", "b"], ["a", "b"], ["list", "rules"]),
        (["sample", "--", "--plugin"], [], ["sample", "--", "--plugin"]),
        (["list", "--plugin"], [""], ["list"]),
    ],
)
def test_modules_of_plugin_are_taken_out(arguments: list[str], modules: list[str], rest: list[str]) -> None:
    assert plugged(arguments) == (modules, rest)


def localnoise(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(cwd), "COLUMNS": "200", "NO_COLOR": "1"}
    command = [sys.executable, "-m", "localnoise.sims.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=environment, check=False)


@pytest.mark.slow
def test_a_plug_ins_parts_are_trained_on_tested_on_and_compared_in_worker_processes(tmp_path: Path) -> None:
    (tmp_path / "parts_of_mine.py").write_text(PARTS)
    (tmp_path / "small.py").write_text(TASK)
    command = ("compare", "--plugin", "parts_of_mine", "--defenses", "none,mine", "--test", "halved,one-step")
    command += ("--task", "small.py")
    done = localnoise(*command, "--epochs", 1, "--jobs", 2, "--out", tmp_path / "out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "a grid of one parent" in done.stdout
    said = {
        (row.config["arm"], row.config["threats"][0]["name"]) for row in RecordFile(tmp_path / "out" / "record.sqlite")
    }
    assert {("mine", "halved"), ("mine", "one-step"), ("none", "halved")} <= said
    told = localnoise("report", tmp_path / "out", cwd=tmp_path).stderr  # without it
    assert "mine" in told or "halved" in told
    assert "Traceback" not in told


def test_a_unit_rule_of_a_plug_in_is_found_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "training_of_mine.py").write_text(TRAINING)
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", UNITS], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_a_plug_ins_training_trains_networks_in_worker_processes(tmp_path: Path) -> None:
    (tmp_path / "training_of_mine.py").write_text(TRAINING)
    (tmp_path / "small.py").write_text(TASK)
    command = ("train", "--plugin", "training_of_mine", "--training", "backprop,squares", "--task", "small.py")
    done = localnoise(*command, "--epochs", 1, "--jobs", 2, "--out", tmp_path / "out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "squares" in done.stdout
    rows = list(RecordFile(tmp_path / "out" / "record.sqlite"))
    assert [row.config.get("training", "backprop") for row in rows] == ["backprop", "squares"]
    assert len(list((tmp_path / "out").glob("*-by-squares-*.pt"))) == 1


def test_a_missing_plug_in_is_one_sentence(tmp_path: Path) -> None:
    done = localnoise("list", "rules", "--plugin", "not_there_at_all", cwd=tmp_path)
    assert done.returncode == 1
    assert "plugin='not_there_at_all'" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("parts", [ATTACKS, MODIFICATIONS, DEFENSES])
def test_unknown_names_are_told_the_nearest(parts: Registry) -> None:
    find = named if parts is DEFENSES else parts.find  # type: ignore[comparison-overlap]
    name = next(iter(parts))
    with pytest.raises(ArgumentError, match=f"did you mean '{name}'"):
        find(name + "x")


def test_a_name_that_is_taken_or_another_is_refused() -> None:
    with pytest.raises(ArgumentError, match="'none' is registered already"):
        register(Defense(name="none", label="mine", build=lambda d, h, v: None, central=True))
    rotate: Modification = MODIFICATIONS["rotate"]
    with pytest.raises(PluginError, match="calls itself 'rotate'"):
        MODIFICATIONS.register("turned")(rotate)
    with pytest.raises(PluginError, match="follows Defense"):
        REGISTRY.register("mine")(PGD(eps=EPS))


def test_where_a_part_came_from_is_known() -> None:
    assert MODIFICATIONS.origin("elastic").module == "localnoise.sims.perturbations.elastic"
    assert ATTACKS.is_ours("art-pgd")
