"""Elastic and perspective distortion against SciPy's interpolation and a homography solved by hand."""

import numpy as np
import pytest
import scipy.ndimage
import scipy.stats
import torch

from localnoise.sims.data import load
from localnoise.sims.data.tensors import to_tensor
from localnoise.sims.perturbations import apply, draws, elastic, perspective

SAMPLED = 2e-5  # bilinear sampling at places that float32 rounds by up to 28 * 2^-23 pixels
LEVELS = [0.2, 0.4, 0.6, 0.8, 1.2, 1.4, 1.6, 1.8, 2.0]  # the paper's


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return to_tensor(load().test_images[:12])


def sample(image: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Bilinear, black outside the frame: SciPy's "grid-constant" interpolates between the edge and the black."""
    return scipy.ndimage.map_coordinates(image.astype(float), [y, x], order=1, mode="grid-constant", cval=0.0)


@pytest.mark.parametrize("level", [0.4, 2.0])
def test_elastic_is_torchvisions_field_sampled_by_scipy(images, level):
    words = draws.draw("elastic", 4, 0, len(images), elastic.MODIFICATION.words)
    noise = 2 * draws.uniform(words).reshape(-1, 2, 28, 28) - 1
    smooth = scipy.ndimage.gaussian_filter(noise, (0, 0, 5, 5), mode="mirror", truncate=4)  # 20 pixels each side
    field = smooth * 35 * level / 28  # in coordinates from -1 to 1 over 28 pixels
    y, x = np.mgrid[:28, :28]
    expected = [sample(i, y + 14 * dy, x + 14 * dx) for i, (dx, dy) in zip(images[:, 0].numpy(), field, strict=True)]
    np.testing.assert_allclose(apply("elastic", images, level, seed=4)[:, 0].numpy(), expected, atol=2 * SAMPLED)


def test_elastic_displacements_are_smooth_and_as_large_as_stated():
    words = draws.draw("elastic", 0, 0, 300, elastic.MODIFICATION.words)
    moved = elastic.displacements(1.0, words)
    assert moved.std().item() == pytest.approx(0.75, abs=0.03)
    centre = moved[:, :, 4:24, 4:24]  # correlation exp(-d^2 / 4 sigma^2) at a distance d, away from the mirrors
    for distance in (3, 7):
        left, right = centre[..., :-distance].flatten(), centre[..., distance:].flatten()
        found = np.corrcoef(left, right)[0, 1]
        assert found == pytest.approx(np.exp(-(distance**2) / 100), abs=0.06)
    torch.testing.assert_close(elastic.displacements(2.0, words), 2 * moved, rtol=1e-6, atol=0)


@pytest.mark.parametrize("level", LEVELS)
def test_perspective_corners_are_uniform_whole_steps_inwards(level):
    most = int(0.25 * level * 14)
    moved = perspective.corners(level, draws.draw("perspective", 0, 0, 2000, 8)).numpy()
    inwards = np.minimum(moved, 27 - moved)
    assert set(np.unique(inwards)) == set(range(most + 1))
    nearest = np.stack([np.sign(moved[..., 0] - 13.5), np.sign(moved[..., 1] - 13.5)], axis=-1)
    np.testing.assert_array_equal(nearest, np.broadcast_to([[-1, -1], [1, -1], [1, 1], [-1, 1]], nearest.shape))
    if most:
        counts = np.stack([np.bincount(column.astype(int)) for column in inwards.reshape(2000, 8).T])
        assert scipy.stats.chisquare(counts, axis=1).pvalue.min() > 1e-3


def homography(source: np.ndarray, goal: np.ndarray) -> np.ndarray:
    """Solve (a x + b y + c) / (g x + h y + 1) = X, (d x + e y + f) / (g x + h y + 1) = Y at four points."""
    rows, right = [], []
    for (x, y), (goal_x, goal_y) in zip(source, goal, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -x * goal_x, -y * goal_x], [0, 0, 0, x, y, 1, -x * goal_y, -y * goal_y]]
        right += [goal_x, goal_y]
    return np.append(np.linalg.solve(rows, right), 1).reshape(3, 3)


@pytest.mark.parametrize("level", [0.6, 1.4, 2.0])
def test_perspective_is_the_homography_of_its_corners(images, level):
    """The result's pixel, whose centre is at +1/2, is taken from where the inverse homography puts it."""
    goals = perspective.corners(level, draws.draw("perspective", 7, 0, len(images), 8)).numpy()
    y, x = np.mgrid[:28, :28] + 0.5
    result = apply("perspective", images, level, seed=7)[:, 0].numpy()
    for image, goal, found in zip(images[:, 0].numpy(), goals, result, strict=True):
        back = homography(goal, np.array([[0, 0], [27, 0], [27, 27], [0, 27]]))
        from_x, from_y, scale = back @ np.stack([x.ravel(), y.ravel(), np.ones(x.size)])
        place = [(axis / scale - 0.5).reshape(28, 28) for axis in (from_y, from_x)]
        np.testing.assert_allclose(found, sample(image, *place), atol=2 * SAMPLED)


def test_perspective_is_black_on_the_horizon(images):
    """This draw puts three pixels exactly on the line that the homography sends to infinity."""
    seed, index = (1 << 32) + 1, 52976
    result = apply("perspective", images[:1], 2.0, seed=seed, start=index)
    goals = perspective.corners(2.0, draws.draw("perspective", seed, index, 1, 8))
    starts = torch.from_numpy(perspective._CORNERS)[None]
    back = perspective.get_perspective_transform(goals - 0.5, starts - 0.5)[0].numpy()
    y, x = np.mgrid[:28, :28]
    horizon = np.abs(back[2, 0] * x + back[2, 1] * y + back[2, 2]) < 1e-7
    assert horizon.any()
    assert (result[0, 0].numpy()[horizon] == 0).all()
    assert torch.isfinite(result).all()


@pytest.mark.parametrize("name", ["elastic", "perspective"])
def test_distortion_grows_with_the_level(images, name):
    distances = [(apply(name, images, level, 0) - images).pow(2).mean().item() for level in LEVELS]
    steps = np.diff(distances)
    assert (steps >= 0).all() if name == "perspective" else (steps > 0).all()  # perspective: two steps are level
    assert distances[-1] > 4 * distances[1]
