"""The rows of a repair in integers: laws and ways back, each rounded so that its errors compensate each other."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from localnoise.errors import ArgumentError
from localnoise.hardware.formats import Formats
from localnoise.hardware.quantiser.feedback import damped, round_row
from localnoise.hardware.quantiser.target import Floats
from localnoise.hardware.repair_words import CENTRE_BITS, COARSEST, FINEST, fraction_of, lift_of
from localnoise.narrow import NarrowField
from localnoise.repair.member import Member

_DAMPINGS = (1e-4, 1e-2)  # as `feedback.DAMPINGS`; two of them, for rows are many
_LOST = 2e-7  # of a sum of squares
_ENOUGH = 16  # held-out activations whose moments are worth it


def quantised_member(member: Member, formats: Formats, scale: int, kinds: Any, feedback: bool) -> tuple[Any, ...]:
    """Return centre (N, m), law and its bits, way back, its bits and its biases of one member."""
    lift, (m, N) = lift_of(formats), (member.law.config.channels, member.law.config.units)
    edge = 2 ** (CENTRE_BITS - 1) - 1
    mean = member.centre.reshape(m, N).T.astype(np.float64)
    centre = np.clip(np.floor(np.ldexp(mean, scale + lift) + 0.5), -edge, edge)
    law, law_bits = quantised_law(member, formats, scale, feedback)
    return (
        centre,
        law,
        law_bits,
        *((None,) * 3 if member.back is None else _way(member, formats, scale, kinds, feedback)),
    )


def quantised_law(member: Member, formats: Formats, scale: int, feedback: bool) -> tuple[Any, Any]:
    """Return the rows of a member's law in integers, (N, m, (K + 1) m), and their fraction bits (N, m)."""
    f, m = member.law.field, member.law.config.channels
    inverse = np.linalg.inv(f.S.astype(np.float64))
    W = np.concatenate([-inverse @ f.B.astype(np.float64), inverse], axis=2)
    W = np.ldexp(W, fraction_of(formats) - scale - lift_of(formats))
    law, bits = np.zeros(W.shape, np.int64), np.zeros(W.shape[:2], np.int64)
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


def _way(member: Member, formats: Formats, scale: int, kinds: Any, feedback: bool) -> tuple[Any, Any, Any]:
    assert member.back is not None
    f, m = member.back.field, member.back.config.channels
    narrow = isinstance(f, NarrowField)
    N, C, p = len(kinds), int(kinds.max()) + 1, f.readers.shape[1] * m
    G = np.asarray(f.read if isinstance(f, NarrowField) else f.G, np.float64)
    offset = np.ldexp(f.a.astype(np.float64), scale)
    way, bits, bias = np.zeros((C, m, p), np.int64), np.zeros((C, m), np.int64), np.zeros((N, m), np.int64)
    loud = 2 ** (formats.activation_bits - 1)
    sums: list[Any] = [None] * C
    means = np.zeros((N, p))
    count = np.bincount(kinds, minlength=C)
    held = narrow  # of classes the moments are summed first; of units they are used one by one
    for u, M in enumerate(_moments(member, member.back, signal=True)):
        if M is not None:
            means[u] = np.ldexp(M[0, 1 : p + 1], scale)
            H = np.ldexp(M[1 : p + 1, 1 : p + 1], 2 * scale) - np.outer(means[u], means[u])
            # what rounding to activation words adds, and what sums in single precision lose when means go
            H.flat[:: p + 1] += 1 / 12 + _LOST * np.ldexp(np.trace(M[1 : p + 1, 1 : p + 1]), 2 * scale)
            sums[kinds[u]] = H / count[kinds[u]] + (0 if sums[kinds[u]] is None else sums[kinds[u]])
        if not held:
            _row_of(kinds[u], u, f, G, sums, way, bits, loud, np.abs(offset[u]).max(), formats, member, feedback)
            sums[kinds[u]] = None
    if held:
        for c in range(C):
            own = np.flatnonzero(kinds == c)
            most = np.abs(offset[own]).max()
            _row_of(c, int(own[0]), f, G, sums, way, bits, loud, most, formats, member, feedback)
    fraction = np.maximum(bits, 0)[kinds]
    realised = np.ldexp(way.astype(np.float64), -bits[:, :, None])
    missed = np.einsum("nmp,np->nm", (G - realised)[kinds], means)
    acc = 2.0 ** (formats.accumulator_bits - 1) - 1
    bias[:] = np.clip(np.floor(np.ldexp(offset + missed, fraction) + 0.5), -acc, acc)
    return way, bits, bias


def _row_of(
    c: int, u: int, f: Any, G: Floats, sums: list[Any], way: Any, bits: Any, loud: int, offset: float, formats: Formats,
    member: Member, feedback: bool,
) -> None:  # fmt: skip
    """Round the weights of class c, which unit u has; in place."""
    m = G.shape[1]
    seen = np.flatnonzero(np.repeat(f.readers[u] >= 0, m))
    H = sums[c]
    factors = _factors(H[np.ix_(seen, seen)]) if feedback and H is not None else []
    for i in range(m):
        row = Row(G[c, i, seen], loud, offset, formats, f"the way back of {member.source!r}, unit {u}")
        way[c, i, seen], bits[c, i] = row.rounded(H, seen, factors)


class Row:
    """A row of weights w, in words, on inputs of at most `loud`; with `offset` its accumulator must hold."""

    def __init__(self, w: Floats, loud: int, offset: float, formats: Formats, what: str) -> None:
        self.w, self.loud, self.offset, self.formats, self.what = w, loud, 2 * offset, formats, what

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
            if not q.any() and most * self.loud >= 1:
                break  # nothing is left of a row that says something
            fine = 2.0 ** max(bits, 0)
            if float(np.abs(q).sum()) * self.loud * 2.0 ** max(-bits, 0) + (self.offset + 1) * fine + fine <= acc:
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
    x = (values if signal else values - member.centre).reshape(T, m, units).transpose(0, 2, 1)
    slots = grid.field.readers if signal else grid.field.parents
    for u in range(units):
        near = np.where(slots[u][:, None] >= 0, x[:, slots[u]], 0).reshape(T, -1)
        z = np.concatenate([np.ones((T, 1)), near] if signal else [near, x[:, u]], axis=1)
        M = z.T @ z / T
        mean = z.mean(axis=0) if signal else np.zeros(z.shape[1])
        moved = M - np.outer(mean, mean)
        moved *= np.where(np.eye(len(M), dtype=bool), 1.0, T / (T + len(M)))
        yield moved + np.outer(mean, mean)
