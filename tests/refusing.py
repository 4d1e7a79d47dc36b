"""Calls that must be refused in one sentence, and leave a grid as it was."""

import warnings

import numpy as np
import pytest

import localnoise as ln
from localnoise.errors import ArgumentError, LocalnoiseError

SHAPE, CHANNELS = (3, 4), 2
d = np.random.default_rng(0).normal(size=(60, CHANNELS, *SHAPE)).cumsum(axis=3)
h = np.random.default_rng(1).normal(size=d.shape)


def plain(**wiring):
    return ln.UnitGrid(SHAPE, CHANNELS, **wiring)


def signal(**wiring):
    return plain(signal="local", **wiring)


def snapshot(grid):
    """Everything that learning could have touched."""
    state = {} if grid.state is None else {k: np.array(v).tobytes() for k, v in grid.state.items()}
    arrays = [getattr(grid.field, name).tobytes() for name in ("a", "G", "B", "S", "gain")]
    return arrays, state, grid.rule


def refuses(message, call, error=ArgumentError):
    """The call raises one of our errors, on one line that matches, and warns of nothing before."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(error, match=message) as caught:
            call()
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, LocalnoiseError)
    if error is ArgumentError:
        assert isinstance(caught.value, ValueError)


def masked(values):
    return np.ma.masked_array(values, np.arange(values.size).reshape(values.shape) == 77)
