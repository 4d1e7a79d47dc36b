"""A field of wide layers: weights that places share, or that carry a few directions of the channels, as arrays.

    x_u = a_u + V' W_c Z z_u + scale_u L_l xi_u,   z_u = [h_R(u); x_P(u)],   eta_u = gain_u x_u

W_c are the weights of the unit's class c = kinds[u]: of all units with the same neighbors (share="places"), or its own.
With a rank r, Z projects each neighbor's channels on r directions (V = `inward` for the parents, `reading` for the
activation), and V' leads back to the channels; without, both are left out. L_l is a factor that all units of a level
share (`places.levels`); offsets, scales of the channels and gains are each unit's own. It is a field like any other: a
sweep draws it, a sum of unit terms scores it. What is stored is what kernels read; `G`, `B` and `S` are expanded where
something asks for them, and cannot be written.
"""

from typing import Any, final

import numpy as np
import numpy.typing as npt

from localnoise.config import GridConfig
from localnoise.errors import ArgumentError
from localnoise.field import Field, Floats, Ints, in_range
from localnoise.places import classes, levels

WEIGHTS = ("a", "scale", "L", "inward", "reading", "past", "read", "gain")
ARRAYS = ("order", "parents", "readers", "kinds", "levels", *WEIGHTS)


@final
class NarrowField(Field):
    """Topology and weights of N units with m channels, K parents and R readers; r is the rank, C the shared maps.

    Attributes
    ----------
    order, parents, readers, a, gain
        As in `Field`.
    kinds : (N,) int32
        Which weights a unit has: of its class of places, or with share="none" its own.
    levels : (N,) int32
        Which factor a unit has.
    scale, L : floating
        (N, m), (levels, m, m) lower triangular: S_u = diag(scale_u) L_l.
    inward, reading : floating
        (r, m): directions of the channels, the same at every place; no rows without a rank.
    past, read : floating
        (C, r, K r), (C, r, R r); without a rank (C, m, K m), (C, m, R m).
    """

    kinds: Ints
    levels: Ints
    scale: Floats
    L: Floats
    inward: Floats
    reading: Floats
    past: Floats
    read: Floats

    def __init__(self, **arrays: Any) -> None:
        vars(self).update(arrays)

    @property
    def B(self) -> Floats:  # noqa: N802
        """(N, m, K m), expanded: a copy that cannot be written."""
        return self._expanded(self.past, self.inward)

    @property
    def G(self) -> Floats:  # noqa: N802
        """(N, m, R m), expanded: a copy that cannot be written."""
        return self._expanded(self.read, self.reading)

    @property
    def S(self) -> Floats:  # noqa: N802
        """(N, m, m) lower triangular, expanded: a copy that cannot be written."""
        S = self.scale[:, :, None] * self.L[self.levels]
        S.flags.writeable = False
        return S

    def _expanded(self, weights: Floats, basis: Floats) -> Floats:
        W = weights[self.kinds]
        if len(basis):
            (N, r, width), m = W.shape, basis.shape[1]
            blocks = W.reshape(N, r, width // r, r)
            W = np.einsum("oi,nokp,pj->nikj", self.inward, blocks, basis, optimize=True).reshape(N, m, width // r * m)
        W.flags.writeable = False
        return W

    @property
    def channels(self) -> int:
        """Channels per unit, m."""
        return int(self.a.shape[1])

    @property
    def regressors(self) -> int:
        """Length p of z_u, as of a field that is not narrow."""
        slots = int(self.parents.shape[1] + self.readers.shape[1])
        return slots * self.channels + int(self.signal)

    @property
    def carried(self) -> int:
        """Numbers of a unit that a link carries: r, or all channels."""
        return len(self.inward) or self.channels

    @property
    def numbers(self) -> int:
        """Numbers that the field needs: weights, factors, directions, offsets, scales, gains; what is shared, once."""
        (N, m), r = self.a.shape, self.carried
        own = N * (m + 1 + (m if self.signal else 0))
        factors = len(self.L) * (m * (m + 1) // 2) + (1 + self.signal) * self.inward.size
        return int(int(self._links.sum()) * r * r + factors + own)

    @property
    def hardest(self) -> int:
        """Most regressors for the displacements of one place; those of shared weights are for all of their places."""
        return int(max(1, (-(-self._links * self.carried // np.bincount(self.kinds))).max()))

    @property
    def _links(self) -> npt.NDArray[np.int64]:
        """Links that each of the C weights has, (C,)."""
        there = (self.parents >= 0).sum(axis=1) + (self.readers >= 0).sum(axis=1)
        most = np.zeros(len(self.past), np.int64)
        np.maximum.at(most, self.kinds, there)
        return most

    @property
    def log_scale(self) -> float:
        """Log determinant of diag(gain) S over all units."""
        numbers = np.log(self.scale.astype(np.float64)).sum()
        diagonals = np.log(np.diagonal(self.L, axis1=1, axis2=2).astype(np.float64)).sum(axis=1)
        return float(
            numbers + diagonals[self.levels].sum() + self.channels * np.log(self.gain.astype(np.float64)).sum()
        )

    def assign(self, W: Floats, S: Floats) -> None:
        """Refuse weights that are each unit's own."""
        raise ArgumentError(
            "rule: it writes weights for every unit alone, and this grid shares or reduces them (share=, rank=): "
            "expected rule='moments'"
        )

    def take(self, **arrays: npt.NDArray[Any]) -> None:
        """Take learned weights, by the names of `WEIGHTS`, all at once; the gain returns to 1.

        Raises
        ------
        ArgumentError
            If they do not fit into the field's precision; the field is left as it was.
        """
        dtype = self.a.dtype
        with np.errstate(over="ignore", under="ignore"):
            new = {name: np.ascontiguousarray(value, dtype) for name, value in arrays.items()}
        positive = (new["scale"] > 0).all() and (np.diagonal(new["L"], axis1=1, axis2=2) > 0).all()
        if not (positive and all(np.isfinite(value).all() for value in new.values())):
            raise ArgumentError(
                f"d: learned weights leave the range of {dtype}: expected displacements and activations of moderate "
                "size; rescale them, or build UnitGrid(dtype='float64')"
            )
        vars(self).update(new, gain=np.ones_like(self.gain))  # one step of the interpreter

    def at_once(self) -> "NarrowField":
        """Return the field as it is: it shares all arrays."""
        return NarrowField(**vars(self))

    def with_gain(self, gain: npt.NDArray[np.float64], what: str) -> "NarrowField":
        """Return the field with another gain; see `Field.with_gain`."""
        return NarrowField(**vars(self) | {"gain": in_range(gain, self.gain.dtype, what), "_wires": self.wires})

    def astype(self, dtype: Any) -> "NarrowField":
        """The same field in another precision (a copy)."""
        return NarrowField(**vars(self) | {name: getattr(self, name).astype(dtype) for name in WEIGHTS})

    def copy(self) -> "NarrowField":
        """Return the same field in weights of its own."""
        return self.astype(self.a.dtype)

    def widened(self) -> Field:
        """Return the same law as a field in which every unit has all of its weights."""
        weights = {name: np.array(getattr(self, name), order="C") for name in ("a", "G", "B", "S", "gain")}
        weights |= {"order": self.order, "parents": self.parents, "readers": self.readers}
        return Field(**weights, most_read=self.most_read)

    @property
    def _maps(self) -> tuple[Floats, ...]:
        outward = np.ascontiguousarray(self.inward.T)
        return self.inward, self.reading, outward, self.past, self.read, self.gain

    def draw(
        self, eta: Floats, h: Floats, a: Floats, seed: Any, places: Any, signal: bool, white: bool, tile: int
    ) -> None:
        """Write a draw, or the mean, for each activation h (T, m, N) into eta; see `drawing.draw_into`."""
        from localnoise.kernels.narrow import draw_narrow

        tiles = -(-len(eta) // tile)
        places = np.concatenate([places, np.zeros(tiles * tile - len(eta), np.uint64)])
        wires = (self.order, self.parents, self.readers, self.kinds, self.levels)
        draw_narrow(
            eta, h, *wires, a, self.scale, self.L, *self._maps, seed, places, signal, white, tile, parts=tiles
        )  # fmt: skip

    def whiten(self, e: Floats, d: Floats, h: Floats, signal: bool, affine: bool, tile: int) -> None:
        """Write whitened innovations of d (T, m, N) into e."""
        from localnoise.kernels.narrow import whiten_narrow

        inverse = np.ascontiguousarray(np.linalg.inv(self.L.astype(np.float64)).astype(self.L.dtype))
        weights = (self.parents, self.readers, self.kinds, self.levels, self.a, self.scale, inverse, *self._maps)
        whiten_narrow(e, d, h, *weights, signal, affine, tile, parts=-(-len(d) // tile))

    def pull_back(self, out: Floats, gradient: Floats) -> None:
        """Write the adjoint of the mean's linear part, (T, m, N), into out."""
        from localnoise.kernels.narrow import pull_back_narrow

        pull_back_narrow(out, gradient, self.order, self.parents, self.readers, self.kinds, *self._maps)


def initial(config: GridConfig, order: Ints, parents: Ints, readers: Ints) -> Field:
    """Return independent unit-variance noise on these wires, in the form that the configuration asks for."""
    if not config.narrow:
        return Field.initial(order, parents, readers, config.channels, config.dtype, config.most_read)
    kinds, periodic = np.arange(config.units, dtype=np.int32), config.boundary == "periodic"
    if config.share == "places":
        kinds = classes(parents, readers, config.shape, periodic)
    above = levels(parents, config.shape, periodic)
    sizes = (parents.shape[1], readers.shape[1], int(kinds.max()) + 1, int(above.max()) + 1)
    arrays = {name: np.zeros(shape, config.dtype) for name, shape in narrow_shapes(config, *sizes).items()}
    arrays["L"][:] = np.eye(config.channels)
    arrays["scale"][:] = arrays["gain"][:] = 1
    wires = {"order": order, "parents": parents, "readers": readers, "kinds": kinds, "levels": above}
    return NarrowField(**wires, most_read=config.most_read, **arrays)


def narrow_shapes(config: GridConfig, parents: int, readers: int, kinds: int, above: int) -> dict[str, tuple[int, ...]]:
    """Return the shape of each array of `WEIGHTS`, for so many slots, classes of places and levels."""
    N, m, r = config.units, config.channels, config.rank or 0
    q = r or m
    return {
        "a": (N, m), "scale": (N, m), "L": (above, m, m), "inward": (r, m), "reading": (r, m),
        "past": (kinds, q, parents * q), "read": (kinds, q, readers * q), "gain": (N,),
    }  # fmt: skip
