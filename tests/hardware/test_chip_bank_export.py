"""A bank in exported C and Verilog: draws and turns to the bit, and a wrong one is found."""

import re

import icarus
import numpy as np
import pytest
from chip_banks import activations, learned

import localnoise as ln
from localnoise.errors import ArgumentError
from localnoise.hardware import ChipBank, Formats, quantise
from localnoise.hardware.export import export, verify
from localnoise.hardware.export.exporters import EXPORTERS
from localnoise.hardware.fitting.memory import memory_map


@pytest.fixture(scope="module", params=["none", "local"])
def bank(request):
    signal = request.param
    members = [learned(axis, signal, variance) for axis, variance in ((1, 0.2), (2, 0.5), (3, 1.0))]
    return ln.Bank(members, clean=0.2, shares=[1, 2, 5])


@pytest.fixture(scope="module")
def chip(bank):
    return quantise(bank, h=activations() if bank.members[0].field.signal else None)


def test_a_plugins_format_that_holds_no_bank_says_so(chip, tmp_path, monkeypatch):
    exporter = type("Plain", (), {"options": (), "write": staticmethod(lambda *a, **k: None)})
    monkeypatch.setattr(type(EXPORTERS), "find", lambda self, name, argument="kind": exporter)
    with pytest.raises(ArgumentError, match="kind='plain' holds no bank: expected c99 or"):
        export(chip, tmp_path / "plain", "plain")


def test_flash_is_what_c_stores(chip, tmp_path):
    """Bytes of the tables that a draw reads; the scales, 2 bytes a unit, are the caller's."""
    export(chip, tmp_path / "c")
    header = (tmp_path / "c" / "localnoise_tables.h").read_text()
    size = {f"ln_{name}": _bytes(kind) for kind, name in re.findall(r"typedef (\w+) ln_(\w+);", header)}
    arrays = re.findall(r"extern const (\w+) ln_(\w+)\[(\d+)\];", header)
    read = [(kind, count) for kind, name, count in arrays if name != "scale" and (name, count) != ("bias", "1")]
    total = sum(int(count) * size.get(kind, 0) or int(count) * _bytes(kind) for kind, count in read)
    assert memory_map(chip, whole_bytes=True).flash == total


def _bytes(kind):
    return int(re.sub(r"\D", "", kind) or 0) // 8


@pytest.mark.toolchain
@pytest.mark.parametrize("engines", [1, 2])
@pytest.mark.parametrize("formats", [Formats(), Formats(rounding="half-even", generator="lfsr16", weight_bits=5)])
def test_a_bank_in_verilog_is_the_emulators_to_the_bit(bank, formats, engines, tmp_path):
    signal = bank.members[0].field.signal
    chip = quantise(bank, formats, h=activations() if signal else None)
    export(chip, tmp_path / "bank", "verilog", seed=11, name="mine", engines=engines)
    checks, costs = verify(tmp_path / "bank", 3_000)
    hard = {"draw", "draw, slow reader", "draw after a reset"}
    assert {check.name for check in checks} == hard | ({"perturb"} if signal else set())
    assert [check.mismatch for check in checks] == [""] * len(checks)
    assert "clocks a draw" in costs["verilator"]


@pytest.mark.toolchain
def test_a_bank_in_verilog_is_the_verilog_of_2005(chip, tmp_path):
    export(chip, tmp_path / "rtl", "verilog")
    assert icarus.compiled(tmp_path / "run", tmp_path / "rtl") == ""


@pytest.mark.toolchain
def test_a_wrong_turn_in_verilog_is_found(chip, tmp_path, monkeypatch):
    export(chip, tmp_path / "bank", "verilog", seed=11)
    honest = ChipBank.turns
    monkeypatch.setattr(ChipBank, "turns", lambda self, *where: (honest(self, *where) + 2) % 4 - 1)
    checks, _ = verify(tmp_path / "bank", 2_000)
    assert all(check.mismatch for check in checks)


@pytest.mark.toolchain
@pytest.mark.parametrize(
    "formats",
    [Formats(), Formats(rounding="stochastic", generator="lfsr24", overflow="wrap", accumulator_bits=40, word_bits=9)],
    ids=["usual", "stochastic"],
)
def test_an_exported_bank_is_the_emulators_to_the_bit(bank, formats, tmp_path):
    signal = bank.members[0].field.signal
    chip = quantise(bank, formats, h=activations() if signal else None)
    export(chip, tmp_path / "bank", seed=11, name="mine")
    checks, costs = verify(tmp_path / "bank", 3_000)
    assert {check.name for check in checks} == {"draw", "draw, seeded"} | ({"perturb"} if signal else set())
    assert {check.backend for check in checks} == {"host", "cortex-m"}
    assert [check.mismatch for check in checks] == [""] * len(checks)
    assert "of state" in costs["cortex-m"]


@pytest.mark.toolchain
def test_a_wrong_threshold_is_found(bank, tmp_path, monkeypatch):
    chip = quantise(bank, h=activations() if bank.members[0].field.signal else None)
    export(chip, tmp_path / "bank")
    honest = ChipBank.turns
    monkeypatch.setattr(ChipBank, "turns", lambda self, *where: np.maximum(honest(self, *where), 0))
    checks, _ = verify(tmp_path / "bank", 2_000, ["host"])
    assert all(check.mismatch for check in checks)
