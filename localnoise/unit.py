"""One processing unit: a view of its rows in the grid's arrays, never a copy."""

from dataclasses import dataclass

import numpy as np

from localnoise.errors import ArgumentError
from localnoise.field import Field, Floats, Ints
from localnoise.rules.base import State


@dataclass(frozen=True)
class ProcessingUnit:
    """The unit at a position of the grid. Writing into `weights`, `cholesky` or `activity_weights` changes the grid."""

    index: int
    width: int
    field: Field
    state: State | None

    @property
    def position(self) -> tuple[int, int]:
        """(y, x) on the grid."""
        return divmod(self.index, self.width)

    @property
    def parents(self) -> list[tuple[int, int]]:
        """(y, x) of each parent, in the order of the columns of `weights`."""
        return self._positions(self.field.parents[self.index])

    @property
    def readers(self) -> list[tuple[int, int]]:
        """(y, x) of the units whose activation it reads; empty without signal dependence."""
        return self._positions(self.field.readers[self.index])

    @property
    def weights(self) -> Floats:
        """B_u, (m, m K): block k belongs to parent k; blocks beyond the last parent are zero."""
        return self.field.B[self.index]

    @property
    def activity_weights(self) -> Floats:
        """G_u, (m, m R)."""
        return self.field.G[self.index]

    @property
    def offset(self) -> Floats:
        """a_u, (m,)."""
        return self.field.a[self.index]

    @property
    def cholesky(self) -> Floats:
        """S_u, (m, m), lower triangular."""
        return self.field.S[self.index]

    @property
    def gain(self) -> float:
        """Scale of the unit's output. Set it with `unit.gain = value`."""
        return float(self.field.gain[self.index])

    @gain.setter
    def gain(self, value: float) -> None:
        if not (np.isfinite(value) and value > 0):
            raise ArgumentError(f"gain={value!r}: expected a finite number > 0")
        self.field.gain[self.index] = value

    @property
    def statistics(self) -> State:
        """The unit's rows of its rule's state (running moments, residual), and `seen`, the presentations so far."""
        if self.state is None:
            return {"seen": 0}
        return {name: value if name == "seen" else value[self.index] for name, value in self.state.items()}

    def __repr__(self) -> str:
        m = self.field.channels
        return f"ProcessingUnit{self.position}: {m} channels, parents {self.parents}, gain {self.gain:.4g}"

    def _positions(self, row: Ints) -> list[tuple[int, int]]:
        return [divmod(int(unit), self.width) for unit in row if unit >= 0]
