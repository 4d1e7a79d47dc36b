"""The part of a chip's repair that decides: which member, from its sums of squares; see `hardware.repair`."""

from typing import Any

import numpy as np
import numpy.typing as npt

from localnoise.config import GridConfig
from localnoise.errors import ArgumentError, choose
from localnoise.hardware.fixedpoint import given_words
from localnoise.hardware.formats import Formats
from localnoise.hardware.repair_words import RepairWords, lift_of
from localnoise.validate import as_array

Words = npt.NDArray[np.int32]
Members = npt.NDArray[np.int64]


class Deciding:
    """Base of a `ChipRepair`: what it holds, and which member is to repair.

    Attributes
    ----------
    config : GridConfig
    formats : Formats
    field : RepairWords
    member_sources : list of str
        Of each member, what it undoes.
    """

    config: GridConfig
    formats: Formats
    field: RepairWords
    member_sources: list[str]

    @property
    def sources(self) -> list[str]:
        """Names of the sources, "clean" first."""
        return list(dict.fromkeys(self.member_sources))

    @property
    def source_of(self) -> Members:
        """Index of each member's source, (J,)."""
        names = self.sources
        return np.array([names.index(own) for own in self.member_sources])

    def decide(self, h: Any) -> Members:
        """Return the member that the gate chooses for each activation.

        Parameters
        ----------
        h : (T, C, H, W) whole numbers
            Activation words.

        Returns
        -------
        ndarray of int64, (T,)
            0 is clean, -1 a repair that is not expected to pay.
        """
        return self._decided(self._flat(h))

    def likeliest(self, h: Any, source: Any = None, squares: Members | None = None) -> Members:
        """Return the member that repairs each activation.

        Parameters
        ----------
        h : (T, C, H, W) whole numbers
            Activation words.
        source : str, or (T,) whole numbers, optional
            As in a call; None: the gate decides.
        squares : (T, J) int64, optional
            As `squares` returned them, where they are known.

        Returns
        -------
        ndarray of int64, (T,)
            0 is clean, -1 none.
        """
        if source is not None:
            return self._told(h, source, squares)
        return self.decide(h) if squares is None else self._winner(squares)

    def verdict(self, member: Members) -> Members:
        """Return what a later layer is told of members.

        Parameters
        ----------
        member : (T,) int64
            As `decide` returned it.

        Returns
        -------
        ndarray of int64, (T,)
            The index of each one's source, or -1.
        """
        return np.where(member < 0, -1, self.source_of[member])

    def squares(self, h: Any) -> Members:
        """Return Q of each member's law, the sum of its innovations' squares.

        Parameters
        ----------
        h : (T, C, H, W) whole numbers
            Activation words.

        Returns
        -------
        ndarray of int64, (T, J)
            Of J members.
        """
        return self._squares(self._flat(h))

    def scores(self, squares: Members) -> Members:
        """Return the scores q = bias - floor(Q multiplier 2^-shift).

        Parameters
        ----------
        squares : (T, J) int64
            As `squares` returned them.

        Returns
        -------
        ndarray of int64, (T, J)
            The largest decides.
        """
        f = self.field
        return np.asarray(f.bias - ((squares * np.int64(f.multiplier)) >> np.int64(f.shift)))

    def scores_among(self, squares: Members) -> Members:
        """Return the scores of a second look; those of members that have none are below all others.

        Parameters
        ----------
        squares : (T, J) int64
            As `squares` returned them.

        Returns
        -------
        ndarray of int64, (T, J)
            The largest decides.
        """
        f = self.field
        found = f.among_bias - ((squares * np.int64(f.among_multiplier)) >> np.int64(f.among_shift))
        return np.where(f.among[self.source_of] > 0, found, -(2**63))

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
        return self._winner(self._squares(x))

    def _winner(self, Q: Members) -> Members:
        winner = self._typical(self.scores(Q).argmax(axis=1), Q)
        return np.where(self.pays(self.source_of[winner], Q), winner, -1)

    def _typical(self, winner: Members, Q: Members) -> Members:
        """Return members, the first one in the place of those whose own sums of squares lie out of range."""
        own = Q[np.arange(len(Q)), winner]
        fits = (own >= self.field.low[winner]) & (own <= self.field.high[winner])
        return np.asarray(np.where(fits, winner, 0), np.int64)

    def pays(self, source: Members, squares: Members) -> npt.NDArray[np.bool_]:
        """Return which repairs by the likeliest sources are expected to pay.

        Parameters
        ----------
        source : (T,) int64
            Indices of sources.
        squares : (T, J) int64
            As `squares` returned them.

        Returns
        -------
        ndarray of bool, (T,)
            All True where nothing is known of worth.
        """
        if not len(self.field.worth):
            return np.ones(len(source), bool)
        return np.asarray(self.worths(squares)[np.arange(len(source)), source] > 0)

    def worths(self, squares: Members) -> Members:
        """Return what the repair of each source is worth.

        Parameters
        ----------
        squares : (T, J) int64
            As `squares` returned them.

        Returns
        -------
        ndarray of int64, (T, S)
            Of S sources, a scale of its own for each; (T, 0) where worth is not asked.
        """
        f, of = self.field, self.source_of
        if not len(f.worth):
            return np.zeros((len(squares), 0), np.int64)
        D = f.log - squares
        best = np.stack([D[:, of == s].max(axis=1) for s in range(len(f.worth))], axis=1)
        return np.asarray(f.worth_bias + best @ f.worth.astype(np.int64).T)

    def _told(self, words: Words, source: Any, squares: Members | None = None) -> Members:
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
        Q = self.squares(words) if squares is None else squares
        member = np.where(of == told[:, None], self.scores(Q), -(2**63)).argmax(axis=1)
        if anew.any():
            again = self._typical(self.scores_among(Q).argmax(axis=1), Q)
            again = np.where(self.pays(of[again], Q), again, -1)
            member = np.where(anew, again, member)
        return np.asarray(np.where(told < 0, -1, member), np.int64)
