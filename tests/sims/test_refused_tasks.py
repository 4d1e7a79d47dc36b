"""Tasks, data, perturbations and networks that cannot be are refused when they are made."""

from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import torch
from own_tasks import FILE, net, own, some
from torch import Tensor, nn

from localnoise.errors import ArgumentError
from localnoise.nn import cut
from localnoise.sims.experiments.chosen import Chosen
from localnoise.sims.experiments.rehearsal import try_on_few
from localnoise.sims.perturbations import MODIFICATIONS, apply
from localnoise.sims.tasks import mounted
from localnoise.sims.tools import fit


@pytest.fixture(autouse=True)
def _unmounted() -> Any:
    yield
    MODIFICATIONS.mount({})


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
    with pytest.raises(ArgumentError, match=r"level=2\.0: expected none, 'odd' takes no level; leave it out"):
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


def test_a_perturbation_that_is_called_as_an_attack_is_refused_before_anything_runs(tmp_path: Path) -> None:
    """Its name would be the attack's: what is learned from, and tested, would be that."""
    path = tmp_path / "named.py"
    path.write_text(FILE.replace('"dark": dark', '"square": dark'))
    assert '"square"' in path.read_text()
    with pytest.raises(ArgumentError, match="its perturbation 'square' has the name of an attack: expected another"):
        Chosen.of(str(path))


def test_a_perturbation_that_leaves_most_inputs_alone_is_not_refused_for_the_first_two(file: Path) -> None:
    def dropped(x: Tensor, level: float = 0.05, generator: Any = None) -> Tensor:
        return torch.where(torch.rand(len(x), generator=generator)[:, None, None] < level, 0.0, x) + 0.0

    task = own(perturbations={"dropped": dropped})
    with mock.patch("localnoise.sims.experiments.rehearsal.tasks.find", return_value=task):
        MODIFICATIONS.mount(task.own)
        try_on_few([("dropped", 0.05), ("clean", 0.0), ("pgd", 0.1)], "named")


def test_what_images_alone_have_is_refused_for_other_inputs(file: Path, tmp_path: Path, in_threads: None) -> None:
    with pytest.raises(ArgumentError, match="data_dir='x': expected none with the task 'mine'"):
        mounted(str(file)).data("task", "x")
    with pytest.raises(ArgumentError, match=r"source='drift': a stream of images"):
        fit.fit(output=tmp_path / "g.h5", source="drift", task=str(file), epochs=1, cache=tmp_path)
    with pytest.raises(ArgumentError, match="task='v4': expected one of 'v1', 'v2', 'v3'"):
        Chosen.of("v4")
