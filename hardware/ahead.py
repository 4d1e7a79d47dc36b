"""`python -m localnoise.hardware.ahead FOLDER`: compile for a wheel what most first calls need; see `kernels.ahead`.

It belongs to building a release, `make wheel`, and stands here because kernels of chips are compiled as well. Kernels
that run on Numba's own threads (few samples of a large grid) and 64-bit accumulators are left to the first call.
"""

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import localnoise as ln
from localnoise.hardware import quantise
from localnoise.kernels import ahead

_SHAPE, _COUNT = (3, 4), 40


def _grid(channels: int, *, signal: bool = False) -> ln.UnitGrid:
    """Make a grid whose kernels are those of any other of its kind."""
    return ln.UnitGrid(_SHAPE, channels, parents=2, signal="local" if signal else "none")


def _activity(channels: int, seed: int) -> Any:
    return np.random.default_rng(seed).normal(size=(_COUNT, channels, *_SHAPE)).astype(np.float32)


def _draw() -> None:
    _grid(1).sample(20)
    one, d = _grid(4), _activity(4, 0)
    one.sample(20)
    one.innovations(d)
    one.mahalanobis(d)
    one.covariance()


def _perturb() -> None:
    one, d, h = _grid(4, signal=True), _activity(4, 0), _activity(4, 1)
    one.perturb(h)
    one.mean(h)
    one.innovations(d, h)
    one.mahalanobis(d, through_mean=True)
    one.pull_back(h)


def _learn(rule: str, *, signal: bool) -> None:
    _grid(4, signal=signal).learn(_activity(4, 0), _activity(4, 1) if signal else None, rule=rule)


def _repair() -> None:
    repair, h, d = ln.Repair(_SHAPE, 4), _activity(4, 1), _activity(4, 0)
    repair.learn("shift", h + d, h)
    repair(h)
    repair.log_densities(h)


def _chip() -> None:
    d, h = _activity(4, 0), _activity(4, 1)
    quantise(_grid(4)).sample(20)
    one = quantise(_grid(4, signal=True).learn(d, h), h=h, d=d)
    one.perturb(h)
    one.learn(d, h, rule="lms")


JOBS: tuple[Callable[[], None], ...] = (
    _draw, _perturb, _repair, _chip,
    *(partial(_learn, rule, signal=signal) for rule in ("moments", "lms", "sign-lms") for signal in (False, True)),
)  # fmt: skip


def main(folder: Path) -> None:
    """Compile all of it into a folder, in a process whose cache is empty: what the cache holds is not compiled."""
    ahead.keep_in(folder)
    for job in JOBS:
        job()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
