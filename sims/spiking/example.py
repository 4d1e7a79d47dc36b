"""Where to start with neurons of your own: a field learned from moving input, as a current into LIF neurons in Brian2.

Run it: python sims/spiking/example.py. Everything here is Brian2 but the grid; change the equations as you like.
"""

from typing import Any

import brian2
import numpy as np
from brian2 import ms, mV, nS, pA, pF

import localnoise as ln

TRIALS, SIDE = 300, 6

# A field: how a bump of activity on 6 x 6 units moves when the stimulus jitters by a fraction of a unit.
rng = np.random.default_rng(0)
y, x = np.mgrid[:SIDE, :SIDE]


def bump(centre: Any) -> Any:
    """Activity of the units around a centre (y, x)."""
    return np.exp(-((y - centre[0]) ** 2 + (x - centre[1]) ** 2) / 4)


centres = rng.uniform(1, SIDE - 2, size=(2000, 2))
moved = [bump(c + rng.normal(scale=0.5, size=2)) - bump(c) for c in centres]
grid = ln.UnitGrid(shape=(SIDE, SIDE), order="raster", radius=1)
grid.learn(np.array(moved)[:, None]).normalise(0.05)

# The field in Brian2: rates of 2 ms that settle within a trial of 300 ms, as a current of 100 pA for a field of 1.
brian2.prefs.codegen.target = "numpy"
brian2.seed(1)
net = ln.spiking.network(grid, tau=2 * ms, trial=300 * ms, scale=100 * pA, target="numpy")
field = net.build()

# Neurons of your own: any equations; `shared` is the field's current, neuron i being unit i.
stimulus = 40 * pA * bump((2.5, 2.5)).ravel()
neurons = brian2.NeuronGroup(
    grid.config.neurons,
    """
    dv/dt = (g * (-70*mV - v) + base + shared) / C + 4*mV * sqrt(2 * g / C) * xi : volt (unless refractory)
    base : amp
    shared : amp (linked)
    spikes : 1
    """,
    threshold="v > -50*mV", reset="v = -60*mV; spikes += 1", refractory=2 * ms, method="euler", dt=0.5 * ms,
    namespace={"g": 10 * nS, "C": 200 * pF},
)  # fmt: skip
neurons.v = -70 * mV
neurons.base = 240 * pA + stimulus
neurons.shared = brian2.linked_var(field.units, "current")

counts = brian2.StateMonitor(neurons, "spikes", record=True, clock=field.trials, when="start")
brian2.Network(field.objects, neurons, counts).run((TRIALS + 0.01) * net.trial, namespace={})
counts = np.diff(np.asarray(counts.spikes), axis=1)[:, 10:]  # spikes of each trial; the first ten are left out

r = np.corrcoef(counts)
pairs = np.triu_indices(len(r), 1)
distance = np.hypot(*[c.ravel()[pairs[0]] - c.ravel()[pairs[1]] for c in (y, x)])
print(f"mean count {counts.mean():.1f} spikes in 300 ms, Fano factor {np.mean(counts.var(1) / counts.mean(1)):.2f}")
for low, high in ((1, 1.5), (1.5, 3), (3, 5), (5, 9)):
    near = (distance >= low) & (distance < high)
    print(f"noise correlation of pairs {low} to {high} units apart: {r[pairs][near].mean():+.3f}")
