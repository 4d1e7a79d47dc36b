"""Experiments whose networks learn by local rules: one word more in records, files and titles, and nothing else."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from localnoise.errors import ArgumentError
from localnoise.sims import data
from localnoise.sims.attacks import PGD
from localnoise.sims.evaluation.source import Source
from localnoise.sims.experiments.cell import Cell
from localnoise.sims.experiments.chosen import Chosen
from localnoise.sims.experiments.runner import Runner
from localnoise.sims.experiments.settings import Settings
from localnoise.sims.experiments.testbed import network_path
from localnoise.sims.models import OwnNetwork, build, training
from localnoise.sims.models.motion import MotionNet
from localnoise.sims.results.records import key


@pytest.fixture(scope="module")
def settings(small_dir: Path) -> Settings:
    return Settings(
        network="v1",
        data="full",
        fingerprint=data.load("full", small_dir).fingerprint,
        base_epochs=2,
        epochs=2,
        attack=PGD(steps=2, draws=2),
        attacked_train=50,
        attacked_test=20,
        training="local-heads",
    )


@pytest.fixture(scope="module")
def runner(settings: Settings, small_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Runner:
    torch.set_num_threads(1)
    return Runner(settings, data.load("full", small_dir), tmp_path_factory.mktemp("networks"))


def test_a_record_names_its_training_where_it_is_a_local_rule(settings: Settings) -> None:
    cell = Cell(seed=0, sources=(Source.default("rotate"),), arm="none")
    central = replace(settings, training="backprop")
    assert cell.config(settings)["training"] == "local-heads"
    assert "training" not in cell.config(central), "keys of earlier records would move"
    assert key(cell.config(settings)) != key(cell.config(central))


def test_the_file_of_a_network_names_its_training(settings: Settings) -> None:
    path = network_path(settings, Path(), 0)
    assert "v1-by-local-heads-" in path.name
    assert network_path(replace(settings, training="backprop"), Path(), 0).name == path.name.replace(
        "-by-local-heads", ""
    )


@pytest.mark.parametrize("arm", ["none", "augmentation", pytest.param("raster-1", marks=pytest.mark.slow)])
def test_arms_train_by_the_local_rule(runner: Runner, arm: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The network before the noise, and the layers after it: each step is a local learner's."""
    used = []
    monkeypatch.setattr(
        training,
        "LocalLearner",
        lambda *args, _own=training.LocalLearner, **more: used.append(args[2]) or _own(*args, **more),
    )
    result = runner.run(Cell(seed=0, sources=(Source.default("rotate"),), arm=arm))
    assert used
    assert set(used) == {"local-heads"}
    assert 0 <= result.values["accuracy.clean"] <= 1
    assert runner.bench(0).base_path.name.startswith("v1-by-local-heads-")


def test_a_defense_that_adds_a_term_to_all_layers_is_refused(runner: Runner) -> None:
    with pytest.raises(ArgumentError, match="training='local-heads': this defense adds a term"):
        runner.run(Cell(seed=0, sources=(), arm="wca"))


def test_local_training_depends_on_the_seed_alone() -> None:
    images, labels = torch.rand(100, 1, 28, 28), torch.arange(100) % 10
    states = []
    for seed in (0, 0, 1):
        network = build("v1", "tanh", 1, 0)
        training.train_base(network, images, labels, epochs=1, seed=seed, by="local-heads")
        states.append(np.concatenate([weight.numpy().ravel() for weight in network.weights()]))
    assert np.array_equal(states[0], states[1])
    assert not np.array_equal(states[0], states[2])


@pytest.mark.parametrize(("name", "rates"), [("conv3", [1e-3, 7.5e-4, 5e-4, 2.5e-4]), ("v1", [1e-3] * 4)])
@pytest.mark.parametrize("by", ["backprop", "local-heads"])
def test_rates_fall_where_the_network_says_so(name: str, rates: list[float], by: str, monkeypatch: Any) -> None:
    seen, step = [], torch.optim.Adam.step

    def noted(self: torch.optim.Adam, *given: Any) -> Any:
        seen.append(self.param_groups[0]["lr"])
        return step(self, *given)

    monkeypatch.setattr(torch.optim.Adam, "step", noted)
    training.train_base(build(name, "relu", 1, 0), torch.rand(8, 1, 28, 28), torch.arange(8), epochs=4, seed=0, by=by)
    assert seen == pytest.approx(rates)


def test_titles_and_fields_of_a_chosen_task() -> None:
    chosen = Chosen.of("v1", training="softhebb")
    assert chosen.title == "v1, trained by softhebb, "
    assert chosen.fields("full")["training"] == "softhebb"
    assert Chosen.of("v1").title == "v1, "


def test_what_cannot_be_trained_so_is_refused_at_once() -> None:
    with pytest.raises(ArgumentError, match="did you mean 'local-heads'"):
        Settings(data="embedded", fingerprint="", training="local-head")
    with pytest.raises(ArgumentError, match="did you mean 'local-heads'"):
        Chosen.of("v1", training="local-head")
    with pytest.raises(ArgumentError, match=r"rule='channels': layer .* has 6 channels for 10 classes"):
        Chosen.of("v2", training="channels")


def test_a_task_with_trained_weights_is_not_trained_again(tmp_path: Path) -> None:
    file = tmp_path / "ready.py"
    file.write_text(
        "import torch\nfrom torch import nn\nimport localnoise as ln\n"
        "x, y = torch.rand(20, 4), torch.arange(20) % 2\n"
        "task = ln.Task(model=lambda: nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 2)), layer='1', "
        "train=(x, y), test=(x, y), trained=True, perturbations={'dark': lambda x: x / 2})\n"
    )
    with pytest.raises(ArgumentError, match="task 'ready' come with trained weights"):
        Chosen.of(str(file), training="local-heads")


def test_a_task_of_ones_own_is_trained_so_wherever_it_is_cut() -> None:
    """Its parts are graphs: stages run through both."""
    x = torch.randn(12, 6, 128)
    network = OwnNetwork(MotionNet, "act2", x[:2], 0)
    training.check_training("local-heads", network, x[:2])
    before = [value.clone() for part in network.state().values() for value in part.values()]
    training.train_base(network, x, torch.arange(12) % 7, epochs=1, seed=0, by="local-heads")
    after = [value for part in network.state().values() for value in part.values()]
    assert len(after) == 8
    assert not any(map(torch.equal, before, after))
