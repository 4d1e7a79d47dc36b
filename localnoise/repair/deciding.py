"""The part of a repair that decides: log densities, the calibrated gate over them, and its margin for clean."""

from collections.abc import Callable
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from localnoise.errors import ArgumentError, choose
from localnoise.grid import UnitGrid
from localnoise.repair.calibration import least_margin, with_margin
from localnoise.repair.gate import FLOOR, Floats, Gate, fitted
from localnoise.repair.lessons import CLEAN
from localnoise.repair.member import Member
from localnoise.validate import Array, as_activity, as_array

Worse = Callable[[Array, Array], npt.NDArray[np.bool_]]


class Deciding:
    """Base of a `Repair`: what it knows, and how much it trusts each cause.

    Attributes
    ----------
    blank_law : UnitGrid
        A law that has learned nothing.
    members : list of Member
        Clean first; a source may have several.
    margin : float
        What is added to the clean one's log weight.
    width : float
        How many standard deviations a cause's log density may lie from its mean before it has no say.
    """

    blank_law: UnitGrid
    members: list[Member]
    margin: float
    width: float
    _gate: Gate | None

    @property
    def config(self) -> Any:
        """Configuration of the laws' grid: shape, channels, boundary, dtype."""
        return self.blank_law.config

    @property
    def sources(self) -> list[str]:
        """Names in the order of the posterior's columns, "clean" first."""
        return list(dict.fromkeys([CLEAN, *(member.source for member in self.members)]))

    def calibrate(self, clean: Any, most: float = 0.005, worse: Worse | None = None) -> Self:
        """Ask for a margin before anything is repaired, so that clean activations are left alone.

        The margin is the least one, in units of the gate's log weights, with which at most a share `most` of clean
        activations is changed for the worse. Cost: that of one call, and 20 estimates.

        Parameters
        ----------
        clean : (T, C, H, W)
            Clean activations that were not learned.
        most : float
            In [0, 1).
        worse : callable, optional
            (fixed, clean) -> (T,) bool: which were changed for the worse. None: whose mean square change is more than
            a tenth of the clean activations' variance. Whoever has the network asks it for its decisions
            (`localnoise.nn.calibrate_repairs`).
        """
        if not 0 <= most < 1:
            raise ArgumentError(f"most={most!r}: expected a share in [0, 1)")
        h = self._activity("clean", clean)
        if not len(h):
            raise ArgumentError("clean has 0 activations: expected some hundreds")
        bound = 0.1 * float(h.var(axis=0).mean())

        def moved(fixed: Array, calm: Array) -> npt.NDArray[np.bool_]:
            return np.asarray(np.square(fixed - calm).mean(axis=(1, 2, 3)) > bound)

        judge = worse or moved
        density, gate = self.log_densities(h), self.fitted_gate

        def share(margin: float) -> float:
            w = with_margin(gate, margin).weights(density)
            return float(np.mean(judge(self._estimate(h, w), h)))

        self.margin = least_margin(share, most)
        return self

    def posterior(self, h: Any) -> Floats:
        """Return the weights of the sources that the gate gives, (T, 1 + sources), clean first."""
        return self._by_source(self.weights(self._activity("h", h)))

    def weights(self, h: Array, sources: Any = None) -> Floats:
        """Return the weights of the members, (T, members)."""
        self._refuse_empty()
        names, own = self.sources, [member.source for member in self.members]
        if sources is None:
            return self.gate.weights(self.log_densities(h))
        if isinstance(sources, str):
            choose("sources", sources, names)
            given = np.tile([float(name == sources) for name in names], (len(h), 1))
        else:
            given = np.asarray(as_array("sources", sources, f"(T, {len(names)}) weights"), np.float64)
            if given.shape != (len(h), len(names)) or not np.isfinite(given).all() or (given < 0).any():
                raise ArgumentError(
                    f"sources has shape {given.shape}: expected weights >= 0 ({len(h)}, {len(names)}), a column for "
                    f"each of {', '.join(names)}"
                )
        column = [names.index(name) for name in own]
        if len(own) == len(names):
            return given[:, column]
        q, out = self.gate.scores(self.log_densities(h)), np.zeros((len(h), len(own)))
        for index, name in enumerate(names):
            where = [j for j, one in enumerate(own) if one == name]
            e = np.exp(q[:, where] - q[:, where].max(axis=1, keepdims=True))
            out[:, where] = given[:, [index]] * e / e.sum(axis=1, keepdims=True)
        return out

    def log_densities(self, h: Array) -> Floats:
        """Return the log density per neuron of each member's law, (T, members)."""
        self._refuse_empty()
        x = self._activity("h", h)
        n = x[0].size if len(x) else 1
        return np.stack([member.law.log_density(x - member.centre) / n for member in self.members], axis=1)

    @property
    def gate(self) -> Gate:
        """The calibrated gate, with its margin; fitted anew after a lesson."""
        return with_margin(self.fitted_gate, self.margin)

    @property
    def fitted_gate(self) -> Gate:
        """The gate without its margin."""
        if self._gate is None:
            self._refuse_empty()
            kept = [member.kept.astype(self.config.dtype) for member in self.members]
            density = np.concatenate([self.log_densities(part) for part in kept])
            cause = np.repeat(np.arange(len(kept)), [len(part) for part in kept])
            self._gate = fitted(density, cause, self.width, self.config.units * self.config.channels)
        return self._gate

    def _estimate(self, h: Array, w: Floats) -> Array:
        """Return h and the ways back, weighed."""
        out = h.copy()
        for j, member in enumerate(self.members):
            if member.back is None:
                continue
            rows = np.flatnonzero(w[:, j] > FLOOR)
            if rows.size:
                out[rows] += w[rows, j, None, None, None].astype(out.dtype) * member.back.mean(h[rows])
        return out

    def _by_source(self, w: Floats) -> Floats:
        names, own = self.sources, [member.source for member in self.members]
        out = np.zeros((len(w), len(names)))
        for j, name in enumerate(own):
            out[:, names.index(name)] += w[:, j]
        return out

    def _activity(self, argument: str, value: Any) -> Array:
        c = self.config
        return as_activity(argument, value, c.channels, c.shape, c.dtype).reshape(-1, c.channels, *c.shape)

    def _refuse_empty(self) -> None:
        if len(self.sources) < 2 or not self.members:
            raise ArgumentError("nothing is learned yet: expected repair.learn('blur', displaced, clean) before")
