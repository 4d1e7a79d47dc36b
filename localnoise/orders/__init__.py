"""Orders of the units, one a file, each registered under its name; and each unit's parents: units earlier in the order.

`raster`: row by row; the parents lie within a Chebyshev radius (radius 1: W, NW, N, NE), nearest first.
`multiscale`: coarse to fine; the parents are the nearest units already placed.
An order of your own is a function that follows `Order`, under `@register("my-order")`: see `localnoise.orders.base`.
"""

from localnoise.orders.base import ORDERS as ORDERS
from localnoise.orders.base import Order as Order
from localnoise.orders.correlated import by_correlation as by_correlation
from localnoise.orders.multiscale_order import multiscale as multiscale
from localnoise.orders.nearest import MOST_HUBS as MOST_HUBS
from localnoise.orders.nearest import neighbours as neighbours
from localnoise.orders.nearest import parents as parents
from localnoise.orders.nearest import slots as slots
from localnoise.orders.nearest import with_hubs as with_hubs
from localnoise.orders.raster_order import raster as raster

register = ORDERS.register
"""Decorator that enters an order: `@register("my-order")`."""

__all__ = [
    "MOST_HUBS",
    "ORDERS",
    "Order",
    "by_correlation",
    "multiscale",
    "neighbours",
    "parents",
    "raster",
    "register",
    "slots",
    "with_hubs",
]


def __dir__() -> list[str]:
    """Return the public names, without what the package imports for itself."""
    return sorted(__all__)
