"""A grid learns what its noise is good for: from rewards of its own draws, three factors a weight."""

from typing import Any, Self

import numpy as np
import numpy.typing as npt

from localnoise.errors import ArgumentError
from localnoise.grid.holding import Holding
from localnoise.narrow import NarrowField
from localnoise.validate import Array, as_activity, as_array, check_positive


class Reinforcing(Holding):
    """The part of a `UnitGrid` that learns from rewards."""

    def reinforce(
        self,
        eta: npt.ArrayLike,
        rewards: npt.ArrayLike,
        h: npt.ArrayLike | None = None,
        *,
        rate: float = 0.1,
        floor: float = 1e-3,
    ) -> Self:
        """Make draws that were rewarded above the others more likely; call again with new draws.

        With r_t the rewards, less the mean of the other presentations' and in units of their standard deviation, which
        the sender sees to before it broadcasts them,

            W_u += rate sum_t r_t e_ut z_ut' / sum_t (floor + |z_ut|^2),   e_ut = eta_ut / g_u - W_u z_ut

        z_u = [1; h_R(u); eta_P(u)] as in `localnoise.rules`. e z' is the score of W_u, d log p(eta_u | z_u) / d W_u,
        less the factor (S_u S_u')^-1, which makes it the natural gradient: on average the step climbs the expected
        reward (REINFORCE, Williams 1992). Each unit reads its own draw, its parents', the activations of its
        neighbors, and one number a presentation. S and the gain stay as they are; running statistics of an earlier
        rule are dropped. Cost O(T n m (K + R)).

        Parameters
        ----------
        eta : (T, C, H, W)
            Draws of this grid as it is now, by `sample` or `perturb(h)`.
        rewards : (T,)
            Of each presentation; higher is better.
        h : (T, C, H, W), with signal="local"
            The activations at which they were drawn.
        rate : float
            > 0; the step in units of the weights that one standard deviation of reward explains.
        floor : float
            Added to |z|^2, > 0.

        Raises
        ------
        ArgumentError
            Wrong shapes, NaN, rewards that are all the same, fewer than two, or a grid with `share` or a rank.
        """
        from localnoise.kernels.reinforcing import three_factor

        check_positive("rate", rate)
        check_positive("floor", floor)
        field = self.field.at_once()
        if isinstance(field, NarrowField):
            raise ArgumentError(
                "reinforce writes weights for every unit alone, and this grid shares or reduces them (share=, rank=): "
                "expected a grid without"
            )
        drawn = as_activity("eta", eta, *self._layout)
        told = _broadcast(rewards, len(drawn)).astype(self.config.dtype)
        read = self._activation(None if h is None else h, drawn) if field.signal or h is not None else None
        given = (
            np.empty((len(drawn), self.config.channels, 0), drawn.dtype)
            if read is None
            else as_activity("h", read, *self._layout)
        )
        W = field.weights
        out = np.empty_like(W)
        three_factor(
            out,
            W,
            drawn,
            given,
            field.gain,
            field.parents,
            field.readers,
            field.signal,
            told,
            float(rate),
            float(floor),
        )
        after = field.copy()
        after.assign(out, field.S)
        after.gain[:] = field.gain
        vars(self).update(field=after, state=None)
        return self


def _broadcast(rewards: Any, count: int) -> Array:
    """Return what units are told: each reward less the mean of the others, over the standard deviation."""
    given = as_array("rewards", rewards, f"({count},) numbers")
    if given.shape != (count,) or not np.issubdtype(given.dtype, np.number) or count < 2:
        raise ArgumentError(f"rewards has shape {given.shape}: expected ({count},) numbers, one a draw, at least two")
    r = given.astype(np.float64)
    if not np.isfinite(r).all():
        raise ArgumentError("rewards holds NaN or infinity: expected finite numbers; drop these presentations")
    spread = float(r.std())
    if spread <= 1e-12 * max(1.0, float(np.abs(r).max())):
        raise ArgumentError(
            f"rewards are all {r[0]:g}: a constant reward says nothing of what a draw is good for; expected numbers "
            "that differ from draw to draw"
        )
    told: Array = (r - r.mean()) * (count / (count - 1)) / spread
    return told
