"""Normal equations by Cholesky factors in panels, against NumPy's solution."""

import numpy as np
import pytest

from localnoise.kernels.solving import PANEL, solve
from localnoise.rules.base import solved


def equations(units: int, p: int, m: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(units, p, 2 * p + 1)) * np.exp(rng.normal(size=(units, p, 1)))
    return z @ z.transpose(0, 2, 1) / (2 * p + 1), rng.normal(size=(units, p, m))


def by_kernel(A: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    out, definite = np.full(b.shape, np.nan), np.full(len(b), 7, np.uint8)
    solve(out, definite, A, b, parts=len(b))
    return out, definite


@pytest.mark.parametrize("p", [1, PANEL - 1, PANEL, PANEL + 1, 3 * PANEL, 300])
@pytest.mark.parametrize("m", [1, 4, 7])
def test_equal_to_a_dense_solve(p, m):
    A, b = equations(3, p, m)
    out, definite = by_kernel(A, b)
    assert definite.tolist() == [1, 1, 1]
    expected = np.linalg.solve(A, b)
    assert np.abs(out - expected).max() <= 1e-9 * np.abs(expected).max()


def test_only_the_lower_half_is_read():
    A, b = equations(2, 70, 3)
    expected, _ = by_kernel(A, b)
    i, j = np.triu_indices(70, 1)
    A[:, i, j] = np.nan
    assert np.array_equal(by_kernel(A, b)[0], expected)


@pytest.mark.parametrize("value", [-1e-9, 0.0, np.nan])
def test_what_is_not_positive_definite_is_told(value):
    A, b = equations(3, 40, 2)
    vectors = np.linalg.eigh(A[1])[1]
    A[1] = (vectors * np.r_[value, np.ones(39)]) @ vectors.T if value else np.diag(np.r_[np.ones(39), 0.0])
    out, definite = by_kernel(A, b)
    assert definite.tolist() == [1, 0, 1]
    assert np.isnan(out[1]).all()
    assert np.isfinite(out[[0, 2]]).all()


def test_a_unit_that_rounding_left_indefinite_is_solved_as_by_numpy():
    A, b = equations(3, 300, 2)
    values, vectors = np.linalg.eigh(A[2])
    A[2] = (vectors * np.r_[-1e-6, values[1:]]) @ vectors.T
    found = solved(A, b, 1e-3, np.float32)
    assert np.allclose(found, np.linalg.solve(A, b), rtol=1e-6, atol=1e-9 * np.abs(found).max())


def test_the_same_bits_on_any_number_of_threads():
    A, b = equations(5, 290, 3)
    together = by_kernel(A, b)[0]
    alone = np.concatenate([by_kernel(A[u : u + 1], b[u : u + 1])[0] for u in range(5)])
    assert np.array_equal(together, alone)
