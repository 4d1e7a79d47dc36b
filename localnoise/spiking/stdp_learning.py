"""Learn links and factors from spikes in Brian2, by the rule of `stdp`, in copies side by side."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from brian2 import Quantity, ms

from localnoise.errors import ArgumentError, choose
from localnoise.grid import UnitGrid
from localnoise.rules.base import residual_factor
from localnoise.spiking.stdp import STDP
from localnoise.spiking.stdp_network import run
from localnoise.spiking.stdp_steps import Steps
from localnoise.spiking.target import TARGETS
from localnoise.spiking.wires import refuse_too_large
from localnoise.streams import Progress
from localnoise.validate import as_activity, as_count, as_seed

Doubles = npt.NDArray[np.float64]
_CLIPPED, _BUSY = 0.01, 0.5  # most values that a relay may clip; most chance of a spike in a step


@dataclass(frozen=True, kw_only=True)
class Learned:
    """The weights and residuals that repetitions have learned, and the grid of their mean.

    Attributes
    ----------
    grid : UnitGrid
        Of the same configuration, with the mean of the copies' weights and residuals.
    weights : (copies, N, m, K m) float64
        Polyak averages, as `Field.B`.
    residuals : (copies, N, m, m) float64
        D_u of each copy's weights, squared activation units, before the ridge; need not be positive definite.
    """

    grid: UnitGrid
    weights: Doubles
    residuals: Doubles

    @property
    def standard_error(self) -> Doubles:
        """Of the mean weights over the copies, (N, m, K m); needs two copies."""
        copies = len(self.weights)
        if copies < 2:
            raise ArgumentError("standard_error: one copy was learned; expected copies >= 2")
        return np.asarray(self.weights.std(axis=0, ddof=1) / np.sqrt(copies))


def learn_stdp(
    grid: UnitGrid,
    d: npt.ArrayLike,
    rule: STDP | None = None,
    *,
    dt: Quantity = 1 * ms,
    seed: int = 0,
    target: str = "cython",
    copies: int = 1,
    progress: Progress | None = None,
    max_bytes: int = 4 * 2**30,
) -> Learned:
    """Learn links and factors from spikes, beginning from the grid's links, which stay as they are.

    Cost O(T presentation/dt copies n (1 + K m)); "numpy" and "cython" take some 0.2 and 0.03 ms a step
    besides; "cython" (once) and "cpp_standalone" (each time) compile for 10 to 30 s.

    Parameters
    ----------
    grid : UnitGrid
        With signal="none".
    d : (T, C, H, W)
        Displacements of zero mean, activation units; T >= 3.
    rule : STDP
        None: `STDP()`.
    dt : Quantity
        Step. `presentation` and `settle` are whole multiples of it.
    seed : int
        Of the spikes, and of the copies' orders, < 2^32.
    target : str
        "numpy", "cython" or "cpp_standalone".
    copies : int
        Independent repetitions side by side. The first sees d in the order given, each other one in an own random one.
    progress : callable
        Told (presentations shown, T), about each second; on "cpp_standalone" once, at the end.
    max_bytes : int
        Refuse a network that would take more memory.

    Returns
    -------
    Learned
        The grid, and what each copy has learned.

    Raises
    ------
    ArgumentError
        Signal dependence, wrong shape, NaN, displacements or steps too large for the rates, or a residual that is not
        positive definite: too few presentations.
    TooLargeError
        The network would take more than `max_bytes`.
    """
    rule = STDP() if rule is None else rule
    if not isinstance(rule, STDP):
        raise ArgumentError(f"rule={rule!r}: expected an STDP(...)")
    choose("target", target, TARGETS)
    if grid.field.signal:
        raise ArgumentError("grid has signal='local': expected signal='none', since spikes carry displacements alone")
    copies = as_count("copies", copies, 1)
    if as_seed(seed) >= 2**32:
        raise ArgumentError(f"seed={seed!r}: expected less than 2**32, as Brian2 takes it")
    f, (m, shape) = grid.field, (grid.config.channels, grid.config.shape)
    flat = as_activity("d", d, m, shape, np.float64)
    T = len(flat)
    measuring = max(2, round(rule.measured * T))
    if measuring >= T:
        raise ArgumentError(
            f"d has {T} samples: expected more than the {measuring} in which the residual is measured; show more, or "
            "use a smaller STDP.measured"
        )
    shown: Doubles = np.asarray(flat.transpose(0, 2, 1), np.float64, order="C").reshape(T, -1)
    steps = Steps.of(rule, dt)
    _refuse_clipping(rule, shown, dt)
    n, synapses = shown.shape[1], int((f.parents >= 0).sum()) * m * m
    inner = f.parents.shape[0] * m * (m + 1) // 2
    refuse_too_large(2 * copies * n, copies * (synapses + inner), max_bytes, 8 * (T + 1) * (n + copies))
    rng = np.random.default_rng(seed)
    orders = [np.arange(T), *(rng.permutation(T) for _ in range(copies - 1))]
    W, mean, product = run(rule, steps, f, shown, T - measuring, np.stack(orders, axis=1), seed, target, progress)
    power = np.square(shown).mean(axis=0)
    residuals = steps.residual(W, mean, product, power, f.parents, measuring)
    learned = grid.blank()
    S = residual_factor(residuals.mean(axis=0), power.reshape(-1, m), rule.ridge, np.float64)
    learned.field.assign(W.mean(axis=0), S)
    learned.provenance = {"rule": "stdp", "presentations": T, "copies": copies, "seed": seed, "target": target}
    return Learned(grid=learned, weights=W, residuals=residuals)


def _refuse_clipping(rule: STDP, d: Doubles, dt: Quantity) -> None:
    """Raise an ArgumentError if rates would often be clipped at 0, or are large for the step."""
    lowest = -1 / rule.modulation
    clipped = float((d < lowest).mean())
    if clipped > _CLIPPED:
        fits = lowest / float(np.quantile(d, _CLIPPED, method="lower"))
        raise ArgumentError(
            f"d: {clipped:.1%} of the values lie below -1/modulation = {lowest:.3g}, where rates are clipped at 0 "
            f"(largest |d|: {abs(d).max():.3g}): expected at most {_CLIPPED:.0%}; scale d by {fits:.3g}, or use a "
            "smaller modulation"
        )
    busiest = float(rule.baseline * dt) * (1 + rule.modulation * max(float(d.max()), 0.0))
    if busiest > _BUSY:
        raise ArgumentError(
            f"dt={dt}: the fastest relay would spike in a step with probability {busiest:.3g}: expected at most "
            f"{_BUSY}; use dt <= {dt * (_BUSY / busiest)}, a smaller baseline, or smaller displacements"
        )
