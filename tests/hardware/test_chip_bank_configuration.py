"""A bank's configuration: member by member, there and back to the bit, and refused where it was edited."""

import hashlib
import json

import h5py
import numpy as np
import pytest
from chip_banks import activations, learned

import localnoise as ln
from localnoise.errors import FileFormatError
from localnoise.hardware import quantise
from localnoise.hardware.configuration.bank import (
    SCHEMA,
    configure_bank,
    read_bank_hdf5,
    read_bank_json,
    read_bank_nir,
    write_bank_hdf5,
    write_bank_json,
    write_bank_nir,
)
from localnoise.hardware.configuration.graph import graph_of
from localnoise.hardware.export import export, verify
from localnoise.hardware.fitting.memory import memory_map


@pytest.fixture(scope="module", params=["none", "local"])
def bank(request):
    signal = request.param
    members = [learned(axis, signal, variance) for axis, variance in ((1, 0.2), (2, 0.5), (3, 1.0))]
    return ln.Bank(members, clean=0.2, shares=[1, 2, 5])


@pytest.fixture(scope="module")
def chip(bank):
    return quantise(bank, h=activations() if bank.members[0].field.signal else None)


READERS = {
    "json": ("bank.json", read_bank_json),
    "hdf5": ("bank.h5", read_bank_hdf5),
    "nir": ("bank.nir", read_bank_nir),
}


@pytest.mark.parametrize("kind", READERS)
def test_a_configuration_comes_back_to_the_bit(chip, tmp_path, kind):
    chip.provenance = {"note": "three"}
    export(chip, tmp_path / "bank", kind, seed=7, target="stm32f407")
    name, read = READERS[kind]
    found = read(tmp_path / "bank" / name)
    assert (found.seed, found.target, len(found)) == (7, "stm32f407", 9)
    assert found.provenance["note"] == "three"
    limits = {row["limit"]: row["used"] for row in found.limits}
    assert limits["flash"] == memory_map(chip, whole_bytes=True).flash
    alone = {row["limit"]: row["used"] for row in found.members[0].limits}
    assert alone["flash"] == memory_map(chip.members[0], whole_bytes=True).flash
    np.testing.assert_array_equal(found.chip.words(60, 7), chip.words(60, 7))
    checks, costs = verify(tmp_path / "bank", 1_000)
    signal = chip.members[0].field.signal
    assert {check.name for check in checks} == {"draw", "draw, seeded"} | ({"perturb"} if signal else set())
    assert [check.mismatch for check in checks] == [""] * len(checks)
    assert "9 units of 3 members, for stm32f407" in costs["file"]


def test_the_document_is_what_its_schema_says(chip, tmp_path):
    found = configure_bank(chip, seed=3)
    path = write_bank_json(found, tmp_path / "bank.json")
    said = json.loads(path.read_text())
    assert set(said) == set(json.loads(SCHEMA.read_text())["required"])
    assert said["thresholds"] == chip.thresholds.tolist()
    digest = hashlib.sha256()
    for part in ({k: v for k, v in said.items() if k not in ("checksum", "members")},
                 *(one["checksum"] for one in said["members"])):  # fmt: skip
        digest.update(json.dumps(part, sort_keys=True, separators=(",", ":")).encode() + b"\n")
    assert said["checksum"] == f"sha256:{digest.hexdigest()}"
    assert write_bank_json(read_bank_json(path), tmp_path / "again.json").read_bytes() == path.read_bytes()


EDITS = {
    "a threshold": (lambda d: d["thresholds"].__setitem__(1, d["thresholds"][1] + 1), "checksum is not that"),
    "thresholds that fall": (lambda d: d["thresholds"].reverse(), "inconsistent .*rising"),
    "a member missing": (lambda d: d["members"].pop(), "inconsistent .*expected 2 whole numbers"),
    "members in another order": (lambda d: d["members"].reverse(), "checksum is not that"),
    "another seed": (lambda d: d.update(seed=9), "another seed or target than the bank"),
    "a weight": (lambda d: d["members"][0]["units"][0]["s"].__setitem__(0, 3), "inconsistent .*checksum"),
    "another format": (lambda d: d.update(format="localnoise.configuration"), "expected what the schema says"),
    "another version": (lambda d: d.update(version=2), "version 2, this version of localnoise reads 1"),
    "no members": (lambda d: d.update(members=[]), "expected what the schema says"),
    "something more": (lambda d: d.update(more=1), "expected what the schema says"),
}


@pytest.mark.parametrize("edit", EDITS)
def test_what_was_edited_is_one_sentence(chip, tmp_path, edit):
    path = write_bank_json(configure_bank(chip), tmp_path / "bank.json")
    act, message = EDITS[edit]
    said = json.loads(path.read_text())
    act(said)
    path.write_text(json.dumps(said))
    with pytest.raises(FileFormatError, match=message) as raised:
        read_bank_json(path)
    assert "\n" not in str(raised.value)


def test_files_that_hold_no_banks_configuration(chip, tmp_path):
    path = tmp_path / "bank"
    path.write_text("{")
    for read, message in (
        (read_bank_json, "not JSON"),
        (read_bank_hdf5, "bank.*expected|HDF5"),
        (read_bank_nir, "bank"),
    ):
        with pytest.raises(FileFormatError, match=message):
            read(path)
        with pytest.raises(FileFormatError, match="no such file"):
            read(tmp_path / "nothing")
    with h5py.File(write_bank_hdf5(configure_bank(chip), tmp_path / "b.h5"), "r+") as file:
        file.attrs["version"] = 5
    with pytest.raises(FileFormatError, match=r"version 5; this localnoise reads localnoise\.configuration\.bank"):
        read_bank_hdf5(tmp_path / "b.h5")


def test_the_graph_holds_each_members_weights(chip, tmp_path):
    import nir

    found = configure_bank(chip)
    path = write_bank_nir(found, tmp_path / "bank.nir")
    graph = nir.read(path)
    assert sum(name.startswith("member_2_unit_") for name in graph.nodes) == 9
    alone = graph_of(found.members[1])
    np.testing.assert_array_equal(graph.nodes["member_1_private_4"].scale, alone.nodes["private_4"].scale)
    graph.nodes["member_1_private_4"].scale[0] *= 2
    nir.write(path, graph)
    with pytest.raises(FileFormatError, match="scale of node member_1_private_4 is not that of its configuration"):
        read_bank_nir(path)
