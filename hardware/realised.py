"""The float field whose weights are the integers' values: what a chip grid's law is, but for rounding and overflow."""

import numpy as np

from localnoise.field import Field
from localnoise.hardware.formats import Formats
from localnoise.hardware.words import NEAR, OWN, READ, IntegerField


def realised(f: IntegerField, formats: Formats) -> Field:
    """Return the field between words, float64: T = (I - L)^-1 times diag(s), B, G and bias, and gain = 2^-scale."""
    m = f.channels
    unit = np.ldexp(1.0, f.lift.T - f.fraction)[:, :, None, None]
    T = np.linalg.inv(np.eye(m) - f.L * unit[NEAR])
    s = f.s * unit[OWN, :, 0] * formats.normal_deviation
    a = np.ldexp(f.bias.astype(np.float64), -f.fraction[:, None])
    return Field(
        order=f.order,
        parents=f.parents,
        readers=f.readers,
        a=np.einsum("uij,uj->ui", T, a),
        G=T @ f.G * unit[READ] * 2.0**f.activation_scale,
        B=T @ f.B * unit[NEAR],
        S=T * s[:, None, :],
        gain=np.ldexp(1.0, -f.scale),
    )
