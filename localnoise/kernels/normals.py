"""Counter-based white Gaussian noise: Philox4x32-10 and the Box-Muller transform, vectorised over samples.

A normal is a pure function of (seed, sample, neuron): no state, so any split over threads, tiles or calls gives the
same numbers, and any sample can be reached without drawing those before it.

Sources: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011 (Philox4x32-10: constants
and rounds); Box and Muller 1958. The polynomials for log and sin were fitted here by least squares on Chebyshev nodes
(relative error of log 4e-8, absolute error of sin 3e-11, before rounding to float32).
"""

import numpy as np

from localnoise.kernels.flags import entry, inlined, kernel

_M0 = np.uint64(0xD2511F53)
_M1 = np.uint64(0xCD9E8D57)
_W0 = np.uint32(0x9E3779B9)
_W1 = np.uint32(0xBB67AE85)
_LOW = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)


@inlined
def philox4x32(c0, c1, c2, c3, k0, k1):
    """Ten Philox rounds on the counter (c0, c1, c2, c3) under the key (k0, k1): four independent uint32 words."""
    for _ in range(10):
        p0 = _M0 * np.uint64(c0)
        p1 = _M1 * np.uint64(c2)
        c0 = np.uint32(p1 >> _SHIFT) ^ c1 ^ k0
        c2 = np.uint32(p0 >> _SHIFT) ^ c3 ^ k1
        c1 = np.uint32(p1 & _LOW)
        c3 = np.uint32(p0 & _LOW)
        k0 = np.uint32(k0 + _W0)
        k1 = np.uint32(k1 + _W1)
    return c0, c1, c2, c3


@inlined
def log_unit(word):
    """Natural logarithm of the uniform (word + 1/2) / 2^32, in float32."""
    u = (np.float32(word) + np.float32(0.5)) * np.float32(2.0**-32)
    bits = np.float32(u).view(np.int32)
    # mantissa in [sqrt(1/2), sqrt(2)); every step back to 32 bits, or the loop runs on half as many lanes
    exponent = np.int32(np.int32(bits - np.int32(0x3F3504F3)) >> np.int32(23))
    x = np.int32(bits - (exponent << np.int32(23))).view(np.float32) - np.float32(1)
    q = np.float32(0.08654275)
    q = q * x + np.float32(-0.14254476)
    q = q * x + np.float32(0.14925883)
    q = q * x + np.float32(-0.16579814)
    q = q * x + np.float32(0.19962132)
    q = q * x + np.float32(-0.25001244)
    q = q * x + np.float32(0.33333937)
    return np.float32(exponent) * np.float32(0.6931471806) + (x + x * x * (q * x - np.float32(0.5)))


@inlined
def sin_pi(y):
    """sin(pi y) for |y| <= 1/2, in float32."""
    z = y * y
    q = np.float32(-0.00702839)
    q = q * z + np.float32(0.0820504)
    q = q * z + np.float32(-0.5992522)
    q = q * z + np.float32(2.55016332)
    q = q * z + np.float32(-5.16771276)
    q = q * z + np.float32(3.14159265)
    return q * y


@inlined
def box_muller(word_radius, word_angle):
    """Two independent standard normals from two independent uint32 words (largest magnitude 6.77)."""
    radius = np.sqrt(np.float32(-2) * log_unit(word_radius))
    w = np.float32(np.int32(word_angle)) * np.float32(2.0**-31)  # the angle is pi w, -1 <= w <= 1
    cosine = sin_pi(np.float32(0.5) - np.abs(w))
    sine = np.copysign(sin_pi(np.float32(0.5) - np.abs(np.abs(w) - np.float32(0.5))), w)
    return radius * cosine, radius * sine


@kernel
def fill_block(out, row, block, words, positions, k0, k1):
    """Write N(0, 1) into the four rows out[row : row + 4], neurons 4 block .. 4 block + 3; words : (4, T) scratch.

    Three loops instead of one: of more than a few arrays the compiler cannot show that they do not overlap.
    """
    first, second, third, fourth = words[0], words[1], words[2], words[3]
    c2, zero = np.uint32(block), np.uint32(0)
    for t in range(positions.shape[0]):
        low, high = np.uint32(positions[t] & _LOW), np.uint32(positions[t] >> _SHIFT)
        first[t], second[t], third[t], fourth[t] = philox4x32(low, high, c2, zero, k0, k1)
    row0, row1, row2, row3 = out[row], out[row + 1], out[row + 2], out[row + 3]
    for t in range(positions.shape[0]):
        row0[t], row1[t] = box_muller(first[t], second[t])
    for t in range(positions.shape[0]):
        row2[t], row3[t] = box_muller(third[t], fourth[t])


@inlined
def key(seed):
    """Two words of a uint64 seed: the Philox key."""
    return np.uint32(seed & _LOW), np.uint32(seed >> _SHIFT)


@entry
def fill_normals(out, seed, positions):
    """Write N(0, 1) into out[i, t] for neuron i and sample positions[t]. Cost O(rows x samples).

    out : (4 ceil(n / 4), T) floating, contiguous;  seed : uint64;  positions : (T,) uint64
    """
    k0, k1 = key(seed)
    words = np.empty((4, positions.shape[0]), np.uint32)
    for block in range(out.shape[0] // 4):
        fill_block(out, 4 * block, block, words, positions, k0, k1)
