"""Arms that repair, spelled out; the ends of stages; the dense map: what needs no network that was trained."""

import numpy as np
import pytest
import torch
from torch import nn

from localnoise.errors import ArgumentError
from localnoise.sims import models
from localnoise.sims.defenses import Repairing, named, repairing_name
from localnoise.sims.models import affine
from localnoise.sims.models.stages import stage_ends


def test_an_arm_is_spelled_out_and_read_again() -> None:
    plan = Repairing(layers="2+5", radius=1, causes=4, told=True)
    assert plan.name == "repair:layers=2+5:radius=1:causes=4:told=yes"
    assert Repairing.parse(plan.name) == plan
    assert named(plan.name).repair == plan
    assert named(plan.name).causes == 4
    assert repairing_name(plan) == plan.name
    assert repairing_name(Repairing(causes=16)) == "repair-16"
    assert [Repairing.parse(f"repair:bends={radius}").label for radius in (0, 1)] == [
        "repair, bends r=0",
        "repair, bends",
    ]
    assert Repairing.parse("repair:bends=1") == Repairing(bends=1) != Repairing()
    assert Repairing(bends=1).lesson != Repairing().lesson
    assert not named("repair").central
    assert named("repair-dense").central


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("repair:radios=1", "did you mean 'radius'"),
        ("repair:radius=x", "radius='x': expected a whole number"),
        ("repair:radius=-1", "radius=-1: expected a whole number >= 0"),
        ("repair:told=maybe", "told='maybe'"),
        ("repair:bends=-2", "bends=-2: expected a whole number >= -1"),
        ("repair:bends=1:dense=yes", "bends=1 with dense=yes: expected one of them"),
        ("repair:layers=1++2", "expected all, first, none, or modules' names joined by"),
        ("repair:after=augmentation-whole:retrained=yes", "after=augmentation-whole with retrained=yes"),
        ("repair:asks=3:bits=8", "bits=8 with asks=3: expected asks=1, since on a chip all units vote"),
        ("repair:after=multiscale-8", "draws nothing at test: expected augmentation-whole"),
        ("repair:after=signal8", "did you mean 'signal-8'"),
        ("repair:after=repair", "draws nothing at test"),
    ],
)
def test_arms_that_cannot_be_are_named(name: str, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        named(name)


def test_a_stage_ends_before_the_next_weights() -> None:
    back = models.build("v2").back
    ends = [back.get_submodule(name) for name in stage_ends(back, torch.zeros(2, 16, 14, 14))]
    assert [type(module).__name__ for module in ends] == ["MaxPool2d", "Tanh", "Tanh", "Linear"]
    twice = nn.Tanh()
    net = nn.Sequential(nn.Linear(4, 4), twice, nn.Linear(4, 4), twice, nn.Dropout(), nn.Linear(4, 2))
    assert stage_ends(net, torch.zeros(2, 4)) == ["0", "2", "5"]  # what runs twice ends none


def test_the_dense_map_is_the_least_squares_one() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(4_000, 6)).astype(np.float32)
    G, a = rng.normal(size=(6, 3)), rng.normal(size=3)
    found = affine.least_squares(x, (x @ G + a + 0.01 * rng.normal(size=(4_000, 3))).astype(np.float32))
    np.testing.assert_allclose(found.G, G, atol=5e-3)
    np.testing.assert_allclose(found.a, a, atol=5e-3)
    assert found.parameters == 21
