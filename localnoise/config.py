"""The configuration of a grid: frozen, validated once, written into every file."""

from dataclasses import dataclass
from typing import Any

from localnoise.errors import ArgumentError, choose
from localnoise.orders import ORDERS


@dataclass(frozen=True, kw_only=True)
class GridConfig:
    """Shape and wiring of a grid of processing units.

    Parameters
    ----------
    shape : tuple of int
        (H, W): rows and columns of units.
    channels : int
        m, neurons per unit.
    order : str
        "multiscale" (coarse to fine) or "raster" (row by row).
    parents : int or None
        Most parents per unit, K. None: 4 for multiscale, all within the radius for raster.
    radius : int or None
        Chebyshev radius of the parents. None: 1 for raster, unlimited for multiscale.
    boundary : str
        "clipped" or "periodic".
    signal : str
        "none", or "local": the noise depends on the activation of the units within `signal_radius`.
    signal_radius : int
        Chebyshev radius of the activations read; 0 is the unit's own.
    dtype : str
        "float32", or "float64" for oracles.
    """

    shape: tuple[int, int]
    channels: int = 1
    order: str = "multiscale"
    parents: int | None = None
    radius: int | None = None
    boundary: str = "clipped"
    signal: str = "none"
    signal_radius: int = 1
    dtype: str = "float32"

    def __post_init__(self) -> None:
        shape = self.shape
        if not isinstance(shape, (tuple, list)) or len(shape) != 2 or not all(_is_count(side) for side in shape):
            raise ArgumentError(f"shape={shape!r}: expected (height, width), two whole numbers >= 1, such as (14, 14)")
        object.__setattr__(self, "shape", (int(shape[0]), int(shape[1])))
        if not _is_count(self.channels):
            raise ArgumentError(f"channels={self.channels!r}: expected a whole number >= 1, the neurons per unit")
        choose("order", self.order, ORDERS)
        choose("boundary", self.boundary, ("clipped", "periodic"))
        choose("signal", self.signal, ("none", "local"))
        choose("dtype", self.dtype, ("float32", "float64"))
        if self.order == "raster" and self.radius is None and self.parents is None:
            object.__setattr__(self, "radius", 1)
        if self.order == "multiscale" and self.parents is None:
            object.__setattr__(self, "parents", 4)
        for name in ("parents", "radius"):
            value = getattr(self, name)
            if value is not None and not _is_count(value):
                raise ArgumentError(f"{name}={value!r}: expected a whole number >= 1, or None")
        if not _is_count(self.signal_radius, least=0):
            raise ArgumentError(f"signal_radius={self.signal_radius!r}: expected a whole number >= 0")

    @property
    def units(self) -> int:
        """N = H W."""
        return self.shape[0] * self.shape[1]

    @property
    def neurons(self) -> int:
        """n = H W m."""
        return self.units * self.channels


def _is_count(value: Any, least: int = 1) -> bool:
    try:
        return not isinstance(value, bool) and int(value) == value and value >= least
    except (TypeError, ValueError):
        return False
