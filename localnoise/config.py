"""The configuration of a grid: frozen, validated once, written into every file."""

from dataclasses import asdict, dataclass
from typing import Any, Self

from localnoise.errors import ArgumentError, choose
from localnoise.orders import MOST_HUBS, ORDERS, slots
from localnoise.orders.base import OWN
from localnoise.validate import as_count, whole

SECOND = "second_radius"  # the one field that is no option of `UnitGrid`: repairs alone make such grids


class AbsentOrder(str):
    """The name of an order that is not installed here, of a file that holds its wires."""

    __slots__ = ()


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
        "multiscale" (coarse to fine), "raster" (row by row) or a plug-in's name; "own": the wires were given as arrays
        or by a callable, and follow from no configuration.
    parents : int or None
        Most parents per unit, K. None: all within the radius for raster, 4 for other orders.
    far : int
        How many of the parents are hubs, units of the sublattice of stride 4, instead of the nearest units.
    radius : int or None
        Chebyshev radius of the parents. None: 1 for raster without `parents`, else unlimited.
    boundary : str
        "clipped" or "periodic".
    signal : str
        "none", or "local": the noise depends on the activation of the units within `signal_radius`.
    signal_radius : int
        Chebyshev radius of the activations read; 0 is the unit's own.
    second_radius : int or None
        Likewise, of a second activation that is read besides, as `repair.bends` makes it: h is then (T, C, 2H, W), one
        after the other. None: there is none.
    share : str
        "none": every unit has weights of its own. "places": units share theirs where their parents and inputs lie at
        the same offsets.
    rank : int or None
        How many directions of the channels a link carries, the same directions at every place. None: all channels.
        With `share` or a rank, offsets, scales of the channels and gains stay each unit's own, and the rest of the
        private noise's factor is shared by units whose parents are as far.
    dtype : str
        "float32", or "float64" for oracles.
    """

    shape: tuple[int, int]
    channels: int = 1
    order: str = "multiscale"
    parents: int | None = None
    far: int = 0
    radius: int | None = None
    boundary: str = "clipped"
    signal: str = "none"
    signal_radius: int = 1
    second_radius: int | None = None
    share: str = "none"
    rank: int | None = None
    dtype: str = "float32"

    def __post_init__(self) -> None:
        try:
            sides = [whole(side) or 0 for side in self.shape]
        except TypeError:
            sides = []
        if len(sides) != 2 or min(sides) < 1:
            raise ArgumentError(
                f"shape={self.shape!r}: expected (height, width), two whole numbers >= 1, such as (14, 14)"
            )
        object.__setattr__(self, "shape", tuple(sides))
        object.__setattr__(self, "channels", as_count("channels", self.channels, 1))
        if self.order != OWN and not isinstance(self.order, AbsentOrder):
            ORDERS.find(self.order)
        choose("boundary", self.boundary, ("clipped", "periodic"))
        choose("signal", self.signal, ("none", "local"))
        choose("share", self.share, ("none", "places"))
        choose("dtype", self.dtype, ("float32", "float64"))
        if self.rank is not None:
            rank = whole(self.rank)
            if rank is None or not 1 <= rank <= self.channels:
                raise ArgumentError(
                    f"rank={self.rank!r}: expected a whole number from 1 to channels={self.channels}, or None for all"
                )
            object.__setattr__(self, "rank", rank)
        if self.order == "raster" and self.radius is None and self.parents is None:
            object.__setattr__(self, "radius", 1)
        if self.order != "raster" and self.parents is None:
            object.__setattr__(self, "parents", 4)
        for name in ("parents", "radius"):
            value = getattr(self, name)
            if value is not None:
                count = whole(value)
                if count is None or count < 1:
                    raise ArgumentError(f"{name}={value!r}: expected a whole number >= 1, or None")
                object.__setattr__(self, name, count)
        object.__setattr__(self, "far", as_count("far", self.far))
        if self.far and (self.parents is None or self.far >= self.parents):
            raise ArgumentError(
                f"far={self.far!r}: expected fewer than parents={self.parents!r}, of which it is a part"
            )
        if self.far > MOST_HUBS:
            raise ArgumentError(f"far={self.far!r}: expected at most {MOST_HUBS}, the hubs around a unit; use fewer")
        object.__setattr__(self, "signal_radius", as_count("signal_radius", self.signal_radius))
        if self.second_radius is not None:
            object.__setattr__(self, "second_radius", as_count("second_radius", self.second_radius))
            if self.signal == "none":
                raise ArgumentError(
                    f"second_radius={self.second_radius}: expected None with signal='none', or signal='local'"
                )

    def plain(self) -> dict[str, Any]:
        """Return what a file holds: options that earlier versions do not know are left out where they are not used.

        Returns
        -------
        dict
            By option: JSON can hold it.
        """
        said = asdict(self)
        if not self.narrow:
            del said["share"], said["rank"]
        if self.second_radius is None:
            del said[SECOND]
        return said

    @classmethod
    def of_file(cls, said: dict[str, Any]) -> Self:
        """Return the configuration that a file holds; its order may be one that is not installed here.

        Whoever calls this takes the wires from the file: nobody can make them anew.

        Parameters
        ----------
        said : dict
            As `plain` returned it.

        Returns
        -------
        GridConfig
            Validated.

        Raises
        ------
        ArgumentError
            A value that no configuration can have.
        """
        order = said.get("order")
        if isinstance(order, str) and order.isprintable() and order != OWN and order not in ORDERS:
            said = said | {"order": AbsentOrder(order)}
        return cls(**said)

    @property
    def most_read(self) -> int:
        """Return how many activations units may read, one after the other."""
        return 1 if self.second_radius is None else 2

    def refuse_second(self, what: str) -> None:
        """Raise an ArgumentError where units read a second activation, which `what` would leave out.

        Parameters
        ----------
        what : str
            Begins the message.

        Raises
        ------
        ArgumentError
            They do.
        """
        if self.second_radius is not None:
            raise ArgumentError(
                f"{what}: the units read a second activation (second_radius={self.second_radius}), which this would "
                "leave out: expected a grid without, second_radius=None"
            )

    @property
    def units(self) -> int:
        """N = H W."""
        return self.shape[0] * self.shape[1]

    @property
    def narrow(self) -> bool:
        """Return whether the field is stored as maps that places share, or as weights of a low rank, or both."""
        return self.share != "none" or self.rank is not None

    @property
    def bytes(self) -> int:
        """Most bytes that the field of such a grid takes, from the configuration alone; shared maps not counted."""
        m, most = self.channels, None if self.parents is None else self.parents - self.far
        near = slots(*self.shape, most, self.radius) + self.far
        radii = [radius for radius in (self.signal_radius, self.second_radius) if radius is not None]
        sides = [2 * radius + 1 for radius in radii if self.signal == "local"]
        found = [min(side, 2 * self.shape[0]) * min(side, 2 * self.shape[1]) for side in sides]
        read, held = sum(found), sum(min(one, self.units) for one in found)
        numbers = m * m * (near + held + 1) + m + 1
        if self.narrow:
            numbers = 2 * m + 1 + (self.rank or 0) ** 2 * (near + held) * (self.share == "none")
        return self.units * (numbers * (4 if self.dtype == "float32" else 8) + 4 * (near + read) + 8)

    @property
    def neurons(self) -> int:
        """n = H W m."""
        return self.units * self.channels
