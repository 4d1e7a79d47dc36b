"""Drawing noise: against a dense factor, against drawing white noise alone, and signal-dependent against not."""

from collections.abc import Iterator

import numba
import numpy as np
import torch

from benchmarks import fields
from benchmarks.row import Row
from localnoise.hardware import quantise

_BATCH = 2048


def rows() -> Iterator[Row]:
    """Rows of the table."""
    yield from _dense((14, 14), 16, bound=16, aim=20, order="raster", radius=1)
    yield from _dense((14, 14), 16, bound=12, aim=16, order="multiscale", parents=8)
    yield from _dense((28, 28), 16, bound=40, aim=80, order="raster", radius=1, least=3)
    yield from _white()
    yield from _signal()
    yield from _chip("raster r=1", order="raster", radius=1)
    yield from _chip("multiscale K=8", parents=8)


def _dense(
    shape: tuple[int, int], channels: int, *, bound: float, aim: float, least: int = 5, **wiring: object
) -> Iterator[Row]:
    grid = fields.grid(shape, channels, **wiring)
    L = torch.from_numpy(fields.lower(grid))
    n = len(L)
    white, mixed, memory = (
        torch.empty(_BATCH, n),
        torch.empty(_BATCH, n),
        np.empty((_BATCH, channels, *shape), np.float32),
    )

    def dense() -> torch.Tensor:
        torch.randn(_BATCH, n, out=white)
        return torch.mm(white, L.T, out=mixed)

    def check() -> str:
        fields.same_law(dense().numpy(), L.numpy(), "torch")
        return fields.same_law(fields.unit_major(grid.sample(_BATCH, seed=1)), L.numpy(), "grid")

    kind = "raster r=1" if wiring["order"] == "raster" else f"multiscale K={wiring['parents']}"
    yield Row(
        name=f"draw, n = {n:,}, {kind}", ours=lambda: grid.sample(_BATCH, seed=1, out=memory), peer=dense,
        peer_name="torch.randn @ L', batch 2,048", bound=bound, aim=aim, check=check, least=least,
    )  # fmt: skip


def _white() -> Iterator[Row]:
    grid = fields.grid((14, 14), 16, order="raster", radius=1)
    generator, memory = np.random.Generator(np.random.SFC64(0)), np.empty((1024, 16, 14, 14), np.float32)

    def single() -> None:
        threads = numba.get_num_threads()
        numba.set_num_threads(1)
        grid.sample(1024, seed=1, out=memory)
        numba.set_num_threads(threads)

    yield Row(
        name="whole draw, one thread", ours=single,
        peer=lambda: generator.standard_normal(dtype=np.float32, out=memory),
        peer_name="NumPy SFC64 white normals alone", faster=False, bound=1.5, aim=1.0,
    )  # fmt: skip


def _signal() -> Iterator[Row]:
    wiring = {"order": "raster", "radius": 1, "signal": "local", "signal_radius": 1}
    grid = fields.grid((14, 14), 16, **wiring)
    h = np.random.default_rng(0).normal(size=(_BATCH, 16, 14, 14)).astype(np.float32)
    memory = np.empty_like(h)
    yield Row(
        name="perturb, signal-dependent", ours=lambda: grid.perturb(h, seed=1, out=memory),
        peer=lambda: grid.sample(_BATCH, seed=1, out=memory), peer_name="sample of the same grid",
        faster=False, bound=2, aim=1.6,
    )  # fmt: skip


def _chip(kind: str, **wiring: object) -> Iterator[Row]:
    grid = fields.grid((14, 14), 16, **wiring)
    chip, memory = quantise(grid), np.empty((_BATCH, 16, 14, 14), np.float32)

    def check() -> str:
        return fields.same_law(fields.unit_major(chip.sample(_BATCH, seed=1)), fields.lower(grid), "chip")

    yield Row(
        name=f"draw of an emulated chip, {kind}", ours=lambda: chip.sample(_BATCH, seed=1, out=memory),
        peer=lambda: grid.sample(_BATCH, seed=1, out=memory), peer_name="sample of the float grid",
        faster=False, bound=1.3, aim=1.1, check=check,
    )  # fmt: skip
