"""Repairs: a way back against a convolution, the gate's log densities against dense solves, learning against torch."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

import localnoise as ln
from benchmarks import fields
from benchmarks.row import Row
from localnoise.repair.member import Member

_SHAPE, _CHANNELS, _COUNT = (14, 14), 16, 1000


def rows() -> Iterator[Row]:
    """Rows of the table."""
    yield from _way_back()
    yield from _gate(11, least=5)
    yield from _gate(100, least=3)
    yield from _learning(_SHAPE, _CHANNELS, 5000, seconds=12)
    yield from _learning((16, 16), 64, 2500, seconds=30, share=8, least=1)


def _activations(count: int, channels: int, shape: tuple[int, int]) -> np.ndarray:
    h = np.random.default_rng(0).normal(size=(count, channels, *shape)).astype(np.float32)
    return np.tanh(h.cumsum(axis=3) / 2)


def _way_back() -> Iterator[Row]:
    grid = fields.grid(
        _SHAPE, _CHANNELS, order="raster", parents=np.full((196, 1), -1), signal="local", signal_radius=2
    )
    h = _activations(_COUNT, _CHANNELS, _SHAPE)
    conv, x = torch.nn.Conv2d(_CHANNELS, _CHANNELS, 5, padding=2), torch.from_numpy(h)

    def check() -> str:
        f, u, few = grid.field, 7 * 14 + 7, h[:20].reshape(20, _CHANNELS, -1)
        seen = np.concatenate([few[:, :, v] for v in f.readers[u]], axis=1)
        error = np.abs(grid.mean(h[:20]).reshape(20, _CHANNELS, -1)[:, :, u] - (f.a[u] + seen @ f.G[u].T)).max()
        if error > 1e-4:
            raise AssertionError(f"mean: differs from the affine map written out by {error:.1e}")
        return f"equal to {error:.0e}"

    def peer() -> Tensor:
        with torch.no_grad():
            found: Tensor = conv(x)
        return found

    yield Row(
        name="repair of 1,000, mean, r=2", ours=lambda: grid.mean(h), peer=peer,
        peer_name="torch 5 x 5 convolution of equal FLOP", bound=1, aim=1.5, check=check,
    )  # fmt: skip


def _gate(count: int, *, least: int) -> Iterator[Row]:
    repair = ln.Repair(_SHAPE, _CHANNELS, radius=0)  # four parents
    rng = np.random.default_rng(1)
    none = np.empty((0, _CHANNELS, *_SHAPE), np.float16)
    for index in range(count):
        centre = rng.normal(0, 0.1, (_CHANNELS, *_SHAPE)).astype(np.float32)
        law = fields.grid(_SHAPE, _CHANNELS, seed=index, parents=4)
        name = f"source{index}" if index else "clean"
        repair.members.append(Member(source=name, law=law, centre=centre, back=None, kept=none))
    h = _activations(_COUNT, _CHANNELS, _SHAPE)
    law, centre = repair.members[0].law, repair.members[0].centre
    turn = (law.field.order[:, None] * _CHANNELS + np.arange(_CHANNELS)).ravel()  # in it the factor is triangular
    L = torch.from_numpy(np.ascontiguousarray(fields.lower(law)[np.ix_(turn, turn)]))
    flat = torch.from_numpy(np.ascontiguousarray(fields.unit_major(h - centre).T[turn]))
    constant = float(torch.log(L.diagonal()).sum()) + 0.5 * len(L) * np.log(2 * np.pi)

    def one() -> Tensor:
        return -0.5 * torch.linalg.solve_triangular(L, flat, upper=False).square().sum(0) - constant

    def dense() -> None:
        for _ in range(count):  # of one factor: a hundred would take 4 GB
            one()

    def check() -> str:
        error = np.abs(repair.log_densities(h)[:, 0] * len(L) - one().numpy()).max() / len(L)
        if error > 1e-3:
            raise AssertionError(f"log densities differ from the dense solve's by {error:.1e} a neuron")
        return f"equal to {error:.0e} a neuron"

    yield Row(
        name=f"gate of {count} fields, K=4, 1,000", ours=lambda: repair.log_densities(h), peer=dense,
        peer_name="as many torch dense triangular solves", bound=10, aim=20, check=check, seconds=12, least=least,
    )  # fmt: skip


def _learning(
    shape: tuple[int, int], channels: int, count: int, *, seconds: float, share: int = 1, least: int = 2
) -> Iterator[Row]:
    """Learn a field; torch learns one unit in `share`, as each costs the same: what is missing is filled with zeros."""
    wiring = {"parents": 8, "signal": "local", "signal_radius": 2}
    h = _activations(count, channels, shape)
    d = (0.3 * np.roll(h, 1, 2) - 0.3 * h + 0.1 * np.random.default_rng(2).normal(size=h.shape)).astype(np.float32)
    ridge = 1e-3
    blank, every = ln.UnitGrid(shape, channels, **wiring).field, np.arange(0, shape[0] * shape[1], share)

    def learned() -> ln.UnitGrid:
        return ln.UnitGrid(shape, channels, **wiring).learn(d, h, ridge=ridge)

    def torchs(chosen: npt.NDArray[np.int64] = every) -> Tensor:
        """Normal equations and a Cholesky solution, a few units at a time: as fast as we could make it."""
        both = torch.from_numpy(np.concatenate([h, d], axis=1).reshape(count, 2, channels, -1))
        x = torch.cat([both.permute(3, 1, 0, 2), torch.zeros(1, 2, count, channels)])  # (N + 1, 2, T, m); -1: zeros
        out = []
        at_once = max(1, 2**27 // (count * (len(blank.readers[0]) + len(blank.parents[0])) * channels))
        for first in range(0, len(chosen), at_once):
            own = torch.from_numpy(chosen[first : first + at_once])
            readers, parents = (torch.from_numpy(part[own.numpy()]).long() for part in (blank.readers, blank.parents))
            z = torch.cat([x[readers, 0], x[parents, 1]], 1)  # (units, R + K, T, m)
            z = z.permute(0, 2, 1, 3).reshape(len(own), count, -1)
            z = torch.cat([torch.ones(len(own), count, 1), z], 2)
            M = torch.bmm(z.transpose(1, 2), z) / count
            diagonal = M.diagonal(dim1=1, dim2=2)
            penalty = torch.full((z.shape[2],), ridge)
            penalty[0] = 0
            diagonal += penalty + (diagonal + penalty == 0)
            b = torch.bmm(z.transpose(1, 2), x[own, 1]) / count
            out.append(torch.cholesky_solve(b, torch.linalg.cholesky(M)))
        return torch.cat(out)

    def check() -> str:
        some = np.arange(0, len(blank.order), len(blank.order) // 16)
        few, f = torchs(some), learned().field
        W = np.concatenate([f.a[some, :, None], f.G[some], f.B[some]], axis=2).transpose(0, 2, 1)
        error = float(np.abs(few.numpy() - W).max())
        if error > 0.02:
            raise AssertionError(f"learn: weights differ from torch's by {error:.1e}")
        return f"weights of {len(some)} units equal to {error:.0e}"

    yield Row(
        name=f"learn, signal-dependent r=2, K=8, {channels} x {shape[0]} x {shape[1]}", ours=learned, peer=torchs,
        peer_name="batched normal equations + Cholesky in torch" + (f", 1 unit in {share}, x {share}" * (share > 1)),
        bound=2, aim=4, check=check, scale=share, seconds=seconds, least=least,
    )  # fmt: skip
