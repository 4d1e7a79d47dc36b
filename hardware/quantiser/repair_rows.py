"""The rows of a repair in integers: laws and ways back, each rounded so that its errors compensate each other."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from localnoise.errors import ArgumentError
from localnoise.hardware.formats import Formats
from localnoise.hardware.quantiser.feedback import damped, round_row
from localnoise.hardware.quantiser.target import Floats
from localnoise.hardware.ranges import LEAST_SCALE, MOST_SCALE
from localnoise.hardware.repair_words import CENTRE_BITS, COARSEST, FINEST, fraction_of, lift_of, loudest
from localnoise.narrow import NarrowField
from localnoise.repair.bends import what_is_read
from localnoise.repair.member import Member

_DAMPINGS = (1e-4, 1e-2)  # as `feedback.DAMPINGS`; two of them, for rows are many
_LOST = 2e-7  # of a sum of squares
_ENOUGH = 16  # held-out activations whose moments are worth it


def finest_scale(loudest: float, formats: Formats) -> int:
    """Return the finest scale whose activation words hold magnitudes up to `loudest`."""
    top = 2.0 ** (formats.activation_bits - 1)
    return int(np.clip(np.floor(np.log2(top / max(loudest, 1e-30))), LEAST_SCALE, MOST_SCALE))


def quantised_centre(member: Member, formats: Formats, scale: int) -> npt.NDArray[np.int16]:
    """Return a member's centre in integers, (N, m)."""
    m, N = member.law.config.channels, member.law.config.units
    mean, edge = member.centre.reshape(m, N).T.astype(np.float64), 2 ** (CENTRE_BITS - 1) - 1
    return np.clip(np.floor(np.ldexp(mean, scale + lift_of(formats)) + 0.5), -edge, edge).astype(np.int16)


def quantised_law(
    member: Member, formats: Formats, scale: int, feedback: bool
) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.int8]]:
    """Return the rows of a member's law in integers, (N, m, (K + 1) m), and their fraction bits (N, m)."""
    f, m = member.law.field, member.law.config.channels
    inverse = np.linalg.inv(f.S.astype(np.float64))
    W = np.concatenate([-inverse @ f.B.astype(np.float64), inverse], axis=2)
    W = np.ldexp(W, fraction_of(formats) - scale - lift_of(formats))
    law, bits = np.zeros(W.shape, np.int16), np.zeros(W.shape[:2], np.int8)
    loud = 2 ** (formats.activation_bits - 1 + lift_of(formats)) + 2 ** (CENTRE_BITS - 1)
    for u, H in enumerate(_moments(member, member.law, signal=False)):
        there = np.concatenate([np.repeat(f.parents[u] >= 0, m), np.ones(m, bool)])
        columns = np.flatnonzero(there)
        factors = _factors(H[np.ix_(columns, columns)]) if feedback and H is not None else []
        for i in range(m):
            seen = columns[: len(columns) - m + i + 1]
            row = Row(W[u, i, seen], loud, 0.0, formats, f"the law of {member.source!r}, unit {u}")
            law[u, i, seen], bits[u, i] = row.rounded(H, seen, factors)
    return law, bits


def quantised_way(
    member: Member, formats: Formats, scale: int, kinds: Any, feedback: bool
) -> tuple[Any, Any, npt.NDArray[np.int64]]:
    """Return a member's way back in integers: weights (C, m, R m), their fraction bits (C, m), and biases (N, m).

    kinds : (N,), which of the C sets of weights each unit has.
    """
    assert member.back is not None
    f, m = member.back.field, member.back.config.channels
    G = np.asarray(f.read if isinstance(f, NarrowField) else f.G, np.float64)
    offset, reach = np.ldexp(f.a.astype(np.float64), scale), loudest(f.readers, len(kinds), formats)
    N, C, p = len(kinds), int(kinds.max()) + 1, f.readers.shape[1] * m
    way, bits, means = np.zeros((C, m, p), np.int16), np.zeros((C, m), np.int8), np.zeros((N, p))
    count = np.bincount(kinds, minlength=C)
    sums: list[Any] = [None] * C

    def round_rows(c: int, own: Any) -> None:
        """Round the weights of set c, which the units `own` have; its moments are dropped."""
        seen = np.flatnonzero(np.repeat(f.readers[own[0]] >= 0, m))
        H, sums[c] = sums[c], None
        factors = _factors(H[np.ix_(seen, seen)]) if feedback and H is not None else []
        for i in range(m):
            what = f"the way back of {member.source!r}, unit {own[0]}"
            loud = np.repeat(reach[own[0]], m)[seen]
            row = Row(G[c, i, seen], loud, np.abs(offset[own]).max(), formats, what)
            way[c, i, seen], bits[c, i] = row.rounded(H, seen, factors)

    for u, M in enumerate(_moments(member, member.back, signal=True)):
        c = int(kinds[u])
        if M is not None:
            means[u] = np.ldexp(M[0, 1 : p + 1], scale)
            H = np.ldexp(M[1 : p + 1, 1 : p + 1], 2 * scale) - np.outer(means[u], means[u])
            # what rounding to activation words adds, and what sums in single precision lose when means go
            H.flat[:: p + 1] += 1 / 12 + _LOST * np.ldexp(np.trace(M[1 : p + 1, 1 : p + 1]), 2 * scale)
            sums[c] = H / count[c] + (0 if sums[c] is None else sums[c])
        if not isinstance(f, NarrowField):  # a unit's moments are used at once, those of a class when all are summed
            round_rows(c, [u])
    if isinstance(f, NarrowField):
        for c in range(C):
            round_rows(c, np.flatnonzero(kinds == c))
    realised = np.ldexp(way.astype(np.float64), -bits.astype(np.int64)[:, :, None])
    missed = np.einsum("nmp,np->nm", (G - realised)[kinds], means)
    acc = 2.0 ** (formats.accumulator_bits - 1) - 1
    fraction = np.maximum(bits, 0)[kinds].astype(np.int64)
    return way, bits, np.clip(np.floor(np.ldexp(offset + missed, fraction) + 0.5), -acc, acc).astype(np.int64)


class Row:
    """A row of weights w, in words, on inputs of at most `loud` each; with `offset` its accumulator must hold."""

    def __init__(self, w: Floats, loud: Any, offset: float, formats: Formats, what: str) -> None:
        self.w, self.loud, self.offset = w, np.broadcast_to(loud, w.shape), 2 * offset
        self.formats, self.what = formats, what

    def rounded(self, H: Any, seen: Any, factors: list[Floats]) -> tuple[Any, int]:
        """Return the integers and their fraction bits: the most that weights and accumulator allow."""
        limit, acc = self.formats.weight_limit, 2 ** (self.formats.accumulator_bits - 1) - 1
        most = float(np.abs(self.w).max(initial=0))
        room = math.log2((limit + 0.5) / most) - 1e-12 if most > 0 else FINEST
        bits = min(math.floor(room), FINEST, self.formats.accumulator_bits - 2)
        p = len(self.w)
        moments = H[np.ix_(seen, seen)] if factors else np.zeros((p, p))
        while bits >= COARSEST:
            scaled = np.ldexp(self.w, bits)
            if factors:
                q = round_row(scaled, moments, limit, [R[:p, :p] for R in factors])
            else:
                q = np.clip(np.floor(scaled + 0.5), -limit, limit).astype(np.int64)
            if not q.any() and float((np.abs(self.w) * self.loud).max(initial=0)) >= 1:
                break  # nothing is left of a row that says something
            fine = 2.0 ** max(bits, 0)
            if float((np.abs(q) * self.loud).sum()) * 2.0 ** max(-bits, 0) + (self.offset + 1) * fine + fine <= acc:
                return q, bits
            bits -= 1
        raise ArgumentError(
            f"{self.what}: a weight of {most:.3g}, or its accumulator, does not fit weight_bits="
            f"{self.formats.weight_bits}, accumulator_bits={self.formats.accumulator_bits}; expected more of either"
        )


def _factors(H: Floats) -> list[Floats]:
    """Return upper triangular R with R'R = H, damped; without those that rounding left no longer positive."""
    found = []
    for damping in _DAMPINGS:
        try:
            found.append(np.ascontiguousarray(np.linalg.cholesky(damped(H, damping)).T))
        except np.linalg.LinAlgError:
            continue
    return found


def _moments(member: Member, grid: Any, *, signal: bool) -> Iterator[Any]:
    """Yield the mean second moments of [z_u; d_u] that each unit has learned from; without a state, of held-out ones.

    Held-out activations are few, so that their correlations are shrunk: with T of them and p numbers by p / (p + T).
    """
    rule, state, units = grid.rule, grid.state, grid.config.units
    if state is not None and hasattr(rule, "moments") and int(state["seen"]) > 0:
        for u in range(units):
            yield rule.moments(grid.field, state, slice(u, u + 1))[0] / state["seen"]
        return
    if len(member.kept) < _ENOUGH:
        yield from (None for _ in range(units))
        return
    m, T = grid.config.channels, len(member.kept)
    values = member.kept.astype(np.float64)
    x = what_is_read(grid, values, member.centre) if signal else values - member.centre
    x = x.reshape(T, m, -1).transpose(0, 2, 1)
    slots = grid.field.readers if signal else grid.field.parents
    for u in range(units):
        near = np.where(slots[u][:, None] >= 0, x[:, slots[u]], 0).reshape(T, -1)
        z = np.concatenate([np.ones((T, 1)), near] if signal else [near, x[:, u]], axis=1)
        M = z.T @ z / T
        mean = z.mean(axis=0) if signal else np.zeros(z.shape[1])
        moved = M - np.outer(mean, mean)
        moved *= np.where(np.eye(len(M), dtype=bool), 1.0, T / (T + len(M)))
        yield moved + np.outer(mean, mean)
