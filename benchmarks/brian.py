"""Brian2: the rule `lms` as plasticity of its synapses, and draws as trials of its network, over target and grid size.

Numbers are float32 on both sides. `python -m benchmarks brian` runs these rows alone.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median
from time import perf_counter
from typing import Any

import brian2
import numpy as np
import numpy.typing as npt

import localnoise as ln
from benchmarks import fields
from benchmarks.clock import Job, once
from benchmarks.row import Result, Row
from localnoise.spiking import network
from localnoise.spiking.lms_network import SynapticLMS
from localnoise.spiking.target import TARGETS, finish, on

_STEPS = 200
_WIRING = {"order": "raster", "radius": 1}
_SIZES = {((7, 7), 4): (256, 16), ((14, 14), 16): (64, 1), ((28, 28), 16): (32, 1)}  # draws, in how many copies at once
_TOO_SLOW = {("numpy", (28, 28))}  # half a minute a run
_SECONDS, _LEAST = 3.0, 3

Timed = Callable[[], float]


def rows() -> Iterator[Row | Result]:
    """Brian2 at its fastest runtime target, whole calls; then each target and size, the simulation alone."""
    with _single_precision():
        yield _whole()
        for (shape, channels), (count, copies) in _SIZES.items():
            for target in TARGETS:
                if (target, shape) not in _TOO_SLOW:
                    yield _learning(shape, channels, target)
                    yield _drawing(shape, channels, target, count, copies)


def _whole() -> Row:
    """A call of each, with what Brian2 prepares at every run; its code is compiled before.

    The residual's second moment, which ours tracks too, is left out: that favours the peer.
    """
    d = fields.grid((14, 14), 16, **_WIRING).sample(_STEPS, seed=3)
    grid = ln.UnitGrid((14, 14), 16, **_WIRING)
    with on("cython"):
        synaptic = SynapticLMS(grid, d, dtype="float32", residual=False)
    synaptic.network.store()

    def run() -> None:
        with on("cython"):
            synaptic.network.restore()
            synaptic.run()

    def check() -> str:
        run()
        return _same_weights(synaptic, ln.UnitGrid((14, 14), 16, **_WIRING).learn(d, rule="lms"))

    return Row(
        name=f"lms, {_STEPS} steps", ours=lambda: grid.learn(d, rule="lms"), peer=run,
        peer_name="Brian2, cython", bound=50, aim=200, check=check, least=3,
    )  # fmt: skip


def _learning(shape: tuple[int, int], channels: int, target: str) -> Result:
    """The whole rule on both sides, the residual's second moment too."""
    d = fields.grid(shape, channels, **_WIRING).sample(_STEPS, seed=3)
    grid = ln.UnitGrid(shape, channels, **_WIRING)
    with on(target):
        synaptic = SynapticLMS(grid, d, dtype="float32")
        peer = _simulation(synaptic.network, synaptic.duration, target)
        checked = _same_weights(synaptic, ln.UnitGrid(shape, channels, **_WIRING).learn(d, rule="lms"))
        name = f"lms, {_STEPS} steps, {_size(shape, channels)}"
        return _compared(name, lambda: grid.learn(d, rule="lms"), peer, target, checked, bound=1, aim=10)


def _drawing(shape: tuple[int, int], channels: int, target: str, count: int, copies: int) -> Result:
    """Trials of as many time steps as the field needs to settle, `copies` side by side."""
    grid = fields.grid(shape, channels, **_WIRING)
    memory = np.empty((count, channels, *shape), np.float32)
    with on(target, 1):
        made = network(grid, copies=copies, target=target)
        parts = made.build()
        seen = brian2.StateMonitor(parts.units, "eta", record=True, clock=parts.trials, when="start", order=-1)
        peer = _simulation(brian2.Network(parts.objects, seen), count // copies * made.trial + made.dt, target)
        drawn = np.asarray(seen.eta)[:, 1 : count // copies + 1]  # (copies N m, trials)
        drawn = drawn.reshape(copies, -1, count // copies).transpose(2, 0, 1).reshape(count, -1)
        checked = _white(grid, drawn)
        name = f"draw {count}, {_size(shape, channels)}"
        return _compared(name, lambda: grid.sample(count, seed=1, out=memory), peer, target, checked, bound=1, aim=100)


def _simulation(whole: Any, duration: Any, target: str) -> Timed:
    """Run once, in the present target; return a job that runs again and gives the seconds which Brian2 reports.

    They leave out what is done once a run: generating code, compiling, starting the compiled program, reading results.
    """
    if target == "cpp_standalone":
        whole.run(duration)
        finish()
    else:
        whole.store()
        whole.run(duration)

    def again() -> float:
        if target == "cpp_standalone":
            brian2.device.run(with_output=False)
        else:
            whole.restore()
            whole.run(duration)
        return float(brian2.device._last_run_time)

    return again


def _compared(name: str, ours: Job, peer: Timed, target: str, checked: str, *, bound: float, aim: float) -> Result:
    """Time both in turn, ours after an untimed call of the same."""
    first, mine, others, began = once(ours), [], [], perf_counter()
    while len(mine) < _LEAST or perf_counter() - began < _SECONDS:
        mine.append(once(ours, warm=True))
        others.append(peer())
    return Result(
        name=f"{name}, {target}", peer_name=f"Brian2, {target}, simulation alone", ours=median(mine),
        peer=median(others), bound=bound, aim=aim, first=first, repeats=len(mine), checked=checked,
    )  # fmt: skip


def _same_weights(synaptic: SynapticLMS, fresh: ln.UnitGrid) -> str:
    """Raise unless averaged weights, and the residual where it is there, are those of the grid, to float32 rounding."""
    found, expected = synaptic.state(), fresh.state or {}
    names = [name for name in ("W_mean", "residual") if name in found]
    error = max(float(np.abs(found[name] - expected[name]).max()) for name in names)
    if error > 1e-4:
        raise AssertionError(f"lms: Brian2's weights differ by {error:.1e}")
    return f"{'weights and residual' if 'residual' in names else 'weights'} equal to {error:.0e}"


def _white(grid: ln.UnitGrid, drawn: npt.NDArray[Any]) -> str:
    """Raise unless the grid's innovations of these draws (count, N m) are white: 200 projections have the known law."""
    (height, width), m = grid.config.shape, grid.config.channels
    eta = drawn.reshape(-1, height, width, m).transpose(0, 3, 1, 2)
    e = fields.unit_major(grid.innovations(eta))
    w = np.random.default_rng(2).normal(size=(e.shape[1], 200)) / np.sqrt(e.shape[1])
    return fields.same_law((e @ w).astype(np.float32), w.T.astype(np.float32), "Brian2")  # w'e has covariance w'w


def _size(shape: tuple[int, int], channels: int) -> str:
    return f"{shape[0]} x {shape[1]} x {channels}"


@contextmanager
def _single_precision() -> Iterator[None]:
    before = brian2.prefs.core.default_float_dtype
    brian2.prefs.core.default_float_dtype = np.float32
    try:
        yield
    finally:
        brian2.prefs.core.default_float_dtype = before
