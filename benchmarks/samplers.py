"""Samplers that others keep: thermox (exact Ornstein-Uhlenbeck, JAX) and GSTools (random fields by spectral modes)."""

from collections.abc import Iterator

import numpy as np

import localnoise as ln
from benchmarks import fields
from benchmarks.row import Row


def rows() -> Iterator[Row]:
    """The same law from ours and from each."""
    yield from _thermox(count=256)
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
