"""Quantise a repair: rows of weights rounded with feedback, scores recalibrated on the integers' own sums."""

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from localnoise import Repair
from localnoise.errors import ArgumentError
from localnoise.hardware.formats import Formats
from localnoise.hardware.quantiser.feedback import damped, round_row
from localnoise.hardware.quantiser.target import Floats
from localnoise.hardware.repair import ChipRepair
from localnoise.hardware.repair_words import (
    CENTRE_BITS,
    COARSEST,
    FINEST,
    MULTIPLIER_BITS,
    WORTH_BITS,
    RepairWords,
    check_formats,
    fraction_of,
    lift_of,
    max_squares,
)
from localnoise.narrow import NarrowField
from localnoise.repair.gate import Gate
from localnoise.repair.member import Member
from localnoise.streams import Progress

SCORE_BITS = 8  # fraction bits of a score
_DAMPINGS = (1e-4, 1e-2)  # as `feedback.DAMPINGS`; two of them, for rows are many
_LOST = 2e-7  # of a sum of squares
_MOST = 2**62
_ENOUGH = 16  # held-out activations whose moments are worth it


def quantise_repair(
    repair: Repair,
    formats: Formats | None = None,
    *,
    scale: int | None = None,
    feedback: bool = True,
    progress: Progress | None = None,
) -> ChipRepair:
    """Return `repair` in integers, to be emulated, saved and exported.

    A row of weights is rounded so that its errors compensate each other under the moments that its unit has learned
    from, or without its state under those of the held-out activations; offsets
    then make up for what the rounding does on average. Scores are held against the float ones on the
    activations that were held out: each law's log determinant moves by the mean difference on its own, and so does the
    range that a member's own activations have. What `expect_worth` found, and the second look of `decide_among`, take
    the same sums. Time O(n (m R)^2) a member.

    Parameters
    ----------
    repair : Repair
        Learned, and calibrated; with its held-out activations, as it is after learning or loaded with its state.
    formats : Formats
        Default: 8-bit weights and activations, innovations of 12 bits.
    scale : int, optional
        Of activation words; default: `activation_scale`.
    feedback : bool
        False: every weight is rounded to the nearest.
    progress : callable
        Told (members quantised, all of them).

    Raises
    ------
    ArgumentError
        Nothing learned, no held-out activations, formats too narrow for a row, a grid too large for 64-bit scores.
    """
    formats = Formats() if formats is None else formats
    check_formats(formats)
    repair._refuse_empty()
    if repair.asks != 1:
        raise ArgumentError(f"repair has asks={repair.asks}: expected asks=1, since on a chip all units vote")
    members = repair.members
    absent = [member.source for member in members if not len(member.kept)]
    if absent:
        raise ArgumentError(
            f"repair has no held-out activations of {absent[0]!r}, on which it is calibrated: expected one that was "
            "saved with its state; learn it anew, or load the file that has it"
        )
    first, back = members[0].law.field, repair.blank_back
    same = all(np.array_equal(member.law.field.parents, first.parents) for member in members)
    if not same or not all(np.array_equal(m.back.field.readers, back.field.readers) for m in members if m.back):
        raise ArgumentError("repair: its members have unlike wires: expected those of one Repair")
    scale = activation_scale(repair, formats) if scale is None else scale
    kinds = back.field.kinds if isinstance(back.field, NarrowField) else np.arange(repair.config.units)
    parts = []
    for done, member in enumerate(members, 1):
        parts.append(_member(member, formats, scale, np.asarray(kinds), feedback))
        if progress is not None:
            progress(done, len(members))
    ways = [part[3:] for part in parts if part[3] is not None]
    m, p = repair.config.channels, back.field.readers.shape[1] * repair.config.channels
    C, N = int(kinds.max()) + 1, repair.config.units
    owned = np.array([part[3] is not None for part in parts])
    words = RepairWords(
        parents=np.ascontiguousarray(first.parents, np.int32),
        readers=np.ascontiguousarray(back.field.readers, np.int32),
        kinds=np.ascontiguousarray(kinds, np.int32),
        centre=np.stack([part[0] for part in parts]).astype(np.int16),
        law=np.stack([part[1] for part in parts]).astype(np.int16),
        law_bits=np.stack([part[2] for part in parts]).astype(np.int8),
        backs=np.where(owned, np.cumsum(owned) - 1, -1).astype(np.int32),
        way=np.array([way[0] for way in ways], np.int16).reshape(-1, C, m, p),
        way_bits=np.array([way[1] for way in ways], np.int8).reshape(-1, C, m),
        way_bias=np.array([way[2] for way in ways], np.int64).reshape(-1, N, m),
        bias=np.zeros(len(members), np.int64),
        low=np.zeros(len(members), np.int64),
        high=np.full(len(members), _MOST, np.int64),
        multiplier=0,
        shift=0,
        activation_scale=scale,
    )
    sources = [member.source for member in members]
    chip = ChipRepair(repair.config, formats, words, sources)
    made = ChipRepair(repair.config, formats, replace(words, **_scores(repair, chip)), sources)
    made.provenance = dict(repair.provenance)
    return made


def activation_scale(repair: Repair, formats: Formats) -> int:
    """Return the finest scale whose activation words hold all held-out activations of a repair."""
    loudest = max(float(np.abs(member.kept.astype(np.float64)).max()) for member in repair.members)
    top = 2.0 ** (formats.activation_bits - 1)
    return int(np.clip(np.floor(np.log2(top / max(loudest, 1e-30))), -112, 149))


def _scores(repair: Repair, chip: ChipRepair) -> dict[str, Any]:
    """Return what scores are made with: the float gate's, for the integers' sums on held-out activations."""
    gate: Gate = repair.gate
    n, square = chip.config.neurons, 4.0 ** fraction_of(chip.formats)
    logs = np.empty(len(repair.members))
    for j, member in enumerate(repair.members):
        kept = member.kept.astype(repair.config.dtype)
        Q = chip.squares(chip.activation_words(kept))[:, j]
        density = member.law.log_density(kept - member.centre)
        logs[j] = -(density + Q / (2 * square)).mean()  # log determinant and n/2 log 2 pi, as the integers need it
    edges = [np.clip(2 * square * -(n * density + logs), 0, _MOST) for density in (gate.high, gate.low)]
    multiplier, shift, bias = _gate(gate, logs, n, square)
    found = {
        "multiplier": multiplier,
        "shift": shift,
        "bias": bias,
        "low": np.ceil(edges[0]).astype(np.int64),
        "high": np.floor(edges[1]).astype(np.int64),
    }
    return found | _among(repair, logs, square) | _worth(repair, chip, logs, square)


def _gate(gate: Gate, logs: Floats, n: int, square: float) -> tuple[int, int, Any]:
    """Return multiplier, shift and biases of the scores that a gate over some members gives."""
    value = gate.scale / n / 2 * 2.0**SCORE_BITS / square
    shift, multiplier = 0, 0
    if value > 0:
        shift = int(np.clip(MULTIPLIER_BITS - 1 - math.floor(math.log2(value)), 0, 62))
        multiplier = round(math.ldexp(value, shift))
        if multiplier == 2**MULTIPLIER_BITS:
            shift, multiplier = shift - 1, multiplier // 2
    bias = gate.bias - gate.scale * logs / n
    return multiplier, shift, np.floor((bias - bias[0]) * 2.0**SCORE_BITS + 0.5).astype(np.int64)


def _among(repair: Repair, logs: Floats, square: float) -> dict[str, Any]:
    """Return the sources between which the repair decides anew, and the scores of their members."""
    if not repair.among:
        return {}
    those = repair.among_members
    multiplier, shift, own = _gate(repair.among_gate, logs[those], repair.config.units * repair.config.channels, square)
    bias = np.zeros(len(logs), np.int64)
    bias[those] = own
    return {
        "among": np.array([int(name in repair.among) for name in repair.sources], np.int32),
        "among_bias": bias,
        "among_multiplier": multiplier,
        "among_shift": shift,
    }


def _worth(repair: Repair, chip: ChipRepair, logs: Floats, square: float) -> dict[str, Any]:
    """Return the maps that say what a repair is worth, of log densities in squares; each row at the finest scale."""
    if repair.worth is None:
        return {}
    worth, unit = repair.worth, 2 * square * chip.config.neurons  # squares that a log density per neuron of 1 has
    log = np.floor(-2 * square * logs + 0.5).astype(np.int64)
    loudest = max_squares(chip.config, chip.formats) + int(np.abs(log).max())
    rows, biases = np.zeros(worth.slope.shape, np.int32), np.zeros(len(worth.slope), np.int64)
    limit = 2 ** (WORTH_BITS - 1) - 1
    for t, slope in enumerate(worth.slope):
        offset = (worth.offset[t] - worth.least) * unit
        fine = math.floor(math.log2(limit / max(float(np.abs(slope).max()), 1e-30)))
        fine = min(fine, math.floor(60 - math.log2(max(abs(offset), 1))))
        while math.ldexp(float(np.abs(slope).sum()) + 1, fine) * loudest + math.ldexp(abs(offset), fine) >= _MOST / 2:
            fine -= 1
        rows[t] = np.floor(np.ldexp(slope, fine) + 0.5).astype(np.int32)
        biases[t] = math.floor(math.ldexp(offset, fine) + 0.5)
    return {"log": log, "worth": rows, "worth_bias": biases}


def _member(member: Member, formats: Formats, scale: int, kinds: Any, feedback: bool) -> tuple[Any, ...]:
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
