"""Normal equations of many units at once, each by a Cholesky factor in panels, with the registers' product.

The factor of [A, b; b', .] holds L and y = L^-1 b: right-hand sides are rows more of the same elimination.
"""

import math

import numpy as np

from localnoise.kernels.blocks import add_rows
from localnoise.kernels.flags import ZERO, kernel, shared_kernel
from localnoise.kernels.memory import aligned

PANEL = 32  # columns eliminated together
_STEP = 256  # earlier columns that a panel takes at a time: 64 kB, which stay in the second-level cache


@shared_kernel
def solve(out, definite, A, b, worker, workers):
    """out[u] = A[u]^-1 b[u] for symmetric A[u]; definite[u] tells whether A[u] is positive definite, and out[u] holds.

    A : (U, p, p), of which the lower half is read;  b, out : (U, p, m);  float64;  definite : (U,), uint8.
    Cost O(U p^2 (p / 3 + 3 m)); a worker holds one factor.
    """
    U, p, m = b.shape
    P = (p + PANEL - 1) // PANEL * PANEL
    F, taken = aligned(P + (m + 3) // 4 * 4, P, np.float64), aligned(P, PANEL, np.float64)
    panel, inverses = aligned(F.shape[0], PANEL, np.float64), aligned(P, PANEL, np.float64)
    four, turned = aligned(4, PANEL, np.float64), aligned(PANEL, PANEL, np.float64)
    for u in range(U * worker // workers, U * (worker + 1) // workers):
        _copy(F, A[u], b[u])
        definite[u] = _eliminate(F, taken, panel, inverses, four, turned)
        if definite[u]:
            _substitute(F, panel, inverses, four)
            for i in range(m):
                for j in range(p):
                    out[u, j, i] = F[P + i, j]


@kernel
def _copy(F, A, b):
    """Lower half of A, ones on the rest of the diagonal, then the right-hand sides as rows."""
    (p, m), P = b.shape, F.shape[1]
    for i in range(F.shape[0]):
        for j in range(P):
            F[i, j] = 0
        if i < p:
            for j in range(i + 1):
                F[i, j] = A[i, j]
        elif i < P:
            F[i, i] = 1
        elif i - P < m:
            for j in range(p):
                F[i, j] = b[j, i - P]


@kernel
def _eliminate(F, taken, panel, inverses, four, turned):
    """Replace F by [L; y'], and write L's inverted diagonal blocks; False: a pivot was not positive."""
    rows, P = F.shape
    for k in range(0, P, PANEL):
        for s in range(PANEL):
            for j in range(k):
                taken[j, s] = -F[k + s, j]
        for i in range(k, rows):
            for s in range(PANEL):
                panel[i, s] = F[i, k + s]
        for j in range(0, k, _STEP):
            for i in range(k, rows, 4):
                add_rows(panel, ZERO, F, i, j, taken, j, min(_STEP, k - j))
        if not _factor(panel, inverses, turned, k):
            return False
        for i in range(k, k + PANEL):
            for s in range(PANEL):
                F[i, k + s] = panel[i, s]
        for i in range(k + PANEL, rows, 4):
            four[:] = 0
            add_rows(four, -i, panel, i, ZERO, turned, ZERO, PANEL)
            for r in range(4):
                for s in range(PANEL):
                    F[i + r, k + s] = four[r, s]
    return True


@kernel
def _factor(panel, inverses, turned, k):
    """Factor a panel's diagonal block in place, invert the factor into inverses[k:], and its transpose into turned."""
    for c in range(PANEL):
        for r in range(c, PANEL):
            total = panel[k + r, c]
            for s in range(c):
                total -= panel[k + r, s] * panel[k + c, s]
            if r == c:
                if not total > 0:  # also NaN
                    return False
                panel[k + c, c] = math.sqrt(total)
            else:
                panel[k + r, c] = total / panel[k + c, c]
        for r in range(c):
            panel[k + r, c] = 0
    inverses[k : k + PANEL] = 0
    turned[:] = 0
    for c in range(PANEL):
        for r in range(c, PANEL):
            total = 1.0 if r == c else 0.0
            for s in range(c, r):
                total -= panel[k + r, s] * inverses[k + s, c]
            inverses[k + r, c] = turned[c, r] = total / panel[k + r, r]
    return True


@kernel
def _substitute(F, panel, inverses, four):
    """Replace the rows y' below L by x' = y' L^-1, from the last panel on."""
    rows, P = F.shape
    for k in range(P - PANEL, -1, -PANEL):
        for i in range(P, rows, 4):
            four[:] = 0
            add_rows(four, -i, F, i, k, inverses, k, PANEL)
            for r in range(4):
                for s in range(PANEL):
                    panel[i + r, s] = four[r, s]
                    four[r, s] = -four[r, s]
            add_rows(F, i, four, ZERO, ZERO, F, k, PANEL)
            for r in range(4):
                for s in range(PANEL):
                    F[i + r, k + s] = panel[i + r, s]
