"""Which units of a grid can share weights: those with the same neighbors, and those with neighbors as near."""

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int32]


def classes(parents: Ints, readers: Ints, shape: tuple[int, int], periodic: bool) -> Ints:
    """Return the class of each unit, (N,) int32: units of a class have their parents and readers at the same offsets.

    Raster order has one class of units far from the border, and one for each way in which a border cuts their
    neighbors off: 5 at radius 1. A multiscale order has some for each of its levels: 58 for K=8 on 16 x 16 units.
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


def levels(parents: Ints, shape: tuple[int, int], periodic: bool) -> Ints:
    """Return the level of each unit, (N,) int32: units of a level have parents at the same distances, in any direction.

    What parents leave to a unit's private noise depends on how far they are: all of the covariance at the root, little
    at a unit that lies between its parents.
    """
    height, width = shape
    y, x = np.divmod(np.arange(len(parents)), width)
    dy, dx = np.abs(parents // width - y[:, None]), np.abs(parents % width - x[:, None])
    if periodic:
        dy, dx = np.minimum(dy, height - dy), np.minimum(dx, width - dx)
    distances = np.sort(np.where(parents >= 0, dy * dy + dx * dx, -1), axis=1)
    return np.unique(distances, axis=0, return_inverse=True)[1].reshape(len(parents)).astype(np.int32)
