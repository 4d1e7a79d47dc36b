"""Kernels written in LLVM's vectors: the product in registers, and the transposed square, against plain loops."""

import numpy as np
import pytest

import localnoise as ln
from localnoise.kernels.blocks import add_columns, add_rows
from localnoise.kernels.flags import kernel
from localnoise.kernels.registers import BLOCK, LINE
from localnoise.kernels.scatter import scatter_units
from localnoise.kernels.squares import transpose_square
from localnoise.kernels.tiles import gather_tile


@kernel
def transposed(out, x, scale):
    transpose_square(out, 3, out.shape[1], x, 5 * x.shape[1] + 2, x.shape[1], scale, None, 1)


@kernel
def transposed_alone(out, x):
    transpose_square(out, 3, out.shape[1], x, 5 * x.shape[1] + 2, x.shape[1], None, None, 0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32, np.int64])
@pytest.mark.parametrize("width", [0, 1, 3, 4, 7, 16])
@pytest.mark.parametrize("blocks", [0, 1, 3])
def test_products_in_registers_are_those_of_the_plain_loop_to_the_bit(dtype, width, blocks):
    rng = np.random.default_rng(width)
    columns = (blocks * BLOCK + 2 * LINE) // np.dtype(dtype).itemsize + 5  # by blocks, by lines, by the plain loop
    W, x, start = (
        (1000 * rng.normal(size=shape)).astype(dtype) for shape in ((6, 20), (9 + width, columns), (7, columns))
    )
    got, wanted = start.copy(), start.copy()
    add_rows(got, 2, W, 1, 3, x, 8, width)
    add_columns(wanted, 3, W, 1, 3, x, 8, width, 0)
    np.testing.assert_array_equal(got, wanted)
    exact = start.astype(np.float64)
    exact[3:7] += W[1:5, 3 : 3 + width].astype(np.float64) @ x[8 : 8 + width].astype(np.float64)
    np.testing.assert_allclose(got, exact, rtol=1e-4 if dtype == np.float32 else 1e-9, atol=1)


CASTS = [
    (np.float32, np.float32, np.float32),
    (np.float64, np.float64, np.float64),
    (np.float32, np.int32, np.float32),
    (np.float32, np.int64, np.float32),
    (np.float64, np.int32, np.float64),
    (np.int32, np.int32, np.int64),
    (np.int64, np.int32, np.int64),
    (np.int32, np.int64, np.int64),
    (np.uint32, np.uint32, None),
    (np.float64, np.float32, None),
    (np.float32, np.float64, None),
]


@pytest.mark.parametrize(("to", "of", "scaling"), CASTS)
def test_a_square_is_transposed_cast_and_scaled(to, of, scaling):
    rng = np.random.default_rng(0)
    x = rng.integers(0 if of == np.uint32 else -(2**15), 2**15, (40, 50)).astype(of)
    side = LINE // max(np.dtype(to).itemsize, np.dtype(of).itemsize)
    out = np.zeros((30, 30), to)
    if scaling is None:
        transposed_alone(out, x)
        factor = np.ones(side)
    else:
        scale = rng.integers(1, 9, 40).astype(scaling)
        transposed(out, x, scale)
        factor = scale[1 : 1 + side]
    wanted = (x[5 : 5 + side, 2 : 2 + side].T * factor).astype(to)
    flat = np.zeros(900, to)
    for j in range(side):
        flat[3 + 30 * j : 3 + 30 * j + side] = wanted[j]
    np.testing.assert_array_equal(out.ravel(), flat)


@pytest.mark.parametrize(("count", "tile"), [(16, 16), (37, 48), (3, 16), (32, 32)])
@pytest.mark.parametrize("units", [5, 16, 70])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_samples_go_to_a_tile_and_back(count, tile, units, dtype):
    rng = np.random.default_rng(1)
    activity = rng.normal(size=(40, 3, units)).astype(dtype)
    buffer = np.full((units * 3, tile), np.nan, dtype)
    gather_tile(buffer, activity, 2, count)
    wanted = np.zeros((units * 3, tile), dtype)
    wanted[:, :count] = activity[2 : 2 + count].transpose(2, 1, 0).reshape(-1, count)
    np.testing.assert_array_equal(buffer, wanted)
    back, gain = np.zeros_like(activity), rng.uniform(1, 2, units).astype(dtype)
    for low in range(0, units, 64):
        scatter_units(back, 2, count, buffer, None, gain, low, min(units, low + 64), False)
    np.testing.assert_array_equal(back[2 : 2 + count], activity[2 : 2 + count] * gain)
    assert not back[:2].any()
    assert not back[2 + count :].any()


@pytest.mark.parametrize("place", [0, 1, 4, 7, 13])
@pytest.mark.parametrize(
    ("shape", "channels", "wiring"),
    [
        ((14, 14), 16, {"order": "raster", "radius": 1}),
        ((8, 10), 4, {"order": "raster", "radius": 1}),
        ((40, 41), 2, {"order": "raster", "radius": 2, "parents": 8}),
        ((7, 16), 1, {"order": "raster", "radius": 1}),
        ((14, 14), 16, {"parents": 4}),
        ((6, 8), 3, {"order": "raster", "radius": 1, "dtype": "float64"}),
    ],
)
def test_a_draw_written_past_the_caches_is_the_draw(shape, channels, wiring, place):
    grid = ln.UnitGrid(shape, channels, **wiring)
    rng = np.random.default_rng(0)
    grid.field.B[:] = (rng.normal(size=grid.field.B.shape) / 8) * np.repeat(grid.field.parents >= 0, channels, 1)[
        :, None
    ]
    grid.field.gain[:] = rng.uniform(0.5, 2, grid.field.gain.shape)
    neurons, number = grid.config.neurons, np.dtype(grid.config.dtype).itemsize
    count = 16 * (2**23 // (16 * neurons * number)) + 37  # larger than what stays in the caches, no whole tiles
    memory = np.full(count * neurons + 64, np.nan, grid.config.dtype)
    first = -(memory.ctypes.data // number) % (LINE // number) + place
    out = memory[first : first + count * neurons].reshape(count, channels, *shape)
    grid.sample(count, seed=5, out=out)
    for start in range(0, count, 50):
        piece = min(50, count - start)
        np.testing.assert_array_equal(out[start : start + piece], grid.sample(piece, seed=5, start=start))
    assert np.isnan(memory[:first]).all()
    assert np.isnan(memory[first + out.size :]).all()
