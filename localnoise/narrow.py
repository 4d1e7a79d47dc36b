"""A field of wide layers: maps of weights that places share, and each unit's own weights of a low rank, as arrays.

    eta_u = gain_u * (a_u + C_c z_u + outward M_u Z z_u + scale_u L_c xi_u),   z_u = [h_R(u); eta_P(u)]

c = kinds[u] is the unit's class of places, C_c its map, Z projects each neighbor's channels on r directions (`inward`
for the parents, `reading` for the activation), M_u is the unit's own. Without share="places" there is no C_c and one
class; without a rank no M_u. It is a field like any other: a sweep draws it, a sum of unit terms scores it. What is
stored is what kernels read; `G`, `B` and `S` are expanded where something asks for them, and cannot be written.
"""

from typing import Any, final

import numpy as np
import numpy.typing as npt

from localnoise.config import GridConfig
from localnoise.errors import ArgumentError
from localnoise.field import Field, Floats, Ints, in_range
from localnoise.places import classes

_MAPS = ("common_past", "common_read", "inward", "reading", "outward", "own_past", "own_read", "gain")
WEIGHTS = ("a", "scale", "L", *_MAPS)
ARRAYS = ("order", "parents", "readers", "kinds", *WEIGHTS)


@final
class NarrowField(Field):
    """Topology and weights of N units with m channels, K parents and R readers; r is the rank, C the shared maps.

    Attributes
    ----------
    order, parents, readers, a, gain
        As in `Field`.
    kinds : (N,) int32
        The class of places of each unit; all 0 without share="places".
    scale, L : floating
        (N, m), (classes, m, m): S_u = diag(scale_u) L_c.
    common_past, common_read : floating
        (C, m, K m), (C, m, R m); C is 0 without share="places".
    inward, reading, outward : floating
        (r, m), (r, m), (m, r): directions of the channels, the same at every place; r is 0 without a rank.
    own_past, own_read : floating
        (N, r, K r), (N, r, R r).
    """

    kinds: Ints
    scale: Floats
    L: Floats
    common_past: Floats
    common_read: Floats
    inward: Floats
    reading: Floats
    outward: Floats
    own_past: Floats
    own_read: Floats

    def __init__(self, **arrays: Any) -> None:
        vars(self).update(arrays)

    @property
    def B(self) -> Floats:  # noqa: N802
        """(N, m, K m), expanded: a copy that cannot be written."""
        return self._expanded(self.common_past, self.own_past, self.inward, self.parents.shape[1])

    @property
    def G(self) -> Floats:  # noqa: N802
        """(N, m, R m), expanded: a copy that cannot be written."""
        return self._expanded(self.common_read, self.own_read, self.reading, self.readers.shape[1])

    @property
    def S(self) -> Floats:  # noqa: N802
        """(N, m, m) lower triangular, expanded: a copy that cannot be written."""
        S = self.scale[:, :, None] * self.L[self.kinds]
        S.flags.writeable = False
        return S

    def _expanded(self, common: Floats, local: Floats, basis: Floats, wires: int) -> Floats:
        (N, m), r = self.a.shape, len(basis)
        W = common[self.kinds] if len(common) else np.zeros((N, m, wires * m), self.a.dtype)
        if r and wires:
            blocks = local.reshape(N, r, wires, r)
            W += np.einsum("io,nokp,pj->nikj", self.outward, blocks, basis, optimize=True).reshape(W.shape)
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
    def numbers(self) -> int:
        """Numbers that the field needs: shared maps and factors, directions, own weights, offsets, scales, gains."""
        (N, m), r = self.a.shape, len(self.inward)
        there = (self.parents >= 0).sum(axis=1) + (self.readers >= 0).sum(axis=1)
        links = 0
        if len(self.common_past):
            most = np.zeros(len(self.common_past), np.int64)
            np.maximum.at(most, self.kinds, there)
            links = int(most.sum()) * m * m
        directions = (2 + self.signal) * r * m
        own = int(there.sum()) * r * r + N * (m + 1 + (m if self.signal else 0))
        return int(links + len(self.L) * (m * (m + 1) // 2) + directions + own)

    @property
    def hardest(self) -> int:
        """Most regressors for the displacements of one place; a shared map's are for those of all its places."""
        (_, m), r = self.a.shape, len(self.inward)
        there = (self.parents >= 0).sum(axis=1) + (self.readers >= 0).sum(axis=1)
        places = np.bincount(self.kinds)[self.kinds]
        common = -(-there * m // places) if len(self.common_past) else 0 * there
        return int(max(1, (common + there * r).max()))

    @property
    def log_scale(self) -> float:
        """Log determinant of diag(gain) S over all units."""
        numbers = np.log(self.scale.astype(np.float64)).sum()
        diagonals = np.log(np.diagonal(self.L, axis1=1, axis2=2).astype(np.float64)).sum(axis=1)
        return float(numbers + diagonals[self.kinds].sum() + self.channels * np.log(self.gain.astype(np.float64)).sum())

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
        weights = {name: np.array(getattr(self, name)) for name in ("a", "G", "B", "S", "gain")}
        return Field(order=self.order, parents=self.parents, readers=self.readers, **weights)

    @property
    def _maps(self) -> tuple[Floats, ...]:
        return tuple(getattr(self, name) for name in _MAPS)

    def draw(
        self, eta: Floats, h: Floats, a: Floats, seed: Any, places: Any, signal: bool, white: bool, tile: int
    ) -> None:
        """Write a draw, or the mean, for each activation h (T, m, N) into eta; see `drawing.draw_into`."""
        from localnoise.kernels.narrow import draw_narrow

        tiles = -(-len(eta) // tile)
        places = np.concatenate([places, np.zeros(tiles * tile - len(eta), np.uint64)])
        wires = (self.order, self.parents, self.readers, self.kinds)
        draw_narrow(
            eta, h, *wires, a, self.scale, self.L, *self._maps, seed, places, signal, white, tile, parts=tiles
        )  # fmt: skip

    def whiten(self, e: Floats, d: Floats, h: Floats, signal: bool, affine: bool, tile: int) -> None:
        """Write whitened innovations of d (T, m, N) into e."""
        from localnoise.kernels.narrow import whiten_narrow

        inverse = np.ascontiguousarray(np.linalg.inv(self.L.astype(np.float64)).astype(self.L.dtype))
        weights = (self.parents, self.readers, self.kinds, self.a, self.scale, inverse, *self._maps)
        whiten_narrow(e, d, h, *weights, signal, affine, tile, parts=-(-len(d) // tile))

    def pull_back(self, out: Floats, gradient: Floats) -> None:
        """Write the adjoint of the mean's linear part, (T, m, N), into out."""
        from localnoise.kernels.narrow import pull_back_narrow

        pull_back_narrow(out, gradient, self.order, self.parents, self.readers, self.kinds, *self._maps)


def initial(config: GridConfig, order: Ints, parents: Ints, readers: Ints) -> Field:
    """Return independent unit-variance noise on these wires, in the form that the configuration asks for."""
    if not config.narrow:
        return Field.initial(order, parents, readers, config.channels, config.dtype)
    kinds = np.zeros(config.units, np.int32)
    if config.share == "places":
        kinds = classes(parents, readers, config.shape, config.boundary == "periodic")
    shapes = narrow_shapes(config, parents.shape[1], readers.shape[1], int(kinds.max()) + 1)
    arrays = {name: np.zeros(shapes[name], config.dtype) for name in WEIGHTS}
    arrays["L"][:] = np.eye(config.channels)
    arrays["scale"][:] = arrays["gain"][:] = 1
    return NarrowField(order=order, parents=parents, readers=readers, kinds=kinds, **arrays)


def narrow_shapes(config: GridConfig, parents: int, readers: int, kinds: int) -> dict[str, tuple[int, ...]]:
    """Return the shape of each array of `WEIGHTS`, for so many slots and classes of places."""
    N, m, r = config.units, config.channels, config.rank or 0
    C = kinds if config.share == "places" else 0
    return {
        "a": (N, m), "scale": (N, m), "L": (kinds, m, m), "common_past": (C, m, parents * m),
        "common_read": (C, m, readers * m), "inward": (r, m), "reading": (r, m), "outward": (m, r),
        "own_past": (N, r, parents * r), "own_read": (N, r, readers * r), "gain": (N,),
    }  # fmt: skip
