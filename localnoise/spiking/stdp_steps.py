"""The spike-timing rule's constants in discrete steps; see `stdp`."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
from brian2 import Quantity, ms

from localnoise.errors import ArgumentError
from localnoise.field import Ints
from localnoise.spiking.quantities import as_quantity

Doubles = npt.NDArray[np.float64]


class Timing(Protocol):
    """The constants of a spike-timing rule that become steps; `stdp.STDP` has them."""

    @property
    def baseline(self) -> Quantity:
        """Rate of every neuron at d = 0."""

    @property
    def modulation(self) -> float:
        """Relative change of the rate per activation unit."""

    @property
    def tau(self) -> Quantity:
        """Time constant of the traces."""

    @property
    def presentation(self) -> Quantity:
        """Time for which a displacement is shown."""

    @property
    def settle(self) -> Quantity:
        """Part of that during which the gate stays closed."""


@dataclass(frozen=True, kw_only=True)
class Steps:
    """A rule's constants in steps of dt.

    Attributes
    ----------
    dt : Quantity
    total, closed : int
        Steps of a presentation, and how many the gate is closed.
    p0, c, decay : float
        Chance of a spike per step at d = 0, modulation, b = exp(-dt/tau).
    """

    dt: Quantity
    total: int
    closed: int
    p0: float
    c: float
    decay: float

    @classmethod
    def of(cls, rule: Timing, dt: Quantity) -> "Steps":
        """Refuse a dt that does not divide the rule's times, or is too large for its rate."""
        as_quantity("dt", dt, 1 * ms)
        counts = []
        for name in ("presentation", "settle"):
            count = float(getattr(rule, name) / dt)
            if round(count) < 1 or abs(count - round(count)) > 1e-6 * count:
                raise ArgumentError(f"{name}={getattr(rule, name)}: expected a whole multiple of dt={dt}")
            counts.append(round(count))
        p0 = float(rule.baseline * dt)
        if p0 >= 1:
            raise ArgumentError(
                f"dt={dt}: expected less than 1/baseline = {(1 / rule.baseline).in_unit(ms)}, so that dt * rate is a "
                "probability"
            )
        decay = float(np.exp(-float(dt / rule.tau)))
        return cls(dt=dt, total=counts[0], closed=counts[1], p0=p0, c=rule.modulation, decay=decay)

    @property
    def open(self) -> int:
        """n_g, steps with an open gate."""
        return self.total - self.closed

    @property
    def level(self) -> float:
        """Mean trace at rate r0, as synapses read it: decayed, without the present step's spikes."""
        return self.p0 * self.decay / (1 - self.decay)

    @property
    def averaged(self) -> float:
        """f, variance of y averaged over the open gate, relative to that of y: the mean of b^|s - t|."""
        b, n = self.decay, self.open
        return ((1 + b) / (1 - b) - 2 * b * (1 - b**n) / (n * (1 - b) ** 2)) / n

    def shot_noise(self, power: Doubles) -> Doubles:
        """N_i, variance of y_i given d, averaged over displacements of second moment `power`."""
        b, c, p0 = self.decay, self.c, self.p0
        return np.asarray((1 - p0 * (1 + c**2 * power)) / (p0 * c**2) * (1 - b) / (1 + b))

    def residual(
        self, W: Doubles, mean: Doubles, product: Doubles, power: Doubles, parents: Ints, seen: int
    ) -> Doubles:
        """D_u of every copy, (copies, N, m, m), from plain averages of its innovations' counts.

        W : (copies, N, m, K m);  mean : (copies, N, m);  product : (copies, N, m, m), averages of n and n n';
        power : (n,), the displacements' second moments;  seen : presentations averaged.
        """
        units, m = parents.shape[0], mean.shape[2]
        there = (parents >= 0)[:, :, None]
        N = (self.shot_noise(power).reshape(units, m)[parents] * there).reshape(units, -1)
        noise = np.einsum("zuik,uk,zujk->zuij", W, N, W)
        scale = (self.open * self.p0 * self.c) ** 2
        covariance = (product - mean[..., :, None] * mean[..., None, :]) * seen / (seen - 1)
        D = covariance / scale - self.averaged * noise
        i = np.arange(m)
        squares = (1 / self.c**2 + noise[..., i, i]) / self.open  # n_g E[q^2] / scale, less D's own part
        D[..., i, i] = (D[..., i, i] - mean / scale + squares) / (1 - 1 / self.open)
        return np.asarray(D)
