"""`localnoise export` of a task's whole network, `verify` and `chip fit` of what it writes."""

from pathlib import Path

import numpy as np
import pytest
import torch
from helping import run_command

import localnoise as ln
from localnoise import hardware
from localnoise.errors import ArgumentError
from localnoise.hardware import load_chips
from localnoise.hardware import quantise as to_chip
from localnoise.hardware.network import ChipDefense, Program
from localnoise.sims import tasks

TASK = """
import torch
from torch import nn

import localnoise as ln


def windows(count, seed):
    y = torch.arange(count) % 3
    g = torch.Generator().manual_seed(seed)
    return torch.eye(3)[y][:, :, None] * torch.linspace(0, 1, 8) + 0.1 * torch.rand(count, 3, 8, generator=g), y


def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv1d(3, 4, 3, padding=1), nn.Tanh(), nn.MaxPool1d(2), nn.Flatten(), nn.Linear(16, 3))


task = ln.Task(model=net, layer="1", train=windows(120, 0), test=windows(60, 1), bounds=(0, 1.5), trained=TRAINED)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("task")
    for trained in (True, False):
        (place / f"task_{str(trained).lower()}.py").write_text(TASK.replace("TRAINED", str(trained)))
    d = 0.3 * np.random.default_rng(0).normal(size=(400, 4, 1, 8)).astype(np.float32)
    to_chip(ln.UnitGrid(shape=(1, 8), channels=4, parents=2).learn(d)).save(place / "noise.h5")
    return place


def test_a_tasks_network_is_exported_measured_and_verified(folder, tmp_path):
    done = run_command("export", folder / "task_true.py", "--chip", "stm32f407", "--out", tmp_path / "c", columns=200)
    assert done.returncode == 0, done.stderr
    assert "Accuracy on 60 test inputs" in done.stdout
    assert "working memory" in done.stdout
    assert isinstance(load_chips(tmp_path / "c" / "chip.h5"), Program)
    done = run_command("verify", tmp_path / "c", "--on", "host", "--images", 20)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("equal to the bit") == 3
    own = ("--on", "host", "--images", 5)
    done = run_command("classify", tmp_path / "c", folder / "task_true.py", *own)
    assert done.returncode == 0, done.stderr
    assert "of 5 inputs right; of 5 the scores are the emulator's" in done.stdout
    done = run_command("classify", tmp_path / "c", folder / "task_false.py", *own, columns=400)
    assert done.returncode != 0
    assert "holds a network of task" in done.stderr
    done = run_command("chip", "fit", tmp_path / "c" / "chip.h5", "--chip", "stm32f407")
    assert done.returncode == 0, done.stderr
    assert "fits" in done.stdout


def test_with_noise_and_weights_of_a_file(folder, tmp_path):
    network = tasks.find(str(folder / "task_false.py")).network(0)
    torch.save({"front": network.front.state_dict(), "back": network.back.state_dict()}, tmp_path / "base.pt")
    done = run_command(
        "export", folder / "task_false.py", "--weights", tmp_path / "base.pt", "--defense", folder / "noise.h5",
        "--draws", 4, "--vote", "--seed", 3, "--weight-bits", 4, "-o", tmp_path / "c", columns=200,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = load_chips(tmp_path / "c" / "chip.h5")
    assert isinstance(found, ChipDefense)
    assert (found.draws, found.vote, found.seed, found.program.weight_bits) == (4, True, 3, 4)
    assert "4 draws" in done.stdout


def test_weights_that_cannot_be_taken_are_named_and_never_to_be_removed(folder, tmp_path):
    """The user named the file: what is wrong with it is said, and it stays his."""
    network = tasks.find(str(folder / "task_false.py")).network(0)
    own = network.state()
    other = own | {"back": {"4.weight": torch.zeros(5, 16), "4.bias": torch.zeros(5)}}
    torch.save(other, tmp_path / "other.pt")
    torch.save({**own["front"], **own["back"]}, tmp_path / "plain.pt")
    (tmp_path / "damaged.pt").write_bytes((tmp_path / "other.pt").read_bytes()[:500])
    said = {
        "nofile": "no such file; expected the FILE.pt of a trained network",
        "other": "of another network than the task's (4.weight has shape (5, 16) there, (3, 16) here)",
        "plain": "holds no 'front' and 'back'",
        "damaged": "cannot be read (File is not a zip file)",
    }
    for name, match in said.items():
        file = tmp_path / f"{name}.pt"
        done = run_command("export", folder / "task_false.py", "--weights", file, "--out", tmp_path / "c", columns=900)
        assert done.returncode == 1
        assert f"--weights {file}: {match}" in done.stderr
        assert "remove" not in done.stderr
    with pytest.raises(
        ArgumentError, match=r"than 'v2' \(tensor 1 has shape \(32, 1, 3, 3\) there, \(6, 1, 5, 5\) here"
    ):
        tasks.find("v2").network(0).restore(tasks.find("v1").network(0).state())


@pytest.mark.parametrize(
    ("options", "match"),
    [
        (("task_false.py", "--defense", "noise.h5"), "--weights is missing"),
        (("task_true.py", "--defense", "full"), "draws central noise"),
        (("task_true.py", "--defense", "repair-dense"), "has dense=yes"),
        (("task_true.py", "--defense", "no-such"), "no-such"),
        (("task_true.py", "--layer", "9"), "'9'"),
        (("task_true.py", "--chip", "loihi1"), "flash and RAM of a program are not published"),
        (("task_true.py", "--chip", "tiny.toml"), "bytes of RAM, it has 1,024, and stack take 1,024"),
        (("task_true.py", "--format", "json"), "holds no network"),
    ],
)
def test_what_cannot_be_exported_is_one_sentence(folder, tmp_path, options, match):
    profile = Path(hardware.__file__).parent / "chips" / "profiles" / "stm32f407.toml"
    (tmp_path / "tiny.toml").write_text(profile.read_text().replace("196_608", "1_024"))
    (tmp_path / "noise.h5").write_bytes((folder / "noise.h5").read_bytes())
    done = run_command("export", folder / options[0], *options[1:], "--out", tmp_path / "c", cwd=tmp_path, columns=400)
    assert done.returncode != 0
    assert match in done.stderr + done.stdout
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "c").exists()


@pytest.mark.parametrize(
    ("options", "match"),
    [
        (("--format", "verilog"), "--format='verilog' holds no network: expected c99"),
        (("--format", "c"), "expected one of 'c99'"),
        (("--chip", "loihi1"), "flash and RAM of a program are not published"),
        (("--chip", "no-such"), "no-such"),
        (("--learner", "lms"), "learner was given with a network"),
        (("--engines", 2), "engines=2: not of format c99"),
        (("--name", "int"), "int"),
        (("-o", "full"), "not empty"),
        (("-o", "full", "--force"), "holds no artefact"),
    ],
)
def test_what_cannot_be_written_is_refused_before_a_network_is_trained(folder, tmp_path, options, match):
    """The task prints when its network is made."""
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    (tmp_path / "task.py").write_text(
        (folder / "task_false.py").read_text().replace("def net():\n", "def net():\n    print('trained')\n")
    )
    done = run_command("export", "task.py", "--out", "c", *options, cwd=tmp_path, columns=400)
    assert done.returncode != 0
    assert match in done.stderr + done.stdout
    assert "trained" not in done.stdout
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["notes.txt"]


@pytest.mark.parametrize(
    "option",
    [
        ("--weight-bits", "4"), ("--defense", "repair"), ("--vote",), ("--draws", "3"), ("--train", "fog"),
        ("--preset", "quick"), ("--epochs", "1"), ("--layer", "2"), ("--test-images", "9"), ("--data", "embedded"),
        ("--cache", "k"), ("--weights", "w.pt"), ("--activation-bits", "4"), ("--training", "local-heads"),
    ],
)  # fmt: skip
def test_options_of_a_network_are_refused_with_a_grid(folder, tmp_path, option):
    done = run_command("export", folder / "noise.h5", *option, "--out", "c", cwd=tmp_path, columns=400)
    assert done.returncode != 0
    assert f"{option[0]}=" in done.stderr
    assert "leave it out" in done.stderr
    assert not (tmp_path / "c").exists()
