"""A repair's file keeps what the repair does; a damaged one is refused; without its state a repair learns no gate."""

import h5py
import numpy as np
import pytest
from small_repairs import blurred, dimmed

import localnoise as ln
from localnoise.errors import ArgumentError, FileFormatError


@pytest.mark.parametrize("state", [True, False])
def test_files_keep_what_a_repair_does(repair, held, tmp_path, state):
    repair.margin, repair.margins = 1.5, {"dim": 0.25}
    path = repair.save(tmp_path / "r.h5", state=state)
    other = ln.load(path)
    assert (other.sources, other.margin, other.margins, other.radius) == (repair.sources, 1.5, {"dim": 0.25}, 1)
    for mine, theirs in zip(repair(blurred(held)), other(blurred(held)), strict=True):
        assert np.array_equal(mine, theirs)
    if state:
        other.learn("lift", held + 0.5, held)
        assert other(held[:5] + 0.5)[1].argmax(axis=1).tolist() == [3] * 5
    else:
        for source in ("lift", "blur"):
            with pytest.raises(ArgumentError, match="without its state"):
                other.learn(source, held + 0.5, held)
    repair.margin, repair.margins = 0.0, {}


def test_a_file_of_schema_1_is_read(repair, held, tmp_path):
    path = repair.save(tmp_path / "r.h5")
    with h5py.File(path, "r+") as file:
        file.attrs["schema"] = 1
        del file.attrs["margins"], file.attrs["among"]
    other = ln.load(path)
    for mine, theirs in zip(repair(blurred(held)), other(blurred(held)), strict=True):
        assert np.array_equal(mine, theirs)


@pytest.mark.parametrize(
    ("name", "value"),
    [("margins", b'{"fog": 1.0}'), ("margins", b'{"dim": "x"}'), ("among", b"[]"), ("among", b'{"sources": ["dim"]}')],
)
def test_margins_of_no_source_are_refused(repair, tmp_path, name, value):
    path = repair.save(tmp_path / "r.h5")
    with h5py.File(path, "r+") as file:
        file.attrs[name] = np.bytes_(value)
    with pytest.raises(FileFormatError, match="margin"):
        ln.load(path)


def test_a_damaged_file_is_refused(repair, tmp_path):
    path = repair.save(tmp_path / "r.h5")
    with h5py.File(path, "r+") as file:
        file["gate"][-1] = -1
    with pytest.raises(FileFormatError, match="gate"):
        ln.load(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(FileFormatError):
        ln.load(path)


@pytest.mark.parametrize(
    "call",
    [
        lambda r, h: r.adapt("dim", dimmed(h), h),
        lambda r, h: r.only("dim"),
        lambda r, h: r.decide_among("dim")(h, np.full((len(h), 3), 1 / 3)),
        lambda r, h: r.learn("dim", dimmed(h), h),
    ],
    ids=["adapt", "only", "decide_among", "learn"],
)
def test_without_its_state_a_repair_refuses_what_needs_a_new_gate(repair, held, tmp_path, call):
    small = ln.load(repair.save(tmp_path / "small.h5", state=False))
    before = repair(held[:5])
    with pytest.raises(ArgumentError, match="saved without its state"):
        call(small, held)
    for mine, now in zip(before, small(held[:5]), strict=True):
        assert np.array_equal(mine, now), "and repairs as before"
    small.adapt("dim", dimmed(held), held, law=False)


def test_numbers_of_any_kind_are_kept_as_pythons(tmp_path):
    h = np.tanh(np.random.default_rng(0).normal(size=(200, 1, 2, 3)))
    made = ln.Repair((2, 3), radius=np.int64(1), parents=2.0, ridge=np.float32(0.25), asks=np.int8(1))
    found = ln.load(made.learn("dark", 0.3 * h, h).save(tmp_path / "repair.h5"))
    assert (found.radius, found.parents, found.ridge, found.asks) == (1, 2, 0.25, 1)
