"""The modifications of images: seeded image by image, whatever the batches, and within [0, 1]."""

import itertools
import time

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
    draws,
    rotate,
)

# The common corruptions have a file of their own: their library takes up to 2 ms an image.
NAMES = [name for name, modification in MODIFICATIONS.items() if not modification.whole]
RANDOM = [name for name in NAMES if MODIFICATIONS[name].words]
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
