"""Commands on a user's own arrays: .npy files, presentations (T, C, L) and (T, n), banks."""

from pathlib import Path

import h5py
import numpy as np
import pytest

import localnoise as ln
from localnoise.errors import ArgumentError, FileFormatError, LocalnoiseError, WriteError
from localnoise.hardware import ChipBank, load_chip, load_chips
from localnoise.sims.tools import inputs
from localnoise.sims.tools.export import export
from localnoise.sims.tools.learn import learn
from localnoise.sims.tools.quantise import quantise
from localnoise.sims.tools.sample import sample

rng = np.random.default_rng(0)
MAPS, WINDOWS, FLAT = rng.normal(size=(300, 2, 3, 4)), rng.normal(size=(300, 3, 8)), rng.normal(size=(300, 24))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    with h5py.File("run.h5", "w") as file:
        for name, array in (("maps", MAPS), ("windows", WINDOWS), ("flat", FLAT), ("one", np.float64(3))):
            file[name] = array.astype(np.float32) if array.shape else array
            np.save(f"{name}.npy", array.astype(np.float32) if array.shape else array)
    return tmp_path


@pytest.mark.parametrize("kind", ["npy", "h5"])
@pytest.mark.parametrize(
    ("name", "shape", "units", "channels"),
    [
        ("maps", "", (3, 4), 2),
        ("windows", "", (1, 8), 3),
        ("flat", "", (1, 24), 1),
        ("flat", "2,3,4", (3, 4), 2),
        ("flat", "4,6", (4, 6), 1),
        ("flat", "2,3", (2, 3), 4),
        ("windows", "2,4", (2, 4), 3),
    ],
)
def test_a_grid_is_learned_from_arrays_of_any_shape(
    folder: Path, kind: str, name: str, shape: str, units: tuple[int, int], channels: int
) -> None:
    array = {"maps": MAPS, "windows": WINDOWS, "flat": FLAT}[name].astype(np.float32)
    if kind == "npy":
        learn(Path(f"{name}.npy"), Path("grid.h5"), shape=shape)
    else:
        learn(Path("run.h5"), Path("grid.h5"), dataset=name, shape=shape)
    expected = ln.UnitGrid(units, channels).learn(array.reshape(300, channels, *units))
    found = ln.load("grid.h5")
    assert (found.config.shape, found.config.channels) == (units, channels)
    np.testing.assert_array_equal(found.field.B, expected.field.B)


def test_arrays_are_mapped_and_fortran_order_is_no_matter(folder: Path) -> None:
    np.save("turned.npy", np.asfortranarray(WINDOWS.astype(np.float32)))
    with inputs.opened(Path("turned.npy"), "") as stored:
        assert isinstance(stored.base, np.memmap) or isinstance(stored, np.memmap)
    learn(Path("turned.npy"), Path("turned.h5"))
    learn(Path("windows.npy"), Path("straight.h5"))
    np.testing.assert_array_equal(ln.load("turned.h5").field.B, ln.load("straight.h5").field.B)


@pytest.mark.parametrize("activations", ["windows.npy", "windows", "run.h5:windows"])
def test_activations_come_from_either_kind_of_file(folder: Path, activations: str) -> None:
    learn(Path("run.h5"), Path("grid.h5"), dataset="windows", activations=activations)
    assert ln.load("grid.h5").config.signal == "local"


def test_parents_and_ridge_are_chosen_by_the_command(folder: Path) -> None:
    learn(Path("windows.npy"), Path("grid.h5"), parents="auto", ridge="auto")
    found = ln.load("grid.h5")
    expected = ln.UnitGrid((1, 8), 3, parents="auto").learn(WINDOWS[:, :, None].astype(np.float32), ridge="auto")
    assert (found.config, found.rule) == (expected.config, expected.rule)
    learn(Path("windows.npy"), Path("grid.h5"), parents="2", ridge="0.5")
    assert ln.load("grid.h5").rule.ridge == 0.5


def test_noise_is_drawn_into_an_array(folder: Path) -> None:
    learn(Path("windows.npy"), Path("grid.h5"))
    sample(Path("grid.h5"), Path("noise.npy"), count=50, seed=3, start=5)
    np.testing.assert_array_equal(np.load("noise.npy"), ln.load("grid.h5").sample(50, 3, 5))
    with pytest.raises(ArgumentError, match=r"output='noise.npy' exists and does not say that it is drawn noise"):
        sample(Path("grid.h5"), Path("noise.npy"))
    sample(Path("grid.h5"), Path("noise.npy"), count=7, force=True)
    assert np.load("noise.npy", mmap_mode="r").shape == (7, 3, 1, 8)
    assert sorted(path.suffix for path in folder.iterdir()) == [".h5"] * 2 + [".npy"] * 5, "no temporary is left"


@pytest.mark.parametrize("out", ["noise.npy", "noise.h5"])
@pytest.mark.parametrize("place", ["windows.npy", "run.h5:windows", "flat.npy"])
def test_perturbations_have_the_shape_of_their_activations(folder: Path, out: str, place: str) -> None:
    learn(Path("windows.npy"), Path("grid.h5"), activations="windows.npy")
    sample(Path("grid.h5"), Path(out), seed=3, activations=place)
    h = (FLAT if place == "flat.npy" else WINDOWS).astype(np.float32)
    expected = ln.load("grid.h5").perturb(h.reshape(300, 3, 1, 8), 3).reshape(h.shape)
    found = np.load(out) if out == "noise.npy" else h5py.File(out)["noise"][()]
    np.testing.assert_array_equal(found, expected)


def test_banks_and_central_noise_are_drawn_from_quantised_and_exported(folder: Path) -> None:
    d = MAPS.astype(np.float32)
    grids = [ln.UnitGrid((3, 4), 2).learn(part) for part in (d, d.cumsum(axis=3))]
    bank = ln.Bank(grids, clean=0.2)
    for noise in (bank, ln.central.full(d)):
        noise.save("noise.h5")
        sample(Path("noise.h5"), Path("drawn.npy"), count=60, seed=2, start=9, force=True)
        np.testing.assert_array_equal(np.load("drawn.npy"), noise.sample(60, 2, 9))
    bank.save("bank.h5")
    quantise(Path("bank.h5"), Path("chip.h5"))
    quantise(Path("bank.h5"), Path("chip.h5"), weight_bits=6)  # one of its own kind is replaced
    assert isinstance(load_chips("chip.h5"), ChipBank)
    export(Path("chip.h5"), Path("build"))
    assert "LN_MEMBERS 2" in Path("build/localnoise_tables.h").read_text()
    export(Path("chip.h5"), Path("json"), kind="json")
    assert Path("json/bank.json").is_file()


def test_a_signal_dependent_grid_is_calibrated_on_arrays(folder: Path) -> None:
    learn(Path("windows.npy"), Path("grid.h5"), activations="windows.npy")
    for place in ("windows.npy", "run.h5:windows", "flat.npy"):
        quantise(Path("grid.h5"), Path("chip.h5"), activations=place)
        assert load_chip("chip.h5").config.channels == 3


CASES = {
    "no such file": (lambda: learn(Path("nowhere.npy")), "nowhere.npy: no such file"),
    "a folder": (lambda: learn(Path("folder.npy")), "no such file, but a folder"),
    "text": (lambda: learn(Path("text.npy")), "text.npy: no array of numbers that can be mapped"),
    "objects": (lambda: learn(Path("objects.npy")), "it holds Python objects"),
    "cut short": (lambda: learn(Path("short.npy")), "short.npy: no array of numbers"),
    "one number": (lambda: learn(Path("one.npy")), "holds one number"),
    "one number in HDF5": (lambda: learn(Path("run.h5"), dataset="one"), "one holds one number"),
    "one side": (lambda: learn(Path("line.npy")), r"line.npy has shape \(24,\): expected \(T, C, H, W\), \(T, C, L\)"),
    "five sides": (lambda: learn(Path("deep.npy")), r"has shape \(2, 1, 1, 1, 4\): expected"),
    "texts": (lambda: learn(Path("texts.npy")), "d has dtype <U1: expected real numbers"),
    "a near name": (lambda: learn(Path("run.h5"), dataset="flats"), "did you mean 'flat'"),
    "a shape of words": (lambda: learn(Path("flat.npy"), shape="a,b"), "shape='a,b': expected C,H,W or H,W"),
    "a shape of one": (lambda: learn(Path("flat.npy"), shape="24"), "shape='24': expected C,H,W or H,W"),
    "a shape of nothing": (lambda: learn(Path("flat.npy"), shape="0,24"), "whole numbers >= 1"),
    "a shape too large": (lambda: learn(Path("flat.npy"), shape="2,3,5"), "has 30 places: expected 24, the size"),
    "a shape that divides not": (
        lambda: learn(Path("flat.npy"), shape="5,2"),
        "expected a divisor of 24",
    ),
    "parents": (lambda: learn(Path("flat.npy"), parents="many"), "parents='many': expected a number, or auto"),
    "ridge": (lambda: learn(Path("flat.npy"), ridge="small"), "ridge='small': expected a number, or auto"),
    "activations of another size": (
        lambda: learn(Path("windows.npy"), activations="maps.npy"),
        r"maps.npy has shape \(300, 2, 3, 4\): expected \(T, 3, 1, 8\), \(T, 3, 8\) or \(T, 24\)",
    ),
    "activations without a name": (lambda: sample(Path("g.h5"), activations="run.h5"), "expected FILE:NAME, such as"),
    "its own input": (
        lambda: sample(Path("g.h5"), Path("flat.npy"), activations="flat.npy"),
        "is the same file as activations='flat.npy'",
    ),
    "a place that cannot be written": (lambda: sample(Path("g.h5"), Path("folder.npy")), "folder.npy"),
}


@pytest.mark.parametrize("case", CASES)
def test_mistakes_get_one_sentence(folder: Path, case: str) -> None:
    Path("folder.npy").mkdir()
    Path("text.npy").write_text("no array")
    np.save("objects.npy", np.array([{}, None], dtype=object), allow_pickle=True)
    Path("short.npy").write_bytes(Path("flat.npy").read_bytes()[:-100])
    np.save("line.npy", FLAT[0])
    np.save("deep.npy", np.zeros((2, 1, 1, 1, 4)))
    np.save("texts.npy", np.full((3, 4), "a"))
    ln.UnitGrid((1, 24)).save("g.h5")
    act, message = CASES[case]
    with pytest.raises(LocalnoiseError, match=message) as caught:
        act()
    assert isinstance(caught.value, (ArgumentError, FileFormatError, WriteError))
    assert "\n" not in str(caught.value)


def test_a_full_disk_is_said_before_anything_is_written(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ln.UnitGrid((1, 24)).save("g.h5")
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 100})())
    with pytest.raises(WriteError, match=r"noise.npy: 0 MiB would be written and 0 MiB are free"):
        sample(Path("g.h5"), Path("noise.npy"))
    assert not Path("noise.npy").exists()


def test_a_grid_for_wide_layers_is_learned_by_the_command(folder: Path) -> None:
    learn(Path("maps.npy"), Path("grid.h5"), parents="2", share="places", rank=1)
    found = ln.load("grid.h5")
    expected = ln.UnitGrid((3, 4), 2, parents=2, share="places", rank=1).learn(MAPS.astype(np.float32))
    assert (found.config.share, found.config.rank) == ("places", 1)
    np.testing.assert_array_equal(found.field.B, expected.field.B)
    with pytest.raises(ArgumentError, match="share='rows': expected one of 'none', 'places'"):
        learn(Path("maps.npy"), Path("grid.h5"), share="rows", force=True)
