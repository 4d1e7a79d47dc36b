"""The float field whose weights are the integers' values: what a chip grid's law is, but for rounding and overflow."""

import numpy as np

from localnoise.field import Field
from localnoise.hardware.formats import Formats
from localnoise.hardware.narrow import OFFSET, NarrowWords
from localnoise.hardware.words import NEAR, OWN, READ, IntegerField
from localnoise.narrow import NarrowField


def realised(f: IntegerField | NarrowWords, formats: Formats) -> Field:
    """Return the field between words, float64: T = (I - L)^-1 times diag(s), B, G and bias, and gain = 2^-scale.

    Of narrow words the same law as a narrow field, whose directions are the integers.
    """
    if isinstance(f, NarrowWords):
        return _narrow(f, formats)
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


def _narrow(f: NarrowWords, formats: Formats) -> NarrowField:
    point = f.point
    past, read = f.past.astype(np.float64), np.ldexp(f.read.astype(np.float64), f.activation_scale)
    fraction = f.fraction if f.rank else np.full(f.lift.shape[:2], point)
    past, read = (
        np.ldexp(weights, (f.lift[..., group] - fraction)[:, :, None])
        for weights, group in ((past, NEAR), (read, READ))
    )
    if f.rank:  # what projections drop, and what leads back, goes into the weights
        out = (f.up - point)[:, None]
        past = np.ldexp(past, out - np.tile(f.down, f.parents.shape[1]))
        read = np.ldexp(read, out - np.tile(f.sunk, f.readers.shape[1]))
    return NarrowField(
        order=f.order,
        parents=f.parents,
        readers=f.readers,
        kinds=f.kinds,
        levels=f.levels,
        a=np.ldexp(f.bias.astype(np.float64), int(f.shifts[OFFSET]) - point),
        scale=np.ldexp(f.s * formats.normal_deviation, (f.own - point)[:, None]),
        L=np.ldexp(f.factor.astype(np.float64), -f.deep[:, :, None]),
        inward=f.inward.astype(np.float64),
        reading=f.reading.astype(np.float64),
        past=past,
        read=read,
        gain=np.ldexp(1.0, -f.scale),
    )
