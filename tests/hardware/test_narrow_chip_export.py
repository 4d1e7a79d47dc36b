"""Chip grids with `share` or `rank` leave the emulator: their configuration and their C, to the bit."""

import json
import re

import h5py
import numpy as np
import pytest
from examples import examples
from hypothesis import Phase, given
from narrow_chips import ALL, NARROW, ODD, made, small
from small_grids import SEED, formats

from localnoise.errors import ArgumentError, FileFormatError
from localnoise.hardware import Formats, quantise
from localnoise.hardware.configuration import configure, read_hdf5, read_json, write_hdf5, write_json
from localnoise.hardware.configuration.narrow import SCHEMA, narrow_document
from localnoise.hardware.export import export, verify
from localnoise.hardware.fitting.memory import memory_map


@pytest.mark.parametrize(("form", "signal"), ALL)
def test_flash_is_what_c_stores(form, signal, tmp_path):
    """Bytes of the tables that a draw reads; the scales, 2 bytes a unit, are the caller's."""
    _, chip, _ = made(form, signal)
    export(chip, tmp_path / "c")
    header = (tmp_path / "c" / "localnoise_tables.h").read_text()
    typed = re.findall(r"typedef (\w+) ln_(\w+);", header)
    size = {f"ln_{name}": int(re.sub(r"\D", "", kind)) // 8 for kind, name in typed}
    arrays = re.findall(r"extern const (\w+) ln_(\w+)\[(\d+)\];", header)
    total = sum(
        int(count) * (size[kind] if kind in size else int(re.sub(r"\D", "", kind)) // 8)
        for kind, name, count in arrays
        if name not in ("scale", "seeds")
    )
    seeds = 4 * chip.config.units
    assert memory_map(chip, whole_bytes=True).flash == total + seeds


# The configuration


KINDS = {"json": (write_json, read_json, "configuration.json"), "hdf5": (write_hdf5, read_hdf5, "configuration.h5")}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("form", "signal"), ALL)
def test_a_configuration_comes_back_to_the_bit(form, signal, kind, tmp_path):
    _, chip, _ = made(form, signal)
    write, read, name = KINDS[kind]
    chip.provenance = {"note": "wide"}
    export(chip, tmp_path / "x", kind, seed=7, target="loihi1")
    found = read(tmp_path / "x" / name)
    assert (found.seed, found.target, found.chip.provenance["note"]) == (7, "loihi1", "wide")
    for array, values in chip.field.arrays.items():
        np.testing.assert_array_equal(found.chip.field.arrays[array], values, strict=True)
    again = read(write(found, tmp_path / "again"))
    assert narrow_document(again) == narrow_document(found)
    checks, _ = verify(tmp_path / "x", 500)
    assert {"draw", "mean", "innovation"} <= {check.name for check in checks}
    assert [check.mismatch for check in checks] == [""] * len(checks)


def test_a_document_holds_what_is_shared_once(tmp_path):
    _, chip, _ = made("both", shape=(8, 8))
    path = write_json(configure(chip, seed=2), tmp_path / "c.json")
    said = json.loads(path.read_text())
    assert set(said) == set(json.loads(SCHEMA.read_text())["required"])
    assert np.shape(said["shared"]["past"]) == chip.field.past.shape
    assert len(said["units"]) == 64
    assert "past" not in said["units"][0]


EDITS = {
    "a weight": (lambda d: d["shared"]["past"][-1][0].__setitem__(0, 5), "checksum"),
    "a scale": (lambda d: d["units"][0]["s"].__setitem__(0, 1), "checksum"),
    "a place": (lambda d: d["units"][0].update(place=d["units"][1]["place"]), "inconsistent|order"),
    "a core": (lambda d: d["units"][0].update(core=3), "checksum"),
    "a row too short": (lambda d: d["shared"]["down"].pop(), "inconsistent .*down has shape"),
    "a ragged row": (lambda d: d["shared"]["past"][0][0].pop(), "inconsistent"),
    "a unit missing": (lambda d: d["units"].pop(), "inconsistent|parents"),
    "a number beyond its type": (lambda d: d["units"][0].update(own=2**40), "inconsistent .*own holds numbers"),
    "no such class": (lambda d: d["units"][0].update(kinds=99), r"kinds\[0\] is 99"),
    "a grid without": (lambda d: [d["grid"].pop(k) for k in ("share", "rank")], "neither share nor rank"),
    "something more": (lambda d: d.update(more=1), "expected what the schema says"),
}


@pytest.mark.parametrize("edit", EDITS)
def test_what_was_edited_is_one_sentence(tmp_path, edit):
    _, chip, _ = made()
    path = write_json(configure(chip), tmp_path / "c.json")
    act, message = EDITS[edit]
    said = json.loads(path.read_text())
    act(said)
    path.write_text(json.dumps(said))
    with pytest.raises(FileFormatError, match=message) as raised:
        read_json(path)
    assert "\n" not in str(raised.value)


def test_an_edited_hdf5_document_is_found(tmp_path):
    _, chip, _ = made()
    for name, value in (("units/s", 1), ("shared/past", 1), ("units/generator", 7)):
        path = write_hdf5(configure(chip), tmp_path / "c.h5")
        with h5py.File(path, "r+") as file:
            data = file[name][()]
            data.reshape(-1)[0] = value
            file[name][...] = data
        with pytest.raises(FileFormatError, match="was edited"):
            read_hdf5(path)


# Export


@pytest.mark.toolchain
@pytest.mark.parametrize("widths", [Formats(), ODD, Formats(weight_bits=12, rounding="half-even")])
@pytest.mark.parametrize(("form", "signal"), ALL)
def test_exported_c_is_the_emulators_to_the_bit(form, signal, widths, tmp_path):
    _, chip, _ = made(form, signal, widths)
    export(chip, tmp_path / "narrow", seed=11, name="mine")
    checks, costs = verify(tmp_path / "narrow", 2_000)
    names = {"draw", "draw, seeded", "innovation"} | ({"perturb"} if signal == "local" else set())
    names |= {"mean"} if widths.rounding != "stochastic" else set()
    assert {check.name for check in checks} == names
    assert {check.backend for check in checks} == {"host", "cortex-m"}
    assert [check.mismatch for check in checks] == [""] * len(checks)
    assert "of state" in costs["cortex-m"]


@pytest.mark.slow
@examples(25, phases=[Phase.explicit, Phase.generate])  # to shrink would take minutes
@given(wiring=NARROW, widths=formats(3), seed=SEED)
def test_any_small_narrow_grid_draws_in_c(tmp_path_factory, wiring, widths, seed):
    grid, h = small(**wiring)
    chip = quantise(grid, widths, h=h)
    folder = export(chip, tmp_path_factory.mktemp("x") / "a", seed=seed)
    checks, _ = verify(folder, 300, ("host", "cortex-m") if seed % 8 == 0 else ("host",))
    assert all(check.mismatch == "" for check in checks), checks


@pytest.mark.toolchain
def test_a_wrong_table_is_found(tmp_path, monkeypatch):
    from localnoise.hardware.export import narrow

    _, chip, _ = made("both")
    honest = narrow.packed_classes
    monkeypatch.setattr(narrow, "packed_classes", lambda f: (honest(f)[0][::-1].copy(), honest(f)[1]))
    export(chip, tmp_path / "narrow")
    checks, _ = verify(tmp_path / "narrow", 500, ["host"])
    assert all(check.mismatch for check in checks if check.name != "mean")


def test_c_learns_no_shared_weights(tmp_path):
    from localnoise.hardware import OnChip

    _, chip, _ = made()
    with pytest.raises(ArgumentError, match="a learner was given with grids that have share='places', rank=3"):
        export(chip, tmp_path / "c", learner=OnChip(rule="lms"))
