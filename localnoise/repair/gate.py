"""The gate: units vote with their log densities on what has happened, and the votes are calibrated.

    q_j = beta l_j(h') / n + b_j,     w_j = exp(q_j) / sum_k exp(q_k)

l_j is the log density of cause j's law, a sum of unit terms. That sum is overconfident, since its terms are not
independent and activations are not Gaussian: beta and the biases b are fitted to activations that were not learned, by
maximum likelihood of the causes' names, a convex problem. No label of a class is used, and no network.
A cause whose law does not expect h' - its log density lies outside of what held-out activations of that cause have,
above or below: blurred activations are *too* normal - has no say. What it would have got is left unrepaired.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
FLOOR = 1e-3  # a cause of less weight is not repaired
_STEPS, _PENALTY = 50, 1e-3


@dataclass(frozen=True, kw_only=True)
class Gate:
    """A calibrated gate over J causes, the first one clean.

    Attributes
    ----------
    scale : float
        beta, of log densities per neuron.
    bias : (J,)
        b; the clean one's holds the margin that clean activations ask for.
    low, high : (J,)
        Log densities per neuron that a cause's own activations have.
    """

    scale: float
    bias: Floats
    low: Floats
    high: Floats

    def scores(self, density: Floats) -> Floats:
        """Unnormalised log weights q (T, J) of log densities per neuron (T, J)."""
        return self.scale * density + self.bias

    def weights(self, density: Floats) -> Floats:
        """Weights of the causes, (T, J), rows of sum 1."""
        return self.typical(softmax(self.scores(density)), density)

    def typical(self, weights: Floats, density: Floats) -> Floats:
        """Give what an atypical cause has to the first one, clean."""
        out = np.where((density >= self.low) & (density <= self.high), weights, 0)
        out[:, 0] = 0
        out[:, 0] = np.maximum(1 - out.sum(axis=1), 0)
        return out


def softmax(scores: Floats) -> Floats:
    """Rows of sum 1."""
    e = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(e / e.sum(axis=1, keepdims=True))


def fitted(density: Floats, cause: npt.NDArray[np.int64], width: float, neurons: int) -> Gate:
    """Fit scale, biases and ranges to held-out activations, each cause weighing alike; Newton's method.

    Parameters
    ----------
    density : (T, J)
        Log densities per neuron.
    cause : (T,)
        The cause of each, 0 .. J - 1.
    width : float
        How many standard deviations beyond its held-out mean a cause's log density may lie.
    neurons : int
        n: beta <= n, since the laws themselves claim no more than their log densities.
    """
    causes = density.shape[1]
    count = np.bincount(cause, minlength=causes)
    weight = (1 / np.maximum(count, 1))[cause]
    weight /= weight.sum()
    scale, bias = _newton(density, cause, weight, float(neurons))
    low, high = np.full(causes, -np.inf), np.full(causes, np.inf)
    for j in range(causes):
        own = density[cause == j, j]
        if len(own) > 1:
            low[j], high[j] = own.mean() - width * own.std(ddof=1), own.mean() + width * own.std(ddof=1)
    return Gate(scale=scale, bias=bias, low=low, high=high)


def _newton(density: Floats, cause: npt.NDArray[np.int64], weight: Floats, most: float) -> tuple[float, Floats]:
    """Minimise -sum weight log w[cause] + penalty |b|^2 over beta in [0, most] and b with b_0 = 0."""
    T, causes = density.shape
    x = density - density.mean(axis=1, keepdims=True)
    unit = float(x.std()) or 1.0
    x = x / unit
    p = np.zeros(causes)  # beta, b_1, ...
    p[0] = min(1.0, most * unit)

    def of(p: Floats) -> tuple[float, Floats]:
        q = p[0] * x + np.concatenate([[0.0], p[1:]])
        w = softmax(q)
        loss = -(weight * np.log(np.maximum(w[np.arange(T), cause], 1e-300))).sum() + _PENALTY * (p[1:] ** 2).sum()
        return float(loss), w

    loss, w = of(p)
    for _ in range(_STEPS):
        off = -w
        off[np.arange(T), cause] += 1
        g = np.concatenate([[-(weight * (off * x).sum(axis=1)).sum()], -(weight[:, None] * off).sum(axis=0)[1:]])
        g[1:] += 2 * _PENALTY * p[1:]
        mean = (w * x).sum(axis=1)
        H = np.zeros((causes, causes))
        H[0, 0] = (weight * ((w * x**2).sum(axis=1) - mean**2)).sum()
        H[0, 1:] = H[1:, 0] = (weight[:, None] * w * (x - mean[:, None])).sum(axis=0)[1:]
        H[1:, 1:] = np.diag((weight[:, None] * w).sum(axis=0)[1:]) - (weight[:, None] * w).T[1:] @ w[:, 1:]
        step = np.linalg.solve(H + 1e-9 * np.eye(causes) + 2 * _PENALTY * np.diag([0.0] + [1.0] * (causes - 1)), g)
        size, previous = 1.0, loss
        while size > 1e-6:
            trial = p - size * step
            trial[0] = min(max(trial[0], 0.0), most * unit)
            loss, w = of(trial)
            if loss <= previous:
                p = trial
                break
            size /= 2
        else:
            break
        if previous - loss < 1e-9:
            break
    return float(p[0] / unit), np.concatenate([[0.0], p[1:]])
