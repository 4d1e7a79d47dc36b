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

where a way back has bends (`localnoise.repair.bends`), R(u) has further entries, each a unit v's

    b_v = |h_v - round(centre_kv 2^-lift)|               exact; from 0 to 2^activation_bits, both included

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

from localnoise.config import GridConfig
from localnoise.errors import ArgumentError
from localnoise.hardware.fixedpoint import to_values, to_words
from localnoise.hardware.formats import Formats
from localnoise.hardware.repair_deciding import Deciding, Members, Words
from localnoise.hardware.repair_ranges import refuse_unsound
from localnoise.hardware.repair_saving import save_repair
from localnoise.hardware.repair_words import RepairWords, lift_of
from localnoise.validate import Array, as_activity, as_array


class ChipRepair(Deciding):
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

    # Use

    def __call__(self, h: Any, source: Any = None) -> tuple[Array, Members]:
        """Return the repaired activations, and which member repaired each.

        Member 0 is clean, and -1 an activation whose repair is not expected to pay: both are left as they are.

        Parameters
        ----------
        h : (T, C, H, W)
            Activations; they become words first.
        source : str, or (T,) whole numbers, optional
            What has happened: its name, where that is known for sure; or an earlier layer's word (`verdict`) of each
            activation, an index in `sources`, or -1: it is left alone. Of several members of it the likeliest repairs,
            whatever its range. None: the gate decides.

        Returns
        -------
        repaired : ndarray of float32, (T, C, H, W)
            In activation units, exactly the words' values.
        member : ndarray of int64, (T,)
            An index in `member_sources`, or -1.
        """
        words = self.activation_words(h)
        fixed, member = self.words(words, self.likeliest(words, source))
        return to_values(fixed, self.field.activation_scale), member

    def activation_words(self, h: Any) -> Words:
        """Return the words of activations, as the chip's converter makes them: rounded half up, saturating.

        Parameters
        ----------
        h : (T, C, H, W)
            Activations.

        Returns
        -------
        ndarray of int32, (T, C, H, W)
            Of `formats.activation_bits`.
        """
        c = self.config
        x = as_activity("h", h, c.channels, c.shape, "float32").reshape(-1, c.channels, *c.shape)
        return to_words(x, self.field.activation_scale, self.formats.activation_bits)

    def words(self, h: Any, member: Any = None) -> tuple[Words, Members]:
        """Return repaired words, and who repaired each.

        Parameters
        ----------
        h : (T, C, H, W) whole numbers
            Activation words.
        member : (T,) whole numbers, optional
            Which member repairs each, -1: none; None: the gate decides.

        Returns
        -------
        repaired : ndarray of int32, (T, C, H, W)
            Activation words.
        member : ndarray of int64, (T,)
            0 is clean, -1 none.

        Raises
        ------
        ArgumentError
            No words of the activation's shape and bits, or members that are not there.
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
        way = (f.backs, f.readers, f.kinds, f.way, f.way_bits, f.way_bias)
        lift, read = np.int64(lift_of(self.formats)), np.int64(1 + f.bends)
        undo(out, x, chosen, *way, top, f.centre, lift, read, parts=max(len(x), 1))
        shape = (len(x), self.config.channels, *self.config.shape)
        return np.ascontiguousarray(out.transpose(0, 2, 1)).reshape(shape), chosen

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
        index = 2 if (1 + f.bends) * N < 2**16 else 4
        wires = (f.parents.size + f.readers.size + N) * index + 4 * C
        laws = J * (f.law_weights * weight + 3 * N * m)
        ways = len(f.way) * (f.way_weights * weight + C * m + acc * N * m)
        worth = 8 * f.log.size + 4 * f.worth.size + 8 * f.worth_bias.size
        return int(wires + laws + ways + 27 * J + worth + f.among.size + 8 * f.among_bias.size)

    @property
    def ram(self) -> int:
        """Bytes that it needs: activation words in and out, which a caller keeps, and its `stack`."""
        return 4 * self.config.neurons + self.stack

    @property
    def stack(self) -> int:
        """Bytes of the exported C's stack that grow with the layer: words and bends, side by side."""
        return 4 * self.config.neurons if self.field.bends and len(self.field.way) else 0

    @property
    def multiplications(self) -> tuple[int, int]:
        """Multiplications an image: of the gate; and of a way back, where there is something to repair."""
        return self.field.gate_products, self.field.way_products

    def save(self, path: str | Path, *, state: bool = True) -> Path:
        """Write the repair to HDF5, aside and renamed; `load_chips` reads it.

        Parameters
        ----------
        path : str or Path
            The file; one that is there is replaced.
        state : bool
            Changes nothing: there is no state.

        Returns
        -------
        Path
            The file.
        """
        return save_repair(self, path)

    def __repr__(self) -> str:
        c, f = self.config, self.formats
        return (
            f"ChipRepair({c.shape[0]}x{c.shape[1]} units x {c.channels}; {', '.join(self.sources)}; "
            f"{self.field.members} members{', bends' * self.field.bends}, weights {f.weight_bits} bit, activations "
            f"{f.activation_bits} bit)"
        )
