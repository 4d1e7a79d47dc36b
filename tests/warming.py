"""Kernels compiled once, each by one process, before the tests' workers start: else every worker compiles all of them.

What is compiled lies in the cache that the package keeps by the content of its kernels' sources; where it is warm, this
takes as long as to see so.
"""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor, wait
from contextlib import suppress
from functools import partial
from typing import Any
from unittest import mock

import numpy as np

SHAPE, CHANNELS, COUNT = (3, 4), 4, 200


def warm(workers: int) -> None:
    """Compile what most tests call, in that many processes."""
    from localnoise.kernels.flags import SOURCES

    done = SOURCES.folder / "warmed"
    if done.exists():
        return
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        wait([pool.submit(run, name) for name in JOBS])  # a job that fails fails in a test as well, and is told there
    with suppress(OSError):
        done.touch()


def run(name: str) -> None:
    """Do one job."""
    JOBS[name]()


def activity(dtype: str, seed: int) -> Any:
    """White activity, of so little that no time goes into it."""
    return np.random.default_rng(seed).normal(size=(COUNT, CHANNELS, *SHAPE)).astype(dtype)


def grid(dtype: str = "float32") -> Any:
    """Make a grid whose kernels are those of any other grid of this dtype."""
    import localnoise as ln

    return ln.UnitGrid(SHAPE, CHANNELS, parents=2, signal="local", dtype=dtype)


def draw(dtype: str) -> None:
    """The sweep: tiles of many samples, and fronts of a few."""
    one = grid(dtype)
    one.sample(20)
    with mock.patch("localnoise.drawing._LARGE", 1):
        one.sample(1)


def score(dtype: str) -> None:
    """What is asked of a displacement, and the adjoint of the mean."""
    one, d = grid(dtype), activity(dtype, 0)
    one.innovations(d, d)
    one.mahalanobis(d, through_mean=True)
    one.mahalanobis(d)
    one.pull_back(d)
    one.covariance()


def learn(dtype: str, rule: str) -> None:
    """A rule's kernels."""
    grid(dtype).learn(activity(dtype, 0), activity(dtype, 1), rule=rule)


def chip(accumulator_bits: int) -> None:
    """Integers of both widths: quantised, drawn, scored."""
    from localnoise.hardware import Formats, quantise

    h, d = activity("float32", 0), activity("float32", 1)
    one = quantise(grid().learn(d, h, rule="lms"), Formats(accumulator_bits=accumulator_bits), h=h, d=d)
    one.sample(20)
    one.perturb(h)
    one.learn(d, h, rule="lms")


DTYPES = ("float32", "float64")
JOBS = {
    **{f"draw {dtype}": partial(draw, dtype) for dtype in DTYPES},
    **{f"learn {rule} {dtype}": partial(learn, dtype, rule) for rule in ("lms", "sign-lms") for dtype in DTYPES},
    **{f"score {dtype}": partial(score, dtype) for dtype in DTYPES},
    **{f"learn moments {dtype}": partial(learn, dtype, "moments") for dtype in DTYPES},
    "chip 32": partial(chip, 32),
    "chip 56": partial(chip, 56),
}
