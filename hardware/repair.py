"""Repair on a chip: integers decide what has happened to an activation, and undo it.

Input and output are activation words h (`fixedpoint`), all at one scale. For each member j, the first one clean:

    d_u   = h_u 2^lift - centre_ju                       exact; lift = 15 - activation_bits, centres have 15 bits
    e_ui  = word(round((law_jui [d_P(u); d_u,c<=i]) 2^-f))     innovations, in standard deviations 2^-F
    Q_j   = sum_ui e_ui^2                                exact, in 64 bits
    q_j   = bias_j - floor(Q_j multiplier 2^-shift)      score, 1/256 of a natural logarithm; 64 bits

multiplier 2^-shift stands for beta / (2 n), the gate's scale over n neurons; bias_j for b_j (of the clean one: with
the margin) less beta / n times the law's log determinant. The winner is the member of the highest score, of equals the
first; where its Q_j lies outside of [low_j, high_j], the first one wins instead. The clean one's range is not asked.
With winner k and fraction f of its row,

    fixed_ui = saturate(h_ui + round((bias_kui + G_kui h_R(u)) 2^-f))     to activation_bits bits

or fixed = h where k has no way back: the clean one, and what is recognised alone. Rounding is half up, words saturate,
F = max(word_bits - 6, 0): words hold 32 standard deviations. Sums of products are exact in `accumulator_bits`, checked
to suffice whatever words come, so that their order changes nothing. A row of weights has f fraction bits of its
own: a power of two, so that scaling is a shift; f < 0 shifts the row's sum left by -f before the bias joins.

Where a repair's worth is asked, t the source of the member that won, and D_s = max over the members j of source s of
(log_j - Q_j), it is made where

    worth_bias_t + sum_s worth_ts D_s > 0                 exact, in 64 bits; a row of a scale of its own

and else the activation is left alone, in later layers, too: the member is -1.

Where the source is known, the member of the highest score among those of that source repairs, whatever its range. Where
an earlier layer's word is one of the sources between which this repair decides anew (`among`), the member of the
highest score among those of all these sources does, with scores of their own, among_bias_j - floor(Q_j
among_multiplier 2^-among_shift); out of its range the first one, clean. Then worth is asked as above.

The decision is hard: one member repairs. `Repair` weighs all ways back by their posterior, a soft mixture. Where two
members are as likely, the hard one repairs by one of them alone and loses what the mean of both would gain;
`repair_report` measures how much.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from localnoise.config import GridConfig
from localnoise.errors import ArgumentError, choose
from localnoise.hardware.fixedpoint import given_words, to_values, to_words
from localnoise.hardware.formats import Formats
from localnoise.hardware.repair_saving import save_repair
from localnoise.hardware.repair_words import RepairWords, lift_of, refuse_unsound
from localnoise.validate import Array, as_activity, as_array

Words = npt.NDArray[np.int32]
Members = npt.NDArray[np.int64]


class ChipRepair:
    """A quantised repair, emulated to the bit. Made by `quantise(repair)` or read by `load_chips`.

    Parameters
    ----------
    config : GridConfig
        Layout of the activation.
    formats : Formats
        Widths: `weight_bits`, `word_bits` of innovations, `activation_bits`, `accumulator_bits`. Nothing is random.
    words : RepairWords
        The integers.
    sources : sequence of str
        Of each member, what it undoes; the first is "clean". Several members may have one source.

    Raises
    ------
    ArgumentError
        A number is out of its range, or an accumulator could overflow.
    """

    def __init__(self, config: GridConfig, formats: Formats, words: RepairWords, sources: Sequence[str]) -> None:
        refuse_unsound(config, formats, words)
        named = [str(source) for source in sources]
        if len(named) != words.members or named[0] != "clean" or "clean" in named[1:]:
            raise ArgumentError(f"sources={named!r}: expected {words.members} names, 'clean' first and only there")
        count = len(dict.fromkeys(named))
        for name, rows in (("worth", len(words.worth)), ("among", len(words.among))):
            if rows not in (0, count):
                raise ArgumentError(f"{name} is of {rows} sources: expected {count}, or 0 where it is not asked")
        self.config, self.formats, self.field, self.member_sources = config, formats, words, named
        self.provenance: dict[str, Any] = {}

    @property
    def sources(self) -> list[str]:
        """Names of the sources, "clean" first."""
        return list(dict.fromkeys(self.member_sources))

    @property
    def source_of(self) -> Members:
        """Index of each member's source, (J,)."""
        names = self.sources
        return np.array([names.index(own) for own in self.member_sources])

    # Use

    def __call__(self, h: Any, source: Any = None) -> tuple[Array, Members]:
        """Return the repaired activations (T, C, H, W), float32, and which member repaired each, (T,).

        Member 0 is clean, and -1 an activation whose repair is not expected to pay: both are left as they are.

        Parameters
        ----------
        h : (T, C, H, W)
            Activations; they become words first.
        source : str, or (T,) whole numbers, optional
            What has happened: its name, where that is known for sure; or an earlier layer's word (`verdict`) of each
            activation, an index in `sources`, or -1: it is left alone. Of several members of it the likeliest repairs,
            whatever its range. None: the gate decides.
        """
        words = self.activation_words(h)
        fixed, member = self.words(words, self.likeliest(words, source))
        return to_values(fixed, self.field.activation_scale), member

    def activation_words(self, h: Any) -> Words:
        """Return the words of activations h, (T, C, H, W) int32, as the chip's converter makes them."""
        c = self.config
        x = as_activity("h", h, c.channels, c.shape, "float32").reshape(-1, c.channels, *c.shape)
        return to_words(x, self.field.activation_scale, self.formats.activation_bits)

    def words(self, h: Any, member: Any = None) -> tuple[Words, Members]:
        """Return repaired words, (T, C, H, W) int32, of activation words h, and the member of each, (T,).

        member : (T,) whole numbers, optional
            Which member repairs each, -1: none; None: the gate decides.
        """
        from localnoise.hardware.kernels.repair import undo

        x, f = self._flat(h), self.field
        if member is None:
            chosen = self._decided(x)
        else:
            chosen = np.asarray(as_array("member", member, "(T,) whole numbers"))
            allowed = chosen.shape == (len(x),) and np.issubdtype(chosen.dtype, np.integer)
            if not allowed or (len(x) and not -1 <= chosen.min() <= chosen.max() < f.members):
                raise ArgumentError(
                    f"member has shape {chosen.shape}: expected a whole number of 0 to {f.members - 1}, or -1, for "
                    f"each of the {len(x)} activations"
                )
            chosen = chosen.astype(np.int64)
        out, top = np.empty_like(x), np.int64(2 ** (self.formats.activation_bits - 1))
        undo(out, x, chosen, f.backs, f.readers, f.kinds, f.way, f.way_bits, f.way_bias, top, parts=max(len(x), 1))
        shape = (len(x), self.config.channels, *self.config.shape)
        return np.ascontiguousarray(out.transpose(0, 2, 1)).reshape(shape), chosen

    def decide(self, h: Any) -> Members:
        """Return the member that the gate chooses for each of the activation words h, (T,)."""
        return self._decided(self._flat(h))

    def likeliest(self, h: Any, source: Any = None) -> Members:
        """Return the member that repairs each of the activation words h, (T,); `source` as in a call."""
        return self.decide(h) if source is None else self._told(h, source)

    def verdict(self, member: Members) -> Members:
        """Return what a later layer is told of members (T,): the index of each one's source, or -1."""
        return np.where(member < 0, -1, self.source_of[member])

    def squares(self, h: Any) -> Members:
        """Return Q of each member's law for activation words h, (T, J) int64."""
        return self._squares(self._flat(h))

    def scores(self, squares: Members) -> Members:
        """Return the scores q of sums of squares (T, J)."""
        f = self.field
        return np.asarray(f.bias - ((squares * np.int64(f.multiplier)) >> np.int64(f.shift)))

    def scores_among(self, squares: Members) -> Members:
        """Return the scores of a second look; those of members that have none are below all others."""
        f = self.field
        found = f.among_bias - ((squares * np.int64(f.among_multiplier)) >> np.int64(f.among_shift))
        return np.where(f.among[self.source_of] > 0, found, -(2**63))

    # Size

    @property
    def parameters(self) -> int:
        """Integers that are stored: centres, weights, biases, scales of rows, and the gate's."""
        f = self.field
        n, rows = f.units * f.channels, f.way.shape[1] * f.channels
        laws = f.members * (f.law_weights + 2 * n)
        own = 4 * f.members + 2 + f.log.size + f.worth.size + f.worth_bias.size + f.among.size + f.among_bias.size
        return int(laws + len(f.way) * (f.way_weights + rows + n) + own + 2 * bool(f.among.size))

    @property
    def bytes_per_unit(self) -> float:
        """Mean bytes of tables per unit, as the exported C stores them."""
        return self.flash / self.config.units

    @property
    def flash(self) -> int:
        """Bytes of the exported C's tables."""
        f, formats = self.field, self.formats
        J, N, m, C = f.members, f.units, f.channels, f.way.shape[1]
        weight, acc = 1 if formats.weight_bits <= 8 else 2, 4 if formats.accumulator_bits <= 32 else 8
        index = 2 if N < 2**16 else 4
        wires = (f.parents.size + f.readers.size + N) * index + 4 * C
        laws = J * (f.law_weights * weight + 3 * N * m)
        ways = len(f.way) * (f.way_weights * weight + C * m + acc * N * m)
        worth = 8 * f.log.size + 4 * f.worth.size + 8 * f.worth_bias.size
        return int(wires + laws + ways + 27 * J + worth + f.among.size + 8 * f.among_bias.size)

    @property
    def ram(self) -> int:
        """Bytes that a caller keeps for it: activation words in, and out; nothing else changes but the stack."""
        return 4 * self.config.neurons

    @property
    def multiplications(self) -> tuple[int, int]:
        """Multiplications an image: of the gate; and of a way back, where there is something to repair."""
        return self.field.gate_products, self.field.way_products

    def save(self, path: str | Path, *, state: bool = True) -> Path:
        """Write to HDF5, aside and renamed; `load_chips` reads it. There is no state: the argument changes nothing."""
        return save_repair(self, path)

    def __repr__(self) -> str:
        c, f = self.config, self.formats
        return (
            f"ChipRepair({c.shape[0]}x{c.shape[1]} units x {c.channels}; {', '.join(self.sources)}; "
            f"{self.field.members} members, weights {f.weight_bits} bit, activations {f.activation_bits} bit)"
        )

    # Inner parts

    def _flat(self, h: Any) -> Words:
        """Return words (T, N, m) of words h (T, C, H, W), within the activation's bits."""
        c = self.config
        x = given_words(h, c, self.formats.activation_bits)
        return np.ascontiguousarray(x.reshape(-1, c.channels, c.units).transpose(0, 2, 1), np.int32)

    def _squares(self, x: Words) -> Members:
        from localnoise.hardware.kernels.repair import squares

        f, formats = self.field, self.formats
        out = np.empty((len(x), f.members), np.int64)
        top, lift = np.int64(2 ** (formats.word_bits - 1)), np.int64(lift_of(formats))
        squares(out, x, f.parents, f.centre, f.law, f.law_bits, lift, top, parts=max(len(x), 1))
        return out

    def _decided(self, x: Words) -> Members:
        Q = self._squares(x)
        winner = self._typical(self.scores(Q).argmax(axis=1), Q)
        return np.where(self.pays(self.source_of[winner], Q), winner, -1)

    def _typical(self, winner: Members, Q: Members) -> Members:
        """Return members, the first one in the place of those whose own sums of squares lie out of range."""
        own = Q[np.arange(len(Q)), winner]
        fits = (own >= self.field.low[winner]) & (own <= self.field.high[winner])
        return np.asarray(np.where(fits, winner, 0), np.int64)

    def pays(self, source: Members, squares: Members) -> npt.NDArray[np.bool_]:
        """Return which repairs by the likeliest sources (T,) are expected to pay, given sums of squares (T, J)."""
        f, of = self.field, self.source_of
        if not len(f.worth):
            return np.ones(len(source), bool)
        D = f.log - squares
        best = np.stack([D[:, of == s].max(axis=1) for s in range(len(f.worth))], axis=1)
        return np.asarray(f.worth_bias[source] + (f.worth[source].astype(np.int64) * best).sum(axis=1) > 0)

    def _told(self, words: Words, source: Any) -> Members:
        f, of, names = self.field, self.source_of, self.sources
        if isinstance(source, str):
            choose("source", source, names)
            told = np.full(len(words), names.index(source))
        else:
            told = np.asarray(as_array("source", source, "(T,) whole numbers"))
            whole, last = told.shape == (len(words),) and np.issubdtype(told.dtype, np.integer), len(names) - 1
            if not whole or (len(told) and not -1 <= told.min() <= told.max() <= last):
                raise ArgumentError(
                    f"source has shape {told.shape}: expected a name, or a whole number of 0 to {last}, or -1, for "
                    f"each of the {len(words)} activations"
                )
        anew = np.zeros(len(told), bool)
        if len(f.among) and not isinstance(source, str):
            anew = (told >= 0) & (f.among[told] > 0)
        if len(of) == len(names) and not anew.any():  # a source is a member: nothing to decide
            return np.asarray(told, np.int64)
        Q = self.squares(words)
        member = np.where(of == told[:, None], self.scores(Q), -(2**63)).argmax(axis=1)
        if anew.any():
            again = self._typical(self.scores_among(Q).argmax(axis=1), Q)
            again = np.where(self.pays(of[again], Q), again, -1)
            member = np.where(anew, again, member)
        return np.asarray(np.where(told < 0, -1, member), np.int64)
