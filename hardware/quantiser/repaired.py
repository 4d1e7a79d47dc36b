"""Quantise a repair: rows of weights rounded with feedback, scores recalibrated on the integers' own sums."""

import math
import warnings
from dataclasses import replace
from typing import Any

import numpy as np

from localnoise import Repair
from localnoise.errors import ArgumentError, RoundedWarning
from localnoise.hardware.formats import Formats
from localnoise.hardware.quantiser.repair_rows import finest_scale, quantised_centre, quantised_law, quantised_way
from localnoise.hardware.quantiser.target import Floats
from localnoise.hardware.repair import ChipRepair
from localnoise.hardware.repair_ranges import check_formats
from localnoise.hardware.repair_words import MULTIPLIER_BITS, WORTH_BITS, RepairWords, fraction_of, max_squares
from localnoise.narrow import NarrowField
from localnoise.repair.gate import Gate
from localnoise.repair.worth import Worth, by_source
from localnoise.streams import Progress

SCORE_BITS = 8  # fraction bits of a score
_MOST = 2**62
_UNLIKE = 0.05  # share of decisions on its own activations that rounding may turn, without a warning


def quantise_repair(
    repair: Repair,
    formats: Formats | None = None,
    *,
    scale: int | None = None,
    feedback: bool = True,
    twin: Repair | None = None,
    progress: Progress | None = None,
) -> ChipRepair:
    """Return `repair` in integers, to be emulated, saved and exported.

    A row of weights is rounded so that its errors compensate each other under the moments that its unit has learned
    from, or without its state under those of the held-out activations; offsets
    then make up for what the rounding does on average. Scores are held against the float ones on the
    activations that were held out: each law's log determinant moves by the mean difference on its own, and so does the
    range that a member's own activations have. What `expect_worth` found, and the second look of `decide_among`, take
    the same sums; each source's worth moves by what rounding changes of it, in the mean, on the source's own. Time
    O(n (m R)^2) a member.

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
    twin : Repair, optional
        By whose densities worth was learned, where it is another one: of the same members, behind float layers.
    progress : callable
        Told (members quantised, all of them).

    Raises
    ------
    ArgumentError
        Nothing learned, no held-out activations, formats too narrow for a row, a grid too large for 64-bit scores.
    """
    formats = Formats() if formats is None else formats
    check_formats(formats)
    _refuse_unfit(repair)
    members, back = repair.members, repair.blank_back.field
    scale = activation_scale(repair, formats) if scale is None else scale
    kinds = np.asarray(back.kinds if isinstance(back, NarrowField) else np.arange(repair.config.units))
    centres, laws, ways = [], [], []
    for done, member in enumerate(members, 1):
        centres.append(quantised_centre(member, formats, scale))
        laws.append(quantised_law(member, formats, scale, feedback))
        if member.back is not None:
            ways.append(quantised_way(member, formats, scale, kinds, feedback))
        if progress is not None:
            progress(done, len(members))
    m, p = repair.config.channels, back.readers.shape[1] * repair.config.channels
    C, N = int(kinds.max()) + 1, repair.config.units
    owned = np.array([member.back is not None for member in members])
    words = RepairWords(
        parents=np.ascontiguousarray(members[0].law.field.parents, np.int32),
        readers=np.ascontiguousarray(back.readers, np.int32),
        kinds=np.ascontiguousarray(kinds, np.int32),
        centre=np.stack(centres),
        law=np.stack([law for law, _ in laws]),
        law_bits=np.stack([bits for _, bits in laws]),
        backs=np.where(owned, np.cumsum(owned) - 1, -1).astype(np.int32),
        way=np.array([way for way, _, _ in ways], np.int16).reshape(-1, C, m, p),
        way_bits=np.array([bits for _, bits, _ in ways], np.int8).reshape(-1, C, m),
        way_bias=np.array([bias for _, _, bias in ways], np.int64).reshape(-1, N, m),
        bias=np.zeros(len(members), np.int64),
        low=np.zeros(len(members), np.int64),
        high=np.full(len(members), _MOST, np.int64),
        multiplier=0,
        shift=0,
        activation_scale=scale,
        activations=1 + (repair.bends is not None),
    )
    sources = [member.source for member in members]
    chip = ChipRepair(repair.config, formats, words, sources)
    return rescored(chip, repair, repair if twin is None else twin, warns=twin is None)


def rescored(
    chip: ChipRepair, repair: Repair, twin: Repair | None = None, logs: Floats | None = None, *, warns: bool = False
) -> ChipRepair:
    """Return the same laws and ways back in integers, with the gate, margins, worth and second look that `repair` has.

    chip : of this repair's members, whatever it was asked for;  twin : by whose densities worth was learned, None: by
    those of the chip (`densities`);  logs : `log_terms`, where they are known;  warns : where worth did not survive.
    """
    found = _scores(repair, chip, log_terms(repair, chip) if logs is None else logs)
    made = ChipRepair(repair.config, chip.formats, replace(chip.field, **found), chip.member_sources)
    if repair.worth is not None and twin is not None:
        more, unlike = _moved(made, repair, twin)
        bias = made.field.worth_bias + more
        made = ChipRepair(repair.config, chip.formats, replace(made.field, worth_bias=bias), chip.member_sources)
        if warns:
            _warn_of_worth(made, unlike)
    made.provenance = dict(repair.provenance)
    return made


def log_terms(repair: Repair, chip: ChipRepair) -> Floats:
    """Return log determinant and n/2 log 2 pi of each law, (J,), as its sums of squares in integers need them."""
    square, logs = 4.0 ** fraction_of(chip.formats), np.empty(len(repair.members))
    for j, member in enumerate(repair.members):
        kept = member.kept.astype(repair.config.dtype)
        Q = chip.squares(chip.activation_words(kept))[:, j]
        logs[j] = -(member.law.log_density(kept - member.centre) + Q / (2 * square)).mean()
    return logs


def densities(chip: ChipRepair, squares: Any, logs: Floats) -> Floats:
    """Return log densities per neuron (T, members) of activations, as `Repair.log_densities` has them.

    squares : (T, members), of the activations' words;  logs : `log_terms`.
    """
    return np.asarray(-(squares / (2 * 4.0 ** fraction_of(chip.formats)) + logs) / chip.config.neurons)


def _warn_of_worth(chip: ChipRepair, unlike: Floats) -> None:
    """Warn of the source of whose own activations the largest share is worth repair on one side alone."""
    worst = int(unlike.argmax())
    if unlike[worst] > _UNLIKE:
        warnings.warn(
            f"repair: of the held-out activations of {chip.sources[worst]!r} {unlike[worst]:.0%} are worth repair in "
            "integers or in floating point alone: expected the same answers; learn worth by what integers decide "
            "(localnoise.hardware.network.expecting_again)",
            RoundedWarning,
            stacklevel=6,
        )


def _moved(chip: ChipRepair, repair: Repair, twin: Repair) -> tuple[Any, Floats]:
    """Return what is added to worths, so that of each source's own activations they are in the mean what the twin has.

    And, where both are one, the shares of these activations that are worth repair on one side alone.

    In integers all laws expect other densities, and each source's shift in a way of their own: a worth is a difference
    of theirs, so that it would move by as much.
    """
    f, of = chip.field, chip.source_of
    unit = 2 * 4.0 ** fraction_of(chip.formats) * chip.config.neurons
    sources = [np.flatnonzero(of == s) for s in range(len(chip.sources))]
    assert repair.worth is not None
    out, unlike = np.zeros(len(sources), np.int64), np.zeros(len(sources))
    for t, own in enumerate(sources):
        before = np.concatenate([twin.log_densities(twin.members[j].kept) for j in own])
        words = chip.activation_words(np.concatenate([repair.members[j].kept for j in own]))
        now = by_source((f.log - chip.squares(words)) / unit, sources)
        float_best, slope = by_source(before, sources), f.worth[t].astype(np.float64)
        out[t] = int(np.floor(slope @ (float_best.mean(axis=0) - now.mean(axis=0)) * unit + 0.5))
        if not t or twin is not repair:  # of clean nothing is worth repair; another one's activations are not these
            continue
        wanted = repair.worth.excess[t] + float_best @ repair.worth.slope[t] > 0
        unlike[t] = float((wanted != (f.worth_bias[t] + out[t] + now @ slope * unit > 0)).mean())
    return out, unlike


def _refuse_unfit(repair: Repair) -> None:
    """Raise an ArgumentError unless a repair is learned, holds activations of each member, and has one set of wires."""
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
    first, back = members[0].law.field, repair.blank_back.field
    same = all(np.array_equal(member.law.field.parents, first.parents) for member in members)
    if not same or not all(np.array_equal(m.back.field.readers, back.readers) for m in members if m.back):
        raise ArgumentError("repair: its members have unlike wires: expected those of one Repair")


def activation_scale(repair: Repair, formats: Formats) -> int:
    """Return the finest scale whose activation words hold all held-out activations of a repair."""
    loudest = max(float(np.abs(member.kept.astype(np.float64)).max()) for member in repair.members)
    return finest_scale(loudest, formats)


def _scores(repair: Repair, chip: ChipRepair, logs: Floats) -> dict[str, Any]:
    """Return what scores are made with: the float gate's, for the integers' sums on held-out activations."""
    gate: Gate = repair.gate
    n, square = chip.config.neurons, 4.0 ** fraction_of(chip.formats)
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
        none: dict[str, Any] = {"among": np.zeros(0, np.int32), "among_bias": np.zeros(0, np.int64)}
        return none | {"among_multiplier": 0, "among_shift": 0}
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
    """Return the maps that say what a repair is worth, of log densities in squares."""
    if repair.worth is None:
        nothing = np.zeros(0, np.int64)
        return {"log": nothing, "worth": np.zeros((0, 0), np.int32), "worth_bias": nothing}
    return worth_words(repair.worth, chip, np.floor(-2 * square * logs + 0.5).astype(np.int64))


def worth_words(worth: Worth, chip: ChipRepair, log: Any) -> dict[str, Any]:
    """Return `log`, and what a repair is worth as maps of log densities in squares, each row at the finest scale."""
    unit = 2 * 4.0 ** fraction_of(chip.formats) * chip.config.neurons  # squares that a log density per neuron of 1 has
    loudest = max_squares(chip.config, chip.formats) + int(np.abs(log).max())
    rows, biases = np.zeros(worth.slope.shape, np.int32), np.zeros(len(worth.slope), np.int64)
    limit = 2 ** (WORTH_BITS - 1) - 1
    for t, slope in enumerate(worth.slope):
        offset = worth.excess[t] * unit
        fine = math.floor(math.log2(limit / max(float(np.abs(slope).max()), 1e-30)))
        fine = min(fine, math.floor(60 - math.log2(max(abs(offset), 1))))
        while math.ldexp(float(np.abs(slope).sum()) + 1, fine) * loudest + math.ldexp(abs(offset), fine) >= _MOST / 2:
            fine -= 1
        rows[t] = np.floor(np.ldexp(slope, fine) + 0.5).astype(np.int32)
        biases[t] = math.floor(math.ldexp(offset, fine) + 0.5)
    return {"log": log, "worth": rows, "worth_bias": biases}
