"""A repair in exported C: to the bit on the host and on a Cortex-M4, and a changed number is found."""

from contextlib import closing
from copy import copy
from dataclasses import replace

import numpy as np
import pytest
from naive_repair_chip import learned, looking_twice, repaired
from small_repair_chips import FORMATS, sample

from localnoise.errors import ArgumentError
from localnoise.hardware import ChipRepair, OnChip, quantise
from localnoise.hardware.export import export, verify
from localnoise.hardware.export.repair_machines import RepairCortexM, RepairHost


@pytest.fixture(scope="module", params=["none", "places", "none, bends", "places, bends"])
def repair(request):
    share, _, bends = request.param.partition(", ")
    return learned(share=share, bends=1 if bends else None)


@pytest.fixture(scope="module")
def chip(repair):
    return quantise(repair)


def test_exports_that_hold_no_repair(chip, tmp_path):
    for kind in ("verilog", "json", "hdf5", "nir"):
        with pytest.raises(ArgumentError, match=f"kind='{kind}' holds no repair: expected c99"):
            export(chip, tmp_path / kind, kind)
    with pytest.raises(ArgumentError, match="learner was given with a repair"):
        export(chip, tmp_path / "learner", learner=OnChip())
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def twice(repair):
    return looking_twice(copy(repair))


@pytest.mark.parametrize("formats", ["usual", "many bits"])
def test_exported_c_asks_and_looks_twice_to_the_bit(twice, formats, tmp_path):
    export(quantise(twice, FORMATS[formats]), tmp_path / "c", name="mine")
    checks, _ = verify(tmp_path / "c", 4_000, ["host"])
    assert [check.mismatch for check in checks] == [""] * 13


@pytest.mark.toolchain
def test_a_cortex_m_asks_and_looks_twice_to_the_bit(twice, tmp_path):
    made = quantise(twice)
    export(made, tmp_path / "c")
    checks, _ = verify(tmp_path / "c", 4_000)
    assert [check.mismatch for check in checks] == [""] * 26
    with closing(RepairCortexM(tmp_path / "c", tmp_path, made)) as machine:
        assert made.flash <= machine.footprint.tables <= made.flash + 1024
        assert machine.footprint.code <= 4096 + 512 * made.field.bends


@pytest.mark.parametrize("formats", FORMATS)
def test_exported_c_is_the_emulators_to_the_bit(repair, formats, tmp_path):
    made = quantise(repair, FORMATS[formats])
    export(made, tmp_path / "c", seed=3, name="mine")
    checks, _ = verify(tmp_path / "c", 1_000, ["host"])
    assert {check.name.partition(":")[0] for check in checks} == {
        "undo",
        "squares",
        "scores",
        "ranges",
        "sources",
        "repair",
        "repair, any words",
        "repair, told",
    }
    assert [check.mismatch for check in checks] == [""] * 11
    words = sample(made)
    with closing(RepairHost(tmp_path / "c", tmp_path, made, "mine")) as machine:
        member, fixed = machine.repair(words)
    expected, members = repaired(made, words)
    assert member.tolist() == members
    np.testing.assert_array_equal(fixed, expected)


@pytest.mark.toolchain
@pytest.mark.parametrize("formats", FORMATS)
def test_a_cortex_m_repairs_to_the_bit(repair, formats, tmp_path):
    made = quantise(repair, FORMATS[formats])
    export(made, tmp_path / "c")
    checks, costs = verify(tmp_path / "c", 4_000)
    assert {check.backend for check in checks} == {"host", "cortex-m"}
    assert [check.mismatch for check in checks] == [""] * 22
    assert "instructions to decide" in costs["cortex-m"]
    with closing(RepairCortexM(tmp_path / "c", tmp_path, made)) as machine:
        assert made.flash <= machine.footprint.tables <= made.flash + 1024  # and what the linker adds
        assert machine.footprint.code <= 4096  # `fitting.repair.PROGRAM`


@pytest.mark.parametrize("name", ["centre", "law", "way", "way_bias", "bias", "low"])
def test_a_changed_number_is_found(chip, tmp_path, name, monkeypatch):
    export(chip, tmp_path / "c")
    honest, array = chip.field.arrays[name], chip.field.arrays[name].copy()
    if name == "bias":
        array[0] += 10**9
    elif name == "low":
        array[:] = chip.field.high
    else:
        array.reshape(-1)[np.flatnonzero(honest.reshape(-1))[0]] += 64 if name == "centre" else 1
    if name == "way_bias":
        array[...] = honest + 128
    other = ChipRepair(chip.config, chip.formats, replace(chip.field, **{name: array}), chip.member_sources)
    monkeypatch.setattr("localnoise.hardware.export.comparison.load_chips", lambda _: other)
    checks, _ = verify(tmp_path / "c", 4_000, ["host"])
    assert any(check.mismatch for check in checks)


def test_a_back_end_that_runs_no_repair_says_so(chip, tmp_path):
    export(chip, tmp_path / "c")
    with pytest.raises(ArgumentError, match="on='verilator': does not run c99"):
        verify(tmp_path / "c", 10, ["verilator"])
