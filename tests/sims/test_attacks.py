"""PGD: it stays in its ball, it is right where the answer is known, and more of it never helps the defender."""

import pytest
import torch
from torch import nn

from localnoise import UnitGrid
from localnoise.errors import ArgumentError
from localnoise.nn import NoiseLayer, Predictor
from localnoise.sims.attacks import PGD
from localnoise.sims.data.tensors import PIXELS


@pytest.fixture
def images() -> torch.Tensor:
    return torch.rand(20, 1, 28, 28, generator=torch.Generator().manual_seed(0))


def linear(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 2))


def test_stays_in_the_ball_and_in_the_image_range(images: torch.Tensor) -> None:
    attacked = PGD(eps=0.07, steps=5)(linear(), images, torch.zeros(20, dtype=torch.long), bounds=PIXELS)
    assert (attacked - images).abs().max() <= 0.07 + 1e-6
    assert attacked.min() >= 0
    assert attacked.max() <= 1
    assert not torch.equal(attacked, images)


def test_eps_zero_changes_nothing(images: torch.Tensor) -> None:
    labels = torch.zeros(20, dtype=torch.long)
    assert torch.equal(PGD(eps=0.0, steps=3)(linear(), images, labels, bounds=PIXELS), images)


def test_two_class_linear_model_gets_the_closed_form_answer(images: torch.Tensor) -> None:
    """The gradient's sign is constant, so enough steps end in the corner x + eps sign(w_wrong - w_right)."""
    model = linear()
    weights = model[1].weight.detach()  # type: ignore[index]
    corner = (images + 0.1 * (weights[1] - weights[0]).sign().view(1, 1, 28, 28)).clamp(0, 1)
    attacked = PGD(eps=0.1, steps=12, step=0.05)(model, images, torch.zeros(20, dtype=torch.long), bounds=PIXELS)
    torch.testing.assert_close(attacked, corner, atol=1e-6, rtol=0)


def test_the_same_seed_gives_the_same_attack_for_any_batch(images: torch.Tensor) -> None:
    labels = torch.zeros(20, dtype=torch.long)
    attack = PGD(eps=0.1, steps=3, random_start=False)
    whole, parts = (attack(linear(), images, labels, bounds=PIXELS, batch=batch) for batch in (250, 7))
    torch.testing.assert_close(whole, parts)
    attack = PGD(eps=0.1, steps=3)
    first, again = (attack(linear(), images, labels, bounds=PIXELS, seed=4) for _ in range(2))
    assert torch.equal(first, again)


def test_iterations_raise_the_loss(images: torch.Tensor) -> None:
    torch.manual_seed(1)
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 32), nn.Tanh(), nn.Linear(32, 10))
    labels = model(images).argmax(1)
    loss = nn.CrossEntropyLoss()
    attacks = [PGD(eps=0.02, steps=steps, step=0.02 / steps**0.5) for steps in (1, 10)]
    values = [loss(model(attack(model, images, labels, bounds=PIXELS)), labels).item() for attack in attacks]
    assert loss(model(images), labels).item() < values[0] < values[1]


def test_gradients_go_through_the_mean_of_a_signal_dependent_field(images: torch.Tensor) -> None:
    """With a mean of -h the noisy activation is constant: an attacker who knows the mean finds no gradient in it."""
    grid = UnitGrid((28, 28), 1, signal="local", signal_radius=0)
    grid.field.G[:] = -1
    grid.field.S[:] = 1e-6
    model = Predictor(nn.Identity(), NoiseLayer(grid), linear(), draws=2)
    x = images.clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(model(x).sum(), x)
    assert gradient.abs().max() < 1e-6


@pytest.mark.parametrize(("option", "value"), [("eps", -0.1), ("eps", float("inf")), ("steps", 0), ("draws", 0)])
def test_bad_settings_are_named(option: str, value: float) -> None:
    with pytest.raises(ArgumentError, match=f"{option}={value}"):
        PGD(**{option: value})  # type: ignore[arg-type]
