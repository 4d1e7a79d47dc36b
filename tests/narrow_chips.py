"""Small chip grids with `share` or `rank`."""

import numpy as np
from hypothesis import strategies as st

import localnoise as ln
from localnoise.hardware import Formats, quantise

FORMS = {
    "places": {"share": "places"},
    "rank": {"rank": 2},
    "both": {"share": "places", "rank": 3},
}
ALL = [(form, signal) for form in FORMS for signal in ("none", "local")]
ODD = Formats(rounding="stochastic", generator="lfsr24", overflow="wrap", accumulator_bits=40, word_bits=9)


def learned(shape=(4, 4), channels=4, signal="none", seed=0, count=800, **options):
    rng = np.random.default_rng(seed)
    h = np.tanh(rng.normal(size=(count, channels, *shape))).astype(np.float32)
    d = 0.3 * rng.normal(size=h.shape) + 0.4 * np.roll(h, 1, 3) * (signal == "local")
    d = (d + np.roll(d, 1, 2) + np.roll(d, 1, 1) + 0.5 * np.roll(d, 1, 3)).astype(np.float32)
    grid = ln.UnitGrid(shape, channels, signal=signal, **options)
    return (grid.learn(d, h).normalise(0.5), h) if signal == "local" else (grid.learn(d).normalise(0.5), None)


def made(form="both", signal="none", widths=None, **options):
    grid, h = learned(signal=signal, parents=3, **FORMS[form], **options)
    return grid, quantise(grid, widths, h=h), h


NARROW = st.fixed_dictionaries(
    {
        "shape": st.tuples(st.integers(1, 4), st.integers(1, 4)),
        "channels": st.integers(1, 4),
        "share": st.sampled_from(["none", "places"]),
        "rank": st.sampled_from([None, 1, 2, 3]),
        "order": st.sampled_from(["raster", "multiscale"]),
        "boundary": st.sampled_from(["clipped", "periodic"]),
        "signal": st.sampled_from(["none", "local"]),
    }
)


def small(share, rank, channels, **options):
    rank = rank if rank is None or rank <= channels else channels
    rank = rank or (None if share == "places" else 1)
    return learned(channels=channels, share=share, rank=rank, parents=2, count=60, **options)
