"""The target of the integers: the float field in the form that a chip computes, in units of words."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from localnoise.errors import ArgumentError
from localnoise.field import Field
from localnoise.hardware.formats import Formats

Floats = npt.NDArray[np.float64]
HEADROOM = 4.0  # standard deviations of a unit's loudest channel that a word holds


@dataclass(frozen=True, kw_only=True)
class Target:
    """Weights between words, float64: eta_ui = a + (G h)_i + (B eta_P)_i + sum_{j<i} L_ij eta_uj + s_i xi_i.

    Attributes
    ----------
    a, G, B, L, s : float64
        (N, m), (N, m, R m), (N, m, K m), (N, m, m), (N, m); xi has the Gaussian word's variance.
    scale : (N,) int32
        Fraction bits of each unit's words.
    activation_scale : int
        Fraction bits of an activation word.
    width : int
        Units in a row of the grid, for messages.
    """

    a: Floats
    G: Floats
    B: Floats
    L: Floats
    s: Floats
    scale: npt.NDArray[np.int32]
    activation_scale: int
    width: int


def target(field: Field, formats: Formats, loudness: Floats, loudest: float, width: int) -> Target:
    """Bring `field`, its gain included, into words.

    Parameters
    ----------
    loudness : (N,)
        Root mean square of each unit's loudest channel, in activation units.
    loudest : float
        Largest magnitude of an activation; 0 without signal dependence.
    width : int
        Units in a row of the grid.

    Raises
    ------
    ArgumentError
        A unit's noise has no variance, or is no finite number: no scale can hold it.
    """
    m = field.channels
    bad = np.flatnonzero(~(np.isfinite(loudness) & (loudness > 0)))
    if bad.size:
        raise ArgumentError(
            f"unit {divmod(int(bad[0]), width)} has noise of standard deviation {loudness[bad[0]]:g}: expected a "
            "finite number > 0, for a word needs a scale; drop the unit, or learn with a ridge > 0"
        )
    scale = np.floor(np.log2(formats.word_limit / (HEADROOM * loudness))).astype(np.int32)
    activation_scale = int(np.floor(np.log2((formats.activation_limit + 1) / loudest))) if loudest > 0 else 0
    double = field.astype(np.float64)
    deviation = np.diagonal(double.S, axis1=1, axis2=2)
    inverse = np.linalg.inv(double.S / deviation[:, None, :])  # T^-1 of S = T diag(s)
    gain = np.ldexp(double.gain, scale)
    from_parent = np.where(field.parents >= 0, 1 / gain[field.parents], 0)
    B = _scaled(inverse @ double.B, gain, np.repeat(from_parent, m, axis=1))
    G = _scaled(inverse @ double.G, gain, np.ldexp(1.0, -activation_scale))
    a = np.einsum("uij,uj->ui", inverse, double.a) * gain[:, None]
    s = deviation * gain[:, None] / formats.normal_deviation
    L = np.tril(np.eye(m) - inverse, -1)
    return Target(a=a, G=G, B=B, L=L, s=s, scale=scale, activation_scale=activation_scale, width=width)


def _scaled(weights: Floats, rows: Floats, columns: Any) -> Floats:
    columns = np.broadcast_to(columns, (weights.shape[0], weights.shape[2]))
    return np.asarray(weights * rows[:, None, None] * columns[:, None, :])
