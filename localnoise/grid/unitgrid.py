"""The grid of processing units: owns the arrays, validates, and calls the kernels."""

import operator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Never, Self

import numpy as np
import numpy.typing as npt

from localnoise.config import SECOND, GridConfig
from localnoise.errors import ArgumentError, choose
from localnoise.field import Field
from localnoise.grid.drawing import Drawing
from localnoise.grid.learning import Learning
from localnoise.grid.scoring import Scoring
from localnoise.narrow import NarrowField
from localnoise.narrow import initial as empty_field
from localnoise.orders import ORDERS, Order
from localnoise.orders.base import OWN
from localnoise.rules.base import AUTO
from localnoise.saving import save
from localnoise.topology import Parents, initial
from localnoise.unit import ProcessingUnit
from localnoise.wiring import Wires


class UnitGrid(Learning, Drawing, Scoring):
    """A grid of units that learn and draw structured noise from what they and their parents do.

        x_u = a_u + G_u h_R(u) + B_u x_P(u) + S_u xi_u,    xi_u ~ N(0, I_m),    eta_u = gain_u x_u

    P(u) are the K parents of unit u, R(u) the R units whose activation it reads, m its neurons; B_u (m, m K) weighs the
    parents, G_u (m, m R) the activations, a_u (m,) is an offset and S_u (m, m) a lower triangular factor. N units have
    n = N m neurons. A draw costs O(n m (K + R)) time, storage is O(n m (K + R)).

    Parameters
    ----------
    shape : tuple of int
        (H, W): rows and columns of units.
    channels : int
        m, neurons per unit.
    order : str, (N,) whole numbers, or callable
        "multiscale" (coarse to fine), "raster" (row by row) or the name of a plug-in's order; or all units, numbered
        u = y W + x, in an order of your own, or a function that gives them (`localnoise.orders.Order`).
    parents : int, "auto", (N, K) whole numbers, or callable
        Most parents per unit, nearest first; None: all within the radius for raster, 4 for other orders. "auto": the
        first `learn` chooses 1, 2, 4, ... on held-out displacements; until then as None. Or each unit's parents, units
        earlier in the order, -1 where there is none, or a function that gives them (`localnoise.topology.Parents`).
    far, radius, boundary, signal, signal_radius, dtype
        As in `GridConfig`. Parents of your own have neither `far` nor `radius`.
    share, rank
        For wide layers, as in `GridConfig`: weights that places share, links that carry `rank` directions of the
        channels, or both. Learned by rule "moments" alone, from moments summed over places, which is not local
        (`localnoise.rules.pooled`).

    Examples
    --------
    >>> import numpy as np, localnoise as ln
    >>> grid = ln.UnitGrid(shape=(4, 4), channels=2, order="raster", radius=1)
    >>> d = np.random.default_rng(0).normal(size=(500, 2, 4, 4))
    >>> grid.learn(d).sample(3, seed=0).shape
    (3, 2, 4, 4)
    """

    def __init__(
        self,
        shape: tuple[int, int],
        channels: int = 1,
        *,
        order: str | Order | npt.ArrayLike = "multiscale",
        parents: int | Parents | npt.ArrayLike | None = None,
        far: int = 0,
        radius: int | None = None,
        boundary: str = "clipped",
        signal: str = "none",
        signal_radius: int = 1,
        share: str = "none",
        rank: int | None = None,
        dtype: str = "float32",
        **unknown: Never,
    ) -> None:
        for option in unknown:
            choose("option of UnitGrid", option, [name for name in GridConfig.__dataclass_fields__ if name != SECOND])
        options = {
            "shape": shape, "channels": channels, "order": order, "parents": parents, "far": far, "radius": radius,
            "boundary": boundary, "signal": signal, "signal_radius": signal_radius, "share": share, "rank": rank,
            "dtype": dtype,
        }  # fmt: skip
        auto = isinstance(parents, str) and parents == AUTO
        config, field, implied = initial(options | ({"parents": None} if auto else {}))
        self._hold(config, field, implied)
        if config.order != OWN and implied is None:
            self.provenance["order"] = {"name": str(config.order)} | asdict(ORDERS.origin(config.order))
        if auto:
            self._open = options

    def _hold(self, config: GridConfig, field: Field, implied: Wires | None) -> None:
        self.config, self.field, self.implied = config, field, implied
        self._open = None
        self.rule = self.state = self.learned = None
        self.provenance = {}

    @classmethod
    def of_field(cls, config: GridConfig, field: Field, implied: Wires | None = None) -> Self:
        """Return a grid that holds this field.

        Parameters
        ----------
        config : GridConfig
            Its layout.
        field : Field
            Weights and wires; not copied.
        implied : Wires or None
            The wires that the configuration implies; None: it implies none.

        Returns
        -------
        UnitGrid
            It has learned nothing.
        """
        grid = cls.__new__(cls)
        grid._hold(config, field, implied)
        return grid

    def blank(self) -> "UnitGrid":
        """Return a grid of the same configuration and wires that has learned nothing.

        Returns
        -------
        UnitGrid
            Its weights are those of a new grid.
        """
        f = self.field
        field = empty_field(self.config, f.order, f.parents, f.readers)
        made = UnitGrid.of_field(self.config, field, self.implied)
        made.provenance |= {name: self.provenance[name] for name in ("arrangement",) if name in self.provenance}
        made._open = self._open
        return made

    def widened(self) -> "UnitGrid":
        """Return a grid of the same law in which every unit has all of its weights: for chips, Brian2 and edits.

        It learns on its own; its statistics are fresh. A grid without `share` and `rank` gives a copy.

        Returns
        -------
        UnitGrid
            Its configuration has neither `share` nor `rank`.
        """
        field = self.field.widened() if isinstance(self.field, NarrowField) else self.field.copy()
        grid = UnitGrid.of_field(replace(self.config, share="none", rank=None), field, self.implied)
        grid.provenance = dict(self.provenance)
        return grid

    # Size

    @property
    def parameters(self) -> int:
        """Numbers that the field needs: existing links' weights, triangular factors, gains; what is shared, once."""
        f, m = self.field, self.config.channels
        if isinstance(f, NarrowField):
            return f.numbers
        links = int((f.parents >= 0).sum() + (f.readers >= 0).sum())
        own = m * (m + 1) // 2 + 1 + (m if f.signal else 0)
        return links * m * m + own * self.config.units

    @property
    def bytes_per_unit(self) -> float:
        """Mean bytes of parameters per unit, in the grid's dtype."""
        return self.parameters * np.dtype(self.config.dtype).itemsize / self.config.units

    @property
    def wire_length(self) -> int:
        """Sum of the Manhattan lengths of the links from parent to child, in units' pitch."""
        unit, slot = np.nonzero(self.field.parents >= 0)
        other = self.field.parents[unit, slot]
        (height, width) = self.config.shape
        dy, dx = abs(unit // width - other // width), abs(unit % width - other % width)
        if self.config.boundary == "periodic":
            dy, dx = np.minimum(dy, height - dy), np.minimum(dx, width - dx)
        return int((dy + dx).sum())

    def __getitem__(self, position: tuple[int, int]) -> ProcessingUnit:
        """Return the unit at (y, x), a view."""
        height, width = self.config.shape
        try:
            y, x = map(operator.index, position)
        except (TypeError, ValueError):
            raise ArgumentError(f"grid[{position!r}]: expected two whole numbers, grid[y, x]") from None
        if not (0 <= y < height and 0 <= x < width):
            raise ArgumentError(f"grid[{y}, {x}]: expected 0 <= y < {height} and 0 <= x < {width}")
        return ProcessingUnit(self, y * width + x)

    def __repr__(self) -> str:
        c = self.config
        learned = "nothing learned"
        if self.rule is not None:
            learned = f"{self.rule.name}, " + (f"{self.state['seen']} seen" if self.state else "weights only")
        return f"UnitGrid({c.shape[0]}x{c.shape[1]} units x {c.channels}, {c.order}, signal {c.signal}; {learned})"

    # Files

    def save(self, path: str | Path, *, state: bool = True) -> Path:
        """Write the grid to HDF5, aside and renamed; `localnoise.load` reads it.

        Parameters
        ----------
        path : str or Path
            The file; one that is there is replaced.
        state : bool
            Whether the running statistics are kept. Without them the file is small, but the grid cannot go on learning.

        Returns
        -------
        Path
            The file.
        """
        return save(self._now(), path, state=state)
