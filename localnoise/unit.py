"""One processing unit: a view of its rows in the grid's arrays, never a copy."""

from typing import final

import numpy as np

from localnoise.errors import ArgumentError
from localnoise.field import Floats, Ints
from localnoise.parts import GridParts
from localnoise.rules.base import State
from localnoise.validate import check_positive


@final
class ProcessingUnit:
    """The unit at a position of the grid: `grid[y, x]`, m channels, K parents, R units read.

    Writing into `weights`, `cholesky` or `activity_weights` changes the grid. Not with `share` or a `rank`: they are
    then expanded from what is stored, and cannot be written.

    Parameters
    ----------
    grid : UnitGrid
        Of which it is a view.
    index : int
        u = y W + x.
    """

    def __init__(self, grid: GridParts, index: int) -> None:
        self.grid, self.index = grid, index

    @property
    def position(self) -> tuple[int, int]:
        """(y, x) on the grid."""
        return divmod(self.index, self.grid.config.shape[1])

    @property
    def parents(self) -> list[tuple[int, int]]:
        """(y, x) of each parent, in the order of the columns of `weights`."""
        return self._positions(self.grid.field.parents[self.index])

    @property
    def readers(self) -> list[tuple[int, int]]:
        """(y, x) of the units of which it reads an activation, each once; empty without signal dependence."""
        units, read = self.grid.config.units, self.grid.field.readers[self.index]
        return list(dict.fromkeys(self._positions(np.where(read >= units, read - units, read))))

    @property
    def weights(self) -> Floats:
        """B_u, (m, m K): block k belongs to parent k; blocks beyond the last parent are zero."""
        return np.asarray(self.grid.field.B[self.index])

    @property
    def activity_weights(self) -> Floats:
        """G_u, (m, m R): block r belongs to `grid.field.readers[index, r]`; a clipped neighbor (-1) has none."""
        return np.asarray(self.grid.field.G[self.index])

    @property
    def offset(self) -> Floats:
        """a_u, (m,)."""
        return np.asarray(self.grid.field.a[self.index])

    @property
    def cholesky(self) -> Floats:
        """S_u, (m, m), lower triangular."""
        return np.asarray(self.grid.field.S[self.index])

    @property
    def gain(self) -> float:
        """Scale of the unit's output. Set it with `unit.gain = value`."""
        return float(self.grid.field.gain[self.index])

    @gain.setter
    def gain(self, value: float) -> None:
        check_positive("gain", value)
        gain = self.grid.field.gain
        with np.errstate(over="ignore", under="ignore"):
            cast = gain.dtype.type(value)
        if not (np.isfinite(cast) and cast > 0):
            raise ArgumentError(f"gain={value!r}: expected a number > 0 within the range of {gain.dtype}")
        gain[self.index] = value  # one number: a draw meanwhile has the old one or the new one

    @property
    def statistics(self) -> State:
        """Statistics that the rule keeps of it (running moments, residual), and `seen`, the presentations so far."""
        grid = self.grid
        if grid.rule is None or grid.state is None:
            return {"seen": 0}
        return grid.rule.statistics(grid.field, grid.state, self.index)

    def __repr__(self) -> str:
        m = self.grid.config.channels
        return f"ProcessingUnit{self.position}: {m} channels, parents {self.parents}, gain {self.gain:.4g}"

    def _positions(self, row: Ints) -> list[tuple[int, int]]:
        return [divmod(int(unit), self.grid.config.shape[1]) for unit in row if unit >= 0]
