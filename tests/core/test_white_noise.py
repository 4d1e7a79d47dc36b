"""White noise: Philox4x32-10 to the bit, Box-Muller to rounding, and the normal law of what comes out."""

import math

import naive
import numpy as np
import pytest
import scipy.special
import scipy.stats
from examples import examples
from hypothesis import given
from hypothesis import strategies as st

import localnoise as ln
from localnoise.kernels.normals import box_muller, fill_normals, philox4x32

# Random123's known answers, kat_vectors of its distribution (Salmon et al. 2011).
KNOWN = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((2**32 - 1,) * 4, (2**32 - 1,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]
words = st.integers(0, 2**32 - 1)


@pytest.mark.parametrize(("counter", "key", "answer"), KNOWN)
def test_philox_known_answers(counter, key, answer):
    assert naive.philox4x32(counter, key) == answer
    assert tuple(int(word) for word in philox4x32(*map(np.uint32, counter), *map(np.uint32, key))) == answer


long_words = st.integers(0, 2**64 - 2)


@given(st.tuples(long_words, long_words, long_words, long_words), st.tuples(long_words, long_words))
@examples(100, derandomize=True)
def test_the_oracle_is_numpys_philox(counter, key):
    """NumPy has the 64-bit words: one structure, other constants. It counts on before its first block."""
    whole = [sum(word << 64 * i for i, word in enumerate(counter)), sum(word << 64 * i for i, word in enumerate(key))]
    theirs = np.random.Philox(counter=whole[0], key=whole[1]).random_raw(4)
    assert naive.philox4x32((counter[0] + 1, *counter[1:]), key, bits=64) == tuple(map(int, theirs))


@given(st.tuples(words, words, words, words), st.tuples(words, words))
@examples(200, derandomize=True)
def test_philox_equals_the_oracle(counter, key):
    kernel = philox4x32(*map(np.uint32, counter), *map(np.uint32, key))
    assert tuple(int(word) for word in kernel) == naive.philox4x32(counter, key)


def tolerance(values, radii):
    """Bound on the float32 error of a normal.

    The uniform rounds to 2^-24 of itself, hence -2 log u to 2^-23 and the radius r = sqrt(-2 log u) to 2^-24 / r. The
    fitted polynomials add 4e-8 of log u (2e-8 r) and 3e-11 of the angle; the few products round to 2^-23 of the value,
    the sine near zero to 2^-22 of the radius.
    """
    return 2.0**-23 / radii + 2.0**-21 * np.maximum(np.abs(values), radii)


EDGES = [0, 1, 2**23, 2**30 - 1, 2**30, 2**31 - 1, 2**31, 2**31 + 1, 3 * 2**30, 2**32 - 2**9, 2**32 - 1]


@given(st.one_of(words, st.sampled_from(EDGES)), st.one_of(words, st.sampled_from(EDGES)))
@examples(500, derandomize=True)
def test_box_muller_equals_the_oracle(word_radius, word_angle):
    pair = box_muller(np.uint32(word_radius), np.uint32(word_angle))
    *expected, radius = naive.box_muller(word_radius, word_angle)
    assert np.isfinite(pair).all()
    # for the largest words the float32 uniform is 1 and the radius 0: within sqrt(2 x 2^-24) of the truth
    bound = np.minimum(tolerance(np.array(expected), radius), math.sqrt(2.0**-23))
    assert (np.abs(np.subtract(pair, expected)) <= bound).all()


def test_no_normal_exceeds_the_documented_magnitude():
    extreme = [abs(float(value)) for angle in EDGES for value in box_muller(np.uint32(0), np.uint32(angle))]
    assert 6.76 < max(extreme) < 6.77
    assert "6.77" in box_muller.py_func.__doc__


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("seed", [0, 1, 2**32 + 7, 2**64 - 1])
def test_fill_normals_equals_the_oracle(seed, dtype):
    positions = [0, 1, 5, 2**32 - 1, 2**32, 2**63 - 1]
    out = np.empty((12, len(positions)), dtype)
    fill_normals(out, np.uint64(seed), np.array(positions, np.uint64))
    expected, radii = naive.normals(seed, positions, 12)
    assert (np.abs(out.T - expected) <= tolerance(expected, radii)).all()


@pytest.mark.parametrize("channels", [1, 2, 3, 5])
def test_a_fresh_grid_draws_the_stream_in_unit_major_order(channels):
    grid = ln.UnitGrid((2, 3), channels)
    drawn = naive.unit_major(grid.sample(5, seed=9, start=2**33))
    expected, radii = naive.normals(9, range(2**33, 2**33 + 5), 6 * channels)
    assert (np.abs(drawn - expected) <= tolerance(expected, radii)).all()


@pytest.fixture(scope="module")
def stream():
    """Ten million normals, (625000 samples, 16 neurons)."""
    out = np.empty((16, 625_000), np.float32)
    fill_normals(out, np.uint64(3), np.arange(out.shape[1], dtype=np.uint64))
    return out.T


@pytest.fixture(scope="module")
def uniform(stream):
    """Their probabilities, in rising order."""
    return scipy.special.ndtr(np.sort(stream.ravel()).astype(np.float64))


def test_normals_have_the_moments_of_a_normal(stream):
    """Each of the first six moments within five standard errors, sqrt((E x^2k - (E x^k)^2) / count)."""
    even = [1, 1, 3, 15, 105, 945, 10395]  # E x^2k
    x = stream.astype(np.float64)
    power = np.ones_like(x)
    for k in range(1, 7):
        power *= x
        expected = 0 if k % 2 else even[k // 2]
        error = math.sqrt((even[k] - expected**2) / x.size)
        assert abs(power.mean() - expected) < 5 * error


def test_normals_have_the_normal_distribution(uniform):
    """Kolmogorov-Smirnov on all ten million: sqrt(n) D exceeds 2.2 with probability 2 exp(-2 x 2.2^2) = 1e-4."""
    step = np.arange(uniform.size) / uniform.size
    distance = max(np.abs(uniform - step).max(), np.abs(uniform - step - 1 / uniform.size).max())
    assert math.sqrt(uniform.size) * distance < 2.2


def test_normals_have_its_tails_too(uniform):
    """Anderson-Darling, which weighs the tails: A^2 exceeds 10 with probability 1e-5 (Marsaglia 2004), 6 with 1e-3.

    A^2 = -n - sum_i (2 i - 1) (log u_i + log(1 - u_(n + 1 - i))) / n over the ordered probabilities u.
    """
    n = uniform.size
    with np.errstate(divide="raise"):  # a probability of 1 would be a normal beyond 8.3
        terms = np.log(uniform) + np.log1p(-uniform[::-1])
    assert -n - ((2 * np.arange(1, n + 1) - 1) * terms).sum() / n < 10


@pytest.mark.parametrize("limit", [3, 4, 4.5, 5])
def test_tails_hold_as_many_as_a_normals(stream, limit):
    """Draws beyond +-limit: a Poisson count, each side within its central 1 - 2e-5."""
    expected = stream.size * scipy.stats.norm.sf(limit)
    low, high = scipy.stats.poisson.ppf([1e-5, 1 - 1e-5], expected)
    assert low <= (stream > limit).sum() <= high
    assert low <= (stream < -limit).sum() <= high


def test_neurons_and_neighbouring_samples_are_independent(stream):
    """Correlations of values and of squares, between neurons and with the next sample: within five standard errors."""
    x0 = stream.astype(np.float64)
    for x in (x0, (x0**2 - 1) / math.sqrt(2)):
        count = len(x) - 1
        same, lagged = x.T @ x / len(x), x[:-1].T @ x[1:] / count
        off = ~np.eye(16, dtype=bool)
        assert np.abs(same[off]).max() < 5 / math.sqrt(count)
        assert np.abs(lagged).max() < 5 / math.sqrt(count)


def test_streams_of_neighbouring_seeds_are_independent(stream):
    """The same neuron and sample under the next seeds: within five standard errors."""
    one = stream[:200_000].astype(np.float64)
    for seed in (4, 3 + 2**32):
        out = np.empty((16, len(one)), np.float32)
        fill_normals(out, np.uint64(seed), np.arange(len(one), dtype=np.uint64))
        assert np.abs((one * out.T).mean(axis=0)).max() < 5 / math.sqrt(len(one))


def test_a_jump_reaches_any_sample():
    """Sample 2^40 without those before it; the same as in a longer draw."""
    far = np.uint64(2**40) + np.arange(8, dtype=np.uint64)
    whole, part = np.empty((8, 8), np.float32), np.empty((8, 1), np.float32)
    fill_normals(whole, np.uint64(5), far)
    fill_normals(part, np.uint64(5), far[3:4])
    np.testing.assert_array_equal(part[:, 0], whole[:, 3])


def test_other_seeds_give_other_streams():
    draws = [ln.UnitGrid((2, 2)).sample(4, seed=seed) for seed in (0, 1, 2**32, 2**63)]
    assert all((first != second).all() for i, first in enumerate(draws) for second in draws[:i])
