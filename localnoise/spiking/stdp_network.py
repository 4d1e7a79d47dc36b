"""The spike-timing rule as a Brian2 network; see `stdp`."""

from typing import TYPE_CHECKING, Any

import brian2
import numpy as np
import numpy.typing as npt

from localnoise.field import Field
from localnoise.spiking.stdp_steps import Doubles, Steps
from localnoise.spiking.target import finish, on, reporting
from localnoise.spiking.wires import blocks_of, links, weights_of
from localnoise.streams import Progress

if TYPE_CHECKING:
    from localnoise.spiking.stdp import STDP

_RELAY = """
dx/dt = -x / tau : 1
d : 1
copy : integer (constant)
channel : integer (constant)
y = (x / level - 1) / c : 1
"""
_INNOVATION = """
dx/dt = -x / tau : 1
d : 1
copy : integer (constant)
channel : integer (constant)
prediction : 1
spikes : 1
mean : 1
gate = int(timestep(t, dt) % steps >= closed) : 1
"""
_LINK = """
dw/dt = gain * baseline / c : 1 (clock-driven)
average : 1
prediction_post = w * y_pre : 1 (summed)
gain = step(t) * int(timestep(t, dt) % steps >= closed) : 1 (shared)
"""


def schedule(rule: "STDP", learning: int, shown: int) -> dict[str, Doubles]:
    """Return the values that the clock sets when presentation s = 0 .. shown begins, each (shown + 1,).

    step : of plasticity during s, 0 from s = learning on;  weigh : how far presentation s - 1 moves the average of the
    weights, as `LMS`;  freeze : 1 where they become their average;  count : how far s - 1 moves the counts' averages.
    """
    s = np.arange(shown + 1)
    learns = (s > 0) & (s <= learning)
    return {
        "step": np.where(s < learning, rule.rate / np.sqrt(1 + rule.rate * s), 0),
        "weigh": np.where(learns, (rule.memory + 1) / np.maximum(s + rule.memory, 1), 0),
        "freeze": np.where(s == learning, 1.0, 0.0),
        "count": np.where(s > learning, 1 / np.maximum(s - learning, 1), 0),
    }


def run(
    rule: "STDP",
    steps: Steps,
    field: Field,
    d: Doubles,
    learning: int,
    orders: npt.NDArray[np.int64],
    seed: int,
    target: str,
    progress: Progress | None,
) -> tuple[Doubles, Doubles, Doubles]:
    """Show d (T, n), unit-major, to copies in their orders (T, copies); neurons are numbered copy by copy.

    Weights learn in the first `learning` presentations; counts are those of the others, with the averaged weights.

    Returns the averages of weights (copies, N, m, K m), counts (copies, N, m) and their products (copies, N, m, m).
    The clock runs on for `settle` after the last presentation, gate closed, so that the last one is averaged, too.
    Objects have fixed names, which stand in the code: else Cython would compile it anew for every call.
    """
    (T, n), copies = d.shape, orders.shape[1]
    (units, _), m = field.parents.shape, field.channels
    period, clocked = rule.presentation, schedule(rule, learning, T)
    clocked["step"] /= steps.open * steps.p0 * rule.modulation
    again = np.append(np.arange(T), T - 1)  # what is shown while the clock runs on
    names: dict[str, Any] = {
        "tau": rule.tau,
        "baseline": rule.baseline,
        "c": rule.modulation,
        "k": rule.causal,
        "level": steps.level,
        "steps": steps.total,
        "closed": steps.closed,
        "period": period,
    }
    with on(target, seed):
        names |= {
            name: brian2.TimedArray(values, dt=period, name=f"stdp_{name}")
            for name, values in ({"show": d, "order": orders[again].astype(np.float64)} | clocked).items()
        }
        clock = brian2.Clock(steps.dt, name="stdp_clock")
        onset = brian2.Clock(period, name="stdp_onset")
        plain = {"clock": clock, "namespace": names}
        relay = brian2.NeuronGroup(
            copies * n,
            _RELAY,
            threshold="rand() < baseline * (1 + c * d) * dt",
            reset="x += 1",
            order=-3,  # decays before it is summed, which is at -2
            name="stdp_relay",
            method="exact",
            **plain,
        )
        innovation = brian2.NeuronGroup(
            copies * n,
            _INNOVATION,
            threshold="rand() < baseline * (1 + c * (d - prediction)) * dt",
            reset="x += 1\nspikes += gate",
            order=-1,
            name="stdp_innovation",
            method="exact",
            **plain,
        )
        network = brian2.Network(relay, innovation)
        for group in (relay, innovation):
            group.x = steps.level
            group.copy = np.repeat(np.arange(copies), n)
            group.channel = np.tile(np.arange(n), copies)
            shown = "d = show((order(t + period / 2, copy) + 0.5) * period, channel)"
            network.add(group.run_regularly(shown, clock=onset, when="start", name=f"{group.name}_shown"))
        shift = n * np.arange(copies)[:, None]
        within = brian2.Synapses(innovation, innovation, "product : 1", name="stdp_within", **plain)
        row, column = (index + m * np.arange(units)[:, None] for index in np.tril_indices(m))
        within.connect(i=(shift + column.ravel()).ravel(), j=(shift + row.ravel()).ravel())
        moments = "product += count(t + period / 2) * (spikes_pre * spikes_post - product)"
        counted = "mean += count(t + period / 2) * (spikes - mean)\nspikes = 0"
        network.add(within, within.run_regularly(moments, clock=onset, when="start", order=0, name="stdp_moments"))
        network.add(innovation.run_regularly(counted, clock=onset, when="start", order=1, name="stdp_counts"))
        pre, post = links(field.parents, m)
        if len(pre):
            link = brian2.Synapses(
                relay,
                innovation,
                _LINK,
                on_pre="w += gain / c * ((1 - k) * x_post / level - 1)",
                on_post="w += gain / c * (k * x_pre / level - 1)",
                method="euler",
                name="stdp_link",
                **plain,
            )
            link.connect(i=(shift + pre).ravel(), j=(shift + post).ravel())
            link.w = np.tile(weights_of(field.parents, field.B), copies)
            now = "t + period / 2"
            averaged = f"average += weigh({now}) * (w - average)\nw += freeze({now}) * (average - w)"
            network.add(link, link.run_regularly(averaged, clock=onset, when="start", name="stdp_average"))
        network.run(T * period + rule.settle, namespace={}, **reporting(progress, T))
        finish()
        weights = np.asarray(link.average[:]) if len(pre) else np.zeros(0)
        mean, product = np.asarray(innovation.mean[:]), np.asarray(within.product[:])
    if progress is not None:
        progress(T, T)
    W = np.stack([blocks_of(field.parents, own, m) for own in weights.reshape(copies, -1)])
    full = np.zeros((copies, units, m, m))
    (row, column), lower = np.tril_indices(m), product.reshape(copies, units, -1)
    full[:, :, row, column] = full[:, :, column, row] = lower
    return W, mean.reshape(copies, units, m), full
