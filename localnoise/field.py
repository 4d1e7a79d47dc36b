"""The local noise field as arrays, one row a unit: what kernels read, rules write and files hold.

    x_u = a_u + G_u h_R(u) + B_u x_P(u) + S_u xi_u,   xi_u ~ N(0, I_m),   eta_u = gain_u x_u

Parents enter before their gain. Its conditional covariance is diag(gain) (I - B)^-1 S S' (I - B)^-T
diag(gain): positive definite whatever the weights, as long as the diagonals of S and the gains are positive.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from localnoise.errors import ArgumentError
from localnoise.pairs import Pairs
from localnoise.wiring import Wires

Floats = npt.NDArray[np.floating[Any]]
Ints = npt.NDArray[np.int32]


@dataclass(frozen=True, kw_only=True)
class Field:
    """Topology and weights of N units with m channels, K parents and R readable activations each.

    Attributes
    ----------
    order : (N,) int32
        Units in the order of the sweep.
    parents : (N, K) int32
        Each unit's parents, -1 where it has fewer.
    readers : (N, R) int32
        Units whose activation it reads (itself first), -1 where clipped; N + u: the second activation of unit u. R = 0
        without signal dependence.
    a, G, B, S, gain : floating
        (N, m), (N, m, R m), (N, m, K m), (N, m, m) lower triangular, (N,).
    most_read : int
        How many activations units may read: 1; 2 of a configuration with a `second_radius`.
    """

    order: Ints
    parents: Ints
    readers: Ints
    a: Floats
    G: Floats
    B: Floats
    S: Floats
    gain: Floats
    most_read: int = 1

    @classmethod
    def initial(
        cls, order: Ints, parents: Ints, readers: Ints, channels: int, dtype: Any, most_read: int = 1
    ) -> "Field":
        """Independent unit-variance noise: a = G = B = 0, S = I, gain = 1."""
        units, m = len(order), channels
        return cls(
            order=order,
            parents=parents,
            readers=readers,
            a=np.zeros((units, m), dtype),
            G=np.zeros((units, m, readers.shape[1] * m), dtype),
            B=np.zeros((units, m, parents.shape[1] * m), dtype),
            S=np.tile(np.eye(m, dtype=dtype), (units, 1, 1)),
            gain=np.ones(units, dtype),
            most_read=most_read,
        )

    @property
    def wires(self) -> Wires:
        """The wires as they are now, checked, with the tables that kernels need; made again where they were edited.

        Raises
        ------
        ArgumentError
            They were edited so that no sweep could run.
        """
        wires: Wires | None = self.__dict__.get("_wires")
        if wires is None or not wires.are(self.order, self.parents, self.readers):
            self.__dict__["_wires"] = wires = Wires(self.order, self.parents, self.readers, self.most_read)
        return wires

    @property
    def pairs(self) -> Pairs:
        """The second moments that the wires need."""
        return self.wires.pairs

    @property
    def ring(self) -> int:
        """Units that a ring buffer of a sweep holds, less 1, or -1; see `Wires.ring`."""
        return self.wires.ring

    @property
    def fronts(self) -> tuple[Ints, npt.NDArray[np.int64]]:
        """Units sorted by how many generations of parents they wait for, and where each generation begins."""
        return self.wires.fronts

    @property
    def signal(self) -> bool:
        """Return whether the units read the activation."""
        return bool(self.readers.shape[1] > 0)

    @property
    def channels(self) -> int:
        """Channels per unit, m."""
        return int(self.S.shape[1])

    @property
    def regressors(self) -> int:
        """Length p of z_u = [1; h_R(u); d_P(u)] (of d_P(u) alone without signal dependence)."""
        return int((1 + self.G.shape[2] if self.signal else 0) + self.B.shape[2])

    @property
    def whitening(self) -> tuple[Floats, Floats, Floats, Floats]:
        """offset, read, past, own of e_u = own_u d_u + past_u d_P + [offset_u + read_u h_R], e_u white; see `fold`."""
        from localnoise.kernels.score import fold

        out = np.empty_like(self.a), np.empty_like(self.G), np.empty_like(self.B), np.empty_like(self.S)
        fold(*out, self.a, self.G, self.B, self.S, self.gain, self.parents)
        return out

    @property
    def weights(self) -> Floats:
        """W = [a G B] of every unit, (N, m, p), a copy."""
        parts = [self.a[:, :, None], self.G, self.B] if self.signal else [self.B]
        return np.concatenate(parts, axis=2)

    def assign(self, W: Floats, S: Floats) -> None:
        """Take learned weights W (N, m, p) and factors S (N, m, m), all at once; the gain returns to 1.

        The arrays are new ones: whoever holds the old ones, or stops this half way, has the old field as a whole.

        Raises
        ------
        ArgumentError
            If they do not fit into the field's precision; the field is left as it was.
        """
        dtype = self.S.dtype
        with np.errstate(over="ignore", under="ignore"):
            W, S = W.astype(dtype), S.astype(dtype)
        diagonal = np.diagonal(S, axis1=1, axis2=2)
        if not (np.isfinite(W).all() and np.isfinite(S).all() and (diagonal > 0).all()):
            raise ArgumentError(
                f"d: learned weights leave the range of {dtype}: expected displacements and activations of moderate "
                "size; rescale them, or build UnitGrid(dtype='float64')"
            )
        new = {"B": np.ascontiguousarray(W[:, :, W.shape[2] - self.B.shape[2] :]), "S": S}
        new["gain"] = np.ones_like(self.gain)
        if self.signal:
            new["a"] = W[:, :, 0].copy()
            new["G"] = np.ascontiguousarray(W[:, :, 1 : 1 + self.G.shape[2]])
        vars(self).update(new)  # one step of the interpreter

    def at_once(self) -> "Field":
        """Return the field as it is: it shares all arrays, and no `assign` meanwhile reaches it."""
        now = object.__new__(Field)
        vars(now).update(vars(self))  # one step of the interpreter
        return now

    def copy(self) -> "Field":
        """Return the same field in arrays of its own."""
        return self.astype(self.S.dtype)

    def with_gain(self, gain: npt.NDArray[np.float64], what: str) -> "Field":
        """Return the field with another gain, (N,); it shares all other arrays.

        Raises
        ------
        ArgumentError
            A gain leaves the range of the field's precision; `what` begins the message: "trace=1e300".
        """
        changed = replace(self, gain=in_range(gain, self.gain.dtype, what))
        vars(changed)["_wires"] = self.wires
        return changed

    def astype(self, dtype: Any) -> "Field":
        """The same field in another precision (a copy)."""
        weights = {name: getattr(self, name).astype(dtype) for name in ("a", "G", "B", "S", "gain")}
        weights |= {"order": self.order, "parents": self.parents, "readers": self.readers}
        same = Field(**weights, most_read=self.most_read)
        vars(same)["_wires"] = vars(self).get("_wires")  # looked at again when they are asked for
        return same


def in_range(gain: npt.NDArray[np.float64], dtype: Any, what: str) -> Floats:
    """Return gains in a field's precision.

    Raises
    ------
    ArgumentError
        A gain leaves the range of the precision; `what` begins the message: "variance=1e300".
    """
    with np.errstate(over="ignore", under="ignore"):
        cast = gain.astype(dtype)
    if not (np.isfinite(cast).all() and (cast > 0).all()):
        raise ArgumentError(
            f"{what}: a unit's gain would leave the range of {cast.dtype}: expected noise of moderate size, or a "
            "grid with dtype='float64'"
        )
    return np.asarray(cast)
