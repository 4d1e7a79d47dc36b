"""Tasks: a user's network, data and perturbations in every experiment, beside Fashion-MNIST and the watch."""

import io
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from localnoise import Task, load
from localnoise.errors import ArgumentError, MixedRecordsError
from localnoise.nn import Arrangement, cut
from localnoise.sims import bits, compare, tradeoff, transfer, wires
from localnoise.sims import repair as repairing
from localnoise.sims import retention as retaining
from localnoise.sims import tasks as found_tasks
from localnoise.sims.data import watch
from localnoise.sims.data.samples import Samples
from localnoise.sims.evaluation.names import name_and_level
from localnoise.sims.evaluation.source import Source, is_milder, milder
from localnoise.sims.experiments import testbed
from localnoise.sims.experiments.cell import Cell
from localnoise.sims.experiments.chosen import Chosen
from localnoise.sims.experiments.conduct import NAME
from localnoise.sims.experiments.settings import Settings
from localnoise.sims.experiments.worker import held_out
from localnoise.sims.perturbations import MODIFICATIONS, Modification, apply
from localnoise.sims.results.records import RecordFile
from localnoise.sims.streaming.schedule import levels
from localnoise.sims.tasks import mounted
from localnoise.sims.tasks.own import OwnTask
from localnoise.sims.tools import fit
from localnoise.sims.tools.remade import remade

COMMON: dict[str, Any] = {"data_dir": None, "jobs": 1, "mix": False}
SPENT = COMMON | {"spend": "quick", "seeds": 1, "epochs": 1}
FILE = '''
import torch
from torch import nn
import localnoise as ln

def data(count, seed):
    g = torch.Generator().manual_seed(seed)
    y = torch.arange(count) % 3
    centers = torch.randn(3, 2, 16, generator=torch.Generator().manual_seed(9))
    return centers[y] + torch.randn(count, 2, 16, generator=g), y

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.act = nn.Conv1d(2, 4, 3, padding=1), nn.BatchNorm1d(4), nn.Tanh()
        self.rest = nn.Sequential(nn.Dropout(0.1), nn.Flatten(), nn.Linear(64, 3))

    def forward(self, x):
        return self.rest(self.act(self.norm(self.conv(x))))

def dark(x, level=0.5):
    """Everything is weaker."""
    return x * level

def hiss(x, level=1.0, generator=None):
    return x + level * torch.randn(x.shape, generator=generator)

task = ln.Task(model=Net, layer="act", train=data(120, 0), test=data(60, 1), perturbations={"dark": dark, "hiss": hiss})
'''


@pytest.fixture(autouse=True)
def _unmounted() -> Any:
    yield
    MODIFICATIONS.mount({})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(FILE)
    return path


def net() -> nn.Module:
    return nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 3))


def some(count: int = 12) -> tuple[Tensor, Tensor]:
    g = torch.Generator().manual_seed(count)
    return torch.rand(count, 6, generator=g), torch.arange(count) % 3


def own(**changes: Any) -> OwnTask:
    given: dict[str, Any] = {"model": net, "layer": "1", "train": some(), "test": some(6), "bounds": (0, 1)}
    return OwnTask(Task(**(given | changes)), "own")


# every experiment


def test_every_command_runs_on_a_task_and_its_records_make_the_report_again(
    file: Path, tmp_path: Path, in_threads: None
) -> None:
    mine, out = str(file), tmp_path / "out"
    arms = "none,full,multiscale-2,signal-4,augmentation,augmentation-whole,wca"
    compare.compare(arms=arms, threats="dark,hiss@0.3,pgd@0.2", task=mine, out=out / "compare", **SPENT)
    transfer.transfer(arms="multiscale-2", task=mine, out=out / "transfer", **SPENT)
    tradeoff.tradeoff(source="hiss", arms="none,multiscale-2", traces="0.5", task=mine, out=out / "tradeoff", **SPENT)
    bits.bits(weight_bits="8", word_bits="8", task=mine, out=out / "bits", **SPENT)
    wires.wires(fan_in="2", task=mine, out=out / "wires", **SPENT)
    retaining.retention(
        data="full", seeds=1, arms="none,full,multiscale-2", mixed="", task=mine, out=out / "retention", **COMMON
    )
    how: dict[str, Any] = COMMON | {"spend": "quick", "seeds": 1}
    repairing.repair(sources="dark", task=mine, retrained=True, out=out / "repair", **how)
    fit.fit(output=out / "grid.h5", task=mine, parents=2, epochs=1, cache=out / "networks")
    MODIFICATIONS.mount({})  # reports are of records alone
    for command in ("compare", "transfer", "tradeoff", "bits", "wires", "retention", "repair"):
        report, records = remade(out / command / NAME)
        assert report.name == command
        assert records
        assert {record.config["network"] for record in records} == {"mine"}
        assert {record.config["data"] for record in records} == {"task"}
    tested = {t["name"] for record in RecordFile(out / "transfer" / NAME) for t in record.config["threats"]}
    assert tested == {"clean", "dark", "hiss"}
    assert "| hiss@1 |" in (out / "repair" / "table.md").read_text()  # never learned


def test_how_loud_the_noise_is_on_a_layer_of_ones_own_is_said(
    file: Path, tmp_path: Path, in_threads: None, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    compare.compare(arms="none,diagonal,signal-4", threats="dark", task=str(file), out=out, **SPENT)
    assert (said := (out / "table.md").read_text()).count("times the layer's own; `localnoise tradeoff --task") == 1
    found = {row.config["arm"]: row.results.get("noise.of_layer") for row in RecordFile(out / NAME)}
    task, weights = mounted(str(file)), torch.load(next(out.glob("*.pt")), weights_only=True)
    network = task.network(0)
    network.restore(weights)
    with torch.no_grad():
        h = network.front.eval()(task.data("task").pair("train")[0])
    ratio = 0.5 / float(h.var(dim=0, correction=0).mean())
    assert found == {"none": None, "diagonal": pytest.approx(ratio, rel=1e-4), "signal-4": None}
    assert f"per neuron is {ratio:.2g} times" in said
    capsys.readouterr()
    fit.fit(output=tmp_path / "grid.h5", source="dark", task=str(file), parents=2, epochs=1, cache=out)
    said = " ".join(capsys.readouterr().out.split())  # of a network that was trained for less long
    assert said.count("times the layer's own; `localnoise tradeoff --task ...` shows other variances.") == 1


def test_a_changed_task_is_another_one(file: Path, tmp_path: Path, in_threads: None) -> None:
    how = {"arms": "none", "threats": "dark", "task": str(file), "out": tmp_path / "out", **SPENT}
    compare.compare(**how)
    before = Chosen.of(str(file)).settings("full", None)["fingerprint"]
    file.write_text(FILE.replace("level=0.5", "level=0.25"))
    assert Chosen.of(str(file)).settings("full", None)["fingerprint"] != before
    with pytest.raises(MixedRecordsError, match="holds records of data"):
        compare.compare(**how)


def test_networks_of_the_paper_stand_on_the_same_footing() -> None:
    listed = list(found_tasks.TASKS)
    assert {"v1", "v2", "v3", "watch"} <= set(listed)
    chosen = Chosen.of("v3", "relu", "3")
    assert chosen.fields("embedded") == {"data": "embedded", "network": "v3", "activation": "relu", "layer": 3}
    assert chosen.task.network(0, "relu", 3).layout == (1, 1, 32)


# what a task is made of


def test_a_cut_network_is_the_whole_one_also_for_other_batches_and_in_training(file: Path) -> None:
    task = mounted(str(file))
    network, again, other = task.network(3), task.network(3), task.network(4)
    x = task.data("task").pair("test")[0]
    network.front.eval(), network.back.eval(), again.front.eval(), again.back.eval()
    assert network.layout == (4, 1, 16)
    assert torch.equal(network(x), again(x))
    assert not torch.equal(network.front(x[:2]), other.front.eval()(x[:2]))
    h = network.front(x[:2])
    assert torch.equal(network.back(h.repeat_interleave(5, 0))[::5], network.back(h))
    network.back.train()
    assert not torch.equal(network.back(h), network.back(h))  # its dropout knows its mode
    fresh = network.fresh_back(3).eval()
    assert torch.equal(fresh(h), again.back(h))


def test_statistics_of_batch_norm_are_kept_with_the_weights(file: Path, tmp_path: Path) -> None:
    task = mounted(str(file))
    first = testbed.Testbed(task.data("task"), 0, 2, None, 10, tmp_path, "mine", layer="act")  # type: ignore[arg-type]
    x = first.test[0]
    logits = first.network(x)
    again = testbed.Testbed(task.data("task"), 0, 2, None, 10, tmp_path, "mine", layer="act")  # type: ignore[arg-type]
    assert torch.equal(again.network(x), logits)
    norm = next(m for m in again.network.front.modules() if isinstance(m, nn.BatchNorm1d))
    assert norm.num_batches_tracked == 4
    assert not norm.training


def test_weights_fit_the_network_wherever_it_is_cut(file: Path) -> None:
    task = mounted(str(file))
    early, late = task.network(0, layer="conv"), task.network(1, layer="act")
    early.restore(late.state())
    for one in (early, late):
        one.back.eval()
    x = task.data("task").pair("test")[0]
    assert torch.equal(early(x), late(x))
    state = late.state()
    with pytest.raises(ArgumentError, match=r"rest.2.bias of shape \(3,\) here is missing there"):
        early.restore(state | {"back": {k: v for k, v in state["back"].items() if k != "rest.2.bias"}})
    with pytest.raises(ArgumentError, match=r"odd of shape \(2,\) there is missing here"):
        early.restore(state | {"back": state["back"] | {"odd": torch.zeros(2)}})


def test_trained_weights_are_left_as_they_are_and_later_layers_drawn_anew(tmp_path: Path) -> None:
    torch.manual_seed(5)
    held = net()
    task = own(model=lambda: held, trained=True)
    network = task.network(0)
    x = some()[0]
    assert torch.equal(network(x), held(x))
    kept = held[2].weight.clone()
    fresh = [network.fresh_back(seed) for seed in (1, 1, 2)]
    h = network.front(x)
    assert not torch.equal(fresh[0](h), fresh[2](h))
    assert task.trained
    assert torch.equal(kept, held[2].weight)


def test_each_input_meets_a_draw_of_its_own_whatever_batch_it_comes_in(file: Path) -> None:
    x = mounted(str(file)).data("task").pair("test")[0]
    whole = apply("hiss", x, None, seed=4)
    assert torch.equal(apply("hiss", x[10:20], None, 4, start=10), whole[10:20])
    assert torch.equal(apply("hiss", x[:7], None, 4), whole[:7])
    assert not torch.equal(apply("hiss", x, None, 5), whole)
    weak = apply("hiss", x, 0.5, 4)
    torch.testing.assert_close(weak - x, (whole - x) / 2)  # levels of a seed share their draws
    assert torch.equal(apply("dark", x, 0.25, 0), x * 0.25)


def test_a_tasks_perturbation_hides_another_of_its_name_while_it_is_mounted() -> None:
    MODIFICATIONS.mount(own(perturbations={"rotate": lambda x: 1 - x}).own)
    x = some()[0]
    assert torch.equal(apply("rotate", x, None, 0), 1 - x)
    assert not MODIFICATIONS.is_ours("rotate")
    MODIFICATIONS.mount({})
    with pytest.raises(ArgumentError, match=r"expected \(N, 1, 28, 28\), which 'rotate' is made for"):
        apply("rotate", x, None, 0)


def test_what_is_made_for_other_inputs_is_refused_before_anything_is_trained(file: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    message = r"inputs of the task: of shape \(2, 2, 16\), expected \(N, 1, 28, 28\), which 'rotate' is made for"
    with pytest.raises(ArgumentError, match=message):
        compare.compare(arms="none,full", threats="dark,rotate", task=str(file), out=out, **SPENT)
    with pytest.raises(ArgumentError, match=message):
        fit.fit(output=tmp_path / "grid.h5", source="rotate", task=str(file), cache=out)
    assert not list(tmp_path.rglob("*.pt"))
    assert not (out / NAME).exists()


def test_a_plug_ins_perturbation_takes_any_shape_unless_it_says_which() -> None:
    def halved(inputs: Tensor, level: float, words: object) -> Tensor:
        return inputs * (1 - level / 2)

    said: dict[str, Any] = {"function": halved, "words": 0, "level": 1.0, "lowest": 0.0, "highest": 1.0}
    said |= {"unit": "half", "description": "Half."}
    any_shape = Modification(name="halved", **said)
    MODIFICATIONS.mount({"halved": any_shape, "halved-28": Modification(name="halved-28", shape=(1, 28, 28), **said)})
    x = torch.rand(3, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    assert torch.equal(apply("halved", x, None, 0), x / 2)
    assert torch.equal(apply("halved", some()[0], None, 0), some()[0] / 2)
    with pytest.raises(ArgumentError, match="which 'halved-28' is made for"):
        apply("halved-28", x, None, 0)


def test_two_tasks_on_two_threads_do_not_meet() -> None:
    """A worker may run jobs on several threads, and two tasks may call different things by one name."""
    x, both_mounted = some()[0], Barrier(2, timeout=60)

    def job(share: float, only: str) -> tuple[bool, set[str], bool]:
        MODIFICATIONS.mount(own(perturbations={"dark": lambda x: share * x, only: lambda x: 1 - x}).own)
        both_mounted.wait()
        found = torch.equal(apply("dark", x, None, 0), share * x)
        names = {"first", "second"} & set(MODIFICATIONS)
        both_mounted.wait()
        return found, names, MODIFICATIONS["dark"].level == 1

    with ThreadPoolExecutor(2) as threads:
        answers = list(threads.map(job, (0.5, 0.25), ("first", "second")))
        assert answers == [(True, {"first"}, True), (True, {"second"}, True)]
    assert "dark" not in MODIFICATIONS, "nor do they reach the thread that started them"


def test_results_are_kept_to_the_bounds() -> None:
    MODIFICATIONS.mount(own(perturbations={"bright": lambda x: x + 0.5}).own)
    assert apply("bright", some()[0], None, 0).max() == 1


def test_held_out_inputs_are_training_inputs(file: Path) -> None:
    mounted(str(file))
    settings = Settings(data="task", fingerprint="", network="mine", layer="act")
    whole, held = held_out(settings, 0, None), held_out(settings, 30, None)
    rows = {row.numpy().tobytes() for row in whole.pair("train")[0]}
    parts = [{row.numpy().tobytes() for row in held.pair(part)[0]} for part in ("train", "test")]
    assert parts[0] | parts[1] == rows
    assert not parts[0] & parts[1]
    assert len(parts[1]) == 30
    assert held.fingerprint != whole.fingerprint


def test_a_function_of_the_seed_gives_each_seed_its_own_split() -> None:
    task = own(train=lambda seed: some(9 + seed), test=lambda seed: some(5))
    assert [task.data(seed=seed).count for seed in (0, 1)] == [9, 10]


def test_a_data_set_of_pairs_is_read_item_by_item() -> None:
    x, y = some()
    pairs = [(one, int(label)) for one, label in zip(x, y, strict=True)]
    read, given = Samples.of(pairs, pairs, "", "", None), Samples.of((x, y), (x.numpy(), y.numpy()), "", "", None)
    assert torch.equal(read.train[0], x)
    assert torch.equal(read.train[1], y)
    assert given.fingerprint == read.fingerprint


# tokens, channels last


@pytest.mark.parametrize(
    ("kind", "shape", "skipped", "layout"),
    [
        (None, (7, 3, 4, 5), 0, (3, 4, 5)),
        (None, (7, 3, 5), 0, (3, 1, 5)),
        (None, (7, 11), 0, (1, 1, 11)),
        ("channels-last", (7, 4, 5, 3), 0, (3, 4, 5)),
        ("channels-last", (7, 5, 3), 0, (3, 1, 5)),
        ("tokens", (7, 17, 6), 1, (6, 4, 4)),
        ("tokens", (7, 5, 6), 0, (6, 1, 5)),
    ],
)
def test_an_arrangement_goes_there_and_back(kind: str | None, shape: Any, skipped: int, layout: Any) -> None:
    h = torch.arange(float(np.prod(shape))).view(shape)
    lies = Arrangement.of(h, kind, skipped=skipped)
    assert lies.layout == layout
    folded = lies.folded(h)
    assert tuple(folded.shape[1:]) == layout
    back = lies.added(h, -folded)
    assert torch.equal(back[:, skipped:] if skipped else back, torch.zeros_like(h[:, skipped:] if skipped else h))
    if skipped:
        assert torch.equal(back[:, :skipped], h[:, :skipped])


def test_an_arrangement_of_a_grid_has_neighbors_where_the_image_has_them() -> None:
    h = torch.zeros(1, 17, 2)
    h[0, 1 + 6, 1] = 1  # token 6 of 4 x 4: row 1, column 2
    assert Arrangement.of(h, "tokens", skipped=1).folded(h)[0, 1, 1, 2] == 1


# what is refused


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.inner, self.last = nn.Linear(6, 6), nn.Linear(6, 6), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        h: Tensor = self.first(x)
        return self.last(h + self.inner(h))  # type: ignore[no-any-return]


class Branching(Residual):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) if x.sum() > 0 else self.last(x)  # type: ignore[no-any-return]


class Dropping(Residual):
    def forward(self, x: Tensor) -> Tensor:
        return self.last(nn.functional.dropout(self.first(x), training=self.training))  # type: ignore[no-any-return]


class Pair(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x, x


class Paired(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.pair, self.last = Pair(), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.pair(x)[0])  # type: ignore[no-any-return]


class Twice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.same, self.last = nn.Linear(6, 6), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.same(self.same(x)))  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("model", "layer", "message"),
    [
        (Residual, "firs", r"layer='firs': expected one of 'first', 'inner', 'last'; did you mean 'first'\?"),
        (Residual, "inner", r"first pass beside it: expected a layer that all values go through, such as first"),
        (Branching, "first", r"cannot be followed symbolically .*expected one that takes a tensor and never branches"),
        (Dropping, "first", r"asks for self.training.*such as nn.Dropout instead of functional.dropout"),
        (Paired, "pair", r"layer='pair' gives a tuple: expected one tensor"),
        (Twice, "same", r"it runs 2 times in a forward: expected a layer that runs once"),
    ],
)
def test_a_network_that_cannot_be_cut_is_refused_and_left_as_it_was(model: Any, layer: str, message: str) -> None:
    made = model().train()
    with pytest.raises(ArgumentError, match=message):
        cut(made, layer, torch.rand(3, 6))
    assert all(module.training for module in made.modules())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": net()}, "expected a function that returns a network"),
        ({"layer": 2}, "layer=2: expected the name of one of the model's modules"),
        ({"kind": "rows"}, "kind='rows': expected one of channels-first"),
        ({"bounds": (1, 0)}, r"bounds=\(1, 0\): expected the lowest and the highest"),
        ({"perturbations": {"clean": abs}}, "'clean' means something else"),
        ({"perturbations": {"a@b": abs}}, "holds one of @,"),
        ({"perturbations": {"dark": 3}}, r"perturbations\['dark'\]=3: expected a function of a batch"),
        ({"perturbations": [abs]}, "expected a dict of names to functions"),
    ],
)
def test_a_task_is_checked_when_it_is_made(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        own(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train": some()[0]}, r"train: expected a data set of pairs.*labels are missing, item 0 is Tensor"),
        ({"train": 3}, "train: expected a data set of pairs.*got int"),
        ({"test": (some()[0] * 2, some()[1])}, r"test: inputs run from .*, out of bounds=\(0, 1\); rescale"),
        ({"test": (some()[0] * float("nan"), some()[1])}, "test: inputs hold NaN or infinity"),
        ({"test": ((some()[0] * 255).byte(), some()[1])}, "test: inputs of torch.uint8, expected floating point"),
        ({"test": (some()[0], some()[1] + 0.5)}, "test: labels of torch.float32 from 0.5: expected classes"),
        ({"test": (some()[0], some()[1] + 7)}, "test: holds class 9, expected 0 .. 2"),
        ({"test": (some()[0][:, :4], some()[1])}, r"test: inputs of shape \(4,\), expected \(6,\)"),
        ({"train": lambda seed: 1 / 0}, r"train\(0\) of task 'own' raised ZeroDivisionError"),
    ],
)
def test_data_that_nothing_can_learn_from_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        own(**changes).data()


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x: x, "returned its inputs as they were"),
        (lambda x: x[:, :3], r"gave shape \(12, 3\) of a batch \(12, 6\): expected the same shape"),
        (lambda x: None, "gave NoneType: expected a tensor"),
        (lambda x: x / 0, "gave NaN or infinity of a finite batch"),
        (lambda x: x.nothing, "raised AttributeError.*expected it to return perturbed inputs"),
    ],
)
def test_a_perturbation_that_does_something_else_is_refused(function: Any, message: str) -> None:
    MODIFICATIONS.mount(own(perturbations={"odd": function}).own)
    with pytest.raises(ArgumentError, match=rf"perturbations\['odd'\] {message}"):
        apply("odd", some()[0], None, 0)


def test_a_perturbation_without_levels_takes_none() -> None:
    MODIFICATIONS.mount(own(perturbations={"odd": lambda x: 1 - x}).own)
    with pytest.raises(
        ArgumentError, match=r"level=2.0: expected a number from 1 to 1 for 'odd' \(unit: takes no level"
    ):
        apply("odd", some()[0], 2.0, 0)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such file; expected a Python file that makes a localnoise.Task"),
        ("x = 1 / 0", "the file raises ZeroDivisionError: division by zero"),
        (
            FILE.replace("model=Net", "model=Net()"),
            r"task='.*': model=Net: expected a function that returns a network.*each seed has one of its own$",
        ),
        (
            FILE.replace("return x * level", "return x[..., 1:15] * level"),
            r"perturbations\['dark'\] gave shape \(2, 2, 14\) of a batch \(2, 2, 16\): expected the same shape",
        ),
        (FILE.replace("return x + level *", "return x + level * self *"), r"perturbations\['hiss'\] raised NameError"),
        ("import localnoise", "holds 0 tasks: expected one, as in"),
        (FILE + "\nother = ln.Task(model=Net, layer='act', train=data(9, 0), test=data(9, 0))", "holds 2 tasks"),
        (FILE.replace("task = ln.Task(", "task = ln.Task(name='v2', "), "its name 'v2' is a built-in's"),
        (FILE.replace('layer="act"', 'layer="akt"'), "layer='akt': expected one of .*did you mean 'act'"),
        (FILE.replace("return self.rest(", "return self.nothing("), "cannot be followed symbolically"),
        (FILE.replace("super().__init__()", "super().__init__(); 1 / 0"), r"model\(\) raised ZeroDivisionError"),
        (
            FILE.replace("% 3", "% 3 + 1").replace("centers[y]", "centers[y - 1]"),
            "train: labels from 1 to 3, and the network has 3 outputs, for classes 0 .. 2: .*; subtract 1 from them",
        ),
        (FILE.replace("Linear(64, 3)", "Linear(64, 2)"), "labels from 0 to 2, .* has 2 outputs.*last layer give 3"),
        (
            FILE.replace("Linear(64, 3)", "Linear(60, 3)"),
            r"of 2 inputs, shape \(2, 2, 16\), it raised RuntimeError \(mat1 and mat2 shapes cannot be multiplied",
        ),
        (
            FILE.replace("Conv1d(2,", "Conv1d(3,"),
            r"shape \(2, 2, 16\), it raised RuntimeError \(Given groups=1, .*x\[:, None",
        ),
        (
            FILE.replace("nn.Flatten(), nn.Linear(64", "nn.Linear(16"),
            r"it gave outputs of shape \(2, 4, 3\): expected logits",
        ),
        (
            FILE.replace("self.norm(self.conv(x))))", "self.norm(self.conv(x)))),"),
            "it gave a tuple: expected one tensor",
        ),
    ],
)
def test_a_file_that_is_no_task_is_refused(tmp_path: Path, content: str | None, message: str) -> None:
    path = tmp_path / "odd.py"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ArgumentError, match=message):
        Chosen.of(str(path))


def test_what_images_alone_have_is_refused_for_other_inputs(file: Path, tmp_path: Path, in_threads: None) -> None:
    with pytest.raises(ArgumentError, match="data_dir='x': expected none with the task 'mine'"):
        mounted(str(file)).data("task", "x")
    with pytest.raises(ArgumentError, match=r"source='drift': a stream of images"):
        fit.fit(output=tmp_path / "g.h5", source="drift", task=str(file), epochs=1, cache=tmp_path)
    with pytest.raises(ArgumentError, match="task='v4': expected one of 'v1', 'v2', 'v3'"):
        Chosen.of("v4")


# the watch


def test_the_watch_splits_by_subject_and_five_splits_test_each_once() -> None:
    whole = watch.everything()
    assert len(np.unique(whole.subject)) == 10
    met = []
    for seed in range(5):
        train, test = watch.windows(seed, "train"), watch.windows(seed, "test")
        assert not set(train.subject) & set(test.subject)
        assert len(train.y) + len(test.y) == len(whole.y)
        met += list(np.unique(test.subject))
    assert sorted(met) == list(range(1, 11))
    assert whole.x.shape[1:] == (6, 128)
    assert set(whole.y) == set(range(7))


def test_the_watchs_file_runs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Harm:
        def __reduce__(self) -> Any:
            return print, ("harm",)

    with pytest.raises(pickle.UnpicklingError, match="print is no part of an array"):
        watch._Arrays(io.BytesIO(pickle.dumps(Harm()))).load()
    monkeypatch.setattr(watch, "_file", lambda: tmp_path / "none.npy")
    watch.everything.cache_clear()
    with pytest.raises(Exception, match="cannot be read"):
        watch.everything()
    (tmp_path / "none.npy").write_bytes(b"other")
    with pytest.raises(Exception, match=r"another file than that of seglearn 1\.2\.5"):
        watch.everything()


def test_what_befalls_the_watchs_sensor() -> None:
    task = mounted("watch")
    x = task.data(seed=0).pair("test")[0][:20]
    moved = {name: apply(name, x, None, 3) for name in task.own}
    lost = (moved["axis_lost"] == 0).all(2)
    assert (lost.sum(1) >= 1).all()
    assert torch.equal(moved["axis_lost"][~lost], x[~lost])
    turned = moved["strap_turned"]
    assert torch.equal(turned[:, [0, 3]], x[:, [0, 3]])
    torch.testing.assert_close(turned.square().sum(1), x.square().sum(1))
    torch.testing.assert_close(apply("packets_dropped", x, 1.0, 3), torch.zeros_like(x))
    held = moved["packets_dropped"]
    assert (held[:, :, 1:] == held[:, :, :-1]).float().mean() > 0.35
    ramp = torch.arange(128.0).expand(20, 6, 128)
    slope = apply("other_rate", ramp, None, 3).diff(dim=2)
    torch.testing.assert_close(slope, slope[:, :1, :1].expand_as(slope), atol=1e-4, rtol=0)
    assert (slope > 1 / 1.5).all()
    assert (slope < 1).all()
    offset = moved["bias_drift"] - x
    torch.testing.assert_close(offset.diff(dim=2), offset.diff(dim=2)[..., :1].expand(-1, -1, 127), atol=1e-5, rtol=0)
    gain = moved["gain_drift"] / x
    torch.testing.assert_close(gain, gain[..., :1].expand_as(gain), atol=1e-3, rtol=1e-3)
    assert abs(float((moved["sensor_noise"] - x).std()) - 0.5) < 0.02


def test_levels_are_milder_towards_the_one_that_a_task_declares() -> None:
    def turned(x: Tensor, level: int = 4) -> Tensor:
        assert isinstance(level, int)
        return x.roll(level, 1)

    dark = {"dark": lambda x, level=0.5: x * level, "dim": lambda x, level=0.5: x * level, "turned": turned}
    task = own(perturbations=dark, harmless={"dark": 1.0, "turned": 0})
    MODIFICATIONS.mount(task.own)
    task.network(0)
    try:
        assert milder(Source.default("dark"), [1, 2, 3, 4]) == ["dark@0.9", "dark@0.8", "dark@0.7", "dark@0.6"]
        assert milder(Source.default("dim"), [1, 2]) == []
        assert milder(Source.default("turned"), [1, 2, 4]) == ["turned@1", "turned@2"]
        assert is_milder(0.8, "dark", 0.5)
        assert not is_milder(0.2, "dark", 0.5)
        assert not is_milder(1.2, "dark", 0.5)
        assert not is_milder(0.4, "dim", 0.5)
        assert torch.equal(apply("turned", some()[0], 2.0, 0), some()[0].roll(2, 1))
        assert levels("dark", 0.5, 0.4)[0] == pytest.approx(0.8)
        declared, unknown = (
            Cell(seed=0, sources=(Source.default(name),), arm="repair").config(Settings(data="task", fingerprint="0"))
            for name in ("dark", "dim")
        )
        assert ("milder" in declared, "milder" in unknown) == (True, False)
    finally:
        MODIFICATIONS.mount({})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"dim": 1.0}, "did you mean 'dark'|harmless='dim'"),
        ({"dark": "none"}, r"harmless\['dark'\]='none': expected the level at which nothing happens"),
        ({"dark": float("nan")}, "harmless"),
        ({"dark": 0.0}, "come back changed"),
        ({"plain": 0.0}, "takes no level"),
        (["dark"], "expected a dict"),
    ],
)
def test_harmless_levels_that_cannot_be_are_refused(given: Any, message: str) -> None:
    known = {"dark": lambda x, level=0.5: x * level, "plain": lambda x: x / 2}
    with pytest.raises(ArgumentError, match=message):
        own(perturbations=known, harmless=given).network(0)


def test_all_that_befalls_the_watch_has_milder_levels() -> None:
    task = mounted("watch")
    x = task.data(seed=0).pair("test")[0][:40]
    found = {name: milder(Source.default(name, 3 if name == "axis_lost" else None), [1, 2, 3, 4]) for name in task.own}
    assert found["other_rate"] == ["other_rate@1.1", "other_rate@1.2", "other_rate@1.3", "other_rate@1.4"]
    assert found["axis_lost"] == ["axis_lost@1", "axis_lost@2"]
    for name, several in found.items():
        moved = [(apply(name, x, name_and_level(text)[1], 3) - x).square().mean() for text in several]
        strongest = (apply(name, x, 3 if name == "axis_lost" else None, 3) - x).square().mean()
        assert 0 < moved[0] < strongest


def test_a_repair_of_a_task_asks_what_it_is_worth_at_levels_that_it_declares(
    file: Path, tmp_path: Path, in_threads: None
) -> None:
    text = file.read_text()
    assert "perturbations=" in text
    mine = tmp_path / "mine.py"
    mine.write_text(text.replace("perturbations=", 'harmless={"dark": 1.0}, perturbations=', 1))
    how: dict[str, Any] = COMMON | {"spend": "quick", "seeds": 1, "dense": False, "severities": "2,3"}
    repairing.repair(sources="dark", threats="none", task=str(mine), out=tmp_path / "out", **how)
    table = (tmp_path / "out" / "table.md").read_text()
    assert "Worst of the 2 milder" in table
    kept = [load(path) for path in (tmp_path / "out").rglob("*.h5")]
    assert any(repair.worth is not None for repair in kept), "of the layer that decides"
    MODIFICATIONS.mount({})  # reports are of records alone
    report, records = remade(tmp_path / "out" / NAME)
    report.write(records, tmp_path)
    assert (tmp_path / "table.md").read_text() == table


def test_its_record_is_of_the_task(file: Path, tmp_path: Path, in_threads: None) -> None:
    compare.compare(arms="none,multiscale-2", threats="hiss", task=str(file), out=tmp_path, layer="conv", **SPENT)
    configs = [record.config for record in RecordFile(tmp_path / NAME)]
    (said,) = [c for c in configs if c["arm"] != "none" and c["threats"][0]["name"] == "hiss"]
    assert said["layer"] == "conv"
    assert said["threats"] == [{"name": "hiss", "level": 1.0, "images": 300}]
