"""The part of a repair that decides: weights of the sources, and what they are asked for, a margin or a worth."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from localnoise.errors import ArgumentError, choose, listed
from localnoise.repair.calibration import with_margins
from localnoise.repair.gate import FLOOR, Floats, Gate
from localnoise.repair.voting import Voting
from localnoise.validate import Array, as_array

_ROUNDING = 0.01  # by which weights may add up to more than 1, as those of 16 bits do


class Deciding(Voting):
    """The part of a `Repair` that decides how much it trusts each cause."""

    def posterior(self, h: Any) -> Floats:
        """Return the weights of the sources that the gate gives.

        A row adds up to 1, or to 0 where it is none of these, or not worth a repair: nothing is repaired then.

        Parameters
        ----------
        h : (T, C, H, W)
            Activations.

        Returns
        -------
        ndarray of float64, (T, 1 + sources)
            Clean first.
        """
        return self._by_source(self.weights(self._activity("h", h)))

    def weights(self, h: Array, sources: Any = None) -> Floats:
        """Return the weights of the members, (T, members).

        Parameters
        ----------
        h : (T, C, H, W)
            Activations, as an array of the repair's dtype.
        sources : str, or (T, 1 + sources), optional
            As a call takes them; None: the gate decides.

        Returns
        -------
        ndarray of float64, (T, members)
            In the order of `members`.

        Raises
        ------
        ArgumentError
            Nothing is learned yet; an unknown source; weights of another shape, negative, not finite, or of more
            than 1 in a row.
        """
        self._refuse_empty()
        if sources is None:
            density = self.log_densities(h)
            return self.worthwhile(self.gate.weights(density), density)
        given, names = self._given(sources, len(h)), self.sources
        anew = self.among if not isinstance(sources, str) else ()
        if len(self.members) == len(names) and not anew:
            return given[:, [names.index(name) for name in self._own]]
        density = self.log_densities(h)
        q, out = self.gate.scores(density), np.zeros((len(h), len(self.members)))
        for index, where in enumerate(self._members_of()):
            e = np.exp(q[:, where] - q[:, where].max(axis=1, keepdims=True))
            out[:, where] = given[:, [index]] * e / e.sum(axis=1, keepdims=True)
        if anew:
            those, asked = self.among_members, [names.index(name) for name in anew]
            whole = given[:, asked].sum(axis=1, keepdims=True)
            out[:, those] = whole * self.among_gate.weights(density[:, those])
            own_say = np.isin(self._by_source(out).argmax(axis=1), asked)
            out[own_say] = self.worthwhile(out[own_say], density[own_say])  # of others the earlier layer has asked
        return out

    @property
    def gate(self) -> Gate:
        """The calibrated gate, with its margins; fitted anew after a lesson."""
        return self._asking(self.fitted_gate, range(len(self.members)))

    @property
    def among_gate(self) -> Gate:
        """The calibrated gate over `among_members`, with its margins."""
        return self._asking(self.fitted_among, self.among_members)

    def _asking(self, gate: Gate, members: Sequence[int]) -> Gate:
        return with_margins(gate, [self.members[j].source for j in members], self.margins, self.margin)

    def worthwhile(self, weights: Floats, density: Floats) -> Floats:
        """Return the members' weights, in rows of zeros where a repair is not expected to pay.

        Parameters
        ----------
        weights : (T, members)
            Of the gate.
        density : (T, members)
            `log_densities` of the same activations.

        Returns
        -------
        ndarray of float64, (T, members)
            `weights` itself where nothing is known of worth.
        """
        return weights if self.worth is None else self.worth.kept(weights, density, self._members_of())

    def _given(self, sources: Any, count: int) -> Floats:
        """Return what is known from elsewhere as weights of the sources, (count, sources); checked."""
        names = self.sources
        if isinstance(sources, str):
            choose("sources", sources, names)
            return np.tile([float(name == sources) for name in names], (count, 1))
        stated = as_array("sources", sources, f"(T, {len(names)}) weights")
        if not np.issubdtype(stated.dtype, np.number):
            raise ArgumentError(
                f"sources holds {stated.dtype}: expected one name for all, or weights ({count}, {len(names)}), a "
                f"column for each of {listed(names)}"
            )
        given = np.asarray(stated, np.float64)
        if given.shape != (count, len(names)) or not np.isfinite(given).all() or (given < 0).any():
            raise ArgumentError(
                f"sources has shape {given.shape}: expected weights >= 0 ({count}, {len(names)}), a column for "
                f"each of {', '.join(names)}"
            )
        if len(given) and (most := float(given.sum(axis=1).max())) > 1 + _ROUNDING:
            raise ArgumentError(
                f"sources has a row that adds up to {most:g}: expected weights that add up to 1 at most; divide each "
                "row by its sum"
            )
        return given

    def _estimate(self, h: Array, w: Floats) -> Array:
        """Return h and the ways back, weighed."""
        out = h.copy()
        for j, member in enumerate(self.members):
            if member.back is None:
                continue
            rows = np.flatnonzero(w[:, j] > FLOOR)
            if rows.size:
                out[rows] += w[rows, j, None, None, None].astype(out.dtype) * member.missing(h[rows])
        return out
