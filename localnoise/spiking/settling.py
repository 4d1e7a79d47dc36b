"""How a field of rates comes to rest: for which time steps it does, and how long that takes."""

import numpy as np
from brian2 import Quantity

from localnoise.errors import ArgumentError
from localnoise.field import Field, Floats

_PROBES, _TOLERANCE, _MOST = 8, 1e-6, 1_000_000


def check_step(dt: Quantity, tau: Quantity) -> float:
    """Return dt / tau, at which Euler's step x += dt/tau (drive + B x - x) is stable: in (0, 2).

    B is nilpotent (a unit reads units earlier in the order), so that every eigenvalue of the step is 1 - dt/tau,
    whatever the weights.

    Raises
    ------
    ArgumentError
        The field would grow without bound.
    """
    ratio = float(dt / tau)
    if ratio >= 2:
        raise ArgumentError(
            f"dt={dt} makes the field unstable: expected less than 2 tau = {2 * tau}; use dt={tau}, which is exact"
        )
    return 1.0 if abs(ratio - 1) < 1e-9 else ratio


def settling_steps(field: Field, ratio: float) -> int:
    """Steps after which a trial's field is that of its private noise, to 1e-6 of its size.

    With dt = tau one generation of units settles each step: exact after as many steps as there are generations. Else
    the error (1 - r + r B)^k eta is followed on 8 draws until it is that small. Cost O(steps n m K).
    """
    generations = len(field.fronts[1]) - 1
    if ratio == 1:
        return generations
    units, m = field.a.shape
    rng = np.random.default_rng(0)
    x = at_rest(field, np.einsum("uij,tuj->tui", field.S, rng.standard_normal((_PROBES, units, m))))
    target, steps = _TOLERANCE * np.abs(x).max(), 0
    while np.abs(x).max() > target:
        x, steps = (1 - ratio) * x + ratio * past(field, x), steps + 1
        if steps > _MOST or not np.isfinite(x).all():
            raise ArgumentError(f"dt: the field does not settle within {_MOST:,} steps at dt = {ratio:g} tau; use tau")
    return steps


def at_rest(field: Field, drive: Floats) -> Floats:
    """x = (I - B)^-1 drive, both (T, N, m): the fixed point, generation by generation."""
    x = drive
    for _ in range(len(field.fronts[1]) - 1):
        x = drive + past(field, x)
    return x


def past(field: Field, x: Floats) -> Floats:
    """B x of x (T, N, m)."""
    K, m = field.parents.shape[1], x.shape[2]
    seen = np.where((field.parents >= 0)[None, :, :, None], x[:, field.parents], 0)
    return np.asarray(np.einsum("uij,tuj->tui", field.B, seen.reshape(len(x), -1, K * m)))


def overrun(trial: Quantity, dt: Quantity) -> Quantity:
    """Return how long to run on, so that a monitor that ticks once a trial sees the last one's end.

    A whole number of steps, and more than the 1e-4 of a trial that Brian2's clocks take for rounding.
    """
    return float(np.ceil(1e-3 * float(trial / dt))) * dt
