"""How near the kernels come to what the machine can do: `python -m benchmarks.roofline`, printed for README.md here.

Ceilings are measured: BLAS' product of two large matrices, and a copy of memory far larger than any cache.
"""

from time import perf_counter
from typing import Any

import numba
import numpy as np
from numba import njit, prange

from benchmarks import fields
from localnoise.kernels.normals import fill_normals

_BATCH = 2048
WIRINGS = {
    "raster r=1": {"order": "raster", "radius": 1},
    "multiscale K=8": {"order": "multiscale", "parents": 8},
    "raster r=1, signal": {"order": "raster", "radius": 1, "signal": "local"},
}


@njit(parallel=True)
def _copy(to: Any, source: Any) -> None:
    for part in prange(to.shape[0]):
        to[part] = source[part]


@njit(parallel=True)
def _white(out: Any, positions: Any) -> None:
    for worker in prange(out.shape[0]):
        fill_normals(out[worker], np.uint64(1), positions)


def best(job: Any, repeats: int = 7) -> float:
    """Seconds of the fastest of some calls, after one that compiles."""
    times = []
    for _ in range(repeats + 1):
        began = perf_counter()
        job()
        times.append(perf_counter() - began)
    return min(times[1:])


def main() -> None:
    """Print ceilings, counts and fractions."""
    workers = numba.get_num_threads()
    square = np.ones((3072, 3072), np.float32)
    peak = 2 * 3072**3 / best(lambda: square @ square)
    source = np.ones((workers * 8, 2**22), np.float32)
    to = np.empty_like(source)
    bandwidth = 2 * source.nbytes / best(lambda: _copy(to, source))
    print(
        f"ceilings: {peak / 1e9:.0f} GFLOP/s (BLAS, 3,072 squared), {bandwidth / 1e9:.1f} GB/s copy, {workers} threads"
    )
    print("a sample of 3,136 neurons: MFLOP, kB moved, µs, µs of white noise, GFLOP/s of mixing, % of both ceilings")
    for name, wiring in WIRINGS.items():
        print(f"  {name:20s}" + _measured(wiring, workers, peak, bandwidth))


def _measured(wiring: dict[str, Any], workers: int, peak: float, bandwidth: float) -> str:
    grid = fields.grid((14, 14), 16, **wiring)
    n, m, f = grid.config.neurons, 16, grid.field
    flops = 2 * m * m * ((f.parents >= 0).sum() + (f.readers >= 0).sum()) + m * (m + 1) * grid.config.units
    out = np.empty((_BATCH, 16, 14, 14), np.float32)
    h = np.random.default_rng(0).normal(size=out.shape).astype(np.float32)
    draw = (lambda: grid.perturb(h, out=out)) if f.signal else (lambda: grid.sample(_BATCH, out=out))
    seconds = best(draw) / _BATCH
    block, positions = np.empty((workers, n, 256), np.float32), np.arange(256, dtype=np.uint64)
    white = best(lambda: _white(block, positions)) / (256 * workers)
    moved = (3 if f.signal else 2) * 4 * n  # written, the line fetched before it is written, and h read
    mixing = flops / (seconds - white)
    return (
        f"{flops / 1e6:6.2f}{moved / 1e3:6.0f}{seconds * 1e6:7.1f}{white * 1e6:7.1f}{mixing / 1e9:7.0f}"
        f"{100 * mixing / peak:6.0f}{100 * moved / seconds / bandwidth:6.0f}"
    )


if __name__ == "__main__":
    main()
