"""A data set, its table and its contact sheet."""

import subprocess
import sys

import numpy as np
import pytest
from idx_folder import TEST, TRAIN, TRAIN_LABELS, put, raw, synthetic

from localnoise.errors import ArgumentError
from localnoise.sims.data import CLASS_NAMES, Dataset, contact_sheet, describe, load

# A data set


def test_fingerprint_tells_sets_apart(folder):
    first = load("full", folder)
    assert first.fingerprint == load("full", folder).fingerprint
    labels = synthetic()[TRAIN_LABELS]
    put(folder, TRAIN_LABELS, raw(np.roll(labels, 1)))
    assert load("full", folder).fingerprint != first.fingerprint


def test_arrays_are_read_only_and_own_nothing_of_the_users(embedded):
    with pytest.raises(ValueError, match="read-only"):
        embedded.train_images[0] = 0
    with pytest.raises(AttributeError):
        embedded.source = "elsewhere"


@pytest.mark.parametrize(
    ("change", "fragment"),
    [
        ({"train_images": np.zeros((3, 28, 28))}, "train_images: float64"),
        ({"train_images": np.zeros((3, 1, 28, 28), np.uint8)}, "train_images: uint8 of shape (3, 1, 28, 28)"),
        ({"test_images": np.zeros((0, 28, 28), np.uint8)}, "N >= 1"),
        ({"test_labels": np.zeros((3, 1), np.uint8)}, "test_labels"),
        ({"test_labels": np.zeros(4, np.uint8)}, "4 labels for 3 images"),
        ({"train_labels": np.full(3, 10, np.uint8)}, "label 10"),
    ],
)
def test_dataset_refuses_wrong_arrays(change, fragment):
    images, labels = np.zeros((3, 28, 28), np.uint8), np.zeros(3, np.uint8)
    good = {"train_images": images, "train_labels": labels, "test_images": images, "test_labels": labels}
    with pytest.raises(ArgumentError) as caught:
        Dataset(**(good | change), source="made up")
    assert fragment in str(caught.value)


# The table and the contact sheet


def test_describe_counts_and_averages(folder):
    dataset = load("full", folder)
    table = describe(dataset)
    assert [row.name for row in table.rows] == [*CLASS_NAMES, "all"]
    assert (table.source, table.fingerprint) == (dataset.source, dataset.fingerprint)
    for row in table.rows[:-1]:
        chosen = dataset.train_images[dataset.train_labels == row.label]
        assert (row.train, row.test) == (len(chosen), np.count_nonzero(dataset.test_labels == row.label))
        assert row.mean_pixel == pytest.approx(chosen.mean() / 255)
    assert (table.rows[-1].train, table.rows[-1].test, table.rows[-1].label) == (TRAIN, TEST, None)
    assert table.rows[-1].mean_pixel == pytest.approx(dataset.train_images.mean() / 255)


def test_a_class_without_images_has_no_mean(folder):
    labels = synthetic()[TRAIN_LABELS]
    put(folder, TRAIN_LABELS, raw(np.where(labels == 9, 0, labels)))
    row = describe(load("full", folder)).rows[9]
    assert row.train == 0
    assert np.isnan(row.mean_pixel)


@pytest.mark.parametrize("suffix", [".png", ".pdf", ".svg"])
def test_contact_sheet_is_written_whole(folder, tmp_path, suffix):
    contact_sheet(load("full", folder), tmp_path / "new" / f"sheet{suffix}", columns=3)
    written = list((tmp_path / "new").iterdir())
    assert [path.name for path in written] == [f"sheet{suffix}"]
    assert written[0].read_bytes().startswith({".png": b"\x89PNG", ".pdf": b"%PDF", ".svg": b"<?xml"}[suffix])


def test_contact_sheet_shows_the_pixels_of_each_class(folder, tmp_path):
    """Read the PNG back: in row c, column j stands the j-th training image of class c, each pixel 5 x 5."""
    image = pytest.importorskip("matplotlib.image")
    dataset = load("full", folder)
    contact_sheet(dataset, tmp_path / "sheet.png", columns=4)
    picture = image.imread(tmp_path / "sheet.png")[..., 0]
    width = (4 * 30 - 2) * 5
    body = picture[18:, picture.shape[1] - 18 - width :]
    for c in range(10):
        chosen = dataset.train_images[dataset.train_labels == c][:4]
        for j, one in enumerate(chosen):
            seen = body[c * 150 : c * 150 + 140, j * 150 : j * 150 + 140][2::5, 2::5]
            np.testing.assert_allclose(seen, one / 255, atol=1.01 / 255)  # the colour map has 256 steps


def test_contact_sheet_refuses(folder, tmp_path):
    dataset = load("full", folder)
    with pytest.raises(ArgumentError, match="suffix"):
        contact_sheet(dataset, tmp_path / "sheet.bmp")
    with pytest.raises(ArgumentError, match="columns=0"):
        contact_sheet(dataset, tmp_path / "sheet.png", columns=0)


def test_importing_the_data_pulls_in_neither_torch_nor_matplotlib():
    code = "import sys, localnoise.sims.data; print({'torch', 'matplotlib', 'pooch', 'brian2'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
