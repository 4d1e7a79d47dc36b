"""Files that others hold or made: locks are named, and nothing outside of a file is read, whoever opens it."""

import contextlib
import errno
import json
import os
import subprocess
import sys
import tracemalloc
from pathlib import Path

import h5py
import numpy as np
import old_records
import pytest

import localnoise as ln
from localnoise.errors import FileFormatError, LockedError, TooLargeError
from localnoise.hardware import load_chip, load_chips, quantise
from localnoise.hardware.configuration import configure, read_hdf5, write_hdf5
from localnoise.hardware.configuration.graph import read_nir, write_nir
from localnoise.hardware.export import export, manifest
from localnoise.sims.data import arrays
from localnoise.sims.results.records import RecordFile

d = np.random.default_rng(0).normal(size=(200, 1, 3, 3))


def displacements(path):
    with arrays.opened(path) as file:
        return arrays.presentations(file, "d")[:]


def write_displacements(path):
    with h5py.File(path, "w") as file:
        file["d"] = d


def write_records(path):
    old_records.write(path, [({"arm": "a"}, {"accuracy": 0.5, "correct": np.arange(9)}, 1.0)])


def grid():
    return ln.UnitGrid((3, 3)).learn(d)


def configuration():
    return configure(quantise(grid(), d=d), seed=5, target="ideal", learner=None)


def activations():
    return np.tanh(np.random.default_rng(1).normal(size=(800, 1, 3, 3)).cumsum(axis=3))


def repair():
    h = activations()
    return ln.Repair((3, 3), 1, radius=1).learn("dark", 0.3 * h, h)


READERS = {
    "grid": (lambda path: grid().save(path), ln.load),
    "records": (write_records, ln.read_records),
    "chip": (lambda path: quantise(grid(), d=d).save(path), load_chip),
    "repair": (lambda path: repair().save(path), ln.load),
    "surprise": (lambda path: ln.UnitGrid((3, 3)).surprise(activations()).save(path), ln.load),
    "chip repair": (lambda path: quantise(repair()).save(path), load_chips),
    "configuration": (lambda path: write_hdf5(configuration(), path), read_hdf5),
    "graph": (lambda path: write_nir(configuration(), path), read_nir),
    "displacements": (write_displacements, displacements),
}


@pytest.fixture(params=READERS)
def written(request, tmp_path):
    """A file of each kind, and what reads it."""
    write, read = READERS[request.param]
    write(tmp_path / "some.h5")
    return tmp_path / "some.h5", read


@contextlib.contextmanager
def held(path):
    """Another process has the file open for writing."""
    code = f"import h5py\nwith h5py.File({str(path)!r}, 'r+'):\n print('held', flush=True)\n input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as it:
        assert it.stdout.readline() == "held\n"
        yield
        it.communicate("\n")


# Locks


def test_a_file_that_another_process_holds_is_not_damaged(written):
    path, read = written
    with held(path), pytest.raises(LockedError, match=r"another process holds the lock.*HDF5_USE_FILE_LOCKING") as told:
        read(path)
    assert "damaged" not in str(told.value)
    assert len(str(told.value)) < 400
    read(path)


def test_an_artefact_of_which_a_file_is_held_is_not_edited(tmp_path):
    """HDF5 marks a file while it is open for writing: its checksum differs, and nobody has edited it."""
    folder = export(quantise(grid(), d=d), tmp_path / "a", "hdf5")
    with held(folder / "chip.h5"), pytest.raises(LockedError, match="another process holds the lock of this file"):
        manifest.read(folder)
    with h5py.File(folder / "chip.h5", "r+") as file:
        file.attrs["more"] = 1
    with pytest.raises(FileFormatError, match="edited since it was exported"):
        manifest.read(folder)


def test_a_file_system_without_locks_is_named(written, monkeypatch):
    path, read = written
    said = "Unable to synchronously open file (unable to lock file, errno = 37, error message = 'No locks available')"

    def refuse(*_, **__):
        raise OSError(errno.ENOLCK, said)

    monkeypatch.setattr(h5py, "File", refuse)
    with pytest.raises(LockedError, match=r"no locks \(ENOLCK\).*HDF5_USE_FILE_LOCKING=FALSE"):
        read(path)


def test_a_writer_that_died_is_named(tmp_path):
    path = grid().save(tmp_path / "grid.h5")
    script = f"import h5py, os\nfile = h5py.File({str(path)!r}, 'r+')\nos._exit(0)"
    subprocess.run([sys.executable, "-c", script], check=True)
    with pytest.raises(LockedError, match=r"died before it closed it.*h5clear -s"):
        ln.load(path)


# What is no file


@pytest.mark.parametrize(("kind", "make"), [("a FIFO", os.mkfifo), ("a folder", os.mkdir)])
def test_what_is_no_file_is_refused_before_it_is_opened(written, tmp_path, kind, make):
    """Opening a pipe that nobody writes would wait for ever."""
    _, read = written
    make(tmp_path / "other.h5")
    with pytest.raises(FileFormatError, match=rf"other\.h5: no such file, but {kind}; expected"):
        read(tmp_path / "other.h5")


@pytest.mark.parametrize("name", ["a\0b", "long" * 2000])
def test_names_that_no_file_has_are_refused(written, tmp_path, name):
    with pytest.raises(FileFormatError, match=r"cannot be opened .*expected") as told:
        written[1](tmp_path / name)
    assert len(str(told.value)) <= 400


def test_a_link_to_a_file_is_followed(tmp_path):
    grid().save(tmp_path / "grid.h5")
    (tmp_path / "link.h5").symlink_to(tmp_path / "grid.h5")
    assert ln.load(tmp_path / "link.h5").rule is not None


# What lies elsewhere

SECRET = b"root:x:0:0:root:/root:/bin/bash\n" * 8


def external_storage(file, name, other):
    shape, dtype = file[name].shape, file[name].dtype
    del file[name]
    file.create_dataset(name, shape, dtype, external=[(str(other), 0, h5py.h5f.UNLIMITED)])


def virtual(file, name, other):
    layout = h5py.VirtualLayout(file[name].shape, file[name].dtype)
    layout[...] = h5py.VirtualSource(str(other), name, file[name].shape)
    del file[name]
    file.create_virtual_dataset(name, layout)


def external_link(file, name, other):
    del file[name]
    file[name] = h5py.ExternalLink(str(other), name)


def soft_link(file, name, other):
    file.move(name, "elsewhere")
    file[name] = h5py.SoftLink("/elsewhere")


PLACES = {
    "grid": ["B", "order", "rule/pairs", "rule"],
    "records": ["000000/correct", "000000"],
    "chip": ["B", "order"],
    "configuration": ["units/B", "units"],
    "displacements": ["d"],
    "graph": ["node/edges", "node/nodes"],
}
ELSEWHERE = {
    "external storage": external_storage,
    "a virtual data set": virtual,
    "an external link": external_link,
    "a soft link": soft_link,
}


@pytest.mark.parametrize(
    ("kind", "place", "how"),
    [
        (kind, place, how)
        for kind, places in PLACES.items()
        for place in places
        for how in ELSEWHERE
        if place not in {"rule", "000000", "units", "node/nodes"} or "link" in how
    ],
)
def test_numbers_of_other_files_are_not_read(tmp_path, kind, place, how):
    write, read = READERS[kind]
    path, other = tmp_path / "some.h5", tmp_path / "secret"
    write(path)
    other.write_bytes(SECRET) if how == "external storage" else write(other)
    with h5py.File(path, "r+") as file:
        ELSEWHERE[how](file, place, other)
    with pytest.raises((FileFormatError, ln.errors.ArgumentError)) as told:
        read(path)
    if kind != "displacements" or "link" not in how:  # there the name is simply not among the file's own
        assert "some.h5: " in str(told.value)
        assert "links are not followed" in str(told.value) or "lie in other files" in str(told.value)


def test_a_group_that_holds_itself_is_refused(tmp_path):
    """Who reads a graph whole would go round for ever."""
    path = write_nir(configuration(), tmp_path / "graph.nir")
    with h5py.File(path, "r+") as file:
        file["node/nodes/again"] = file["node"]
    with pytest.raises(FileFormatError, match=r"again is linked twice, or holds itself"):
        read_nir(path)


def test_a_graph_of_many_zeros_is_refused_before_they_take_memory(tmp_path):
    path = write_nir(configuration(), tmp_path / "graph.nir")
    with h5py.File(path, "r+") as file:
        file.create_dataset("node/zeros", (2**28,), "f8", compression="gzip", chunks=(2**20,))
    with pytest.raises(TooLargeError, match=r"raise max_bytes"):
        read_nir(path)


def test_a_file_of_others_permissions_is_named(tmp_path, monkeypatch):
    path = Path(grid().save(tmp_path / "grid.h5"))

    def refuse(*_, **__):
        raise PermissionError(errno.EACCES, "Unable to open file (unable to open file: errno = 13)")

    monkeypatch.setattr(h5py, "File", refuse)
    with pytest.raises(FileFormatError, match=r"grid\.h5: permission denied"):
        ln.load(path)


# What is declared is not believed


def peak_of(call):
    tracemalloc.start()
    try:
        call()
    finally:
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert most < 2**24, "refused before the memory is taken"


def test_a_small_file_of_a_large_grid_is_refused_unless_it_is_asked_for(tmp_path):
    """Zeros are packed a thousandfold."""
    path = ln.UnitGrid((1, 60_000), order="raster").save(tmp_path / "line.h5")
    assert path.stat().st_size < 500_000

    def load():
        with pytest.raises(TooLargeError, match=r"line\.h5: its arrays would take .* GiB, up to .*raise max_bytes"):
            ln.load(path, max_bytes=2**18)

    peak_of(load)
    assert ln.load(path, max_bytes=2**26).config.units == 60_000


@pytest.mark.parametrize("edit", [{"parents": 10**6}, {"radius": 10**5, "parents": None, "order": "raster"}])
def test_a_configuration_of_more_wires_than_the_file_has_is_refused(tmp_path, edit):
    path = ln.UnitGrid((1, 20_000)).save(tmp_path / "line.h5")
    with h5py.File(path, "r+") as file:
        file.attrs["config"] = np.bytes_(json.dumps(json.loads(file.attrs["config"]) | edit))

    def load():
        with pytest.raises(FileFormatError, match=r"its configuration is of a grid of .* MiB, its arrays take"):
            ln.load(path)

    peak_of(load)


BOMBS = {
    "numbers that were never written": {"shape": (2**29,), "chunks": (1024,)},
    "one piece that unpacks to 2 GiB": {"shape": (10,), "chunks": (2**28,), "maxshape": (None,)},
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_record_that_asks_for_too_much_is_refused(tmp_path, bomb):
    path = tmp_path / "record.h5"
    write_records(path)
    with h5py.File(path, "r+") as file:
        file["000000"].create_dataset("extra", dtype="f8", compression="gzip", **BOMBS[bomb])
    assert path.stat().st_size < 50_000
    for read in (ln.read_records, lambda path: list(RecordFile(path))):

        def refused(read=read):
            with pytest.raises(TooLargeError, match=r"record\.h5: .* GiB, up to /000000/extra alone.*raise max_bytes"):
                read(path)

        peak_of(refused)


def test_a_record_cut_short_is_filled_up_without_memory(tmp_path):
    path = tmp_path / "record.h5"
    write_records(path)
    content = bytearray(path.read_bytes())
    content[40:48] = (90 << 20).to_bytes(8, "little")  # as long as its first bytes may state
    path.write_bytes(content)

    def read():
        with contextlib.suppress(FileFormatError):
            ln.read_records(path)

    peak_of(read)
