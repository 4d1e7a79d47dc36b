"""The grid of processing units, by what it does: `learning`, `drawing`, `scoring`, on what `holding` holds."""

from localnoise.grid.unitgrid import UnitGrid as UnitGrid
