"""Chip profiles: every figure has its source, unknown stays unknown, and a broken file is named in one sentence."""

import os
import re

import pytest

from localnoise.errors import ArgumentError, FileFormatError
from localnoise.hardware.chips.profile import load_profile, profile_names
from localnoise.hardware.chips.profile_schema import LIMITS, OPTIONAL, PUBLISHED
from localnoise.hardware.fitting import table_45nm

GOOD = """
title = "mine"
kind = "microcontroller"
clock = { value = 1_000_000, source = "me", status = "datasheet" }
[limits]
cores = { value = 1, source = "me", status = "datasheet" }
flash = { status = "unlimited", source = "external" }
ram = { status = "unknown" }
[energy]
random = { value = 0.5, source = "me", status = "paper" }
"""


def figures(profile):
    return [*profile.limits.values(), profile.clock, *profile.energy.values(), *profile.facts.values()]


def test_ships_the_chips_asked_for():
    wanted = {"loihi1", "loihi2", "spinnaker2", "xylo_audio2", "akida_akd1000", "ice40up5k", "xc7a35t", "stm32f407"}
    assert set(profile_names()) == wanted | {"stm32h747", "ideal"}


@pytest.mark.parametrize("name", profile_names())
def test_every_figure_has_a_source_and_a_standing(name):
    profile = load_profile(name)
    assert set(LIMITS[profile.kind]) - set(OPTIONAL) <= set(profile.limits)
    for figure in figures(profile):
        if figure.status == "unknown":
            assert figure.value is None
            assert figure.number is None
        elif figure.status == "unlimited":
            assert figure.source
            assert figure.number == float("inf")
        else:
            assert figure.status in PUBLISHED
            assert figure.source
            assert figure.value is not None


def test_the_ideal_chip_has_no_limits_and_no_unknown_ones():
    assert {figure.status for figure in load_profile("ideal").limits.values()} == {"unlimited"}


def test_the_45_nm_table_has_a_source_per_figure_and_rounds_up_to_what_is_listed():
    for listed in table_45nm.figures().values():
        for figure in listed.values():
            assert figure.status in PUBLISHED
            assert figure.source
    assert table_45nm.multiply(2) == table_45nm.multiply(8) < table_45nm.multiply(9) == table_45nm.multiply(16)
    assert table_45nm.add(24) == table_45nm.add(32)
    assert table_45nm.add(64) == pytest.approx(2 * table_45nm.add(32))
    assert table_45nm.add(40) == pytest.approx(table_45nm.add(32) + table_45nm.add(8))
    assert table_45nm.access(64, 8193) == table_45nm.access(64, 32768)
    assert table_45nm.access(128, 2**20) == pytest.approx(2 * table_45nm.access(64, 2**20))
    assert table_45nm.access(64, 2**20 + 1) > table_45nm.access(64, 2**20)


def test_reads_a_file_of_ones_own(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(GOOD)
    for spelt in (path, str(path)):
        profile = load_profile(spelt)
        assert (profile.name, profile.limit("cores"), profile.limit("ram")) == ("mine", 1, None)
        assert profile.limit("flash") == float("inf")
        assert profile.energy["random"].unit == "pJ"


def test_a_wrong_name_suggests_the_nearest():
    with pytest.raises(ArgumentError, match="did you mean 'xylo_audio2'"):
        load_profile("xylo_audio")


BROKEN = {
    "missing table": ("[limits]", "[limit]", "limit is unknown.*did you mean 'limits'"),
    "missing limit": ('ram = { status = "unknown" }', "", "limits.ram is missing"),
    "missing kind": ('kind = "microcontroller"', "", "kind is missing"),
    "unknown limit": ("flash =", "flsh =", "limits.flsh is unknown.*did you mean 'flash'"),
    "limit of another kind": ("ram = {", "block_ram = {", "limits.block_ram is unknown"),
    "unknown key": ('source = "external"', 'sourc = "external"', "limits.flash.sourc is unknown.*'source'"),
    "bad kind": ('"microcontroller"', '"fgpa"', "kind is 'fgpa'"),
    "bad status": ('"unlimited"', '"unlimitd"', "limits.flash.status is 'unlimitd'.*did you mean 'unlimited'"),
    "no status": ('{ status = "unknown" }', "{ value = 3 }", "limits.ram.status is None"),
    "no source": ('value = 1, source = "me", ', "value = 1, ", "limits.cores.source is missing"),
    "empty source": ('value = 1, source = "me"', 'value = 1, source = " "', "limits.cores.source is ' '"),
    "no value": ('value = 1, source = "me"', 'source = "me"', "limits.cores.value is missing"),
    "value of an unknown": ('{ status = "unknown" }', '{ status = "unknown", value = 3 }', "limits.ram.value is 3"),
    "text for a number": ("value = 1,", 'value = "1",', "limits.cores.value is '1'.*whole number of cores"),
    "bool for a number": ("value = 1,", "value = true,", "limits.cores.value is True"),
    "half a core": ("value = 1,", "value = 1.5,", "limits.cores.value is 1.5"),
    "negative energy": ("value = 0.5", "value = -0.5", "energy.random.value is -0.5"),
    "endless clock": ("value = 1_000_000", "value = inf", "clock.value is inf"),
    "unknown energy": ("random =", "randm =", "energy.randm is unknown.*did you mean 'random'"),
    "no table": ('{ status = "unknown" }', '"unknown"', "limits.ram is 'unknown'.*a table"),
    "not TOML": ("[limits]", "[limits", "is not TOML"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_file_is_named_with_its_field_in_one_sentence(tmp_path, case):
    old, new, pattern = BROKEN[case]
    assert old in GOOD
    path = tmp_path / "mine.toml"
    path.write_text(GOOD.replace(old, new, 1))
    with pytest.raises(FileFormatError, match=pattern) as caught:
        load_profile(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert re.search("expected", message)
    assert "\n" not in message


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileFormatError, match=r"nowhere\.toml: no such file"):
        load_profile(tmp_path / "nowhere.toml")


@pytest.mark.parametrize("text", ["x = " + "[" * 50_000, "a" + ".a" * 50_000 + " = 1", "x" * 2**21])
def test_no_text_is_too_deep_or_too_long_for_a_sentence(tmp_path, text):
    path = tmp_path / "p.toml"
    path.write_text(text)
    with pytest.raises(FileFormatError, match=r"^.*p\.toml: .*expected a chip profile") as caught:
        load_profile(path)
    assert len(str(caught.value)) < 400


def test_a_pipe_is_no_profile(tmp_path):
    os.mkfifo(tmp_path / "p.toml")
    with pytest.raises(FileFormatError, match="a FIFO; expected a chip profile"):
        load_profile(tmp_path / "p.toml")


@pytest.mark.parametrize(
    "text", ["a = " + "[" * 5000 + "]" * 5000, "a = " + "{b = " * 3000 + "1" + "}" * 3000, "a." * 90 + "b = 1"]
)
def test_deep_nesting_is_refused(tmp_path, text):
    (tmp_path / "deep.toml").write_text(text)
    with pytest.raises(FileFormatError, match="is not TOML"):
        load_profile(tmp_path / "deep.toml")
