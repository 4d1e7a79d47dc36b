"""Learning of a repair's member: moments of its law and of its way back, and the ridges that serve best."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from localnoise.cautions import warn_of_offset
from localnoise.errors import ArgumentError
from localnoise.grid import UnitGrid
from localnoise.narrow import NarrowField
from localnoise.repair.bends import what_is_read
from localnoise.repair.member import Member, held
from localnoise.rules import Moments
from localnoise.rules.base import begun
from localnoise.scoring import mean_log_density
from localnoise.validate import Array

BACK = (1e-4, 1e-3, 1e-2)  # ridges that are tried, of the activations' mean square
LAW = (1e-3, 1e-2, 1e-1)
_MIDDLE = 64  # activations whose mean is where ways back bend
_ENOUGH = 32  # activations a regressor, from which on any small ridge gives the same


class Learner:
    """Learns one member, chunk by chunk, from displaced activations and the clean ones of the same inputs.

    Parameters
    ----------
    source : str
    law, back : UnitGrid
        Learned so far, or blank; without `back` the law alone is learned.
    centre : (C, H, W) or None
        None: the mean of the first chunk; where ways back bend, of the first ones that are `_MIDDLE` or more.
    ridge : float or "auto"
        Of the way back; "auto": the one of `BACK` with the least squared error on `kept`.
    """

    def __init__(
        self, source: str, law: UnitGrid, back: UnitGrid | None, centre: Array | None, ridge: float | str
    ) -> None:
        self.source, self.centre, self.ridge = source, centre, ridge
        self.law, self.law_state = _going_on(law)
        self.back: UnitGrid | None = None
        self.back_state: dict[str, Any] = {}
        if back is not None:
            self.back, self.back_state = _going_on(back)
        self.power = [0.0, 0.0]
        self.seen = 0
        self._waiting: list[tuple[Array, Array | None]] = []

    def observe(self, displaced: Array, clean: Array | None) -> None:
        """Learn from a chunk, (t, m, N) each; without the clean activations the law alone."""
        if not len(displaced):
            return
        if self.centre is None and self._bends:
            self._waiting.append((displaced.copy(), None if clean is None else clean.copy()))
            if sum(len(part) for part, _ in self._waiting) < _MIDDLE:
                return
            displaced, clean = self._waited()
        if self.centre is None:
            self.centre = displaced.mean(axis=0)
        d = displaced - self.centre
        Moments().observe(self.law.field, self.law_state, d, d[:, :, :0])
        self.power[0] += float(np.square(d, dtype=np.float64).sum())
        if self.back is not None and clean is not None:
            shape = (self.law.config.channels, *self.law.config.shape)
            read = what_is_read(self.back, displaced.reshape(-1, *shape), self.centre.reshape(shape))
            read = read.reshape(len(read), shape[0], -1)
            Moments().observe(self.back.field, self.back_state, clean - displaced, read)
            self.power[1] += float(np.square(displaced, dtype=np.float64).sum())
        self.seen += len(displaced)

    def settled(self, kept: Array, clean: Array | None) -> Member:
        """Solve, with the ridges that serve the kept activations best; (t, m, N) each, neither was observed.

        Raises
        ------
        ArgumentError
            Nothing was observed.
        """
        if self._waiting:
            displaced, paired = self._waited()
            self.centre = displaced.mean(axis=0)
            self.observe(displaced, paired)
        if not self.seen or self.centre is None:
            raise ArgumentError(
                f"source={self.source!r} has no activations to learn from but the {len(kept)} that are held out: "
                "expected at least 2"
            )
        config, per = self.law.config, self.seen * self.centre.size
        d = kept - self.centre

        def density(grid: UnitGrid) -> float:
            return -mean_log_density(config, grid.field, [(d, None)]) if len(d) else 0.0

        law = _best(self.law, self.law_state, self._tried(self.law, LAW, self.power[0] / per, kept), density)
        back = None
        if self.back is not None:
            warn_of_offset(self.source, self.power[1], self.power[0], stacklevel=6)
            shape = (config.channels, *config.shape)
            inputs = what_is_read(self.back, kept.reshape(-1, *shape), self.centre.reshape(shape))
            aim = np.zeros(0) if clean is None else (clean - kept).reshape(-1, *shape)

            def error(grid: UnitGrid) -> float:
                return float(np.square(grid.mean(inputs) - aim, dtype=np.float64).mean()) if len(inputs) else 0.0

            tried = self._tried(self.back, BACK, self.power[1] / per, kept)
            tried = tried if isinstance(self.ridge, str) else [self.ridge]
            back = _best_way(self.back, self.back_state, tried, error)
        return Member(
            source=self.source,
            law=law,
            centre=self.centre.reshape(config.channels, *config.shape),
            back=back,
            kept=held(kept.reshape(-1, config.channels, *config.shape)),
        )

    @property
    def _bends(self) -> bool:
        return self.back is not None and self.back.config.second_radius is not None

    def _waited(self) -> tuple[Array, Array | None]:
        """Return what waited for a centre, in one part; nothing waits any more."""
        parts, self._waiting = self._waiting, []
        clean = [other for _, other in parts if other is not None]
        return np.concatenate([own for own, _ in parts]), np.concatenate(clean) if clean else None

    def _tried(self, grid: UnitGrid, shares: Sequence[float], power: float, kept: Array) -> list[float]:
        """Return the ridges to choose from on `kept`; without it the one of the lesson before.

        With many activations a regressor any small ridge gives the same, and a choice would cost more than it brings.
        """
        before = getattr(grid.rule, "ridge", None)
        if not len(kept) and isinstance(before, float):
            return [before]
        some = shares if self.seen < _ENOUGH * grid.field.regressors else shares[:1]
        return [share * (power or 1.0) for share in some]


def _going_on(grid: UnitGrid) -> tuple[UnitGrid, dict[str, Any]]:
    """Return a copy of a grid, and a copy of its statistics, or fresh ones."""
    own = UnitGrid.of_field(grid.config, grid.field.copy(), grid.implied)
    own.rule = grid.rule
    if grid.state is None:
        return own, begun(Moments(), own.field)
    return own, {name: np.copy(value) if name != "seen" else value for name, value in grid.state.items()}


def _best(grid: UnitGrid, state: dict[str, Any], ridges: Sequence[float], loss: Any) -> UnitGrid:
    """Return the grid settled with the ridge of least loss; it can go on learning."""
    best: tuple[float, UnitGrid] | None = None
    for ridge in ridges:
        trial = _trial(grid, state, ridge)
        try:
            Moments(ridge=ridge).settle(trial.field, state)
        except ArgumentError:  # too small for what rounding left of the moments
            if ridge == ridges[-1] and best is None:
                raise
            continue
        found = loss(trial) if len(ridges) > 1 else 0.0
        if best is None or found < best[0]:
            best = found, trial
    assert best is not None
    return best[1]


def _best_way(grid: UnitGrid, state: dict[str, Any], ridges: Sequence[float], loss: Any) -> UnitGrid:
    """Return the best way back, as `_best`: without noise, so that means are solved alone, for all ridges at once."""
    if isinstance(grid.field, NarrowField):
        return _best(grid, state, ridges, loss)
    best: tuple[float, UnitGrid] | None = None
    for ridge, W in zip(ridges, Moments().means(grid.field, state, ridges), strict=True):
        if W is None:
            continue
        trial = _trial(grid, state, ridge)
        trial.field.assign(W, grid.field.S)
        found = loss(trial) if len(ridges) > 1 else 0.0
        if best is None or found < best[0]:
            best = found, trial
    if best is None:  # says why
        return _best(grid, state, ridges[-1:], loss)
    return best[1]


def _trial(grid: UnitGrid, state: dict[str, Any], ridge: float) -> UnitGrid:
    trial = UnitGrid.of_field(grid.config, grid.field.copy(), grid.implied)
    trial.rule, trial.state, trial.learned = Moments(ridge=ridge), state, trial.field.wires
    return trial
