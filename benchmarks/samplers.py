"""Samplers that others keep: thermox (Ornstein-Uhlenbeck, JAX), torchsparsegradutils (sparse precision), GSTools."""

from collections.abc import Iterator
from typing import Any

import numpy as np

import localnoise as ln
from benchmarks import fields
from benchmarks.row import Row


def rows() -> Iterator[Row]:
    """The same law from ours and from each."""
    yield from _thermox(count=256)
    yield from _sparse(count=256)
    yield from _gstools(count=256)


def _thermox(count: int) -> Iterator[Row]:
    """dx = -x / 2 dt + sqrt(Sigma) dW has the stationary covariance Sigma; after 40 time constants draws are fresh."""
    import jax
    import jax.numpy as jnp
    import thermox

    grid = fields.grid((14, 14), 16, order="raster", radius=1)
    L = fields.lower(grid)
    n = len(L)
    drift, diffusion = thermox.preprocess(0.5 * jnp.eye(n), jnp.asarray(L @ L.T))  # once, not timed
    times, zero = 40.0 * jnp.arange(count + 1), jnp.zeros(n)
    run = jax.jit(lambda key: thermox.sample(key, times, zero, drift, zero, diffusion)[1:])
    keys, memory = iter(range(10**6)), np.empty((count, 16, 14, 14), np.float32)

    def peer() -> np.ndarray:
        return np.asarray(run(jax.random.PRNGKey(next(keys))))

    def check() -> str:
        fields.same_law(np.concatenate([peer() for _ in range(4)]), L, "thermox")
        return fields.same_law(fields.unit_major(grid.sample(4 * count, seed=1)), L, "grid")

    yield Row(
        name=f"draw {count}, n = {n:,}", ours=lambda: grid.sample(count, seed=1, out=memory), peer=peer,
        peer_name="thermox, exact OU (JAX)", bound=12, aim=20, check=check, least=3,
    )  # fmt: skip


def _sparse(count: int) -> Iterator[Row]:
    """Sigma^-1 = U' U with U = S^-1 (I - B), sparse: a triangular solve draws, as torchsparsegradutils does it."""
    import torch
    from torchsparsegradutils.distributions import SparseMultivariateNormal

    grid = fields.grid((14, 14), 16, parents=8)
    factor, back = _reversed_factor(grid)
    law = SparseMultivariateNormal(loc=torch.zeros(len(back)), precision_tril=factor)
    memory = np.empty((count, 16, 14, 14), np.float32)

    def peer(many: int = count) -> np.ndarray:
        with torch.no_grad():
            return law.rsample((many,)).numpy()[:, back]

    def check() -> str:
        L = fields.lower(grid)
        fields.same_law(peer(4 * count), L, "torchsparsegradutils")
        return fields.same_law(fields.unit_major(grid.sample(4 * count, seed=1)), L, "grid")

    yield Row(
        name=f"draw {count}, n = {len(back):,}, K = 8", ours=lambda: grid.sample(count, seed=1, out=memory), peer=peer,
        peer_name="torchsparsegradutils, sparse precision", bound=10, aim=20, check=check, least=3,
    )  # fmt: skip


def _reversed_factor(grid: ln.UnitGrid) -> tuple[Any, Any]:
    """Return U', with neurons in the reverse of the sweep's order, lower triangular; and where each neuron went."""
    import torch

    f, m = grid.field, grid.config.channels
    place = np.empty(len(f.order), np.int64)
    place[f.order] = np.arange(len(f.order))
    neurons = (place[:, None] * m + np.arange(m)).ravel()  # unit-major to the sweep's order
    rows, columns, values = [], [], []
    for u in f.order:
        own = np.linalg.inv(f.S[u].astype(np.float64))
        blocks = [(u, own), *((p, -own @ f.B[u][:, k * m : k * m + m]) for k, p in enumerate(f.parents[u]) if p >= 0)]
        for other, block in blocks:
            i, j = np.mgrid[:m, :m]
            rows.append((place[u] * m + i).ravel())
            columns.append((place[other] * m + j).ravel())
            values.append(block.ravel())
    i, j, value = (np.concatenate(part) for part in (rows, columns, values))
    n = len(neurons)
    index, kept = torch.from_numpy(np.stack([n - 1 - j, n - 1 - i])), torch.from_numpy(value.astype(np.float32))
    return torch.sparse_coo_tensor(index, kept, (n, n)).coalesce().to_sparse_csr(), n - 1 - neurons


def _gstools(count: int) -> Iterator[Row]:
    """An exponential covariance of scale 3 on 28 x 28 units: GSTools' own kind of field, learned by a grid."""
    import gstools

    side, scale = 28, 3.0
    y, x = np.divmod(np.arange(side * side), side)
    C = np.exp(-np.hypot(y[:, None] - y, x[:, None] - x) / scale)
    L = np.linalg.cholesky(C).astype(np.float32)
    rng = np.random.default_rng(0)
    d = (rng.standard_normal((20_000, len(L)), np.float32) @ L.T).reshape(-1, 1, side, side)
    grid = ln.UnitGrid((side, side), parents=8).learn(d, ridge=0.0)
    field = gstools.SRF(gstools.Exponential(dim=2, var=1, len_scale=scale))
    axis, seeds = np.arange(side, dtype=float), iter(range(10**6))
    memory = np.empty((count, 1, side, side), np.float32)

    def peer(many: int = count) -> np.ndarray:
        return np.stack([field.structured([axis, axis], seed=next(seeds)) for _ in range(many)])

    def check() -> str:
        fields.same_law(peer(2 * count).reshape(2 * count, -1), L, "GSTools")
        return fields.same_law(fields.unit_major(grid.sample(2 * count, seed=1)), L, "grid")

    yield Row(
        name=f"draw {count} fields, 28 x 28", ours=lambda: grid.sample(count, seed=1, out=memory), peer=peer,
        peer_name="GSTools SRF, 1,000 modes", bound=12, aim=20, check=check, least=3,
    )  # fmt: skip
