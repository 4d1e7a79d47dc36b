"""Strategies of hypothesis for small grids and their formats, shared by the tests of every back end."""

from hypothesis import strategies as st

from localnoise.hardware import Formats
from localnoise.hardware.formats import GENERATORS, NORMALS, OVERFLOWS, ROUNDINGS

WIRING = st.fixed_dictionaries(
    {
        "shape": st.tuples(st.integers(1, 4), st.integers(1, 4)),
        "channels": st.integers(1, 4),
        "parents": st.integers(1, 6),
        "order": st.sampled_from(["raster", "multiscale"]),
        "signal": st.sampled_from(["none", "local"]),
    }
)
SEED = st.integers(0, 2**64 - 1)


def formats(least_weight_bits=2, accumulator_bits=(40, 56, 64)):
    return st.builds(
        Formats,
        weight_bits=st.integers(least_weight_bits, 16),
        word_bits=st.integers(4, 16),
        accumulator_bits=st.sampled_from(accumulator_bits),
        generator=st.sampled_from(GENERATORS),
        normal=st.sampled_from(NORMALS),
        normal_bytes=st.integers(1, 16),
        rounding=st.sampled_from(ROUNDINGS),
        overflow=st.sampled_from(OVERFLOWS),
    )
