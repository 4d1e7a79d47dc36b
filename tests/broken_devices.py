"""A device that draws a chip grid's words by loops of its own, and can be broken in each way that devices break."""

from dataclasses import dataclass

import numpy as np

import localnoise as ln
from localnoise.hardware import Formats, quantise
from localnoise.hardware.audit.streams import expected


def chip_of(formats=None, signal="none", shape=(4, 5), channels=2, parents=4):
    """A chip grid, and activations where its units read them."""
    rng = np.random.default_rng(0)
    d = rng.normal(size=(3000, channels, *shape)).cumsum(axis=2).cumsum(axis=3).astype(np.float32)
    h = rng.normal(size=d.shape).astype(np.float32)
    if signal == "none":
        return quantise(ln.UnitGrid(shape, channels, parents=parents).learn(d), formats or Formats()), None
    d = (d + 0.5 * h).astype(np.float32)
    grid = ln.UnitGrid(shape, channels, parents=parents, signal="local").learn(d, h)
    return quantise(grid, formats or Formats(), h=h), h


@dataclass(frozen=True)
class Broken:
    """A fault of one unit; of none if there is no unit.

    kind : "weight" (bit `bit` of one weight of `channel` flipped), "dead" (that weight 0), "gain", "noise", "stuck",
    "shared" (the generator of `other`), "exchanged", "clipped", "slow" (each draw keeps half of the noise before).
    """

    kind: str = ""
    unit: int = 0
    channel: int = 0
    other: int = 0
    bit: int = 0
    link: int = 0
    size: float = 0.1


def words_of(chip, count, seed=0, fault=None, h=None):
    """Words (count, m, H, W) that a device draws, half up, saturating."""
    fault = fault or Broken()
    f, formats, m = chip.field, chip.formats, chip.config.channels
    xi = expected(chip, seed, 0, count).astype(np.float64)
    u = fault.unit
    if fault.kind == "shared":
        xi[:, :, u] = xi[:, :, fault.other]
    elif fault.kind == "exchanged":
        xi[:, :, [u, fault.other]] = xi[:, :, [fault.other, u]]
    elif fault.kind == "stuck":
        xi[:, :, u] = xi[0, :, u]
    elif fault.kind == "slow":
        for t in range(1, count):
            xi[t, :, u] = np.round(0.5 * xi[t - 1, :, u] + np.sqrt(0.75) * xi[t, :, u])
    B, G, s = f.B.copy(), f.G.copy(), f.s.astype(np.float64)
    if fault.kind == "weight":
        B[u, fault.channel, fault.link] ^= 1 << fault.bit
    elif fault.kind == "dead":
        B[u, fault.channel, fault.link] = 0
    elif fault.kind == "noise":
        s[u] *= 1 + fault.size
    gain = np.ones(f.units)
    if fault.kind == "gain":
        gain[u] += fault.size
    top = formats.word_limit
    limit = np.full(f.units, top)
    if fault.kind == "clipped":
        limit[u] = top // 4
    out = np.zeros((count, m, f.units), np.int64)
    for v in f.order:
        near, read = f.parents[v], f.readers[v]
        for i in range(m):
            acc = np.zeros(count)
            for k, p in enumerate(near):
                if p >= 0:
                    acc += (out[:, :, p] @ B[v, i, k * m : k * m + m]) * 2.0 ** f.lift[v, 1]
            for j in range(i):
                acc += f.L[v, i, j] * out[:, j, v] * 2.0 ** f.lift[v, 1]
            if h is not None:
                acc += f.bias[v, i]
                for k, r in enumerate(read):
                    if r >= 0:
                        acc += (h[:, :, r] @ G[v, i, k * m : k * m + m]) * 2.0 ** f.lift[v, 0]
            acc += s[v, i] * xi[:, i, v] * 2.0 ** f.lift[v, 2]
            word = np.floor(acc * gain[v] / 2.0 ** f.fraction[v] + 0.5)
            out[:, i, v] = np.clip(word, -limit[v] - 1, limit[v])
    return out.reshape(count, m, *chip.config.shape).astype(np.int32)
