"""Which units of a grid see the same neighbors, so that they can share weights: classes of places."""

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int32]


def classes(parents: Ints, readers: Ints, shape: tuple[int, int], periodic: bool) -> Ints:
    """Return the class of each unit, (N,) int32: units of a class have their parents and readers at the same offsets.

    Raster order has one class of units far from the border, and one for each way in which a border cuts their
    neighbors off: 5 at radius 1. A multiscale order has many, of which few hold more than a few units.
    """
    height, width = shape
    units = len(parents)
    y, x = np.divmod(np.arange(units), width)
    columns = []
    for wires in (parents, readers):
        dy, dx = wires // width - y[:, None], wires % width - x[:, None]
        if periodic:
            dy, dx = dy % height, dx % width
        else:
            dy, dx = dy + height, dx + width
        columns.append(np.where(wires >= 0, 2 * dy * width + dx, -1))
    _, kinds = np.unique(np.concatenate(columns, axis=1), axis=0, return_inverse=True)
    return kinds.reshape(units).astype(np.int32)
