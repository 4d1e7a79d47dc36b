"""Noise on 8-bit tensors of somebody else's network: the C's words are the emulator's."""

import ctypes
import subprocess

import numpy as np
import pytest

import localnoise as ln
from localnoise.errors import ArgumentError
from localnoise.hardware import quantise
from localnoise.hardware.export import export
from localnoise.hardware.export.host import FLAGS, compiler
from localnoise.hardware.int8 import add_noise_int8

SCALE, ZERO, SEED, COUNT = 0.0235, -3, 5, 12
CALLER = """
#include "localnoise_int8.h"

static const ln_tensor hwc = LN_TENSOR(0.0235, -3, LN_HWC);
static const ln_tensor chw = LN_TENSOR(0.0235, -3, LN_CHW);
static ln_noise noise;
static ln_word scratch[LN_INT8_SCRATCH];

void begin(void);
void add(int8_t *q, int first);

void begin(void) { ln_init(&noise); }

void add(int8_t *q, int first) { ln_add_noise_int8(&noise, (first != 0) ? &chw : &hwc, q, scratch); }
"""


def grid(signal):
    rng = np.random.default_rng(0)
    h = rng.normal(size=(400, 3, 4, 5)).astype(np.float32)
    d = 0.3 * np.roll(h, 1, 2) + 0.2 * rng.normal(size=h.shape).astype(np.float32)
    made = ln.UnitGrid(shape=(4, 5), channels=3, parents=3, **({"signal": "local"} if signal else {}))
    made = made.learn(d, h) if signal else made.learn(d)
    return quantise(made, h=h if signal else None)


@pytest.mark.parametrize("signal", [False, True])
def test_the_c_adds_what_the_emulator_adds(signal, tmp_path):
    chip = grid(signal)
    folder = export(chip, tmp_path / "c", seed=SEED)
    (tmp_path / "caller.c").write_text(CALLER)
    sources = [*map(str, sorted(folder.glob("*.c"))), str(tmp_path / "caller.c")]
    library = tmp_path / "caller.so"
    command = [*compiler(), *FLAGS, "-shared", "-fPIC", "-I", str(folder), *sources, "-o", str(library)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    own = ctypes.CDLL(str(library))
    rng = np.random.default_rng(1)
    q = rng.integers(-40, 40, (COUNT, 4, 5, 3)).astype(np.int8)
    q[-2], q[-1] = 127, -128  # where noise saturates
    own.begin()
    for k, layout in enumerate(("hwc", "chw")):
        given = np.ascontiguousarray(q if layout == "hwc" else q.transpose(0, 3, 1, 2))
        expected = add_noise_int8(chip, given, SCALE, ZERO, layout=layout, seed=SEED, start=k * COUNT)
        found = given.copy()
        for one in found:
            own.add(one.ctypes.data_as(ctypes.c_void_p), k)
        assert np.array_equal(found, expected)
        assert found.min() == -128
        assert found.max() == 127
        assert not np.array_equal(found, given)


@pytest.mark.parametrize("signal", [False, True])
def test_in_values_it_is_the_grids_noise(signal):
    chip = grid(signal)
    q = np.random.default_rng(2).integers(-50, 50, (200, 4, 5, 3)).astype(np.int8)
    value = (q.astype(np.float32) - ZERO) * SCALE
    eta = chip.perturb(value.transpose(0, 3, 1, 2), seed=3).transpose(0, 2, 3, 1)
    added = (add_noise_int8(chip, q, SCALE, ZERO, seed=3).astype(np.float32) - q) * SCALE
    inside = np.abs(q + eta / SCALE) < 120
    assert np.abs(added - eta)[inside].max() < 0.6 * SCALE + 0.02 * np.abs(eta).max()


def test_tensors_that_are_no_layer_of_the_grid_are_refused():
    chip = grid(False)
    q = np.zeros((2, 4, 5, 3), np.int8)
    for wrong, match in (
        ({"q": q.astype(np.int16)}, "expected int8"),
        ({"q": q[:, :3]}, "expected int8 tensors .T, 4, 5, 3. or .T, 60. of the grid's layer, layout='hwc'"),
        ({"q": q.transpose(0, 3, 1, 2)}, r"q is int8 \(2, 3, 4, 5\): expected .* state the layout"),
        ({"layout": "chw"}, r"q is int8 \(2, 4, 5, 3\): expected int8 tensors \(T, 3, 4, 5\)"),
        ({"q": q.reshape(2, 20, 3)}, "q is int8"),
        ({"q": q[0, 0, 0]}, "q is int8"),
        ({"scale": 1e-5}, "scale"),
        ({"zero_point": 200}, "zero_point"),
        ({"zero_point": 1.5}, "zero_point=1.5"),
        ({"layout": "nhwc"}, "layout"),
    ):
        with pytest.raises(ArgumentError, match=match):
            add_noise_int8(chip, **({"q": q, "scale": SCALE} | wrong))


def test_a_series_and_a_dense_layer_have_fewer_axes():
    d = np.random.default_rng(0).normal(size=(400, 3, 1, 6)).astype(np.float32)
    chip = quantise(ln.UnitGrid(shape=(1, 6), channels=3, parents=2).learn(d))
    q = np.random.default_rng(1).integers(-40, 40, (5, 1, 6, 3)).astype(np.int8)
    expected = add_noise_int8(chip, q, SCALE, np.int64(ZERO))
    channels = {"layout": "chw"}
    for given, how in ((q[:, 0], {}), (q.reshape(5, 18), {}), (q[:, 0].transpose(0, 2, 1), channels)):
        found = add_noise_int8(chip, given, SCALE, float(ZERO), **how)
        assert found.shape == given.shape
        assert np.array_equal(found.transpose(0, 2, 1) if how else found.reshape(5, 6, 3), expected[:, 0])
        assert add_noise_int8(chip, given[:0], SCALE, **how).shape == given[:0].shape
    with pytest.raises(ArgumentError, match="state the layout"):
        add_noise_int8(chip, q[:, 0].transpose(0, 2, 1), SCALE)
