"""Repair on a stream: what has happened lasts, so that the gate remembers what it saw a moment ago."""

from typing import Any

import numpy as np

from localnoise.errors import ArgumentError
from localnoise.repair.gate import Floats, softmax
from localnoise.repair.repairer import Repair
from localnoise.validate import Array, as_share


class RepairStream:
    """Repair activations one after the other; the gate's posterior is filtered forward.

    p_t(j) ~ exp(q_j(h_t)) (stay p_(t-1)(j) + (1 - stay) / J)

    Batches of any length give the same results. State: J numbers.

    Parameters
    ----------
    repair : Repair
        Learned.
    stay : float
        Probability that what happens goes on happening, from one activation to the next, in [0, 1).

    Examples
    --------
    >>> import numpy as np, localnoise as ln
    >>> h = np.tanh(np.random.default_rng(0).normal(size=(500, 2, 4, 4)))
    >>> stream = ln.RepairStream(ln.Repair(shape=(4, 4), channels=2, radius=0).learn("dark", 0.3 * h, h), stay=0.9)
    >>> fixed, posterior = stream(0.3 * h[:3])
    >>> fixed.shape, posterior.shape
    ((3, 2, 4, 4), (3, 2))
    """

    def __init__(self, repair: Repair, stay: float = 0.99) -> None:
        given: Any = repair
        if not isinstance(given, Repair):
            raise ArgumentError(f"repair is {type(given).__name__}: expected a Repair that has learned")
        self.repair, self.stay = repair, as_share("stay", stay)
        self.reset()

    def reset(self) -> None:
        """Forget what was seen."""
        self.state: Floats | None = None

    def __call__(self, h: Any) -> tuple[Array, Floats]:
        """Return the repaired activations and what they were taken for, in order.

        Parameters
        ----------
        h : (T, C, H, W)
            The next activations of the stream.

        Returns
        -------
        repaired : ndarray of the repair's dtype, (T, C, H, W)
            In activation units.
        posterior : ndarray of float64, (T, 1 + sources)
            Filtered, clean first; a row of zeros where nothing is repaired.
        """
        x = self.repair._activity("h", h)
        density = self.repair.log_densities(x)
        gate = self.repair.gate
        q, causes = gate.scores(density), density.shape[1]
        p = np.full(causes, 1 / causes) if self.state is None or len(self.state) != causes else self.state
        out = np.empty_like(q)
        for t in range(len(q)):
            ahead = self.stay * p + (1 - self.stay) / causes
            p = softmax((q[t] + np.log(ahead))[None])[0]
            out[t] = p
        self.state = p
        w = self.repair.worthwhile(gate.typical(out, density), density)
        return self.repair._estimate(x, w), self.repair._by_source(w)
