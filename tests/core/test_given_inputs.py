"""Inputs and labels as users give them: what would be taken for something else is refused, and nothing is learned."""

from typing import Any

import pytest
import torch
from torch import nn

import localnoise as ln
from localnoise import nn as lnn
from localnoise.errors import ArgumentError
from localnoise.nn.loading import Batches

X, Y = torch.rand(200, 1, 8, 8, generator=torch.Generator().manual_seed(0)), torch.arange(200) % 6
ONE_HOT = nn.functional.one_hot(Y, 6)


def dark(x: torch.Tensor) -> torch.Tensor:
    return 0.3 * x


@pytest.fixture
def model() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.Tanh(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(64, 6)
    )  # fmt: skip


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            (X, ONE_HOT),
            r"float32 of shape \(200, 1, 8, 8\) and torch.int64 of shape \(200, 6\): expected inputs and the",
        ),
        ((X, Y[:, None]), r"torch.int64 of shape \(200, 1\): expected inputs and the numbers of their classes"),
        ([X, Y], r"torch.int64 of shape \(200,\): expected inputs and the numbers of their classes, a tuple"),
        ((Y, X), "expected inputs and the numbers of their classes"),
        (X.double(), r"cannot take inputs \(128, 1, 8, 8\) of torch.float64 .* that it was trained on"),
        ((255 * X).byte(), "cannot take inputs .* of torch.uint8"),
        (X.expand(-1, 3, -1, -1), r"cannot take inputs \(128, 3, 8, 8\)"),
        ((X[:0], Y[:0]), "loader has no inputs: expected at least one"),
    ],
)
def test_what_is_no_input_teaches_nothing(model: nn.Module, given: Any, said: str) -> None:
    grid = ln.UnitGrid((8, 8), 4)
    for call in (
        lambda: grid.learn(lnn.displacements(model, "1", given, dark)),
        lambda: lnn.learn_repairs(model, ["1"], given, {"dark": dark}),
    ):
        with pytest.raises(ArgumentError, match=said) as caught:
            call()
        assert "\n" not in str(caught.value)
    assert grid.rule is None


def test_labels_as_wide_as_inputs_are_no_inputs() -> None:
    """Of a dense layer's width, one a class: nothing but their values tells them from a second batch."""
    dense = nn.Sequential(nn.Linear(6, 8), nn.Tanh())
    x = torch.rand(200, 6)
    with pytest.raises(ArgumentError, match="expected inputs and the numbers of their classes"):
        lnn.displacements(dense, "1", (x, ONE_HOT.float()), dark)
    grid = ln.UnitGrid((1, 8)).learn(lnn.displacements(dense, "1", [x, x + 1], dark))
    assert grid.state is not None
    assert grid.state["seen"] == 400, "two batches are two batches"


def test_two_batches_of_sequences_may_differ_in_length() -> None:
    found = [len(x) for x, _ in Batches([torch.rand(3, 5, 8), torch.rand(4, 7, 8)], torch.device("cpu"))]
    assert found == [3, 4]


def test_an_input_without_its_batch_axis_is_refused(model: nn.Module) -> None:
    with pytest.raises(ArgumentError, match=r"cannot take inputs \(1, 8, 8\)"):
        lnn.grid_like(model, "1", X[0])


def test_repairs_are_of_layers_in_their_order_and_of_something_that_happened(model: nn.Module) -> None:
    with pytest.raises(ArgumentError, match=r"layers=\['3', '1'\]: expected the order in which they run, \['1', '3'\]"):
        lnn.learn_repairs(model, ["3", "1"], X, {"dark": dark})
    with pytest.raises(ArgumentError, match="sources holds 'clean', the name of inputs that nothing has happened to"):
        lnn.learn_repairs(model, ["1"], X, {"clean": dark})


@pytest.mark.parametrize("shift", [-1, 1])
def test_labels_of_no_class_reward_nothing(model: nn.Module, shift: int) -> None:
    grid = ln.UnitGrid((8, 8), 4)
    before = grid.field
    with pytest.raises(ArgumentError, match=rf"labels from {shift} to {5 + shift}: expected classes 0 to 5"):
        lnn.reward_noise(model, "1", grid, (X, Y + shift), corrupt=dark, turns=1)
    assert grid.field is before
