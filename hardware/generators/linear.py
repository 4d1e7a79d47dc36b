"""Linear algebra over GF(2): a generator's step as a matrix of bits, for jumps ahead and for proofs of its period.

A step of an LFSR or a xorshift is linear over GF(2): s' = M s for a state s of w bits, so t steps are M^t. A matrix is
a uint64 array (w,) of its columns, column j = M e_j with row i in bit i; the same function thus multiplies two matrices
and steps an array of states.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from localnoise.errors import ArgumentError
from localnoise.hardware.flags import integer_entry
from localnoise.validate import as_count

Words = npt.NDArray[np.unsignedinteger[Any]]
_ONE = np.uint64(1)


def matrix_of(step: Callable[[int], int], width: int) -> Words:
    """Return the matrix of a linear map on `width` bits, from its images of the unit vectors: (width,) uint64."""
    return np.array([step(1 << j) for j in range(width)], np.uint64)


def identity(width: int) -> Words:
    """Return the matrix that steps nowhere, (width,) uint64."""
    columns: Words = _ONE << np.arange(width, dtype=np.uint64)
    return columns


def apply(matrix: Words, states: Any) -> Words:
    """M s for every state s: the XOR of the columns that the bits of s choose. Cost O(width x states).

    Parameters
    ----------
    matrix : (width,) uint64
        Columns. `apply(A, B)` is the matrix A B.
    states : int, or array of any shape, of unsigned integers
        States of at most `width` bits.

    Returns
    -------
    array of the shape of `states`, uint64
    """
    states = np.asarray(states, np.uint64)
    out: Words = np.zeros_like(states)
    for j, column in enumerate(matrix):
        out ^= (states >> np.uint64(j) & _ONE) * column
    return out


def power(matrix: Words, exponent: int) -> Words:
    """M^exponent by repeated squaring, for any exponent >= 0. Cost O(width^2 log exponent).

    Raises
    ------
    ArgumentError
        The exponent is negative or not whole.
    """
    left = as_count("exponent", exponent)
    result, square = identity(len(matrix)), matrix
    while left:
        if left & 1:
            result = apply(square, result)
        square = apply(square, square)
        left >>= 1
    return result


@integer_entry
def advance(states: Any, squares: Any, steps: Any) -> None:
    """Move states (N,) uint32 on by `steps` steps in place; squares : (64, width) uint64, the M^(2^b)."""
    for b in range(64):
        if (np.uint64(steps) >> np.uint64(b)) & _ONE:
            for u in range(states.shape[0]):
                state = np.uint64(0)
                for j in range(squares.shape[1]):
                    state ^= ((np.uint64(states[u]) >> np.uint64(j)) & _ONE) * squares[b, j]
                states[u] = np.uint32(state)


@cache
def squares(step: tuple[int, ...]) -> Words:
    """M^(2^b) for b = 0 .. 63, (64, width) uint64, from the columns of M."""
    out = np.empty((64, len(step)), np.uint64)
    out[0] = step
    for b in range(1, 64):
        out[b] = apply(out[b - 1], out[b - 1])
    return out


def prime_factors(number: int) -> tuple[int, ...]:
    """Return the distinct primes that divide `number`, ascending, by trial division. Cost O(sqrt(number))."""
    found, divisor = [], 2
    while divisor * divisor <= number:
        if number % divisor == 0:
            found.append(divisor)
            while number % divisor == 0:
                number //= divisor
        divisor += 1
    return (*found, number) if number > 1 else tuple(found)


def has_full_period(matrix: Words) -> bool:
    """Return whether M runs through all P = 2^w - 1 nonzero states before it returns to the first.

    It does iff M^P = I and M^(P / p) != I for every prime p that divides P: then the order of M is P, and for an
    order of P = 2^w - 1 every nonzero state lies on the one cycle (M generates the multiplicative group of GF(2^w)).
    Cost O(w^3 x primes of P).

    Source: Knuth, The Art of Computer Programming 2, section 3.2.2; Marsaglia 2003, theorem 1.

    Raises
    ------
    ArgumentError
        The matrix has more than 32 columns: 2^w - 1 would take long to factor.
    """
    width = len(matrix)
    if not 1 <= width <= 32:
        raise ArgumentError(f"matrix has {width} columns: expected 1 to 32; pass the step matrix of a 32-bit generator")
    period = 2**width - 1
    one = identity(width)
    if not np.array_equal(power(matrix, period), one):
        return False
    return all(not np.array_equal(power(matrix, period // p), one) for p in prime_factors(period))
