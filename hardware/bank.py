"""A bank on a chip: several quantised grids in one set of units, whose turn it is decided by integers alone."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from localnoise import Bank
from localnoise.bank import hashes
from localnoise.config import GridConfig
from localnoise.errors import ArgumentError
from localnoise.hardware.emulator import ChipGrid
from localnoise.hardware.fixedpoint import given_words
from localnoise.hardware.formats import Formats
from localnoise.hardware.saving import save_bank
from localnoise.validate import Start, as_count, as_positions, whole

WHOLE = 2**32  # thresholds are shares of it


class ChipBank(Bank):
    """Chip grids that take turns, as `Bank` has them, in integers.

    The turn of draw t is that of the upper 32 bits r of the SplitMix64 hash of (seed, t): none where r is below the
    first threshold, else the member of the last threshold that r reaches. A draw, also one without noise, moves every
    unit's generator on by one draw, so that draw t of a member is draw t of its chip grid. Made by `quantise(bank)` or
    read by `load_chips`.

    Parameters
    ----------
    members : sequence of ChipGrid
        Of one layout, the same formats and the same scales: a word means the same, whoever's turn it is.
    thresholds : sequence of int
        One a member, rising, from 0 to 2^32 - 1; the first is the share of clean draws, times 2^32.

    Raises
    ------
    ArgumentError
        Members that differ in what they must share; thresholds out of range.
    """

    def __init__(self, members: Sequence[ChipGrid], thresholds: Sequence[int]) -> None:
        edges = [whole(value) for value in thresholds]
        rising = [edge for edge in edges if edge is not None and 0 <= edge < WHOLE]
        if len(rising) != len(members) or len(edges) != len(members) or sorted(set(rising)) != rising or not rising:
            raise ArgumentError(
                f"thresholds={list(thresholds)!r}: expected {len(members)} whole numbers from 0 to 2^32 - 1, rising"
            )
        bounds = np.array([*rising, WHOLE], np.float64)
        super().__init__(members, bounds[0] / WHOLE, np.diff(bounds).tolist())
        self.thresholds = np.array(rising, np.uint64)
        first = members[0]
        for index, member in enumerate(members):
            if not isinstance(member, ChipGrid):
                raise ArgumentError(f"members[{index}] is {type(member).__name__}: expected chip grids")
            for name, own, expected in (
                ("formats", member.formats, first.formats),
                ("scales of words", member.field.scale.tolist(), first.field.scale.tolist()),
                ("signal", member.field.signal, first.field.signal),
                ("scale of activations", member.field.activation_scale, first.field.activation_scale),
            ):
                if own != expected:
                    raise ArgumentError(
                        f"members[{index}] has other {name} than members[0]: expected the same; use quantise(bank), "
                        "which quantises all members alike"
                    )

    @classmethod
    def of(cls, bank: Bank, members: Sequence[ChipGrid]) -> "ChipBank":
        """Return the chip's form of a bank: its turns, but for those that 2^-32 decides.

        Parameters
        ----------
        bank : Bank
            In floating point.
        members : sequence of ChipGrid
            Its members, quantised alike.

        Returns
        -------
        ChipBank
            With thresholds rounded to 2^-32.
        """
        edges = bank.clean + (1 - bank.clean) * np.concatenate([[0.0], np.cumsum(bank.shares)[:-1]])
        made = cls(members, [int(edge) for edge in np.floor(edges * WHOLE + 0.5)])
        made.provenance = dict(bank.provenance)
        return made

    @property
    def config(self) -> GridConfig:
        """Configuration of the first member: the layout is that of all."""
        config: GridConfig = self.members[0].config
        return config

    @property
    def formats(self) -> Formats:
        """Formats of all members."""
        formats: Formats = self.members[0].formats
        return formats

    def turns(self, count: int, seed: int = 0, start: Start = 0) -> npt.NDArray[np.int64]:
        """Return whose turn each presentation is, from integers alone.

        Parameters
        ----------
        count : int
            Presentations.
        seed : int
            Of the stream, the one that the draws have.
        start : int or (count,) whole numbers
            Position of the first presentation in the stream, or of each.

        Returns
        -------
        ndarray of int64, (count,)
            Index of the member, -1 for a clean presentation.
        """
        high = hashes(count, seed, start) >> np.uint64(32)
        return np.asarray(np.searchsorted(self.thresholds, high, side="right") - 1, np.int64)

    def words(self, count: int, seed: int = 0, start: Start = 0, h: Any = None) -> npt.NDArray[np.int32]:
        """Return the words of each presentation's member, zero where it is clean.

        Parameters
        ----------
        count : int
            Presentations.
        seed : int
            Of the turns and of the members' generators.
        start : int or (count,) whole numbers
            Position of the first presentation in the stream, or of each.
        h : (count, C, H, W), optional
            Activation words, int32, of signal-dependent members; None: at mean zero.

        Returns
        -------
        ndarray of int32, (count, C, H, W)
            Values are words 2^-scale.
        """
        count = as_count("count", count)
        out = np.zeros((count, self.config.channels, *self.config.shape), np.int32)
        turn, positions = self.turns(count, seed, start), as_positions(start, count)
        read = None if h is None else given_words(h, self.config, self.formats.activation_bits, count)
        for index, member in enumerate(self.members):
            rows = np.flatnonzero(turn == index)
            if rows.size:
                out[rows] = member.words(len(rows), seed, positions[rows], None if read is None else read[rows])
        return out

    def save(self, path: str | Path, *, state: bool = True) -> Path:
        """Write the bank to HDF5, aside and renamed; `load_chips` reads it.

        Parameters
        ----------
        path : str or Path
            The file; one that is there is replaced.
        state : bool
            Whether what members have learned from is kept.

        Returns
        -------
        Path
            The file.
        """
        return save_bank(self, path, state=state)

    def __repr__(self) -> str:
        return f"ChipBank({len(self.members)} members, clean {self.clean:.3g}; each {self.members[0]!r})"
