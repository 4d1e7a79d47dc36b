"""Without pairs: what two images in a row and a running mean tell about a displacement.

Successive images of a stream are different ones, so that a difference of their activations h_t - h_(t-1) is no
displacement of either, and no regression on it gives a way back: it holds no pair. What it does hold is second moments
without a mean, E (h_t - h_(t-1))^2 / 2 = var h for independent images, and the running mean holds the rest. With these
a unit can bring mean and variance of each of its neurons back to what they were on clean activations,

    fixed = mean_c + (h - M_t) sd_c / sd_t,

correlation alignment (Sun, Feng, Saenko 2016) cut down to one neuron: local, one image at a time, and no pair.
"""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
_FLOAT = 4
_LEAST, _MOST = 0.2, 5.0  # of a neuron's gain


class Matched:
    """Brings mean, and on request variance, of each neuron back to those of clean activations.

    Batches of any length give the same results.

    Parameters
    ----------
    clean : (T, C, H, W)
        Clean activations, or repaired ones of clean inputs.
    share : float
        Of each activation in the running averages, in (0, 1].
    variance : bool
    """

    def __init__(self, clean: Floats, share: float, variance: bool = True) -> None:
        self.mean, self.deviation = clean.mean(axis=0), clean.std(axis=0)
        self.share, self.variance = share, variance
        self.running, self.square = self.mean.copy(), np.square(self.deviation)
        self.last: Floats | None = None
        kept = 3 if variance else 1  # running mean; running square and the last activation
        self.state_bytes = kept * _FLOAT * self.mean.size
        self.parameter_bytes = (2 if variance else 1) * _FLOAT * self.mean.size

    def step(self, h: Floats) -> Floats:
        """Return activations (T, C, H, W) in order, each moved by what is known after it."""
        means, squares = np.empty_like(h), np.empty_like(h)
        for t in range(len(h)):
            self.running += self.share * (h[t] - self.running)
            if self.last is not None and self.variance:
                self.square += self.share * (0.5 * np.square(h[t] - self.last) - self.square)
            self.last = h[t].copy()
            means[t], squares[t] = self.running, self.square
        if not self.variance:
            return np.asarray(h - means + self.mean, np.float32)
        deviation = np.sqrt(np.maximum(squares, 1e-12))
        gain = np.clip(self.deviation / np.maximum(deviation, 1e-6), _LEAST, _MOST)
        return np.asarray(self.mean + (h - means) * gain, np.float32)
