"""The Brian2 objects of a field: what is constant in a trial, what relaxes, and the synapses of both."""

from dataclasses import dataclass
from typing import Any

import brian2
import numpy as np
from brian2 import Quantity

from localnoise.field import Field, Floats
from localnoise.spiking.wires import links, mixing, weights_of

_HELD = """
z : 1
h : 1
bias : 1 (constant)
own : 1
read : 1
drive = bias + read + own : 1
"""
_RATES = """
dx/dt = (drive + past - x) / tau : 1
drive : 1 (linked)
past : 1
gain : 1 (constant)
scale : amp (constant, shared)
eta = gain * x : 1
current = scale * eta : amp
"""


@dataclass(frozen=True, kw_only=True)
class Parts:
    """Groups and synapses; neurons are numbered copy by copy, unit by unit: channel c of unit u is n copy + u m + c.

    Attributes
    ----------
    held : NeuronGroup
        What a trial holds: private noise `z`, activation `h`, what they give, `drive`. Its clock ticks once a trial.
    units : NeuronGroup
        The rates `x` that relax, the field `eta`, and the `current` that other neurons may read (`linked_var`).
    synapses : list of Synapses
        `mixing` (S, within units), `reading` (G, of activations; where there is a signal), `parents` (B).
    trials, steps : Clock
    """

    held: Any
    units: Any
    synapses: list[Any]
    trials: Any
    steps: Any

    @property
    def objects(self) -> list[Any]:
        """All of them, for a Network."""
        return [self.held, self.units, *self.synapses]


def synapses_of(field: Field) -> int:
    """Synapses of one copy."""
    m = field.channels
    units = int((field.parents >= 0).sum() + (field.readers >= 0).sum())
    return units * m * m + len(field.a) * m * (m + 1) // 2


def build(
    field: Field,
    copies: int,
    tau: Quantity,
    dt: Quantity,
    trial: Quantity,
    scale: Quantity,
    shown: Any = None,
    held_noise: Any = None,
) -> Parts:
    """Build `copies` of a field; `shown` and `held_noise` are TimedArrays of a trial's h and xi, None: zero, a draw."""
    n, m = field.a.size, field.channels
    trials, steps = brian2.Clock(trial, name="trials*"), brian2.Clock(dt, name="steps*")
    named = {"shown": shown, "held_noise": held_noise}
    held = brian2.NeuronGroup(
        n * copies, _HELD, clock=trials, name="held*", namespace={k: v for k, v in named.items() if v is not None}
    )
    if shown is not None:  # without an activation the field is the zero-mean noise of `UnitGrid.sample`
        held.bias = np.tile(field.a.ravel(), copies)
    held.run_regularly("z = randn()" if held_noise is None else "z = held_noise(t, i)", clock=trials, when="start")
    if shown is not None:
        held.run_regularly("h = shown(t, i)", clock=trials, when="start", order=1)
    constants = {"tau": tau}
    units = brian2.NeuronGroup(n * copies, _RATES, method="euler", clock=steps, name="units*", namespace=constants)
    units.scale = scale
    units.drive = brian2.linked_var(held, "drive")
    units.gain = np.tile(np.repeat(field.gain, m), copies)
    synapses = [_connected(held, held, "own", *mixing(field.S), copies, n, "mixing*")]
    if field.signal:
        wires = links(field.readers, m)
        synapses.append(
            _connected(held, held, "read", *wires, weights_of(field.readers, field.G), copies, n, "reading*")
        )
    wires = links(field.parents, m)
    if len(wires[0]):
        synapses.append(
            _connected(units, units, "past", *wires, weights_of(field.parents, field.B), copies, n, "parents*")
        )
    return Parts(held=held, units=units, synapses=synapses, trials=trials, steps=steps)


_SEEN = {"own": "z", "read": "h", "past": "x"}


def _connected(
    source: Any, sink: Any, into: str, pre: Any, post: Any, weights: Floats, copies: int, n: int, name: str
) -> Any:
    """Synapses that sum w times what they see of the presynaptic neuron into the postsynaptic variable `into`."""
    model = f"w : 1 (constant)\n{into}_post = w * {_SEEN[into]}_pre : 1 (summed)"
    group = brian2.Synapses(source, sink, model, name=name)
    shift = np.arange(copies)[:, None] * n
    group.connect(i=(pre + shift).ravel(), j=(post + shift).ravel())
    group.w = np.tile(weights, copies)
    return group
