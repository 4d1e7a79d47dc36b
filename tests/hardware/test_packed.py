"""Weights of 4 bits, two in a byte: the exported C draws what the emulator draws, in half the flash."""

import numpy as np
import pytest

import localnoise as ln
from localnoise.hardware import Formats, quantise
from localnoise.hardware.export import export, verify
from localnoise.hardware.export.tables import nibbles
from localnoise.hardware.fitting.memory import memory_map
from localnoise.hardware.learning import OnChip


def grid(signal, bits):
    rng = np.random.default_rng(0)
    h = rng.normal(size=(500, 3, 3, 3)).astype(np.float32)
    d = 0.4 * np.roll(h, 1, 2) + 0.3 * rng.normal(size=h.shape).astype(np.float32)
    made = ln.UnitGrid(shape=(3, 3), channels=3, parents=3, **({"signal": "local"} if signal else {}))
    return quantise(made.learn(d, h) if signal else made.learn(d), Formats(weight_bits=bits), h=h if signal else None)


def test_a_byte_holds_two_weights():
    assert nibbles(np.array([-8, 7, -1, 0, 5])).tolist() == [0x78, 0x0F, 0x05]


@pytest.mark.parametrize("signal", [False, True])
@pytest.mark.parametrize("bits", [3, 4])
def test_halved_weights_draw_the_emulators_words(signal, bits, tmp_path):
    folder = export(grid(signal, bits), tmp_path / "c", seed=3)
    assert "uint8_t ln_weights" in (folder / "localnoise_tables.c").read_text()
    checks, _ = verify(folder, words=400, backends=("host",))
    assert checks
    assert not any(check.mismatch for check in checks)


def test_a_grid_that_learns_keeps_a_byte_a_weight(tmp_path):
    chip = grid(False, 4)
    folder = export(chip, tmp_path / "c", learner=OnChip(rule="sign-lms", rate=1))
    assert "ln_weight ln_weights" in (folder / "localnoise_tables.c").read_text()


def test_flash_is_half():
    four, eight = (memory_map(grid(False, bits), whole_bytes=True) for bits in (4, 8))
    assert 2 * four.weights == eight.weights
    assert 2 * memory_map(grid(False, 4), "sign-lms", whole_bytes=True).weights == 4 * four.weights
