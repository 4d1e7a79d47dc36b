"""A noise field in integers, as a chip holds it: one row a unit.

With words of scale 2^-scale[u] (unit u's output is word 2^-scale[u], its gain included) a draw is, channel by channel,

    acc      = bias[u, i] + (G h_R(u))_i 2^lift[u, 0]
               + ((B eta_P(u))_i + sum_{j < i} L[i, j] eta_uj) 2^lift[u, 1] + s_i xi_i 2^lift[u, 2]
    eta_ui   = word(round(acc 2^-fraction[u]))

The private factor S_u = T diag(s), T unit lower triangular, is applied as T^-1 = I - L from the left: a unit's own
earlier channels act as parents. Sigma is that of the float field, without a triangular product of noise, and every
weight of the unit can be learned as a prediction (Pourahmadi 1999, Biometrika 86: the modified Cholesky factors).
"""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from localnoise.hardware.formats import Formats
from localnoise.hardware.kernels.sweep import NEAR as NEAR
from localnoise.hardware.kernels.sweep import OWN as OWN
from localnoise.hardware.kernels.sweep import READ as READ

Words = npt.NDArray[np.int32]


@dataclass(frozen=True, kw_only=True)
class IntegerField:
    """Integers of N units with m channels, K parents and R readable activations each.

    Attributes
    ----------
    order, parents, readers : int32
        (N,), (N, K), (N, R); -1 where there is none.
    bias : (N, m) int64
        At the accumulator's fraction.
    G, B, L : int32
        (N, m, R m), (N, m, K m), (N, m, m) strictly lower triangular.
    s : (N, m) int32
        Of the private noise, positive.
    lift : (N, 3) int32
        Left shifts of the partial sums.
    fraction : (N,) int32
        Bits of the accumulator below a word.
    scale : (N,) int32
        A word's fraction bits, may be negative: value = word 2^-scale.
    activation_scale : int
        An activation word's fraction bits.
    """

    order: Words
    parents: Words
    readers: Words
    bias: npt.NDArray[np.int64]
    G: Words
    B: Words
    L: Words
    s: Words
    lift: Words
    fraction: Words
    scale: Words
    activation_scale: int

    @property
    def units(self) -> int:
        """N."""
        return len(self.order)

    @property
    def channels(self) -> int:
        """Channels per unit, m."""
        return int(self.s.shape[1])

    @property
    def signal(self) -> bool:
        """Return whether the units read the activation."""
        return bool(self.readers.shape[1] > 0)

    @property
    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """All arrays by name, in the order of the attributes."""
        return {field.name: getattr(self, field.name) for field in fields(self) if field.name != "activation_scale"}

    def largest_accumulators(self, formats: Formats) -> npt.NDArray[np.object_]:
        """Largest magnitude that each unit's accumulator can reach, (N,), whatever words and activations come.

        Exact, in Python's integers: floating point and wrapped ones have let overflows pass.
        """
        whole = {name: array.astype(np.int64).astype(object) for name, array in self.arrays.items() if name != "order"}
        lift, fraction = (1 << whole[name] for name in ("lift", "fraction"))
        G, B, L = (np.abs(w.astype(np.int64)).sum(2).astype(object) for w in (self.G, self.B, self.L))
        rows = np.abs(whole["bias"]) + G * 2 ** (formats.activation_bits - 1) * lift[:, READ, None]
        rows = rows + (B + L) * 2 ** (formats.word_bits - 1) * lift[:, NEAR, None]
        rows = rows + whole["s"] * formats.normal_limit * lift[:, OWN, None]
        return np.asarray(rows.max(1) + fraction, object)

    @property
    def weights(self) -> npt.NDArray[np.int64]:
        """Weights that each unit stores, (N,): of existing links, of own earlier channels, of its noise."""
        m = self.channels
        links = (self.parents >= 0).sum(1) + (self.readers >= 0).sum(1)
        return np.asarray(links * m * m + m * (m - 1) // 2 + m, np.int64)

    @property
    def shared(self) -> int:
        """Weights that are held once: none, unlike those of `NarrowWords`."""
        return 0

    def predicted(
        self, d: npt.NDArray[np.int64], h: npt.NDArray[np.int64] | None, formats: Formats
    ) -> npt.NDArray[np.int64]:
        """Return what the units say of displacement words d (T, m, N), and activation words h; (T, m, N).

        Of neighbors' words and a unit's own earlier channels', without private noise; rounded half up, saturating.
        """
        out, top = np.empty(d.shape, np.int64), formats.word_limit
        for u in range(self.units):
            own = np.einsum("ij,tj->ti", self.L[u].astype(np.int64), d[:, :, u])
            acc = (_linked(self.B[u], self.parents[u], d) + own) << int(self.lift[u, NEAR])
            if h is not None:
                acc += self.bias[u] + (_linked(self.G[u], self.readers[u], h) << int(self.lift[u, READ]))
            bits = int(self.fraction[u])
            out[:, :, u] = np.clip((acc + (1 << bits >> 1)) >> bits, -top - 1, top)
        return out


def _linked(weights: Words, slots: Words, words: npt.NDArray[np.int64]) -> Any:
    """Products (T, m) of a unit's weights (m, slots m) with the words (T, m, N) of its existing neighbors."""
    near = words[:, :, slots[slots >= 0]]
    kept = weights[:, np.repeat(slots >= 0, weights.shape[0])].astype(np.int64)
    return np.einsum("ij,tj->ti", kept, near.transpose(0, 2, 1).reshape(len(near), kept.shape[1]))
