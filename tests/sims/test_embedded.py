"""The embedded images, and the hold-out of training images: balanced, shuffled, the same wherever they are read."""

import gzip
import shutil
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from idx_folder import (
    NAMES,
    TEST_LABELS,
    TRAIN_IMAGES,
    TRAIN_LABELS,
    needs_debian,
    put,
    raw,
    synthetic,
)

from localnoise.errors import ArgumentError, DataError
from localnoise.sims.data import idx, load, make_subset, sources, split
from localnoise.sims.data.draw import permutation

# What is embedded


def test_embedded_is_balanced_in_every_ten(embedded):
    assert embedded.train_images.shape == (10_000, 28, 28)
    assert embedded.test_images.shape == (2_000, 28, 28)
    for labels in (embedded.train_labels, embedded.test_labels):
        np.testing.assert_array_equal(
            np.sort(labels.reshape(-1, 10), axis=1), np.tile(np.arange(10), (len(labels) // 10, 1))
        )


def test_embedded_blocks_are_shuffled(embedded):
    """No class has a place of its own within the blocks: each of the ten is taken about a tenth of the time."""
    places = np.argsort(embedded.train_labels.reshape(-1, 10), axis=1)
    counts = np.stack([np.bincount(place, minlength=10) for place in places.T])
    assert abs(counts - 100).max() < 5 * np.sqrt(90)  # binomial, 1,000 blocks


def test_embedded_train_and_test_share_no_image(embedded):
    train = {image.tobytes() for image in embedded.train_images}
    test = {image.tobytes() for image in embedded.test_images}
    assert len(train) == 10_000
    assert len(test) == 2_000
    assert not train & test


def test_embedded_loads_fast_and_is_small():
    start = time.process_time()
    for path in sources.EMBEDDED.glob("*.gz"):
        gzip.decompress(path.read_bytes())
    unpacked = time.process_time()
    load()
    assert time.process_time() - unpacked < 10 * (unpacked - start)
    assert sum(path.stat().st_size for path in sources.EMBEDDED.iterdir()) < 6e6


def test_embedded_ships_with_its_licence_and_its_story():
    assert "Copyright © 2017 Zalando SE" in (sources.EMBEDDED / "LICENSE").read_text(encoding="utf-8")
    assert str(make_subset.SEED) in (sources.EMBEDDED / "README.md").read_text(encoding="utf-8")


@needs_debian
def test_embedded_is_drawn_from_the_official_sets_unmixed(embedded):
    full = load("full")
    for part in ("train", "test"):
        official = {
            image.tobytes(): label
            for image, label in zip(getattr(full, f"{part}_images"), getattr(full, f"{part}_labels"), strict=True)
        }
        for image, label in zip(getattr(embedded, f"{part}_images"), getattr(embedded, f"{part}_labels"), strict=True):
            assert official[image.tobytes()] == label


@pytest.mark.slow
@needs_debian
def test_make_subset_again_gives_the_same_arrays(embedded, tmp_path, capsys):
    make_subset.main(["--out", str(tmp_path / "again")])
    assert capsys.readouterr().out.strip() == embedded.fingerprint
    assert sorted(path.name for path in (tmp_path / "again").iterdir()) == sorted(f"{name}.gz" for name in NAMES)


def test_encoded_bytes_hold_no_time_and_no_name():
    """Else a rerun would give other bytes."""
    content = idx.encode(synthetic()[TRAIN_IMAGES])
    assert content[3:8] == bytes(5)  # the flags (of which one announces a name) and the time


def test_make_subset_refuses_another_set_in_one_sentence(folder):
    with pytest.raises(SystemExit, match="not the official Fashion-MNIST"):
        make_subset.main(["--data-dir", str(folder), "--out", str(folder / "out")])
    assert not (folder / "out").exists()


def test_damaged_embedded_file_is_reported(tmp_path, monkeypatch):
    shutil.copytree(sources.EMBEDDED, tmp_path / "embedded")
    monkeypatch.setattr(sources, "EMBEDDED", tmp_path / "embedded")
    labels = tmp_path / "embedded" / f"{TEST_LABELS}.gz"
    good = labels.read_bytes()
    labels.write_bytes(good[:-20])
    with pytest.raises(DataError, match="reinstall localnoise"):
        load()
    payload = bytearray(gzip.decompress(good))
    payload[8], payload[9] = payload[9], payload[8]  # a good file of other labels
    labels.write_bytes(gzip.compress(bytes(payload)))
    with pytest.raises(DataError, match=r"fingerprint .* reinstall localnoise"):
        load()


# The hold-out


@pytest.mark.parametrize("holdout", [5000, 0.5, 10, 0.001, 9990])
def test_split_is_balanced_and_a_partition_of_the_training_images(embedded, holdout):
    part = split(embedded, holdout, seed=3)
    count = holdout if isinstance(holdout, int) else round(holdout * 10_000)
    assert np.bincount(part.test_labels).tolist() == [count // 10] * 10
    assert len(part.train_labels) == 10_000 - count
    held = {image.tobytes() for image in part.test_images}
    kept = {image.tobytes() for image in part.train_images}
    assert held | kept == {image.tobytes() for image in embedded.train_images}
    assert not held & kept
    assert not held & {image.tobytes() for image in embedded.test_images}


def test_split_keeps_images_and_labels_together(folder):
    dataset = load("full", folder)
    label = {image.tobytes(): label for image, label in zip(dataset.train_images, dataset.train_labels, strict=True)}
    part = split(dataset, 0.25)
    for images, labels in ((part.train_images, part.train_labels), (part.test_images, part.test_labels)):
        assert [label[image.tobytes()] for image in images] == labels.tolist()


def test_split_that_the_classes_do_not_divide(folder):
    counts = np.bincount(split(load("full", folder), 13).test_labels)
    assert counts.tolist() == [2, 2, 2, 1, 1, 1, 1, 1, 1, 1]


def test_split_is_seeded(embedded):
    assert split(embedded, seed=1).fingerprint == split(embedded, seed=1).fingerprint
    assert split(embedded, seed=1).fingerprint != split(embedded, seed=2).fingerprint
    assert "5000 training images held out with seed 1" in split(embedded, seed=1).source


@pytest.mark.parametrize("holdout", [0, -5, 60, 1.0, 0.0, 1.5, float("nan"), 0.001, True, "many", None])
def test_split_refuses(folder, holdout):
    with pytest.raises(ArgumentError, match="holdout="):
        split(load("full", folder), holdout)


def test_split_refuses_to_empty_a_class(folder):
    labels = synthetic()[TRAIN_LABELS]
    put(folder, TRAIN_LABELS, raw(np.where(labels == 3, 4, labels)))
    assert 3 not in split(load("full", folder), 9).test_labels
    labels[np.flatnonzero(labels == 3)[1:]] = 4
    put(folder, TRAIN_LABELS, raw(labels))
    with pytest.raises(ArgumentError, match=r"class 3 \(Dress\)"):
        split(load("full", folder), 20)


@pytest.mark.parametrize("seed", [-1, 0.5, "a", None, 2**64])
def test_split_refuses_a_seed(embedded, seed):
    with pytest.raises(ArgumentError, match="seed="):
        split(embedded, seed=seed)


@given(count=st.integers(1, 300), seed=st.integers(0, 2**64 - 1))
def test_permutation_is_one(count, seed):
    assert sorted(permutation(count, seed)) == list(range(count))
