"""The data sets: what is embedded, what is read from files, and every way in which a file can be wrong."""

import gzip
import hashlib
import os
import shutil
import struct
import subprocess
import sys
import threading
import time
import tracemalloc
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st

from localnoise.errors import ArgumentError, DataError, MissingDependencyError, TooLargeError
from localnoise.sims.data import CLASS_NAMES, Dataset, contact_sheet, describe, idx, load, make_subset, sources, split
from localnoise.sims.data.draw import permutation

NAMES = ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"]
TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS = NAMES
TRAIN, TEST = 60, 20

needs_debian = pytest.mark.skipif(not sources.DEBIAN.is_dir(), reason="needs Debian's package dataset-fashion-mnist")


def raw(array, magic=None) -> bytes:
    """Write an IDX file by the book, without the code under test."""
    magic = {3: 2051, 1: 2049}[array.ndim] if magic is None else magic
    return struct.pack(f">{1 + array.ndim}I", magic, *array.shape) + array.astype(np.uint8).tobytes()


def synthetic(train=TRAIN, test=TEST) -> dict[str, np.ndarray]:
    random = np.random.default_rng(7)
    arrays = {}
    for part, count in (("train", train), ("t10k", test)):
        arrays[f"{part}-images-idx3-ubyte"] = random.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        arrays[f"{part}-labels-idx1-ubyte"] = random.permutation(np.arange(count) % 10).astype(np.uint8)
    return arrays


@pytest.fixture
def folder(tmp_path) -> Path:
    """Four good files: two compressed, two not."""
    for i, (name, array) in enumerate(synthetic().items()):
        if i % 2:
            (tmp_path / name).write_bytes(raw(array))
        else:
            (tmp_path / f"{name}.gz").write_bytes(gzip.compress(raw(array)))
    return tmp_path


def put(folder: Path, name: str, content: bytes) -> None:
    """Replace a file by an uncompressed one."""
    (folder / f"{name}.gz").unlink(missing_ok=True)
    (folder / name).write_bytes(content)


def refused(folder: Path, *fragments: str) -> None:
    """Check that `folder` is refused in one line that holds all the fragments."""
    with pytest.raises(DataError) as caught:
        load("full", folder)
    message = str(caught.value)
    assert "\n" not in message
    for fragment in fragments:
        assert fragment in message


@pytest.fixture(scope="module")
def embedded() -> Dataset:
    return load()


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


# Directories


def test_full_reads_compressed_and_plain_files_of_any_count(folder):
    dataset = load("full", folder)
    for name, array in zip(NAMES, synthetic().values(), strict=True):
        part, kind = name.replace("t10k", "test").split("-")[:2]
        np.testing.assert_array_equal(getattr(dataset, f"{part}_{kind}"), array)
    assert folder.name in dataset.source


def test_gzip_is_told_by_its_content_not_by_its_name(folder):
    (folder / f"{TRAIN_IMAGES}.gz").write_bytes(raw(synthetic()[TRAIN_IMAGES]))
    (folder / TRAIN_LABELS).write_bytes(gzip.compress(raw(synthetic()[TRAIN_LABELS])))
    assert len(load("full", str(folder)).train_images) == TRAIN


def test_missing_files_are_named(folder):
    (folder / TRAIN_LABELS).unlink()
    (folder / f"{TEST_IMAGES}.gz").unlink()
    refused(folder, str(folder), TRAIN_LABELS, TEST_IMAGES, "with or without .gz")
    with pytest.raises(DataError) as caught:
        load("full", folder)
    assert TEST_LABELS not in str(caught.value)


def test_directory_that_is_none(folder):
    refused(folder / TRAIN_LABELS, "not a directory", "four IDX files")
    refused(folder / "nowhere", "not a directory")


def test_directory_in_the_place_of_a_file(folder):
    (folder / TRAIN_LABELS).unlink()
    (folder / TRAIN_LABELS).mkdir()
    refused(folder, TRAIN_LABELS, "cannot be read")


@pytest.mark.parametrize("name", NAMES)
def test_truncated_gzip(folder, name):
    content = gzip.compress(raw(synthetic()[name]))
    put(folder, name, content[: len(content) // 2])
    refused(folder, name, "truncated", "fetch the file again")


@pytest.mark.parametrize("name", NAMES)
def test_truncated_payload(folder, name):
    put(folder, name, raw(synthetic()[name])[:-3])
    refused(folder, name, "truncated", f"expected {synthetic()[name].size:,}", "fetch the file again")


def test_damaged_gzip(folder):
    content = bytearray(gzip.compress(raw(synthetic()[TRAIN_IMAGES])))
    content[len(content) // 2] ^= 0xFF
    put(folder, TRAIN_IMAGES, bytes(content))
    refused(folder, TRAIN_IMAGES, "damaged")


def test_payload_too_long(folder):
    put(folder, TEST_LABELS, raw(synthetic()[TEST_LABELS]) + b"\0")
    refused(folder, TEST_LABELS, "too long", "21 bytes", "expected 20")


def test_file_that_ends_in_its_header(folder):
    put(folder, TRAIN_IMAGES, raw(synthetic()[TRAIN_IMAGES])[:9])
    refused(folder, TRAIN_IMAGES, "ends within its header")
    put(folder, TRAIN_IMAGES, b"")
    refused(folder, TRAIN_IMAGES, "ends within its header")


def test_header_that_announces_more_than_memory_holds(folder):
    put(folder, TRAIN_IMAGES, struct.pack(">4I", 2051, 2**32 - 1, 28, 28) + b"\0" * 100)
    refused(folder, TRAIN_IMAGES, "truncated", "100 bytes")


def bomb(declared: int, zeros: int) -> bytes:
    """A small gzip file that declares so many images and holds so many bytes of zeros."""
    return gzip.compress(struct.pack(">4I", 2051, declared, 28, 28) + bytes(zeros))


@pytest.mark.parametrize("declared", [1, 3])
def test_no_more_is_unpacked_than_is_declared(folder, declared):
    """3 MB that inflate to 6.2 GiB, in small: 64 MiB of zeros behind a header that declares a few images."""
    (folder / f"{TRAIN_IMAGES}.gz").write_bytes(bomb(declared, 1 << 26))
    tracemalloc.start()
    refused(folder, TRAIN_IMAGES, "too long", f"at least {784 * declared + 1:,} bytes", f"expected {784 * declared:,}")
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 4e6


def test_no_more_may_be_declared_than_max_bytes(folder):
    (folder / f"{TRAIN_IMAGES}.gz").write_bytes(bomb(2**32 - 1, 100))
    with pytest.raises(
        TooLargeError, match=r"4,294,967,295 images would take 3136\.0 GiB.*at most 1\.0 GiB.*max_bytes"
    ):
        load("full", folder)
    (folder / f"{TRAIN_IMAGES}.gz").write_bytes(gzip.compress(raw(synthetic()[TRAIN_IMAGES])))
    assert len(load("full", folder, max_bytes=784 * TRAIN).train_labels) == TRAIN
    with pytest.raises(TooLargeError):
        load("full", folder, max_bytes=784 * TRAIN - 1)


@pytest.mark.parametrize("tail", [b"\x00", b"more", gzip.compress(b"more", mtime=0)], ids=["zero", "text", "stream"])
def test_bytes_behind_a_compressed_array_are_refused(folder, tail):
    """In the stream, behind it, or as a second one: a file holds one array."""
    content = gzip.compress(raw(synthetic()[TRAIN_IMAGES]) + (tail if tail == b"\x00" else b""))
    (folder / f"{TRAIN_IMAGES}.gz").write_bytes(content + (b"" if tail == b"\x00" else tail))
    refused(folder, TRAIN_IMAGES, "fetch the file again")


def test_what_is_no_plain_file_is_refused_at_once(folder):
    (folder / f"{TRAIN_IMAGES}.gz").unlink()
    os.mkfifo(folder / TRAIN_IMAGES)
    refused(folder, TRAIN_IMAGES, "no plain file")
    (folder / TRAIN_IMAGES).unlink()
    (folder / TRAIN_IMAGES).mkdir()
    refused(folder, TRAIN_IMAGES, "no plain file")


def test_a_last_byte_that_differs_is_caught_by_the_checksum(folder):
    content = bytearray(gzip.compress(raw(synthetic()[TRAIN_IMAGES]), 0))
    content[-9] ^= 0xFF  # stored as it is; the checksum stands behind it
    (folder / f"{TRAIN_IMAGES}.gz").write_bytes(content)
    refused(folder, TRAIN_IMAGES, "damaged")


def test_wrong_magic_number(folder):
    put(folder, TRAIN_IMAGES, raw(synthetic()[TRAIN_IMAGES], magic=0x0D03))
    refused(folder, TRAIN_IMAGES, "magic number 0x00000d03", "expected 0x00000803")
    put(folder, TRAIN_IMAGES, b"\x89PNG\r\n\x1a\n" + b"\0" * 30)
    refused(folder, "magic number 0x89504e47", "is it an IDX file of images?")


@pytest.mark.parametrize("part", ["train", "t10k"])
def test_swapped_files(folder, part):
    images, labels = f"{part}-images-idx3-ubyte", f"{part}-labels-idx1-ubyte"
    put(folder, images, raw(synthetic()[labels]))
    put(folder, labels, raw(synthetic()[images]))
    refused(folder, images, "holds labels, expected images", "swapped")
    put(folder, images, raw(synthetic()[images]))
    refused(folder, labels, "holds images, expected labels", "swapped")


def test_counts_that_differ(folder):
    put(folder, TEST_LABELS, raw(synthetic()[TRAIN_LABELS]))
    refused(folder, TEST_LABELS, "60 labels", TEST_IMAGES, "20 images")


def test_wrong_image_size(folder):
    put(folder, TEST_IMAGES, raw(np.zeros((TEST, 32, 30))))
    refused(folder, TEST_IMAGES, "32 x 30", "expected 28 x 28")


def test_no_images(folder):
    put(folder, TEST_IMAGES, raw(np.zeros((0, 28, 28))))
    refused(folder, TEST_IMAGES, "0 images")


def test_label_out_of_range(folder):
    labels = synthetic()[TRAIN_LABELS]
    labels[41] = 10
    put(folder, TRAIN_LABELS, raw(labels))
    refused(folder, TRAIN_LABELS, "label 10 at index 41", "0..9")


def test_arguments_of_load(folder):
    with pytest.raises(ArgumentError, match="did you mean 'embedded'"):
        load("embeded")
    with pytest.raises(
        ArgumentError,
        match=r"--data-dir.* not read with the embedded images: .*--data full",
    ):
        load("embedded", folder)


# IDX files, by property

GOOD = {name: raw(array) for name, array in synthetic(train=4, test=2).items()}
FILES = [(kind, content) for name, content in GOOD.items() for kind in ("images", "labels") if kind in name]
FILES += [(kind, gzip.compress(content)) for kind, content in FILES]


@pytest.fixture(scope="module")
def scratch(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("idx") / "file"


@given(file=st.sampled_from(FILES), data=st.data())
@examples(300)
def test_any_truncation_is_refused(scratch, file, data):
    kind, content = file
    scratch.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
    with pytest.raises(DataError):
        idx.read(scratch, kind)


@given(file=st.sampled_from(FILES), data=st.data())
@examples(300)
def test_any_changed_bytes_are_refused_or_read_as_what_was_asked_for(scratch, file, data):
    kind, content = file
    changed = bytearray(content)
    for place, byte in data.draw(
        st.lists(st.tuples(st.integers(0, min(len(content) - 1, 40)), st.integers(0, 255)), min_size=1, max_size=4)
    ):
        changed[place] = byte
    scratch.write_bytes(changed)
    try:
        array = idx.read(scratch, kind)
    except (DataError, TooLargeError):
        return
    assert array.dtype == np.uint8
    assert array.shape[1:] == ((28, 28) if kind == "images" else ())
    assert kind == "images" or array.max() <= 9


@given(content=st.binary(max_size=200), kind=st.sampled_from(["images", "labels"]), gzipped=st.booleans())
def test_junk_is_refused(scratch, content, kind, gzipped):
    scratch.write_bytes(gzip.compress(content) if gzipped else b"\xff" + content)
    with pytest.raises(DataError):
        idx.read(scratch, kind)


@given(seed=st.integers(0, 2**32), count=st.integers(1, 12), kind=st.sampled_from(["images", "labels"]))
def test_encoding_is_undone_by_reading(scratch, seed, count, kind):
    random = np.random.default_rng(seed)
    shape, top = ((count, 28, 28), 256) if kind == "images" else ((count,), 10)
    array = random.integers(0, top, shape, dtype=np.uint8)
    scratch.write_bytes(idx.encode(array))
    assert gzip.decompress(scratch.read_bytes()) == raw(array)
    np.testing.assert_array_equal(idx.read(scratch, kind), array)


# The full set: Debian's package and the download


@needs_debian
def test_debian_package_is_the_official_set():
    """Debian repacks the files without their gzip headers; with the headers back, the official checksums hold."""
    full = load("full")
    assert full.fingerprint == sources.OFFICIAL_FINGERPRINT
    assert "Debian" in full.source
    official_md5 = {  # from Zalando's README, with each file's time of packing
        "train-images-idx3-ubyte": ("8d4fb7e6c68d591d4c3dfef9ec88bf0d", 1504176606),
        "train-labels-idx1-ubyte": ("25c81989df183df01b3e8a0aad5dffbe", 1504176606),
        "t10k-images-idx3-ubyte": ("bef4ecab320f06d8554ea6380940ec79", 1504176627),
        "t10k-labels-idx1-ubyte": ("bb300cfdad3c16e7a12a480ee83cd310", 1504176627),
    }
    for name, (md5, packed) in official_md5.items():
        body = (sources.DEBIAN / f"{name}.gz").read_bytes()[10:]
        content = struct.pack("<HBBIBB", 0x8B1F, 8, 8, packed, 0, 3) + name.encode() + b"\0" + body
        assert hashlib.md5(content, usedforsecurity=False).hexdigest() == md5
        assert hashlib.sha256(content).hexdigest() == sources.OFFICIAL_SHA256[f"{name}.gz"]


def test_debian_files_that_are_not_the_official_ones(folder, monkeypatch):
    monkeypatch.setattr(sources, "DEBIAN", folder)
    with pytest.raises(DataError, match="reinstall the package dataset-fashion-mnist"):
        load("full")


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A machine without Debian's package, and in the place of Zalando's a server of four small files with checksums."""
    pooch = pytest.importorskip("pooch")
    served = tmp_path / "served"
    served.mkdir()
    for name, array in synthetic().items():
        (served / f"{name}.gz").write_bytes(gzip.compress(raw(array)))

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=served))
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(pooch, "os_cache", lambda project: tmp_path / "cache" / project)
    monkeypatch.setattr(sources, "DEBIAN", tmp_path / "no-debian")
    monkeypatch.setattr(sources, "OFFICIAL_URL", f"http://127.0.0.1:{httpd.server_port}/")
    digests = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in served.iterdir()}
    monkeypatch.setattr(sources, "OFFICIAL_SHA256", digests)
    monkeypatch.setattr(sources, "OFFICIAL_FINGERPRINT", sources.read_directory(served, "served").fingerprint)
    yield served
    httpd.shutdown()
    httpd.server_close()


def test_download_is_kept(server):
    first = load("full")
    assert first.source == "full (download)"
    for path in server.iterdir():
        path.unlink()
    assert load("full").fingerprint == first.fingerprint


def names_the_alternatives(message: str) -> bool:
    return all(part in message for part in ("source='embedded'", "--data-dir", "dataset-fashion-mnist")) and (
        "\n" not in message
    )


def test_download_with_a_wrong_checksum(server):
    (server / f"{TEST_LABELS}.gz").write_bytes(b"an error page")
    with pytest.raises(DataError, match="the checksum is wrong") as caught:
        load("full")
    assert names_the_alternatives(str(caught.value))


def test_download_of_a_file_that_is_gone(server):
    (server / f"{TEST_LABELS}.gz").unlink()
    with pytest.raises(DataError, match="HTTPError") as caught:
        load("full")
    assert names_the_alternatives(str(caught.value))


def test_download_without_a_network(server, monkeypatch):
    monkeypatch.setattr(sources, "OFFICIAL_URL", "http://127.0.0.1:9/")  # discard: nobody listens
    with pytest.raises(DataError, match="ConnectionError") as caught:
        load("full")
    assert names_the_alternatives(str(caught.value))


def test_download_without_pooch(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "DEBIAN", tmp_path / "no-debian")
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(MissingDependencyError, match="pip install") as caught:
        load("full")
    assert names_the_alternatives(str(caught.value))


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
