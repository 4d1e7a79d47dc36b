"""Sweeps: what a trial costs besides its work, and what a second worker brings."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter

from benchmarks.row import Result
from localnoise.sims.runtime.cluster import connected
from localnoise.sims.sweeps import jobs
from localnoise.sims.sweeps.keeping import TrialStore
from localnoise.sims.sweeps.loop import Sweep, prepared
from localnoise.sims.sweeps.search import Search
from localnoise.sims.sweeps.study_files import parse_study

_STUDY = """name = "bench"
sources = ["rotate@2"]
goals = ["robust", "bytes"]
baselines = []
holdout = 500
epochs = 1
base_epochs = 1
displaced = 3000
sampler = "{sampler}"
trials = {trials}
[space]
rule = "lms"
rate = {{ low = 0.01, high = 1.0, log = true }}
order = ["multiscale", "raster"]
parents = {{ low = 1, high = 8 }}
"""
_NONE, _REAL = 400, 24  # trials


def rows() -> Iterator[Result]:
    """Rows of the table."""
    for sampler in ("random", "tpe"):
        took = _swept(sampler, _NONE, 2, jobs.nothing) / _NONE
        yield Result(
            name=f"a trial that does nothing, {sampler}", peer_name="50 trials a second", ours=took, peer=1 / 50,
            bound=1, aim=2, repeats=_NONE,
        )  # fmt: skip
    times = [_swept("random", _REAL, workers, jobs.run) for workers in (1, 2)]
    yield Result(
        name=f"a sweep of {_REAL} trials, two workers", peer_name="one worker", ours=times[1], peer=times[0],
        bound=1.6, aim=2,
    )  # fmt: skip


def _swept(sampler: str, trials: int, workers: int, work: object) -> float:
    """Seconds of a sweep from its first trial to its last, once the workers run and have a network and data."""
    study, text = parse_study(_STUDY.format(sampler=sampler, trials=trials), "bench")
    settings = prepared(study, None)
    with tempfile.TemporaryDirectory() as folder, connected("", workers, 1) as client:
        for warm, of in ((True, workers), (False, trials)):
            plan = study.model_copy(update={"trials": of})
            kept = TrialStore(Path(folder) / f"{warm}.sqlite")
            kept.begin(plan, text, resume=False)
            sweep = Sweep(plan, kept, Search(plan, str(kept.journal)), client, settings, work=work)  # type: ignore[arg-type]
            began = perf_counter()
            sweep.run()
        return perf_counter() - began
