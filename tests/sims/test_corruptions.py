"""The common corruptions: the library's own results, image by image, and nothing else moved."""

import importlib
import sys

import numpy as np
import pytest
import torch

from localnoise.errors import ArgumentError, MissingDependencyError
from localnoise.sims.data import load
from localnoise.sims.data.tensors import to_tensor
from localnoise.sims.perturbations import HELD_OUT, MODIFICATIONS, PAPER, apply, corruptions, draws

imagecorruptions = pytest.importorskip("imagecorruptions")

NAMES = [corruption.name for corruption in corruptions.CORRUPTIONS]
RANDOM = ["gaussian_noise", "impulse_noise", "motion_blur", "snow", "fog", "shot_noise"]
SEVERITIES = [1, 2, 3, 4, 5]


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return to_tensor(load().test_images[:8])


def test_names_are_the_papers_and_the_held_out_ones():
    assert [*(name for name in PAPER if MODIFICATIONS[name].whole), *HELD_OUT] == NAMES


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("severity", SEVERITIES)
def test_result_is_the_librarys(name, severity):
    """The public `corrupt` on one framed RGB image; one colour, cropped."""
    image = load().test_images[3]
    (word,) = draws.draw(name, 11, 3, 1, 1)
    coloured = np.repeat(np.pad(image, 2)[..., None], 3, axis=-1)
    options = {"seed": int(word[0])} if name == "impulse_noise" else {}
    before = np.random.get_state()  # noqa: NPY002
    np.random.seed(word.view(np.uint32))  # noqa: NPY002
    expected = imagecorruptions.corrupt(coloured, severity, name, **options)[2:-2, 2:-2]
    np.random.set_state(before)  # noqa: NPY002
    found = apply(name, to_tensor(image[None]), severity, seed=11, start=3)[0, 0].numpy()
    np.testing.assert_array_equal(found, expected[..., 0] / np.float32(255))


@pytest.mark.parametrize("name", NAMES)
def test_batches_do_not_matter(images, name):
    whole = apply(name, images, None, seed=5, start=100)
    parts = [apply(name, images[a:b], None, 5, 100 + a) for a, b in ((0, 1), (1, 1), (1, 5), (5, 8))]
    assert torch.equal(torch.cat(parts), whole)
    assert torch.equal(apply(name, images[3:4], None, 5, 103), whole[3:4])


@pytest.mark.parametrize("name", NAMES)
def test_draws_differ_between_images_and_seeds(images, name):
    same = images[:1].expand(6, -1, -1, -1)
    first, other = apply(name, same, None, seed=3), apply(name, same, None, seed=4)
    distinct = {image.numpy().tobytes() for image in (*first, *other)}
    assert len(distinct) >= 9 if name in RANDOM else len(distinct) == 1  # near angles of a blur on 32 pixels coincide


@pytest.mark.parametrize("name", NAMES)
def test_numpys_generator_and_the_images_are_left_alone(images, name, monkeypatch):
    before, copy = np.random.get_state(), images.clone()  # noqa: NPY002
    apply(name, images, None, seed=1)
    broken = dict.fromkeys(NAMES, _draw_and_fail)
    monkeypatch.setattr(imagecorruptions, "corruption_dict", broken)
    with pytest.raises(ZeroDivisionError):
        apply(name, images, None, seed=1)
    after = np.random.get_state()  # noqa: NPY002
    assert before[2:] == after[2:]
    np.testing.assert_array_equal(before[1], after[1])
    assert torch.equal(images, copy)


def _draw_and_fail(*_arguments, **_options):
    np.random.normal()  # noqa: NPY002
    raise ZeroDivisionError


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", NAMES)
def test_result_is_new_float32_in_range_without_warnings(images, name, capsys):
    extremes = torch.cat([images[:2], torch.zeros(1, 1, 28, 28), torch.ones(1, 1, 28, 28)])
    for severity in (1, 5):
        result = apply(name, extremes, severity, seed=0)
        assert result.dtype == torch.float32
        assert result.shape == extremes.shape
        assert result.min() >= 0
        assert result.max() <= 1
    assert apply(name, images[:0], None, seed=0).shape == (0, 1, 28, 28)
    printed = capsys.readouterr()
    assert printed.out + printed.err == ""


@pytest.mark.parametrize("name", NAMES)
def test_distance_grows_with_the_severity(images, name):
    """Levels share their draws, so on the same images; the library's fog and snow thin some at severities between."""
    distances = [(apply(name, images, severity, 0) - images).pow(2).mean().item() for severity in SEVERITIES]
    assert min(distances) == distances[0] > 0
    assert max(distances) == distances[-1]
    assert name in ("fog", "snow") or (np.diff(distances) > 0).all()


def test_levels_share_their_draws(images):
    """Noise of severities 1 and 2 is the same noise, 0.08 and 0.12 times: seen where nothing is clipped."""
    grey = torch.full((4, 1, 28, 28), 0.5)
    one, two = (apply("gaussian_noise", grey, severity, 0) - 128 / 255 for severity in (1, 2))
    correlation = np.corrcoef(one.flatten(), two.flatten())[0, 1]
    assert correlation > 0.99
    assert (two.std() / one.std()).item() == pytest.approx(1.5, abs=0.03)


def test_noise_is_as_strong_as_the_library_states():
    """0.08 of the range at severity 1, 5 deviations from clipping; truncated to 1 / 255."""
    grey = torch.full((40, 1, 28, 28), 0.5)
    assert apply("gaussian_noise", grey, 1, 0).std().item() == pytest.approx(0.08, rel=0.02)


@pytest.mark.parametrize("bad", [0, 6, 2.5, float("nan"), "strong"])
def test_bad_severity(images, bad):
    with pytest.raises(ArgumentError, match="expected a whole number from 1 to 5 for 'snow'") as caught:
        apply("snow", images, bad, seed=0)
    assert "\n" not in str(caught.value)


def test_missing_library_is_told_with_its_remedy(images, monkeypatch):
    monkeypatch.setitem(sys.modules, "imagecorruptions", None)  # as if it were not installed
    with pytest.raises(MissingDependencyError, match=r"is not installed: pip install 'localnoise\[robustness\]'"):
        apply("fog", images, None, seed=0)


def test_library_that_cannot_load_is_told_with_its_reason(images, monkeypatch):
    def fail(_name: str) -> None:
        raise ImportError("libGL.so.1: cannot open shared object file")

    monkeypatch.setattr(importlib, "import_module", fail)
    with pytest.raises(MissingDependencyError, match=r"cannot be loaded \(libGL.*apt-get install libgl1"):
        apply("fog", images, None, seed=0)
