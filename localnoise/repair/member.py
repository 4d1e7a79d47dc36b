"""One cause of displacement: the way back, and the law of the activations that it leaves behind.

way back   r_u = a_u + G_u h'_R(u), learned from r = h - h', the local linear least-squares estimate of what is
missing; h' the displaced activation, R(u) the units within the radius; with `bends` also of |h' - centre|
law        log p(h') = -1/2 sum_u |e_u|^2 - log det, e the whitened innovations of h' less its mean, each unit
seen from its parents: by it units tell causes apart
"""

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from localnoise.grid import UnitGrid
from localnoise.narrow import NarrowField
from localnoise.repair.bends import what_is_read
from localnoise.validate import Array

KEPT = 256  # activations of a source that are held out, at most
_HALF = (2.0**-8, 2.0**15)  # of the largest activation: then what is 2^-6 of it still has 10 bits


@dataclass(frozen=True, kw_only=True)
class Member:
    """One cause, as far as the units know it.

    Attributes
    ----------
    source : str
        What was learned: "blur"; a source may have several causes, such as ranges of an angle. "clean" has no
        way back, nor has what is recognised alone.
    law : UnitGrid
        Of the displaced activations less `centre`; it reads no activation.
    centre : (C, H, W)
        Mean of the first chunk that was learned; where `back` bends, of 64 activations at least, if there are so many.
    back : UnitGrid or None
        The way back; `missing` asks it.
    kept : (T, C, H, W)
        Displaced activations that were not learned: on them the gate is calibrated. float16, but where that has not
        the range (`held`).
    """

    source: str
    law: UnitGrid
    centre: Array
    back: UnitGrid | None
    kept: Array

    @property
    def seen(self) -> int:
        """Activations learned from."""
        return int(self.law.state["seen"]) if self.law.state is not None else 0

    def missing(self, h: Array) -> Array:
        """Return what to add to displaced activations, of a member that has a way back.

        Parameters
        ----------
        h : (T, C, H, W)
            Displaced activations.

        Returns
        -------
        ndarray, (T, C, H, W)
            The way back's estimate of what is missing.
        """
        assert self.back is not None
        return self.back.mean(what_is_read(self.back, h, self.centre))

    @property
    def parameters(self) -> int:
        """Numbers that the way back and the law of all units need."""
        return self.numbers(np.arange(self.law.config.units))

    def with_held_out(self, kept: Array) -> Self:
        """Return the member with other held-out activations; its law is as wide as their innovations are.

        Only wider: where innovations vary more than the law says, by errors that it has not learned, the columns of S
        grow by as much.
        """
        f, (m, N) = self.law.field, (self.law.config.channels, self.law.config.units)
        e = np.asarray(self.law.innovations(kept - self.centre), np.float64).reshape(len(kept), m, N)
        square = np.square(e).mean(axis=0).T  # (N, m)
        changed: dict[str, Any]
        if isinstance(f, NarrowField):
            count = np.bincount(f.levels, minlength=len(f.L))
            square = np.stack([np.bincount(f.levels, column, len(f.L)) for column in square.T], axis=1) / count[:, None]
            changed = {"L": f.L * np.sqrt(np.maximum(square, 1))[:, None, :].astype(f.L.dtype)}
        else:
            changed = {"S": f.S * np.sqrt(np.maximum(square, 1))[:, None, :].astype(f.S.dtype)}
        field = f.copy()
        vars(field).update(changed)
        law = UnitGrid.of_field(self.law.config, field, self.law.implied)
        law.rule, law.state, law.learned = self.law.rule, self.law.state, self.law.learned
        return replace(self, law=law, kept=held(kept))

    def with_newer(self, kept: Array) -> Array:
        """Return the held-out activations with newer ones in the place of the oldest, as many as before or `KEPT`."""
        both = np.concatenate([self.kept.astype(kept.dtype), kept])
        return held(both[max(len(both) - max(KEPT, len(self.kept)), 0) :])

    def numbers(self, voters: npt.NDArray[np.int64]) -> int:
        """Numbers that are needed where only these units have laws; a centre is what one of them or a parent has."""
        m, parents = self.law.config.channels, self.law.field.parents[voters]
        bent = self.back is not None and self.back.config.second_radius is not None  # then each unit's centre is needed
        seen = self.law.config.units if bent else len(np.unique(np.concatenate([voters, parents[parents >= 0]])))
        law = int((parents >= 0).sum()) * m * m + len(voters) * (m * (m + 1) // 2 + 1)
        return law + seen * m + (0 if self.back is None else means_parameters(self.back))


def held(kept: Array) -> Array:
    """Return held-out activations as they are kept: in half precision, if they are of a size that it resolves."""
    largest = float(np.abs(kept).max(initial=0))
    return kept.astype(np.float16) if largest == 0 or _HALF[0] <= largest <= _HALF[1] else kept


def means_parameters(grid: UnitGrid) -> int:
    """Return the numbers that a mean needs: offsets and weights of the activation, no private noise."""
    m, units, field = grid.config.channels, grid.config.units, grid.field
    if isinstance(field, NarrowField):
        return field.numbers
    return int((field.readers >= 0).sum()) * m * m + units * m
