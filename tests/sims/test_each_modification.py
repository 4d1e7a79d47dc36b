"""Modifications one by one: each does to pixels what its name says."""

import kornia
import numpy as np
import pytest
import scipy.stats
import torch
from examples import examples
from hypothesis import given
from hypothesis import strategies as st

from localnoise.sims.data import load
from localnoise.sims.data.tensors import to_tensor
from localnoise.sims.perturbations import (
    apply,
    draws,
    line_blur,
    obstruction,
    rotate,
)

FLOAT32 = 2e-6  # a few roundings of numbers up to 1
SAMPLED = 2e-5  # bilinear sampling at places that float32 rounds by up to 28 * 2^-23 pixels


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Torch's threads wait for each other where other tests share the processor."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return to_tensor(load().test_images[:60])


def test_rotation_by_quarter_turns(images):
    """A word of 0 is -60 level degrees, one of 3/4 its range +30 level degrees; positive angles turn anticlockwise."""
    for level, word, turns in ((1.5, 0, -1), (3.0, 0, 2), (3.0, 3 << 62, 1)):
        words = np.full((len(images), 1), word, dtype=np.uint64)
        turned = rotate.rotate(images, level, words)
        torch.testing.assert_close(turned, torch.rot90(images, turns, dims=(2, 3)), rtol=0, atol=SAMPLED)


def test_rotation_turns_a_centred_bump_into_itself_and_blackens_the_corners():
    """Linear interpolation of exp(-r^2 / 2 s^2) errs by up to 1/8 of the curvature 1 / s^2 along each axis."""
    y, x = torch.meshgrid(torch.arange(28) - 13.5, torch.arange(28) - 13.5, indexing="ij")
    bump = torch.exp(-(x**2 + y**2) / (2 * 3.0**2)).expand(50, 1, -1, -1)
    assert (apply("rotate", bump, 3, seed=0) - bump).abs().max() < 2 / 8 / 3.0**2
    full = torch.ones(50, 1, 28, 28)
    corners = apply("rotate", full, None, seed=0)[:, 0, [0, 0, -1, -1], [0, -1, 0, -1]]
    angles = 96 * (2 * draws.uniform(draws.draw("rotate", 0, 0, 50, 1))[:, 0] - 1)
    tilted = np.abs((angles + 45) % 90 - 45) > 10  # away from the quarter turns
    assert (corners[torch.from_numpy(tilted)] == 0).all()


@given(level=st.floats(0, 2.5), seed=st.integers(0, 1000))
@examples(50)
def test_obstruction_covers_exactly_one_square_inside(level, seed):
    length = round(0.40 * level * 28)
    result = apply("obstruction", torch.ones(30, 1, 28, 28), level, seed)[:, 0]
    black = result == 0
    assert black.sum(dim=(1, 2)).tolist() == [length**2] * 30
    assert ((result == 0) | (result == 1)).all()
    for one in black:
        rows, columns = one.any(dim=1).nonzero(), one.any(dim=0).nonzero()
        if length:
            assert rows.max() - rows.min() + 1 == length == columns.max() - columns.min() + 1


def test_obstruction_falls_on_every_place_equally_often():
    """Its corner is uniform over the (28 - 22 + 1)^2 places of a square of 22 pixels."""
    black = apply("obstruction", torch.ones(4900, 1, 28, 28), 2, seed=0)[:, 0] == 0
    assert obstruction.side(2.0) == 22
    top, left = black.any(dim=2).int().argmax(dim=1), black.any(dim=1).int().argmax(dim=1)
    counts = np.bincount(7 * top + left, minlength=49)
    assert counts.shape == (49,)
    assert scipy.stats.chisquare(counts).pvalue > 1e-3


@given(level=st.floats(0, 28), angle=st.floats(0, 180))
@examples(100)
def test_line_blur_kernel_is_an_average_symmetric_about_its_centre(level, angle):
    kernel = line_blur.kernels(level, torch.tensor([angle]))
    assert kernel.shape[1] == kernel.shape[2]
    assert kernel.shape[1] % 2 == 1
    assert kernel.min() >= 0
    assert kernel.sum().item() == pytest.approx(1, abs=FLOAT32)
    torch.testing.assert_close(kernel, kernel.flip(1, 2), rtol=0, atol=SAMPLED)


@pytest.mark.parametrize("level", [3, 7, 13, 27])
def test_line_blur_kernel_of_an_odd_length_is_kornias(level):
    angles = torch.linspace(0, 180, 37)
    reference = kornia.filters.get_motion_kernel2d(level, angles, torch.zeros(37), mode="bilinear")
    torch.testing.assert_close(line_blur.kernels(level, angles), reference, rtol=0, atol=FLOAT32)


def test_line_blur_kernel_lies_along_its_direction():
    """Second moments: (L^2 - 1) / 12 along a line of L pixels, under a pixel's width across it."""
    angles = torch.linspace(0, 180, 37)
    kernel = line_blur.kernels(13, angles)
    offset = torch.arange(-6.0, 7.0)
    radians = torch.deg2rad(angles)[:, None, None]
    along = offset[None, None, :] * torch.cos(radians) - offset[None, :, None] * torch.sin(radians)
    across = offset[None, None, :] * torch.sin(radians) + offset[None, :, None] * torch.cos(radians)
    torch.testing.assert_close((kernel * along**2).sum(dim=(1, 2)), torch.full((37,), 168 / 12), rtol=0.05, atol=0)
    assert (kernel * across**2).sum(dim=(1, 2)).max() < 0.5


def test_line_blur_grows_with_a_real_length():
    """Between whole odd lengths, the line's ends fade in."""
    rows = [line_blur.kernels(level, torch.zeros(1))[0] for level in (3.0, 4.0, 4.5, 5.0)]
    weights = [row[row.shape[0] // 2].tolist() for row in rows]
    assert weights[0] == pytest.approx([1 / 3] * 3)
    assert weights[1] == pytest.approx([0.125, 0.25, 0.25, 0.25, 0.125])
    assert weights[2] == pytest.approx([x / 4.5 for x in (0.75, 1, 1, 1, 0.75)])
    assert weights[3] == pytest.approx([0.2] * 5)


def naive_blur(image: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Average, pixel by pixel; outside the frame lies black."""
    half = len(kernel) // 2
    result = np.zeros((28, 28))
    for y in range(28):
        for x in range(28):
            for i, j in np.ndindex(kernel.shape):
                if 0 <= y + i - half < 28 and 0 <= x + j - half < 28:
                    result[y, x] += kernel[i, j] * image[y + i - half, x + j - half]
    return result


def test_line_blur_is_the_average_under_its_kernel(images):
    angles = torch.from_numpy(180 * draws.uniform(draws.draw("line_blur", 8, 0, 3, 1))[:, 0]).float()
    kernels = line_blur.kernels(13, angles).numpy()
    blurred = apply("line_blur", images[:3], None, seed=8)[:, 0].numpy()
    for image, kernel, result in zip(images[:3, 0].numpy(), kernels, blurred, strict=True):
        np.testing.assert_allclose(result, naive_blur(image, kernel), atol=FLOAT32)


@pytest.mark.parametrize("level", [-1.0, -0.3, 0.5, 1.0])
def test_brightness_shifts_and_clips(images, level):
    expected = np.clip(images.numpy() + np.float32(level), 0, 1)
    np.testing.assert_array_equal(apply("brighten", images, level, seed=0).numpy(), expected)


def test_input_noise_has_its_standard_deviation():
    grey = torch.full((300, 1, 28, 28), 0.5)
    noise = (apply("input_noise", grey, 0.05, seed=0) - 0.5).flatten() / 0.05  # 10 deviations from clipping
    assert scipy.stats.kstest(noise.numpy(), "norm").pvalue > 1e-3
