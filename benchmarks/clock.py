"""Times of several functions, interleaved: what disturbs one disturbs the others, so that ratios hold."""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from time import perf_counter, sleep
from typing import Any

Job = Callable[[], Any]

_REST = 0.02  # seconds before each turn: a thread pool spins for a while after its work, and would disturb the next
_LONG = 3.0  # seconds: a longer call settles caches and clocks by itself, and is not called a second time for that
_SHORT = 0.2  # seconds: before a shorter call the same is called once untimed, as waking cores takes milliseconds


@dataclass(frozen=True)
class Timing:
    """Seconds of one function.

    Attributes
    ----------
    steady : float
        Median.
    repeats : int
    """

    steady: float
    repeats: int


def interleaved(jobs: dict[str, Job], seconds: float = 6.0, least: int = 5) -> dict[str, Timing]:
    """Time all jobs in turn, again and again, for about `seconds` in all, each at least `least` times."""
    settling = {name: once(job) for name, job in jobs.items()}  # caches and clocks settle
    short = {name: settling[name] < _LONG and once(job) < _SHORT for name, job in jobs.items()}
    times: dict[str, list[float]] = {name: [] for name in jobs}
    began = perf_counter()
    while perf_counter() - began < seconds or len(next(iter(times.values()))) < least:
        for name, job in jobs.items():
            times[name].append(once(job, warm=short[name]))
    return {name: Timing(median(own), len(own)) for name, own in times.items()}


def once(job: Job, *, warm: bool = False) -> float:
    """Seconds of one call, after a short rest; `warm`: and after a call that is not timed."""
    sleep(_REST)
    if warm:
        job()
    began = perf_counter()
    job()
    return perf_counter() - began
