"""A layer of spiking neurons: image activations and the grid's field as input currents, spike counts out."""

from typing import Any

import brian2
import numpy as np
import numpy.typing as npt
from brian2 import Quantity, ms

from localnoise.errors import ArgumentError, choose
from localnoise.grid import UnitGrid
from localnoise.spiking.lif import LIF
from localnoise.spiking.network import network
from localnoise.spiking.quantities import as_quantity
from localnoise.spiking.settling import overrun
from localnoise.spiking.target import TARGETS, as_brian_seed, finish, on, reporting
from localnoise.spiking.wires import refuse_too_large
from localnoise.streams import Progress
from localnoise.validate import as_activity, as_count

Counts = npt.NDArray[np.int32]
_OWN = 2**31  # the neurons' own noise is not that of the field's units at the same seed
_COUNTED = "onset : second (shared)\nspikes : 1\n"
_MEMBRANE = """
dv/dt = (leak * (rest - v) + current) / capacitance + noise * sqrt(2 / tau) * xi : volt (unless refractory)
current = bias + scale * shown(t, i) : amp
"""
_RATED = """
current = bias + scale * shown(t, i) : amp
over = clip(current - drop, tiny, inf * amp) : amp
rate = int(current > drop) / (dead + tau * log((over + span) / over)) : Hz
"""


class SpikingLayer:
    """LIF neurons, or Poisson ones of the same rates, driven by activations and by a grid's field.

    A trial: its field is drawn by a `FieldNetwork`; activation and field are held as input currents; after `settle`, in
    which the membranes forget the trial before, the spikes of `window` are counted. Cost of a trial O(n m K) for the
    field and O(n (settle + window) / dt).

    Parameters
    ----------
    layout : tuple of int
        (C, H, W) of the activation.
    grid : UnitGrid or None
        Whose field is added; None: no shared variability.
    lif : LIF
        The neurons; None: `LIF()`.
    neurons : str
        "lif"; or "poisson": spikes at random at the rate of a noiseless LIF neuron with this current.
    window, settle, dt : time
        Counting window; time before it; time step.
    copies : int
        Trials simulated side by side.
    target : str
        "numpy", "cython" or "cpp_standalone".
    max_bytes : int
        Memory that the network may take.
    """

    def __init__(
        self,
        layout: tuple[int, int, int],
        grid: UnitGrid | None = None,
        *,
        lif: LIF | None = None,
        neurons: str = "lif",
        window: Quantity = 250 * ms,
        settle: Quantity = 60 * ms,
        dt: Quantity = 0.5 * ms,
        copies: int = 1,
        target: str = "cython",
        max_bytes: int = 4 * 2**30,
    ) -> None:
        if len(layout) != 3:
            raise ArgumentError(f"layout={layout!r}: expected (C, H, W)")
        self.layout = (as_count("channels", layout[0], 1), *(as_count("side", side, 1) for side in layout[1:]))
        self.lif, self.limit = LIF() if lif is None else lif, max_bytes
        self.neurons, self.target = choose("neurons", neurons, ("lif", "poisson")), choose("target", target, TARGETS)
        self.copies = as_count("copies", copies, 1)
        self.window, self.dt = as_quantity("window", window, 250 * ms), as_quantity("dt", dt, 0.5 * ms)
        if self.dt > self.lif.tau / 5:
            raise ArgumentError(
                f"dt={dt}: expected at most {self.lif.tau / 5}, a fifth of the membrane's time constant"
            )
        self.settle = as_quantity("settle", settle, 60 * ms, zero=True)
        self.trial = np.ceil(float((self.settle + self.window) / self.dt) - 1e-9) * self.dt
        self.field = None
        if grid is not None:
            if (grid.config.channels, *grid.config.shape) != self.layout:
                raise ArgumentError(f"grid is {grid!r}: expected one of layout {self.layout}, as the activation")
            self.field = network(grid, copies=self.copies, target=target, max_bytes=max_bytes)

    def counts(self, h: npt.ArrayLike, trials: int = 1, seed: int = 0, progress: Progress | None = None) -> Counts:
        """Return the spikes in the window, of several trials of each activation.

        Parameters
        ----------
        h : (T, C, H, W)
            Activations.
        trials : int
            Of each activation.
        seed : int
            Of the field and of the neurons' own noise.
        progress : callable
            Told (trials done, all of them) while it runs; not on "cpp_standalone".

        Returns
        -------
        ndarray of int32, (T, trials, C, H, W)
            Spikes.

        Raises
        ------
        ArgumentError
            No trials, a wrong shape, or NaN.
        TooLargeError
            The network would take more than `max_bytes`.
        """
        trials = as_count("trials", trials, 1)
        (m, *shape), n = self.layout, int(np.prod(self.layout))
        flat = as_activity("h", h, m, (shape[0], shape[1]), np.float64)
        shown = np.repeat(flat.reshape(-1, *self.layout), trials, axis=0)
        if not len(shown):
            return np.zeros((len(flat), trials, *self.layout), np.int32)
        turns = -(-len(shown) // self.copies)
        refuse_too_large(n * self.copies, 0, self.limit, more=32 * turns * self.copies * n)
        if self.field is not None:
            shown += self.field.perturb(shown, seed)
        dealt = shown[np.minimum(np.arange(turns * self.copies), len(shown) - 1)]
        dealt = dealt.reshape(turns, self.copies, m, -1).swapaxes(2, 3).reshape(turns, -1)
        with on(self.target, as_brian_seed(seed, _OWN)):
            counted = self._run(dealt, turns, progress)
        counted = counted.reshape(self.copies, -1, m, turns).transpose(3, 0, 2, 1).reshape(-1, m, *shape)[: len(shown)]
        return np.asarray(counted.reshape(len(flat), trials, m, *shape), np.int32)

    def _run(self, dealt: npt.NDArray[Any], turns: int, progress: Progress | None) -> npt.NDArray[Any]:
        lif, neurons, shown = self.lif, dealt.shape[1], brian2.TimedArray(dealt, dt=self.trial)
        steps, onsets = brian2.Clock(self.dt, name="membranes*"), brian2.Clock(self.trial, name="onsets*")
        names = {name: getattr(lif, name) for name in LIF.__dataclass_fields__}
        names |= {"shown": shown, "settled": self.settle, "tau": lif.tau}
        counting = "spikes += int(t - onset >= settled - 1*nsecond)"
        if self.neurons == "lif":
            group = brian2.NeuronGroup(
                neurons, _MEMBRANE + _COUNTED, method="euler", clock=steps, namespace=names,
                threshold="v > threshold", reset="v = reset\n" + counting, refractory=lif.refractory, name="membranes*",
            )  # fmt: skip
            group.v = lif.rest
        else:
            names |= {"drop": lif.leak * (lif.threshold - lif.rest), "span": lif.leak * (lif.threshold - lif.reset)}
            names |= {"dead": lif.refractory, "tiny": 1e-18 * brian2.amp}
            group = brian2.NeuronGroup(
                neurons, _RATED + _COUNTED, clock=steps, namespace=names,
                threshold="rand() < rate * dt", reset=counting, name="membranes*",
            )  # fmt: skip
        monitor = brian2.StateMonitor(group, "spikes", record=True, clock=onsets, when="start", order=-1)
        group.run_regularly("spikes = 0", clock=onsets, when="start", order=0)
        group.run_regularly("onset = t", clock=onsets, when="start", order=1)
        whole = brian2.Network(group, monitor)
        duration = turns * self.trial + overrun(self.trial, self.dt)
        whole.run(duration, namespace={}, **reporting(progress, turns, self.copies))
        finish()
        return np.array(monitor.spikes)[:, 1 : turns + 1]
