"""The work of a sweep's worker: one cell of a trial, and what it costs. An error comes back as a text, never raised."""

import sys
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

import psutil

from localnoise import UnitGrid
from localnoise.hardware import ChipGrid, Formats
from localnoise.sims.defenses.facts import facts
from localnoise.sims.experiments import worker
from localnoise.sims.experiments.worker import Job
from localnoise.sims.runtime.stage import Stage

HELD = 3  # seeds and layers whose activations a worker keeps: trials alternate between them
_SIZES = {"parameters": 1, "bytes_per_unit": 4.0, "energy": 1.0, "noise.links": 1, "noise.wire_length": 1}
_MOST = 12_000  # characters of an error


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The outcome of a job: values, or the text of an error.

    Attributes
    ----------
    values : dict
    seconds : float
    peak_bytes : int
        Most memory that the worker's process held meanwhile.
    error : str
    grid : bytes
        HDF5 file of the learned grid, of a bank's first member.
    """

    values: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    peak_bytes: int = 0
    error: str = ""
    grid: bytes = b""


def run(job: Job, stage: Stage) -> Outcome:
    """Learn the noise, retrain, test on the held-out images."""
    began = perf_counter()
    _forget_peak()
    runner = worker.runner(job, stage)  # other code or images than the sender's are no trial's failure
    try:
        result = runner.run(job.cell)
        one = worker.members(result.noise)[0]
        values = result.values | facts(one) | {"energy": energy(one)}
        grids = worker.answer(job, result).grids if isinstance(one, (UnitGrid, ChipGrid)) else ()
        return Outcome(values=values, seconds=result.seconds, peak_bytes=_peak(), grid=grids[0] if grids else b"")
    except InterruptedError:
        raise
    except Exception:
        text = traceback.format_exc()[-_MOST:]
        return Outcome(seconds=perf_counter() - began, peak_bytes=_peak(), error=text)


def energy(noise: Any) -> float:
    """Energy of a draw in pJ, counted and priced by the 45 nm table; of a float grid at the default formats; 0 of none.

    One member of a bank draws at a time.
    """
    from localnoise.hardware.chips.profile import load_profile
    from localnoise.hardware.fitting.cost import draw_operations
    from localnoise.hardware.fitting.energy import energy_of
    from localnoise.hardware.fitting.memory import map_of
    from localnoise.hardware.fitting.wiring import Wiring

    one = worker.members(noise)[0]
    if not isinstance(one, (UnitGrid, ChipGrid)):
        return 0.0
    formats = one.formats if isinstance(one, ChipGrid) else Formats()
    wiring = Wiring.of(one)  # type: ignore[arg-type]
    operations = draw_operations(wiring, formats, None)
    return energy_of(operations, formats, load_profile("ideal"), map_of(wiring, formats).bytes).total


def _forget_peak() -> None:
    if sys.platform == "linux":
        try:
            Path("/proc/self/clear_refs").write_text("5")
        except OSError:
            return  # the peak is then that of the process so far


def _peak() -> int:
    """Most bytes that this process held; Linux tells since `_forget_peak`, others since it began."""
    if sys.platform == "linux":
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return 1024 * int(line.split()[1])
    if sys.platform == "darwin":
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    memory = psutil.Process().memory_info()
    return int(getattr(memory, "peak_wset", memory.rss))  # Windows keeps the peak


def nothing(job: Job, stage: Stage) -> Outcome:
    """Stand in for `run` where only the dispatch is measured."""
    return Outcome(values={f"accuracy.{threat.label}": 0.5 for threat in job.cell.threats} | _SIZES)
