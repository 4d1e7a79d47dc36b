"""The modifications of images: seeded image by image, whatever the batches, and within [0, 1]."""

import itertools
import time

import kornia
import numpy as np
import pytest
import scipy.stats
import torch
from examples import examples
from hypothesis import given
from hypothesis import strategies as st

from localnoise.errors import ArgumentError
from localnoise.sims.data import load
from localnoise.sims.data.tensors import to_tensor
from localnoise.sims.perturbations import (
    HELD_OUT,
    MODIFICATIONS,
    PAPER,
    apply,
    causes,
    draws,
    line_blur,
    obstruction,
    rotate,
)
from localnoise.sims.perturbations.typical import codebook, nearest

# The common corruptions have a file of their own: their library takes up to 2 ms an image.
NAMES = [name for name, modification in MODIFICATIONS.items() if not modification.whole]
RANDOM = [name for name in NAMES if MODIFICATIONS[name].words]
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


# What holds for all of them


def test_table_names_what_it_holds():
    assert NAMES == ["rotate", "obstruction", "line_blur", "brighten", "input_noise", "elastic", "perspective"]
    assert len(set(PAPER)) == 10
    assert len(set(HELD_OUT)) == 6
    assert set(MODIFICATIONS) == {*PAPER, *HELD_OUT, "line_blur", "brighten", "input_noise"}
    for name, modification in MODIFICATIONS.items():
        assert modification.name == name
        assert modification.lowest <= modification.level <= modification.highest
        assert modification.description.endswith(".")


@pytest.mark.parametrize("name", NAMES)
def test_result_is_new_float32_in_range(images, name):
    before = images.clone()
    for level in (None, MODIFICATIONS[name].lowest, MODIFICATIONS[name].highest):
        result = apply(name, images, level, seed=1)
        assert result.shape == images.shape
        assert result.dtype == torch.float32
        assert result.min() >= 0
        assert result.max() <= 1
        assert result.data_ptr() != images.data_ptr()
    assert torch.equal(images, before)


@pytest.mark.parametrize("name", NAMES)
def test_no_images_give_no_images(name):
    assert apply(name, torch.zeros(0, 1, 28, 28), None, seed=0).shape == (0, 1, 28, 28)


@pytest.mark.parametrize("name", NAMES)
@given(cuts=st.lists(st.integers(0, 60), max_size=6), seed=st.integers(0, 2**64 - 1), start=st.integers(0, 2**40))
@examples(15)
def test_batches_do_not_matter(images, name, cuts, seed, start):
    whole = apply(name, images, None, seed, start)
    edges = [0, *sorted(cuts), 60]
    parts = [apply(name, images[a:b], None, seed, start + a) for a, b in itertools.pairwise(edges)]
    assert torch.equal(torch.cat(parts), whole)


@pytest.mark.parametrize("name", NAMES)
def test_chunks_do_not_matter(images, name):
    """More images than `apply` takes at a time."""
    many = images.repeat(40, 1, 1, 1)
    assert torch.equal(
        apply(name, many, None, seed=5)[1000:1100], apply(name, many[1000:1100], None, seed=5, start=1000)
    )


@pytest.mark.parametrize("name", NAMES)
def test_an_image_is_modified_by_itself(images, name):
    changed = images.clone()
    changed[7] = 1 - changed[7]
    before, after = apply(name, images, None, seed=2), apply(name, changed, None, seed=2)
    same = (before == after).flatten(1).all(dim=1)
    assert same.sum() >= 59
    assert same[:7].all()
    assert same[8:].all()


@pytest.mark.parametrize("name", RANDOM)
def test_draws_differ_between_images_and_seeds_and_repeat(images, name):
    same = torch.rand(1, 1, 28, 28, generator=torch.Generator().manual_seed(0)).expand(20, -1, -1, -1)
    first = apply(name, same, None, seed=3)
    assert len({image.numpy().tobytes() for image in first}) > 10  # 49 places of the obstruction: some coincide
    assert torch.equal(first, apply(name, same, None, seed=3))
    assert (first == apply(name, same, None, seed=4)).flatten(1).all(dim=1).sum() < 5


@pytest.mark.parametrize("name", NAMES)
def test_level_zero_is_the_identity(images, name):
    result = apply(name, images, 0, seed=0)
    resampled = name in ("rotate", "elastic", "perspective")
    torch.testing.assert_close(result, images, rtol=0, atol=SAMPLED if resampled else 0)


@pytest.mark.parametrize("name", NAMES)
def test_sixty_thousand_images_take_seconds(name):
    generator = torch.Generator().manual_seed(0)
    many = torch.rand(6_000, 1, 28, 28, generator=generator)

    def cost(action) -> float:  # the processor's time of this process alone, on one thread
        start = time.process_time()
        action()
        return time.process_time() - start

    apply(name, many[:10], None, seed=0)
    modified = min(cost(lambda: apply(name, many, None, seed=0)) for _ in range(2))
    drawn = min(cost(lambda: torch.randn(many.shape, generator=generator)) for _ in range(3))
    assert modified < 30 * drawn  # a normal number a pixel: a third of a second for 60,000 images, on a Xeon of 2.5 GHz


@pytest.mark.parametrize("name", NAMES)
def test_threads_do_not_matter(images, name):
    one = apply(name, images, None, seed=6)
    torch.set_num_threads(2)
    two = apply(name, images, None, seed=6)
    torch.set_num_threads(1)
    assert torch.equal(one, two)


# One by one


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


# The random numbers


def test_words_are_a_function_of_name_seed_and_index():
    words = draws.draw("rotate", 1, 0, 50, 6)
    assert words.shape == (50, 6)
    for start, count in ((0, 1), (3, 7), (49, 1)):
        np.testing.assert_array_equal(draws.draw("rotate", 1, start, count, 6), words[start : start + count])
    for other in (draws.draw("rotate", 2, 0, 50, 6), draws.draw("obstruction", 1, 0, 50, 6)):
        assert not np.isin(other, words).any()
    assert len(np.unique(words)) == words.size


def test_draws_do_not_depend_on_the_level(images):
    """Levels of one seed share their draws, so a curve over levels is smooth: half the level is half the angle."""
    one = rotate.rotate(images, 2.0, draws.draw("rotate", 0, 0, 60, 1))
    assert torch.equal(apply("rotate", images, 2.0, seed=0), one.clamp(0, 1))


def test_uniform_numbers_are_uniform():
    numbers = draws.uniform(draws.draw("line_blur", 0, 0, 100_000, 1))[:, 0]
    assert 0 <= numbers.min() < numbers.max() < 1
    assert scipy.stats.kstest(numbers, "uniform").pvalue > 1e-3
    assert abs(np.corrcoef(numbers[:-1], numbers[1:])[0, 1]) < 4 / np.sqrt(100_000)
    extremes = draws.uniform(np.array([0, 2**64 - 1], dtype=np.uint64))
    assert extremes.tolist() == [0, 1 - 2**-53]


def test_normal_numbers_are_normal_and_uncorrelated():
    numbers = draws.normal(draws.draw("input_noise", 0, 0, 20_000, 8))
    assert numbers.dtype == np.float32
    assert numbers.shape == (20_000, 16)
    assert scipy.stats.kstest(numbers.ravel(), "norm").pvalue > 1e-3
    for power in (numbers, numbers**2):
        correlations = np.corrcoef(power, rowvar=False) - np.eye(16)
        assert abs(correlations).max() < 5 / np.sqrt(20_000)
    extremes = draws.normal(np.array([[0, 2**64 - 1]], dtype=np.uint64))
    assert np.isfinite(extremes).all()
    assert abs(extremes).max() == pytest.approx(6.76, abs=0.01)


# What is refused


def test_unknown_name_suggests_the_nearest(images):
    with pytest.raises(ArgumentError, match="did you mean 'motion_blur'"):
        apply("motionblur", images, None, seed=0)


@pytest.mark.parametrize("name", MODIFICATIONS)
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf"), -1.001, 29, "much", [1, 2], 1j])
def test_bad_level(images, name, bad):
    with pytest.raises(ArgumentError, match="level=") as caught:
        apply(name, images, bad, seed=0)
    assert repr(name) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "fragment"),
    [
        (lambda x: x.numpy(), "a ndarray, expected a torch tensor"),
        (lambda x: (x * 255).byte(), "torch.uint8"),
        (lambda x: x.double(), "torch.float64"),
        (lambda x: x[:, 0], "shape (60, 28, 28)"),
        (lambda x: x[..., :27], "shape (60, 1, 28, 27)"),
        (lambda x: x.expand(-1, 3, -1, -1), "shape (60, 3, 28, 28)"),
        (lambda x: x * 255, "range from 0 to 255"),
        (lambda x: x - 0.5, "range from -0.5"),
        (lambda x: torch.where(x == x.max(), torch.nan, x), "hold NaN"),
        (lambda x: torch.where(x == x.max(), torch.inf, x), "to inf"),
    ],
)
def test_bad_images(images, change, fragment):
    with pytest.raises(ArgumentError) as caught:
        apply("rotate", change(images), None, seed=0)
    assert fragment in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("bad", [-1, 0.5, "a", None, 2**64, True])
def test_bad_seed_and_start(images, bad):
    with pytest.raises(ArgumentError, match="seed="):
        apply("rotate", images, None, seed=bad)
    with pytest.raises(ArgumentError, match="start="):
        apply("rotate", images, None, seed=0, start=bad)


def test_to_tensor_divides_by_255():
    dataset = load()
    tensor = to_tensor(dataset.test_images[:10])
    assert tensor.dtype == torch.float32
    assert tensor.shape == (10, 1, 28, 28)
    np.testing.assert_array_equal(tensor[:, 0].numpy(), dataset.test_images[:10].astype(np.float32) / np.float32(255))


# The causes


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
