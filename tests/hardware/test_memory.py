"""The memory map: regions by hand on a small grid, and laws of their sums."""

from types import SimpleNamespace

import numpy as np
import pytest

import localnoise as ln
from localnoise.errors import ArgumentError
from localnoise.hardware.fitting.memory import dense_bits, memory_map, unit_bits
from localnoise.hardware.fitting.wiring import Wiring
from localnoise.hardware.formats import Formats
from localnoise.hardware.words import IntegerField


def chip_of(shape, channels, formats=None, **wires):
    grid = ln.UnitGrid(shape, channels, **wires)
    f, units, m = grid.field, grid.config.units, channels
    integers = {"order": f.order, "parents": f.parents, "readers": f.readers, "bias": np.zeros((units, m), np.int64)}
    for name, size in (("G", (m, f.G.shape[2])), ("B", (m, f.B.shape[2])), ("L", (m, m)), ("s", (m,)), ("lift", (3,))):
        integers[name] = np.zeros((units, *size), np.int32)
    integers |= {"fraction": np.zeros(units, np.int32), "scale": np.zeros(units, np.int32)}
    field = IntegerField(**integers, activation_scale=0)
    return SimpleNamespace(config=grid.config, formats=formats or Formats(), field=field)


def test_regions_by_hand():
    """A 1 x 4 raster row of two channels: three links. 8-bit weights, 12-bit words, xorshift32, 32-bit accumulators."""
    found = memory_map(chip_of((1, 4), 2, order="raster", radius=1))
    assert found.regions == {
        "weights": (3 * 4 + 4 * (1 + 2)) * 8,
        "biases": 0,
        "shifts": 4 * 4 * 5,
        "topology": 4 * (3 + 2),  # an address of "none" or 4 units, a place among 4
        "generator": 4 * 32,
        "words": 4 * 2 * 12,
        "learner": 0,
    }
    assert found.bits == sum(found.regions.values())
    assert found.bytes == -(-found.bits // 8)


@pytest.mark.parametrize("signal", ["none", "local"])
@pytest.mark.parametrize("learner", ["none", "lms", "sign-lms", "three-factor"])
@pytest.mark.parametrize("whole_bytes", [False, True])
def test_units_sum_to_the_map_and_weights_are_the_fields_own(signal, learner, whole_bytes):
    chip = chip_of((5, 6), 3, Formats(weight_bits=5, word_bits=9, generator="lfsr24"), parents=3, signal=signal)
    wiring = Wiring.of(chip)
    options = {"learner": learner, "whole_bytes": whole_bytes}
    bits, found = unit_bits(wiring, chip.formats, **options), memory_map(chip, **options)
    pointers = 64 if whole_bytes else 0  # to the weights and biases in use: of no unit
    assert bits.sum() + pointers == found.bits
    assert bits.max() == found.largest_unit
    assert found.weights == chip.field.weights.sum() * (8 if whole_bytes else 5)
    assert (found.biases > 0) == (signal == "local")
    assert (found.learner > 0) == (learner != "none")


def test_whole_bytes_take_the_c_type_that_holds_the_number():
    formats = Formats(weight_bits=9, word_bits=12)
    packed, whole = (memory_map(chip_of((4, 4), 2, formats), whole_bytes=flag) for flag in (False, True))
    assert whole.weights * 9 == packed.weights * 16
    assert whole.words * 12 == packed.words * 16


def test_flash_and_ram_share_the_map_unless_the_grid_learns():
    chip = chip_of((6, 6), 4, signal="local")
    fixed, learning = memory_map(chip), memory_map(chip, "sign-lms")
    assert 0 <= fixed.flash + fixed.ram - fixed.bytes <= 1
    assert learning.flash == -(-(8 * fixed.flash + learning.learner) // 8)
    assert learning.ram >= fixed.ram + (learning.weights + learning.learner) // 8
    own = 36 * 4
    masters_and_means = (chip.field.weights.sum() - own) * (8 + 8 + 8 + 16)
    assert learning.learner == masters_and_means + own * (2 * 12 + 8) + own * (32 + 8)
    told = memory_map(chip, "three-factor")
    assert told.learner == (chip.field.weights.sum() - own - 36 * 6) * (8 + 12)
    assert told.flash == fixed.flash + 36 * 32 // 8, "masters start from the weights"
    assert told.ram == -(-(8 * fixed.ram + told.learner + told.weights + told.biases) // 8)


def test_the_papers_layer_as_a_full_matrix_takes_39_megabytes():
    assert round(dense_bits(3136, 32, square=True) / 8e6) == 39
    assert dense_bits(3136, 8) == 8 * sum(range(3137))  # row i of a triangle has i weights


def test_a_wrong_learner_is_named():
    with pytest.raises(ArgumentError, match="did you mean 'sign-lms'"):
        memory_map(chip_of((2, 2), 1), "sgn-lms")
