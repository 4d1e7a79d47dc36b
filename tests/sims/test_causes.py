"""Causes: parts into which the draws of a modification are cut, evenly, each of one kind of movement."""

import numpy as np
import pytest
import torch

from localnoise.errors import ArgumentError
from localnoise.sims.perturbations import (
    MODIFICATIONS,
    apply,
    causes,
    draws,
)
from localnoise.sims.perturbations.typical import codebook, nearest


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Torch's threads wait for each other where other tests share the processor."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("name", ["rotate", "obstruction", "line_blur"])
@pytest.mark.parametrize("parts", [1, 4, 16])
def test_causes_cut_the_draws_evenly(name: str, parts: int) -> None:
    cause = causes(name, 3, 8000, parts)
    share = np.bincount(cause) / 8000
    assert len(share) == parts
    assert np.abs(share - 1 / parts).max() <= 4 * np.sqrt((1 - 1 / parts) / parts / 8000)  # four standard errors


@pytest.mark.parametrize("name", ["rotate", "obstruction", "line_blur"])
def test_finer_causes_are_parts_of_coarser_ones(name: str) -> None:
    coarse, fine = causes(name, 3, 2000), causes(name, 3, 2000, 16)
    assert all(len(np.unique(coarse[fine == part])) == 1 for part in range(16))


@pytest.mark.parametrize("name", [name for name in MODIFICATIONS if name not in ("rotate", "obstruction", "line_blur")])
def test_what_does_not_move_the_image_has_one_cause(name: str) -> None:
    assert causes(name, 3, 50, 16).tolist() == [0] * 50


@pytest.mark.parametrize("parts", [2, 4, 16])
def test_typical_movements_are_those_of_apply(parts: int) -> None:
    """Ramps show where each point was taken from; draws of one cause move alike, more so the more causes there are."""
    ramp = (torch.arange(28.0) / 27).expand(28, 28)
    ramps = [one.expand(300, 1, 28, 28).clone() for one in (ramp, ramp.T)]
    moved = torch.stack([apply("perspective", one, 2.0, 7)[:, 0] for one in ramps])
    middle = 27 * moved[:, :, 13:15, 13:15].mean(dim=(2, 3)).T.numpy() - 13.5  # (N, 2), x and y
    stated = MODIFICATIONS["perspective"].movements(draws.draw("perspective", 7, 0, 300, 8)).reshape(300, 5, 5, 2)
    assert np.abs(middle - stated[:, 2, 2]).max() < 0.1
    cause, flat = causes("perspective", 7, 300, parts, typical=True), stated.reshape(300, -1)
    assert sorted(set(cause)) == list(range(parts))
    within = sum(np.square(flat[cause == one] - flat[cause == one].mean(axis=0)).sum() for one in range(parts))
    coarser = causes("perspective", 7, 300, parts // 2, typical=True)
    before = sum(np.square(flat[coarser == one] - flat[coarser == one].mean(axis=0)).sum() for one in set(coarser))
    assert within < 0.9 * before
    assert (causes("perspective", 7, 40, parts, typical=True) == cause[:40]).all()


def test_typical_movements_leave_other_causes_as_they_are() -> None:
    for name in ("rotate", "obstruction", "fog"):
        assert (causes(name, 3, 50, 16, typical=True) == causes(name, 3, 50, 16)).all()
    assert not causes("perspective", 3, 50, 1, typical=True).any()


def test_each_movement_is_nearest_to_its_own_entry() -> None:
    """Of points in three heaps, each heap is an entry; naively, by distances."""
    rng = np.random.default_rng(0)
    heaps = np.array([[0.0, 0.0], [9.0, 0.0], [0.0, 9.0]])
    which = np.arange(300) % 3
    points = heaps[which] + rng.normal(size=(300, 2))
    book = codebook(points, 3)
    np.testing.assert_allclose(book, [points[which == one].mean(axis=0) for one in range(3)])
    distance = np.square(points[:, None] - book).sum(axis=2)
    assert (nearest(book, points) == distance.argmin(axis=1)).all()


@pytest.mark.parametrize(("name", "parts"), [("rotate", 0), ("rotate", 2.5), ("obstruction", 8), ("rotate", -4)])
def test_bad_parts(name: str, parts: float) -> None:
    with pytest.raises(ArgumentError, match="parts="):
        causes(name, 0, 10, parts)


def test_causes_of_a_place_are_its_squares() -> None:
    """The obstruction at level 0.25 has 26 places an axis: of 13 squares' places, each is cut into four by parts=16."""
    black = apply("obstruction", torch.ones(500, 1, 28, 28), 0.25, seed=2)[:, 0] == 0
    top, left = black.any(dim=2).int().argmax(dim=1), black.any(dim=1).int().argmax(dim=1)
    cause = causes("obstruction", 2, 500, 16)
    for axis, piece in ((top, cause // 4), (left, cause % 4)):
        assert np.abs((axis.numpy() + 0.5) / 26 - (piece + 0.5) / 4).max() <= 1 / 8 + 0.5 / 26


def test_causes_are_those_of_apply() -> None:
    """A quarter of the angles each: image by image, the rotation found is in the quarter that the cause says."""
    pointer = torch.zeros(200, 1, 28, 28)
    pointer[:, :, 2:6, 12:16] = 1  # near the top: its centre of mass turns with the image
    moved = apply("rotate", pointer, 1.0, seed=5)
    y, x = (torch.arange(28.0) - 13.5).view(28, 1), (torch.arange(28.0) - 13.5).view(1, 28)
    weight = moved[:, 0] / moved[:, 0].sum(dim=(1, 2), keepdim=True)
    angle = torch.rad2deg(torch.atan2((weight * x).sum(dim=(1, 2)), -(weight * y).sum(dim=(1, 2))))
    quarter = torch.floor((angle.abs() * torch.sign(angle) + 60) / 30).clamp(0, 3).numpy().astype(int)
    cause = causes("rotate", 5, 200)
    agree = max((quarter == cause).mean(), (3 - quarter == cause).mean())  # either sense of rotation
    assert agree > 0.95  # angles at a quarter's edge may fall on either side
