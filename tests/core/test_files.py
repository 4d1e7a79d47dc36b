"""Files are written whole, where their path leads, as the system's user asked; what cannot be is one sentence."""

import errno
import os
import resource
import shutil
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import localnoise as ln
from localnoise.errors import ArgumentError, WriteError
from localnoise.files import (
    as_output,
    hdf5,
    refuse_inputs,
    streamed,
    temporaries,
    temporary_folder,
    write_bytes,
    write_text,
)

FULL_DISK = Path(__file__).parents[1] / "full_disk.py"
ROOT = hasattr(os, "geteuid") and os.geteuid() == 0


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@contextmanager
def umask(value: int) -> Iterator[None]:
    before = os.umask(value)
    try:
        yield
    finally:
        os.umask(before)


def stream(path: Path, values: np.ndarray[Any, Any]) -> None:
    with streamed(path, values.nbytes) as (file, check):
        out = file.create_dataset("x", values.shape, values.dtype)
        for first in range(0, len(values), 7):
            out[first : first + 7] = values[first : first + 7]
            check()


@contextmanager
def no_file_beyond(size: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_a_new_file_has_the_mode_of_the_umask_and_an_old_one_keeps_its_own(tmp_path: Path, mask: int) -> None:
    with umask(mask):
        write_bytes(tmp_path / "new", b"1")
        assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o666 & ~mask
        for mode in (0o600, 0o640, 0o664, 0o444):
            (tmp_path / "new").chmod(mode)
            write_bytes(tmp_path / "new", b"2")
            assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == mode


@pytest.mark.skipif(not ROOT, reason="only root gives files away")
def test_root_leaves_a_file_to_its_owner(tmp_path: Path) -> None:
    write_text(tmp_path / "a", "old")
    os.chown(tmp_path / "a", 1234, 2345)
    write_text(tmp_path / "a", "new")
    found = (tmp_path / "a").stat()
    assert (found.st_uid, found.st_gid, (tmp_path / "a").read_text()) == (1234, 2345, "new")


@pytest.mark.parametrize("there", [True, False])
def test_a_link_stays_and_its_target_is_written(tmp_path: Path, there: bool) -> None:
    (tmp_path / "far").mkdir()
    target, middle, link = tmp_path / "far" / "grid.h5", tmp_path / "middle", tmp_path / "link.h5"
    if there:
        target.write_bytes(b"old")
    middle.symlink_to(target)
    link.symlink_to("middle")
    grid = ln.UnitGrid((2, 2))
    assert grid.save(link) == link
    assert (link.is_symlink(), middle.is_symlink(), target.is_symlink()) == (True, True, False)
    assert ln.load(target).config == grid.config
    assert (names(tmp_path), names(tmp_path / "far")) == (["far", "link.h5", "middle"], ["grid.h5"])


def folder(path: Path) -> None:
    path.mkdir()


def listening(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(path))


def device(path: Path) -> None:
    os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(1, 3))  # a /dev/null of our own


@pytest.mark.parametrize("link", [False, True])
@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (folder, "a folder"),
        (os.mkfifo, "a FIFO"),
        (listening, "a socket"),
        pytest.param(device, "a device", marks=pytest.mark.skipif(not ROOT, reason="only root makes devices")),
    ],
)
def test_what_is_no_plain_file_is_refused_and_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], None], kind: str, link: bool
) -> None:
    monkeypatch.chdir(tmp_path)  # a socket's path is short
    (tmp_path / "out").mkdir()
    place = tmp_path / "out" / "x.h5"
    make(Path("out/x.h5"))
    before, target = place.stat(), place
    if link:
        target = tmp_path / "link.h5"
        target.symlink_to(place)
    writers: dict[str, Callable[[], object]] = {
        "grid": lambda: ln.UnitGrid((2, 2)).save(target),
        "text": lambda: write_text(target, "text"),
        "stream": lambda: streamed(target, 9).__enter__(),
        "asked": lambda: as_output("output", target, "a grid", inputs={}, force=True),
    }
    for write in writers.values():
        with pytest.raises(WriteError, match=f"^{target}: is {kind}, .*name a plain file$") as caught:
            write()
        assert isinstance(caught.value, OSError)
    after = place.stat()
    assert (after.st_mode, after.st_ino, names(tmp_path / "out")) == (before.st_mode, before.st_ino, ["x.h5"])


def test_links_in_a_circle_and_a_file_for_a_folder_are_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    (tmp_path / "file").write_text("kept")
    for path in (tmp_path / "a", tmp_path / "file" / "x.h5", tmp_path / ("x" * 300)):
        with pytest.raises(WriteError, match=r"^.*: cannot be written \([A-Z].*\); name another file$"):
            write_text(path, "text")
    assert (tmp_path / "file").read_text() == "kept"


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_full_disk_leaves_what_was_there(tmp_path: Path, share: float) -> None:
    """HDF5 used to end the process here; all writers at all levels: `full_disk`."""
    path, old, new = tmp_path / "g.h5", ln.UnitGrid((4, 4), 2), ln.UnitGrid((9, 9), 2)
    size = new.save(path).stat().st_size
    before = old.save(path).read_bytes()
    with no_file_beyond(int(share * size)), pytest.raises(WriteError, match="too large; make room") as caught:
        new.save(path)
    assert caught.value.errno == errno.EFBIG
    with no_file_beyond(int(share * 80_000)), pytest.raises(WriteError, match="too large; make room"):
        stream(path, np.ones((100, 100)))
    assert (path.read_bytes(), names(tmp_path)) == (before, ["g.h5"])


def test_a_stream_asks_for_room_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda place: shutil._ntuple_diskusage(9, 9, 3 << 20))
    with pytest.raises(WriteError, match=r"5 MiB would be written and 3 MiB are free"):
        streamed(tmp_path / "x.h5", 5 << 20).__enter__()
    assert names(tmp_path) == []


def test_a_stream_is_whole_and_an_interrupted_one_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).normal(size=(500, 30))
    stream(tmp_path / "x.h5", values)
    with h5py.File(tmp_path / "x.h5") as file:
        np.testing.assert_array_equal(file["x"], values)
    before = (tmp_path / "x.h5").read_bytes()

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("localnoise.files.h5.memoryview", interrupted, raising=False)  # within a write of HDF5's
    with pytest.raises(KeyboardInterrupt):
        stream(tmp_path / "x.h5", values)
    assert ((tmp_path / "x.h5").read_bytes(), names(tmp_path)) == (before, ["x.h5"])


def failing(path: Path) -> None:
    with hdf5(path) as file:
        file["x"] = 1
        raise ValueError("mine")


def test_an_error_in_the_block_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="mine"):
        failing(tmp_path / "x.h5")
    assert names(tmp_path) == []


def test_what_a_killed_writer_left_goes_at_the_next_write(tmp_path: Path) -> None:
    """And nothing else: a living writer's, another machine's, a stranger's."""
    kill = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from localnoise.files import written_aside\n"
        f"with written_aside({str(tmp_path / 'grid.h5')!r}) as aside:\n"
        "    aside.write_bytes(b'half')\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    assert subprocess.run([sys.executable, "-c", kill]).returncode == -9
    (left,) = names(tmp_path)
    host, pid = temporaries._host(), os.getpid()
    assert left.startswith(f".localnoise-{host}-")
    assert left.endswith(".h5")
    (tmp_path / left.replace(".h5", "")).mkdir()
    (tmp_path / left.replace(".h5", "") / "part.c").write_text("half")
    others = [f".localnoise-{host}-{pid}-0123abcd.h5", f".localnoise-{host}-1-0123abcd", ".localnoise-far-77-0123abcd"]
    others += [".localnoise", "localnoise-notes.md", left + ".bak", ".grid-ab12cd.h5"]
    for name in others:
        (tmp_path / name).write_text("kept")
    long_ago = time.time() - 8 * 24 * 3600
    (tmp_path / ".localnoise-far-77-00000000.h5").write_text("half")
    os.utime(tmp_path / ".localnoise-far-77-00000000.h5", (long_ago, long_ago))
    ln.UnitGrid((2, 2)).save(tmp_path / "other.h5")
    assert names(tmp_path) == sorted([*others, "other.h5"])


def test_a_temporary_folder_goes_with_its_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with temporary_folder() as held:
        (held / "x").write_text("x")
        with temporary_folder():
            assert len(names(tmp_path)) == 2
    assert names(tmp_path) == []
    (tmp_path / held.name.replace(f"-{os.getpid()}-", "-999999999-")).mkdir()
    with temporary_folder() as held:
        assert names(tmp_path) == [held.name]


def test_a_long_name_can_be_written(tmp_path: Path) -> None:
    for name in ("x" * 255, "x." + "y" * 253, "." + "é" * 100, "a.b-c.h5"):
        write_text(tmp_path / name, name)
        assert (tmp_path / name).read_text() == name


LINKS: dict[str, Callable[[Path, Path], None]] = {
    "itself": lambda path, other: None,
    "symbolic": lambda path, other: other.symlink_to(path),
    "hard": lambda path, other: os.link(path, other),
    "folder": lambda path, other: other.parent.joinpath("link").symlink_to(path.parent),
}


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("force", [False, True])
def test_an_input_is_never_an_output(tmp_path: Path, link: str, force: bool) -> None:
    path, other = tmp_path / "g.h5", tmp_path / "other.h5"
    ln.UnitGrid((2, 2)).save(path)
    LINKS[link](path, other)
    output = {"itself": path, "folder": tmp_path / "link" / "g.h5"}.get(link, other)
    with pytest.raises(ArgumentError, match=r"output='.*' is the same file as grid='.*g\.h5': name another file"):
        as_output("output", output, "a grid", inputs={"grid": path, "none": None}, force=force)


def test_another_kind_takes_force(tmp_path: Path) -> None:
    grid, other, empty, page = tmp_path / "g.h5", tmp_path / "data.h5", tmp_path / "empty", tmp_path / "page.png"
    ln.UnitGrid((2, 2)).save(grid)
    with h5py.File(other, "w") as file:
        file["d"] = [1.0]
    empty.touch()
    page.write_text("my notes")
    for path in (grid, empty, tmp_path / "new.h5"):
        assert as_output("output", path, "a grid", inputs={}) == path
    for path, kind in (
        (other, "a grid"),
        (page, "a grid"),
        (grid, "a chip grid"),
        (grid, "a page"),
        (page, "a figure"),
    ):
        with pytest.raises(ArgumentError, match=r"exists and is not (a|PNG) .*use --force") as caught:
            as_output("output", path, kind, inputs={})
        assert "\n" not in str(caught.value)
        as_output("output", path, kind, inputs={}, force=True)
    with pytest.raises(ArgumentError, match=r"the figure's suffix='.pgn': expected .*did you mean '.png'"):
        as_output("figure", tmp_path / "a.pgn", "a figure", inputs={})


def test_a_folder_that_is_replaced_holds_no_input(tmp_path: Path) -> None:
    (tmp_path / "build" / "deep").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "build" / "deep")
    for chip in (tmp_path / "build" / "chip.h5", tmp_path / "link" / "chip.h5"):
        with pytest.raises(ArgumentError, match=r"output='.*build' holds file='.*chip.h5', which is read"):
            refuse_inputs("output", tmp_path / "build", {"file": chip})
    refuse_inputs("output", tmp_path / "build", {"file": tmp_path / "build.h5", "chip": None})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("how", "levels"),
    [("limit", 25), pytest.param("tmpfs", 13, marks=pytest.mark.skipif(not ROOT, reason="only root mounts a disk"))],
)
def test_a_full_disk_never_ends_python(tmp_path: Path, how: str, levels: int) -> None:
    if how == "tmpfs" and subprocess.run(["mount", "-t", "tmpfs", "none", str(tmp_path)]).returncode:
        pytest.skip("no disk can be mounted here")
    try:
        done = subprocess.run(
            [sys.executable, str(FULL_DISK), str(tmp_path), how, str(levels)], capture_output=True, text=True
        )
    finally:
        if how == "tmpfs":
            subprocess.run(["umount", str(tmp_path)], check=True)
    assert done.returncode == 0, done.stdout[-500:] + done.stderr[-2000:]
