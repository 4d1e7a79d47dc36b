"""Exponents of the cost of drawing in units, channels, parents, samples and fields: fitted, in one figure."""

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import matplotlib
import numpy as np
from scipy.stats import t as student

import localnoise as ln
from benchmarks import fields
from benchmarks.clock import Job, once
from benchmarks.row import Result

matplotlib.use("Agg")

_REPEATS = 7


def _sampled(side: int = 28, channels: int = 8, parents: int = 4, samples: int = 512) -> Job:
    grid = fields.grid((side, side), channels, parents=parents)
    memory = np.empty((samples, channels, side, side), np.float32)
    return lambda: grid.sample(samples, seed=1, out=memory)


def _bank(members: int) -> Job:
    """Draw 256 samples of each of several fields with the same wires, which take turns."""
    bank = ln.Bank([fields.grid((14, 14), 8, parents=4, seed=index) for index in range(members)])
    return lambda: bank.sample(256 * members, seed=1)


# What varies, over which values, and the size that a value stands for.
AXES: dict[str, tuple[Callable[[int], Job], tuple[int, ...], Callable[[int], float]]] = {
    "units": (lambda side: _sampled(side=side), (14, 20, 28, 40, 56, 80, 112), lambda side: side * side),
    "channels": (lambda m: _sampled(channels=m), (4, 8, 16, 32, 64), float),
    "parents": (lambda k: _sampled(parents=k), (2, 4, 8, 16, 32), float),
    "samples": (lambda count: _sampled(samples=count), (128, 256, 512, 1024, 2048, 4096), float),
    "fields": (_bank, (1, 2, 4, 8, 16, 32), float),
}
WANTED = {"units": 1.0, "channels": 2.0, "parents": 1.0, "samples": 1.0, "fields": 1.0}  # cost O(T N m (m K + m))


@cache
def times(axis: str) -> tuple[np.ndarray, np.ndarray]:
    """Return sizes and the least seconds of a few draws of each."""
    job, values, size = AXES[axis]
    jobs = [job(value) for value in values]
    for one in jobs:
        one()
    found = [[once(one, warm=True) for one in jobs] for _ in range(_REPEATS)]
    return np.array([size(value) for value in values]), np.min(found, axis=0)


def exponent(sizes: np.ndarray, seconds: np.ndarray) -> tuple[float, float]:
    """Return the slope of log time on log size, and half of its 95 % interval."""
    x, y = np.log(sizes), np.log(seconds)
    x = x - x.mean()
    slope = float(x @ y / (x @ x))
    residual = y - y.mean() - slope * x
    error = np.sqrt(residual @ residual / (len(x) - 2) / (x @ x))
    return slope, float(student.ppf(0.975, len(x) - 2) * error)


def rows() -> Iterator[Result]:
    """Rows of the table: exponents, as multiples of those that the count of operations gives."""
    for axis, wanted in WANTED.items():
        sizes, seconds = times(axis)
        slope, half = exponent(sizes, seconds)
        yield Result(
            name=f"exponent of {axis}, {sizes[0]:,.0f} to {sizes[-1]:,.0f}", peer_name="that of its operations",
            ours=slope, peer=wanted, faster=False, bound=1.15, aim=1, unit="exponent", repeats=_REPEATS,
            checked=f"{slope:.2f} +-{half:.2f}",
        )  # fmt: skip


def figure(path: Path) -> None:
    """Time against each size, both logarithmic, with the fitted line."""
    from matplotlib.ticker import NullFormatter

    from localnoise.sims.reports.figures import DOUBLE, drawn, lettered

    measured = {axis: times(axis) for axis in AXES}
    with drawn(path, (DOUBLE, 1.9)) as page:
        panels = page.subplots(1, len(AXES), sharey=True)
        slopes = {axis: exponent(*one) for axis, one in measured.items()}
        for panel, (axis, (sizes, seconds)) in zip(panels, measured.items(), strict=True):
            fitted = np.exp(np.log(seconds).mean() + slopes[axis][0] * (np.log(sizes) - np.log(sizes).mean()))
            panel.loglog(sizes, 1e3 * seconds, "o", color="#0072B2")
            panel.loglog(sizes, 1e3 * fitted, color="#0072B2")
            panel.set_xlabel(axis)
            shown = sizes[[0, len(sizes) // 2, -1]]
            panel.set_xticks(shown, [f"{size:,.0f}" for size in shown], fontsize=6)
            panel.xaxis.set_minor_formatter(NullFormatter())
        lettered(panels, [f"{slope:.2f} ±{half:.2f}" for slope, half in slopes.values()])
        panels[0].set_ylabel("Time of a draw / ms")
