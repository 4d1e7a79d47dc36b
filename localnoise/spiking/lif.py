"""Leaky integrate-and-fire neurons, with physical dimensions, and how often they fire."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from brian2 import Quantity, ms, mV, nS, pA, pF, second

from localnoise.errors import ArgumentError
from localnoise.spiking.quantities import as_quantity

_DEFAULTS = {
    "capacitance": 200 * pF, "leak": 10 * nS, "rest": -70 * mV, "threshold": -50 * mV, "reset": -60 * mV,
    "refractory": 2 * ms, "bias": 250 * pA, "scale": 100 * pA, "noise": 4 * mV,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class LIF:
    """C dv/dt = g (E - v) + I,  I = bias + scale (h + eta); a spike at v > threshold, then v = reset.

    h is the neuron's activation, eta the field: both enter as currents. Of its own, each membrane has white noise: with
    I constant and no threshold, v has the standard deviation `noise`.

    Attributes
    ----------
    capacitance, leak : capacitance, conductance
        C and g; the membrane's time constant is C / g, 20 ms by default.
    rest, threshold, reset : voltage
        E; where it spikes; where v goes then.
    refractory : time
        After a spike, in which v rests.
    bias : current
        Of an activation of 0; the rheobase is g (threshold - rest), 200 pA by default.
    scale : current
        Of an activation of 1.
    noise : voltage
        Standard deviation of the membrane's own.
    """

    capacitance: Quantity = field(default_factory=lambda: _DEFAULTS["capacitance"])
    leak: Quantity = field(default_factory=lambda: _DEFAULTS["leak"])
    rest: Quantity = field(default_factory=lambda: _DEFAULTS["rest"])
    threshold: Quantity = field(default_factory=lambda: _DEFAULTS["threshold"])
    reset: Quantity = field(default_factory=lambda: _DEFAULTS["reset"])
    refractory: Quantity = field(default_factory=lambda: _DEFAULTS["refractory"])
    bias: Quantity = field(default_factory=lambda: _DEFAULTS["bias"])
    scale: Quantity = field(default_factory=lambda: _DEFAULTS["scale"])
    noise: Quantity = field(default_factory=lambda: _DEFAULTS["noise"])

    def __post_init__(self) -> None:
        for each, example in _DEFAULTS.items():
            value = getattr(self, each)
            signed = each in ("rest", "threshold", "reset", "bias")
            as_quantity(each, value, example, zero=each in ("noise", "refractory"), signed=signed)
        for name in ("rest", "reset"):
            if not getattr(self, name) < self.threshold:
                raise ArgumentError(
                    f"{name}={getattr(self, name)}: expected less than threshold={self.threshold}, at which it spikes"
                )

    @property
    def tau(self) -> Quantity:
        """Time constant of the membrane, C / g."""
        return self.capacitance / self.leak

    def current(self, activation: npt.ArrayLike) -> Quantity:
        """Return the current of an activation, or of activation and field: bias + scale activation.

        Parameters
        ----------
        activation : array
            In activation units, of any shape.

        Returns
        -------
        Quantity
            Current, of the same shape.
        """
        return self.bias + self.scale * np.asarray(activation)

    def rate(self, current: Quantity) -> Quantity:
        """Firing rate of a neuron without noise of its own, in closed form (Lapicque 1907; Tuckwell 1988, chapter 3).

        1 / (refractory + tau log((g (E - reset) + I) / (g (E - threshold) + I))) above the rheobase, 0 below.

        Parameters
        ----------
        current : Quantity
            Current, of any shape.

        Returns
        -------
        Quantity
            Rate, of the same shape.

        Raises
        ------
        ArgumentError
            A plain number, or a quantity that is no current.
        """
        value: Any = np.atleast_1d(np.asarray(as_current(current)))
        leak, above = float(self.leak), np.zeros(value.shape)
        over = value - leak * float(self.threshold - self.rest)
        fires = over > 0
        ratio = (over[fires] + leak * float(self.threshold - self.reset)) / over[fires]
        above[fires] = 1 / (float(self.refractory) + float(self.tau) * np.log(ratio))
        return above.reshape(np.shape(current)) / second


def as_current(value: Any) -> npt.NDArray[np.float64]:
    """Amperes of an array of currents; a plain number is refused."""
    if not isinstance(value, Quantity) or value.dim != pA.dim:
        raise ArgumentError(f"current={value!r}: expected currents with their unit, such as 300 * pA")
    return np.asarray(value, np.float64)
