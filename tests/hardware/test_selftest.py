"""A device's self-test: planted faults are found and named, sound devices pass, and C finds what Python finds."""

import ctypes
import re
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from broken_devices import Broken, chip_of, words_of

import localnoise as ln
from localnoise.errors import ArgumentError
from localnoise.hardware import ChipBank, Formats, OnChip, quantise
from localnoise.hardware.audit.residuals import Residuals
from localnoise.hardware.audit.selftest import SelfTest
from localnoise.hardware.export import export, verify
from localnoise.hardware.export.cortex import CortexM
from localnoise.hardware.export.host import FAULT_BYTES, FLAGS, compiler
from localnoise.hardware.export.tested import read_fault

DRAWS = 2048


@pytest.fixture(scope="module")
def chip():
    return chip_of()[0]


def test_noise_is_that_of_the_audit_in_256ths(chip):
    """The audit's e, in floating point, and the self-test's, in integers, differ by rounding alone."""
    words = chip.words(300, seed=5).reshape(300, 2, -1)
    test = SelfTest(chip, 256)
    for unit, (e, prediction, _) in enumerate(Residuals(chip).of(words.astype(np.int64), None)):
        own, A = test.residuals(unit, words)
        free = np.abs(words[:, :, unit]) < chip.formats.word_limit
        assert np.abs(own / 256 - e)[free].max() < 1 / 512 + 8 * 2.0**-13
        np.testing.assert_allclose(A, prediction * Residuals(chip).deviation[:, unit], atol=0.5)


FAULTS = {
    "bit": (
        Broken("weight", unit=7, channel=1, link=2, bit=5),
        "unit (1, 2), channel 1 has a wrong link from unit (1, 1)",
    ),
    "dead": (Broken("dead", unit=13, channel=0), "unit (2, 3), channel 0 has a wrong link from unit (3, 3), channel 0"),
    "gain": (Broken("gain", unit=8, size=0.1), "unit (1, 3), channel 1 has a gain that is off (+"),
    "noise": (Broken("noise", unit=3, size=0.1), "unit (0, 3), channel 0 draws noise of 1.0"),
    "stuck": (Broken("stuck", unit=11), "unit (2, 1), channel"),
    "slow": (Broken("slow", unit=7), "unit (1, 2), channel 1 draws noise that is not white (+"),
    "clipped": (Broken("clipped", unit=19), "unit (3, 4), channel"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_found_and_named(chip, name):
    fault, said = FAULTS[name]
    if name == "dead":
        fault = replace(fault, link=int(np.abs(chip.field.B[13, 0]).argmax()))
    test = SelfTest(chip, 4096)
    found = test.verdict(words_of(chip, 4096, 4, fault))
    assert [unit for unit, _ in found] == [fault.unit]
    assert test.named(*found[0]).startswith(said)


def test_a_unit_that_is_stuck_at_its_limit_is_found(chip):
    """Words at a limit count as far as they point beyond it: they are no blind spot."""
    words = chip.words(DRAWS, seed=3).copy()
    words[:, :, 1, 2] = chip.formats.word_limit
    assert 7 in [unit for unit, _ in SelfTest(chip, DRAWS).verdict(words)]


def test_wrong_weights_of_the_activation_are_found():
    chip, h = chip_of(signal="local")
    read = chip.activation_words(np.resize(h, (DRAWS, *h.shape[1:])))
    test = SelfTest(chip, DRAWS)
    assert test.verdict(chip.words(DRAWS, seed=1, h=read), read) == []
    G = chip.field.G.copy()
    unit, row, link = (int(k) for k in np.unravel_index(np.abs(G).argmax(), G.shape))
    G[unit, row, link] = 0
    broken = type(chip)(chip.config, chip.formats, replace(chip.field, G=G))
    found = test.verdict(broken.words(DRAWS, seed=1, h=read), read)
    assert [one for one, _ in found] == [unit]
    assert "reads the activation of unit" in test.named(*found[0])


@pytest.mark.parametrize("devices", [40, pytest.param(300, marks=pytest.mark.slow)])
def test_sound_devices_pass_but_for_the_stated_share(devices):
    """Bonferroni is strict: at a level of .05 more than these would be a chance of 1e-4."""
    chip = chip_of(shape=(3, 3))[0]
    test = SelfTest(chip, 512, 0.05)
    words = (chip.words(512, seed=1000 + seed) for seed in range(devices))
    assert sum(test.verdict(one) != [] for one in words) <= {40: 9, 300: 31}[devices]


@pytest.mark.parametrize(
    ("signal", "formats", "name"),
    [
        ("none", Formats(), "localnoise"),
        ("local", Formats(weight_bits=4, overflow="wrap", rounding="stochastic", accumulator_bits=48), "grid"),
        pytest.param("none", Formats(weight_bits=12, word_bits=16, generator="lfsr32"), "a", marks=pytest.mark.slow),
        pytest.param("local", Formats(normal="popcount", rounding="half-even"), "a", marks=pytest.mark.slow),
        pytest.param("local", Formats(normal_bytes=1, word_bits=6), "a", marks=pytest.mark.slow),
    ],
)
def test_c_sums_up_and_judges_as_python_does(tmp_path, signal, formats, name):
    chip = chip_of(formats, signal, shape=(3, 3))[0]
    folder = export(chip, tmp_path / "a", selftest=300, name=name)
    checks = [one for one in verify(folder, 60)[0] if one.name == "self-test"]
    assert [one.backend for one in checks] == ["host", "cortex-m"]
    assert all(one.mismatch == "" and one.words > 500 for one in checks), checks


@pytest.mark.parametrize("signal", ["none", "local"])
def test_what_it_takes_is_what_its_tables_take(tmp_path, signal):
    chip = chip_of(signal=signal, shape=(3, 3))[0]
    folder = export(chip, tmp_path / "a", selftest=300)
    text = (folder / "localnoise_expected.c").read_text()
    sizes = {"uint8_t": 1, "uint32_t": 4, "int32_t": 4, "uint64_t": 8, "ln_weight": 1, "ln_index": 2, "ln_acc": 4}
    tables = re.findall(r"^const (\w+) ln_x_\w+\[(\d+)\] = ", text, flags=re.MULTILINE)
    assert sum(sizes[kind] * int(count) for kind, count in tables) == SelfTest(chip, 300).table_bytes


@pytest.mark.parametrize(("channels", "parents", "expected"), [(16, 8, 9608), (1, 1, 40), (3, 2, 192)])
def test_what_it_keeps_is_what_the_page_says(channels, parents, expected):
    page = (Path(__file__).parents[2] / "docs" / "audit.md").read_text()
    assert "of 8 m + 4 m (4 + (K + R + 1) m) + 8 bytes (and 4 more where that is no multiple of 8)" in " ".join(
        page.split()
    )
    m, K, R = channels, parents, 0
    said = 8 * m + 4 * m * (4 + (K + R + 1) * m) + 8
    d = np.random.default_rng(0).normal(size=(600, m, 4, 4)).astype(np.float32)
    chip = quantise(ln.UnitGrid((4, 4), m, parents=K).learn(d), feedback=False)
    assert said + said % 8 == SelfTest(chip, 300).state_bytes == expected


def built(folder, place):
    """The artefact as a library."""
    sources = sorted(map(str, folder.glob("*.c")))
    library = place / "library.so"
    subprocess.run([*compiler(), *FLAGS, "-fPIC", "-shared", *sources, "-o", str(library)], check=True)
    return ctypes.CDLL(str(library))


def run(library, test, count):
    """Test all units, `count` at a time: units that are off, and the first one's fault."""
    noise, eta = ctypes.create_string_buffer(8 * test.chip.config.units + 64), ctypes.create_string_buffer(4096)
    tests, fault = ctypes.create_string_buffer(count * test.state_bytes), ctypes.create_string_buffer(FAULT_BYTES)
    library.ln_init(noise)
    return library.ln_selftest(noise, tests, count, eta, fault), read_fault(fault.raw)


def planted(folder, file, table, place, change):
    """Change one number of a table; returns what it was."""
    text = (folder / file).read_text()
    begin = text.index("{", text.index(f"ln_{table}["))
    number = list(re.finditer(r"-?\d+", text[begin:]))[place]
    old, span = int(number.group()), (begin + number.start(), begin + number.end())
    (folder / file).write_text(text[: span[0]] + str(change(old)) + text[span[1] :])
    return old


@pytest.fixture(scope="module")
def small():
    return chip_of(shape=(2, 3), parents=2)[0]


@pytest.mark.parametrize("fault", ["none", "bit", "copy", "dead", "stuck"])
def test_a_device_with_a_planted_fault_fails_its_own_test(small, tmp_path, fault):
    """A bit that flips in the weights that are drawn with, or in the test's copy of them; a generator of state 0."""
    chip, test = small, SelfTest(small, DRAWS)
    folder = export(chip, tmp_path / "a", selftest=DRAWS, seed=3)
    unit = int(chip.field.weights.argmax())  # one with all parents, whose weights come first
    place = int(chip.field.weights[:unit].sum()) + int(np.abs(chip.field.B[unit, 0]).argmax())
    if fault in ("bit", "copy"):
        file, table = ("localnoise_expected.c", "x_weights") if fault == "copy" else ("localnoise_tables.c", "weights")
        planted(folder, file, table, place, lambda weight: weight ^ 32)
    elif fault == "dead":
        assert planted(folder, "localnoise_tables.c", "weights", place, lambda _: 0) != 0
    elif fault == "stuck":
        planted(folder, "localnoise_tables.c", "seeds", unit, lambda _: 0)
    library = built(folder, tmp_path)
    for count in (1, 4, 6):
        off, (at, found) = run(library, test, count)
        if fault == "none":
            assert off == 0
        else:
            assert (off, at) == (1, unit)
    if fault == "none":  # C's draws are the emulator's, from the start of the stream on
        assert test.verdict(chip.words(DRAWS, seed=3)) == []
    elif fault != "stuck":
        assert "has a wrong link from unit" in test.named(at, found)


def test_a_microcontroller_tests_itself(small, tmp_path):
    test = SelfTest(small, 256)
    folder = export(small, tmp_path / "a", selftest=256)
    planted(folder, "localnoise_tables.c", "seeds", 2, lambda _: 0)
    (tmp_path / "build").mkdir()
    machine = CortexM(folder, tmp_path / "build", small)
    off, fault = machine.test_all(6, test.state_bytes)
    assert (off, read_fault(fault)) == run(built(folder, tmp_path), test, 6)
    assert (off, read_fault(fault)[0]) == (1, 2)


def test_what_cannot_test_itself_is_refused(chip, tmp_path):
    with pytest.raises(ArgumentError, match=r"draws=100: expected"):
        SelfTest(chip, 100)
    with pytest.raises(ArgumentError, match=r"draws=70000: expected at most 65,536"):
        SelfTest(chip, 70_000)
    with pytest.raises(ArgumentError, match=r"level=0.9: expected a chance of a false alarm"):
        SelfTest(chip, 256, 0.9)
    with pytest.raises(ArgumentError, match=r"level='often': expected a chance of a false alarm"):
        SelfTest(chip, 256, "often")
    with pytest.raises(ArgumentError, match=r"words has 10 draws: expected the 256 that are judged"):
        SelfTest(chip, 256).verdict(chip.words(10))
    with pytest.raises(ArgumentError, match=r"accumulators of 64 bits: expected at most 61 for a self-test"):
        SelfTest(chip_of(Formats(accumulator_bits=64), shape=(2, 2))[0])
    with pytest.raises(ArgumentError, match="learner, which changes the weights that a self-test holds fast"):
        export(chip, tmp_path / "a", selftest=512, learner=OnChip(rule="lms"))
    with pytest.raises(ArgumentError, match="selftest=512: not of format json; expected with c99"):
        export(chip, tmp_path / "b", "json", selftest=512)
    bank = ChipBank([chip, chip], [0, 2**31])
    with pytest.raises(ArgumentError, match="the members of a bank draw in turn"):
        export(bank, tmp_path / "c", selftest=512)
