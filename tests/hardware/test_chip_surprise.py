"""Surprise in integers: the words are those of an oracle in unbounded integers, the scores those of the float one."""

import numpy as np
import pytest

import localnoise as ln
from localnoise.errors import ArgumentError
from localnoise.hardware import Formats
from localnoise.hardware.surprise import quantise_surprise
from localnoise.surprise.detector import needed_for

SHAPE, CHANNELS = (4, 5), 2


def activations(count, seed):
    rng = np.random.default_rng(seed)
    return np.tanh(rng.normal(size=(count, CHANNELS, *SHAPE)).cumsum(axis=3) / 2).astype(np.float32)


@pytest.fixture(scope="module")
def surprise():
    return ln.UnitGrid(SHAPE, CHANNELS, parents=3).surprise(activations(1600, 0))


@pytest.fixture(scope="module")
def chip(surprise):
    return quantise_surprise(surprise, activations(400, 1))


def test_words_are_exact(chip):
    h = activations(3, 2)
    found = chip.words(h)
    lift, top = 15 - chip.formats.activation_bits, 2 ** (chip.formats.word_bits - 1)
    for t, u, i in np.ndindex(3, 20, CHANNELS):
        y, x = divmod(u, SHAPE[1])

        def centred(v, c, t=t):
            value = int(np.floor(float(h[t, c, v // SHAPE[1], v % SHAPE[1]]) * 2**chip.activation_scale + 0.5))
            word = max(
                min(value, 2 ** (chip.formats.activation_bits - 1) - 1), -(2 ** (chip.formats.activation_bits - 1))
            )
            return (word << lift) - int(chip.centre[v, c])

        row, slots = chip.law[u, i], chip.parents.shape[1]
        acc = sum(
            int(row[k * CHANNELS + c]) * centred(chip.parents[u, k], c)
            for k in range(slots)
            if chip.parents[u, k] >= 0
            for c in range(CHANNELS)
        )
        acc += sum(int(row[slots * CHANNELS + c]) * centred(u, c) for c in range(i + 1))
        bits = int(chip.law_bits[u, i])
        word = (acc + (1 << (bits - 1))) >> bits if bits > 0 else acc << -bits
        assert found[t, i, y, x] == max(min(word, top - 1), -top)


def test_scores_are_those_of_the_float_surprise(surprise, chip):
    h = activations(200, 3)
    exact, near = surprise(h), chip(h)
    assert np.corrcoef(exact.units.ravel(), near.units.ravel())[0, 1] > 0.97
    assert np.corrcoef(exact.image, near.image)[0, 1] > 0.8


def test_limits_are_what_a_chip_compares_sums_of_squares_with(chip):
    h = activations(300, 4)
    low, high = chip.limits(0.1)
    squares = np.square(chip.words(h).astype(np.int64)).sum(axis=1)
    padded = np.pad(squares, ((0, 0), (1, 1), (1, 1)))
    Q = sum(padded[:, dy : dy + SHAPE[0], dx : dx + SHAPE[1]] for dy in range(3) for dx in range(3))
    np.testing.assert_array_equal((low > Q) | (high < Q), chip(h).units_p <= 0.1)
    with pytest.raises(ArgumentError, match=r"p=0\.0001: expected a probability of at least 2 / 401"):
        chip.limits(0.0001)


def test_operations_count_every_weight_once(chip):
    links = int((chip.parents >= 0).sum())
    weights = links * 4 + 20 * 3
    assert chip.operations.multiplies == weights + 20 * 2
    assert chip.operations.random_bytes == 0
    assert chip.bytes > weights


def test_what_has_no_integers_is_refused(surprise):
    least = needed_for(surprise.config, surprise.regions)
    for few in (2, least - 1):  # as many as the float detector asks for: fewer calibrate nothing
        with pytest.raises(ArgumentError, match=f"held has {few} activations: expected at least {least} clean ones"):
            quantise_surprise(surprise, activations(few, 0))
    with pytest.raises(ArgumentError, match="rounding='stochastic'"):
        quantise_surprise(surprise, activations(100, 0), Formats(rounding="stochastic"))
    shared = ln.UnitGrid(SHAPE, CHANNELS, order="raster", share="places").surprise(activations(1600, 0))
    with pytest.raises(ArgumentError, match="shares or reduces"):
        quantise_surprise(shared, activations(100, 0))
