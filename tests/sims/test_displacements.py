"""Kinds of displacement: their laws on linear layers, where these are known, and that only the seed decides."""

import numpy as np
import pytest
import torch
from scipy.ndimage import map_coordinates
from torch import nn

from localnoise import UnitGrid, central
from localnoise.errors import ArgumentError
from localnoise.sims import data, perturbations
from localnoise.sims.data.tensors import to_tensor
from localnoise.sims.models import build
from localnoise.sims.perturbations import between, drift, jitter, paired, temporal
from localnoise.sims.perturbations.drift import BRIGHTNESS, DEGREES, KEPT, PIXELS, poses, turn

LEVELS = {"paired": 1.6, "jitter": 0.2, "temporal": 1.0}


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return to_tensor(data.load().train_images[:40])


@pytest.fixture(scope="module")
def front() -> nn.Module:
    return build("v2", "tanh", 2).front


def displaced(
    kind: str, front: nn.Module, images: torch.Tensor, seed: int = 3, start: int = 0
) -> tuple[torch.Tensor, ...]:
    if kind == "paired":
        return paired(front, images, "rotate", LEVELS[kind], seed, start)
    return {"jitter": jitter, "temporal": temporal}[kind](front, images, LEVELS[kind], seed, start)


@pytest.mark.parametrize("kind", LEVELS)
def test_only_seed_and_index_decide(kind: str, front: nn.Module, images: torch.Tensor) -> None:
    """The same in any batches, to float32 rounding of the activations; another seed or index gives others."""
    whole = displaced(kind, front, images)
    assert all(map(torch.equal, whole, displaced(kind, front, images)))
    parts = zip(displaced(kind, front, images[:13]), displaced(kind, front, images[13:], start=13), strict=True)
    for one, two in zip(whole, map(torch.cat, parts), strict=True):
        torch.testing.assert_close(one, two, rtol=0, atol=1e-5)
    assert (displaced(kind, front, images, seed=4)[0] - whole[0]).abs().max() > 0.1
    assert (displaced(kind, front, images, start=1)[0] - whole[0]).abs().max() > 0.1


@pytest.mark.parametrize("kind", LEVELS)
def test_fields_learn_from_every_kind(kind: str, front: nn.Module, images: torch.Tensor) -> None:
    d, h = displaced(kind, front, images)
    assert d.shape == h.shape == (len(d), 16, 14, 14)
    assert not d.requires_grad
    grid = UnitGrid((14, 14), 16, parents=1, signal="local", signal_radius=0).learn(d.numpy(), h.numpy())
    assert grid.perturb(h[:2].numpy()).shape == (2, 16, 14, 14)
    assert central.diagonal(d.numpy()).seen == len(d)


def test_paired_is_the_difference_of_two_activations(front: nn.Module, images: torch.Tensor) -> None:
    moved = perturbations.apply("rotate", images, 1.6, 3, 7)
    d, h = paired(front, images, "rotate", 1.6, 3, 7)
    with torch.no_grad():
        torch.testing.assert_close(h, front(images), rtol=0, atol=1e-6)
        torch.testing.assert_close(d, front(moved) - front(images), rtol=0, atol=1e-6)
    assert all(map(torch.equal, (d, h), between(front, images, moved)))


def test_jitter_of_a_linear_layer_has_its_covariance() -> None:
    """d = W e has covariance level^2 W W'; grey images are far from clipping. 8,000 draws, five standard errors."""
    torch.manual_seed(0)
    front, count, level = nn.Sequential(nn.Flatten(), nn.Linear(784, 6), nn.Unflatten(1, (1, 2, 3))), 8_000, 0.05
    d, _ = jitter(front, torch.full((count, 1, 28, 28), 0.5), level, seed=1)
    flat = d.flatten(1).double()
    W = front[1].weight.detach().double()
    C = level**2 * W @ W.T
    error = torch.sqrt((torch.outer(C.diag(), C.diag()) + C**2) / count)
    assert ((flat.T @ flat / count - C).abs() <= 5 * error).all()
    assert (flat.mean(0).abs() <= 5 * torch.sqrt(C.diag() / count)).all()


def test_steps_of_a_stream_lead_from_frame_to_frame(images: torch.Tensor) -> None:
    """The front being the identity, h are the frames but the last of each image, and h + d those but the first."""
    d, h = temporal(nn.Identity(), images, 1.0, seed=3, frames=4)
    stream = drift(images, 1.0, seed=3, frames=4)
    assert len(d) == 40 * 3
    assert torch.equal(h, stream[:, :-1].flatten(0, 1))
    torch.testing.assert_close(h + d, stream[:, 1:].flatten(0, 1), rtol=0, atol=1e-6)


def test_longer_streams_and_parts_show_the_same_frames(images: torch.Tensor) -> None:
    stream = drift(images, 1.0, seed=3, frames=4)
    assert torch.equal(drift(images, 1.0, seed=3, frames=6)[:, :4], stream)
    assert torch.equal(torch.cat([drift(images[:9], 1, 3, 0, 4), drift(images[9:], 1, 3, 9, 4)]), stream)
    assert stream.min() == 0
    assert stream.max() <= 1


def test_chunks_of_a_stream_do_not_show() -> None:
    """More images than are rendered at a time."""
    many = torch.rand(1203, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    d, h = temporal(nn.Identity(), many, 1.0, seed=3, frames=2)
    assert temporal(nn.Identity(), many[:0], 1.0, seed=3)[0].shape == (0, 1, 28, 28)
    last = temporal(nn.Identity(), many[1200:], 1.0, seed=3, start=1200, frames=2)
    assert torch.equal(d[1200:], last[0])
    assert torch.equal(h[1200:], last[1])


def test_every_frame_follows_the_same_law() -> None:
    """Poses are N(0, I) at each frame, correlated KEPT^lag; 20,000 walks, five standard errors."""
    count, frames = 20_000, 5
    walk = poses(count, seed=2, frames=frames).astype(np.float64)
    for i in range(4):
        for j in range(4):
            found = walk[:, :, i].T @ walk[:, :, j] / count
            lag = np.abs(np.subtract.outer(np.arange(frames), np.arange(frames)))
            expected = KEPT**lag if i == j else np.zeros((frames, frames))
            assert (np.abs(found - expected) <= 5 * np.sqrt((1 + expected**2) / count)).all()
    assert (np.abs(walk.mean(axis=0)) <= 5 / np.sqrt(count)).all()


def test_frames_are_turned_shifted_and_brightened(images: torch.Tensor) -> None:
    """Against bilinear interpolation by SciPy, pixel by pixel."""
    level = 1.3
    stream, walk = drift(images[:6], level, seed=3, start=2, frames=3), level * poses(6, 3, 2, 3)
    y, x = np.mgrid[:28, :28] - 13.5
    for i, t in np.ndindex(6, 3):
        angle = np.deg2rad(DEGREES * walk[i, t, 0])
        right, down = PIXELS * walk[i, t, 1:3]
        # a clockwise turn by `angle`, rows running down, takes (x, y) to (c x - s y, s x + c y); here its inverse
        c, s = np.cos(angle), np.sin(angle)
        from_x, from_y = c * (x - right) + s * (y - down), -s * (x - right) + c * (y - down)
        taken = map_coordinates(images[i, 0].numpy(), [from_y + 13.5, from_x + 13.5], order=1, mode="grid-constant")
        expected = np.clip(taken + BRIGHTNESS * walk[i, t, 3], 0, 1)
        np.testing.assert_allclose(stream[i, t, 0], expected, atol=2e-4)


def test_a_turn_is_clockwise_and_a_shift_goes_right_and_down() -> None:
    dot = torch.zeros(1, 1, 28, 28)
    dot[0, 0, 4, 14] = 1  # above the centre
    where = turn(dot, torch.tensor([90.0]), torch.tensor([2.0]), torch.tensor([0.0]))[0, 0].argmax().item()
    assert divmod(where, 28) == (14, 25)
    where = turn(dot, torch.tensor([0.0]), torch.tensor([0.0]), torch.tensor([3.0]))[0, 0].argmax().item()
    assert divmod(where, 28) == (7, 14)


@pytest.mark.parametrize("kind", ["jitter", "temporal"])
def test_a_higher_level_moves_more(kind: str, front: nn.Module, images: torch.Tensor) -> None:
    make = {"jitter": jitter, "temporal": temporal}[kind]
    power = [make(front, images, level, 3)[0].square().mean().item() for level in (0.05, 0.2, 0.8)]
    assert power[0] < power[1] < power[2]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"level": 0}, "level=0: expected a finite number > 0"),
        ({"level": "much"}, "level='much': expected a finite number > 0"),
        ({"frames": 1}, "frames=1: expected a whole number >= 2"),
        ({"seed": -1}, "seed=-1: expected a whole number >= 0"),
        ({"start": -1}, "start=-1: expected a whole number >= 0"),
        ({"images": np.zeros((2, 1, 28, 28))}, "images: a ndarray, expected a torch tensor"),
        ({"images": torch.zeros(2, 28, 28)}, r"images: of shape \(2, 28, 28\), expected \(N, 1, H, W\)"),
        ({"images": torch.full((2, 1, 28, 28), 255.0)}, r"images: some values lie outside \[0, 1\]"),
        ({"images": torch.full((2, 1, 28, 28), torch.nan)}, r"images: some values lie outside \[0, 1\]"),
    ],
)
def test_bad_input_is_named(front: nn.Module, images: torch.Tensor, wrong: dict[str, object], message: str) -> None:
    arguments = {"images": images[:2], "level": 1.0, "seed": 3} | wrong
    with pytest.raises(ArgumentError, match=message):
        temporal(front, **arguments)  # type: ignore[arg-type]


def test_a_modifications_own_errors_pass_through(front: nn.Module, images: torch.Tensor) -> None:
    with pytest.raises(ArgumentError, match="did you mean 'rotate'"):
        paired(front, images, "rotat", None, 3)
    with pytest.raises(ArgumentError, match=r"level=2: expected a number from 0 to 1 for 'input_noise'"):
        jitter(front, images, 2, 3)
