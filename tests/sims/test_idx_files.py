"""Folders of IDX files: what is read, and that whatever else lies there is refused in one sentence."""

import gzip
import os
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st
from idx_folder import (
    NAMES,
    TEST,
    TEST_IMAGES,
    TEST_LABELS,
    TRAIN,
    TRAIN_IMAGES,
    TRAIN_LABELS,
    put,
    raw,
    synthetic,
)

from localnoise.errors import ArgumentError, DataError, TooLargeError
from localnoise.sims.data import idx, load


def refused(folder: Path, *fragments: str) -> None:
    """Check that `folder` is refused in one line that holds all the fragments."""
    with pytest.raises(DataError) as caught:
        load("full", folder)
    message = str(caught.value)
    assert "\n" not in message
    for fragment in fragments:
        assert fragment in message


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
