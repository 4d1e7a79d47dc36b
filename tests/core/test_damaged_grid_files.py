"""Grid files that are damaged, foreign or edited are refused in one sentence."""

import json
import shutil

import h5py
import numpy as np
import pytest
from examples import examples
from grid_files import content
from hypothesis import given
from hypothesis import strategies as st

import localnoise as ln
from localnoise.errors import FileFormatError


@pytest.fixture
def copy(saved, tmp_path):
    return shutil.copy(saved, tmp_path / "copy.h5")


@given(st.data())
@examples(150, derandomize=True)
def test_a_truncated_file_is_recognised_wherever_it_ends(saved, data):
    raw = saved.read_bytes()
    length = data.draw(
        st.one_of(st.integers(0, len(raw) - 1), st.sampled_from([0, 1, 7, 8, 48, 512, 2048, len(raw) - 1]))
    )
    cut = saved.with_name("cut.h5")
    cut.write_bytes(raw[:length])
    with pytest.raises(FileFormatError, match=r"cut\.h5: damaged or not HDF5 .*; restore it or learn it again"):
        ln.load(cut)


@given(st.data())
@examples(300, derandomize=True)
def test_a_changed_byte_is_recognised_or_harmless(saved, data):
    """Checksums cover metadata and data; what they do not cover (gaps, unused fields) must change nothing."""
    raw = bytearray(saved.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(raw) - 1))
        raw[place] ^= data.draw(st.integers(1, 255))
    bad = saved.with_name("bad.h5")
    bad.write_bytes(raw)
    try:
        loaded = ln.load(bad)
    except FileFormatError:
        return
    assert content(loaded) == content(ln.load(saved))


@pytest.mark.parametrize("name", ["order", "parents", "readers", "a", "G", "B", "S", "gain", "rule/pairs"])
def test_every_flipped_bit_of_the_data_is_recognised(copy, name):
    """In the middle of each array as it lies in the file."""
    with h5py.File(copy) as file:
        where = file[name].id.get_chunk_info(0)
    raw = bytearray(copy.read_bytes())
    raw[where.byte_offset + where.size // 2] ^= 1
    copy.write_bytes(raw)
    with pytest.raises(FileFormatError, match=r"copy\.h5: damaged"):
        ln.load(copy)


@pytest.mark.parametrize(
    "fragment", ["localnoise.grid", '"shape": [2, 3]', '"signal_radius": 1', '"fingerprint": "abc"', '"ridge": 0.0001']
)
def test_every_changed_character_of_the_metadata_is_recognised(copy, fragment):
    """JSON with another digit is still JSON: only a checksum tells."""
    raw = copy.read_bytes()
    assert raw.count(fragment.encode()) == 1
    start = raw.index(fragment.encode())
    for place in range(start, start + len(fragment)):
        bad = bytearray(raw)
        bad[place] ^= 1
        copy.write_bytes(bad)
        with pytest.raises(FileFormatError, match=r"copy\.h5: damaged"):
            ln.load(copy)


def test_files_of_other_kinds(tmp_path):
    with pytest.raises(
        FileFormatError,
        match=r"nowhere\.h5: no such file; expected a grid, a bank, a central noise, a repair, a surprise or a layer",
    ):
        ln.load(tmp_path / "nowhere.h5")
    with pytest.raises(FileFormatError, match="no such file"):
        ln.load(tmp_path)
    (tmp_path / "text.h5").write_text("order,parents\n1,2\n" * 100)
    (tmp_path / "empty.h5").touch()
    for name in ("text.h5", "empty.h5"):
        with pytest.raises(FileFormatError, match=f"{name}: damaged or not HDF5"):
            ln.load(tmp_path / name)
    with h5py.File(tmp_path / "foreign.h5", "w") as file:
        file["weights"] = np.zeros(3)
    with pytest.raises(FileFormatError, match=r"foreign\.h5: format None, expected 'localnoise\.grid'"):
        ln.load(tmp_path / "foreign.h5")


def test_a_file_format_error_is_an_os_error():
    assert issubclass(FileFormatError, OSError)


def edit(key, change):
    """Write a new array in an old one's place."""

    def apply(file):
        new = change(file[key][()])
        del file[key]
        file[key] = new

    return apply


def attribute(name, value, group="/"):
    def apply(file):
        file[group].attrs[name] = value

    return apply


def remove(name):
    return lambda file: file.__delitem__(name)


def with_value(value):
    def change(array):
        array = array.copy()
        array.flat[array.size // 2] = value
        return array

    return change


def marked_as_own(name, change):
    """As edited on purpose: the file says that its wires are its own."""

    def apply(file):
        edit(name, change)(file)
        file.attrs["wiring"] = np.bytes_("own")

    return apply


CONFIG = {"shape": [2, 3], "channels": 2, "signal": "local"}


TAMPERED = {
    "another format": (
        attribute("format", "localnoise.record"),
        "format 'localnoise.record', expected 'localnoise.grid'",
    ),
    "a later schema": (attribute("schema", 9), "schema 9, this version reads 2 and 3; use the version that wrote it"),
    "no schema": (lambda file: file.attrs.__delitem__("schema"), "schema None"),
    "no configuration": (lambda file: file.attrs.__delitem__("config"), "damaged"),
    "a configuration that is no JSON": (attribute("config", np.bytes_("{shape")), "damaged"),
    "a configuration that is no mapping": (attribute("config", np.bytes_("[2, 3]")), "damaged"),
    "a configuration that is a number": (attribute("config", 3), "damaged"),
    "an unknown option": (attribute("config", np.bytes_(json.dumps(CONFIG | {"colour": 1}))), "damaged.*colour"),
    "an impossible option": (attribute("config", np.bytes_(json.dumps(CONFIG | {"channels": 0}))), "channels=0"),
    "a larger grid": (attribute("config", np.bytes_(json.dumps(CONFIG | {"shape": [4, 3]}))), "S is .* expected"),
    "an enormous grid": (
        attribute("config", np.bytes_(json.dumps(CONFIG | {"shape": [10**9, 10**9]}))),
        "S is .* expected",
    ),
    "infinite sides": (attribute("config", np.bytes_('{"shape": [Infinity, 3]}')), "shape=.*inf"),
    "another order": (
        attribute("config", np.bytes_(json.dumps(CONFIG | {"order": "raster"}))),
        "is .* expected|differs",
    ),
    "another precision": (attribute("config", np.bytes_(json.dumps(CONFIG | {"dtype": "float64"}))), "S is float32"),
    "provenance that is a list": (attribute("provenance", np.bytes_("[1]")), "damaged"),
    "weights missing": (remove("B"), "damaged"),
    "a group in an array's place": (lambda file: (remove("B")(file), file.create_group("B")), "damaged"),
    "NaN in B": (edit("B", with_value(np.nan)), "B holds NaN or infinity; the file was edited or damaged"),
    "infinity in G": (edit("G", with_value(np.inf)), "G holds NaN or infinity"),
    "NaN in the gain": (edit("gain", with_value(np.nan)), "gain holds NaN"),
    "another shape of a": (edit("a", lambda a: a[:, :1]), r"a is float32 \(6, 1\), expected float32 \(6, 2\)"),
    "another dtype of S": (edit("S", lambda a: a.astype(np.float64)), "S is float64 .*, expected float32"),
    "another dtype of parents": (edit("parents", lambda a: a.astype(np.int64)), "parents is int64"),
    "altered parents": (edit("parents", lambda a: a[:, ::-1]), "parents differs from what its configuration implies"),
    "a parent that does not exist": (edit("parents", with_value(10**6)), "parents differs"),
    "own parents that come later": (marked_as_own("parents", lambda a: a[::-1]), "parents of unit .* hold|come before"),
    "an own order that is none": (marked_as_own("order", lambda a: 0 * a), "order is no permutation"),
    "own parents of another width": (marked_as_own("parents", lambda a: a[:, :1]), "B is .*, expected"),
    "own readers, none": (marked_as_own("readers", lambda a: a[:, :0]), "is .*, expected"),
    "altered readers": (edit("readers", with_value(0)), "readers differs"),
    "altered order": (edit("order", lambda a: a[::-1]), "order differs"),
    "a zero on the diagonal of S": (edit("S", lambda a: a * 0), "S or gain is not positive"),
    "a filled upper triangle of S": (edit("S", lambda a: a + 1), "S is not lower triangular"),
    "a negative gain": (edit("gain", lambda a: -a), "S or gain is not positive"),
    "an unknown rule": (attribute("name", np.bytes_("hebb"), "rule"), "rule 'hebb' is unknown.*moments, lms, sign-lms"),
    "a rule without a name": (lambda file: file["rule"].attrs.__delitem__("name"), "damaged"),
    "an unknown option of the rule": (attribute("options", np.bytes_('{"rate": 1}'), "rule"), "damaged.*rate"),
    "an impossible option of the rule": (attribute("options", np.bytes_('{"ridge": -1}'), "rule"), "ridge=-1"),
    "a negative count": (attribute("seen", -3, "rule"), "seen=-3"),
    "no count": (lambda file: file["rule"].attrs.__delitem__("seen"), "damaged"),
    "NaN in the pairs": (edit("rule/pairs", with_value(np.nan)), "pairs holds NaN"),
    "another shape of pairs": (edit("rule/pairs", lambda a: a[:1]), "pairs is float64 .*, expected float64"),
    "another dtype of pairs": (edit("rule/pairs", lambda a: a.astype(np.float32)), "pairs is float32"),
    "another rule's name": (attribute("name", np.bytes_("lms"), "rule"), "damaged"),
}


@pytest.mark.parametrize("case", TAMPERED)
def test_an_edited_file_is_refused(copy, case):
    tamper, message = TAMPERED[case]
    with h5py.File(copy, "r+") as file:
        tamper(file)
    with pytest.raises(FileFormatError, match=rf"(?s)copy\.h5: .*{message}"):
        ln.load(copy)


def test_the_untouched_copy_is_not(copy, saved):
    assert content(ln.load(copy)) == content(ln.load(saved))
