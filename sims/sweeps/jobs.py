"""The work of a worker: train a seed's network, or run one cell of a trial. Values come back, never an exception."""

import atexit
import sys
import traceback
from collections import OrderedDict
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from threading import Lock
from time import perf_counter
from typing import TYPE_CHECKING, Any

import psutil

from localnoise import Bank, UnitGrid, plugins
from localnoise.files import temporary_folder, write_bytes
from localnoise.hardware import ChipGrid, Formats
from localnoise.sims.data import Dataset, load, split
from localnoise.sims.defenses.facts import facts
from localnoise.sims.experiments.cell import Cell
from localnoise.sims.experiments.settings import Settings
from localnoise.sims.runtime.console import show_warnings_plainly

if TYPE_CHECKING:
    from localnoise.sims.experiments.runner import Runner

_HELD = 3  # seeds and layers whose activations a worker keeps: 0.7 GB each on the full data set
_SIZES = {"parameters": 1, "bytes_per_unit": 4.0, "energy": 1.0, "noise.links": 1, "noise.wire_length": 1}
_MOST = 12_000  # characters of an error: an HDF5 attribute holds 64 KiB
_runners: "OrderedDict[Any, Runner]" = OrderedDict()
_alone = Lock()  # a worker of several threads runs one job at a time: torch's threads and the runners are its process's


@dataclass(frozen=True, kw_only=True)
class Job:
    """One cell of a trial, and what it needs.

    Attributes
    ----------
    cell, settings
        As of any experiment; `settings.fingerprint` is that of the images less the held-out ones.
    holdout : int
        Training images held out, which stand in the place of test images.
    data_dir : str or None
        Folder of the full data set, on the worker's machine.
    network : bytes
        The trained network's file.
    threads : int
        Of torch and Numba.
    grid : bool
        Whether the learned grid comes back.
    plugins : tuple of str
        Modules that a worker imports first: a defense, rule or perturbation of the job may be theirs.
    """

    cell: Cell
    settings: Settings
    holdout: int
    data_dir: str | None
    network: bytes = b""
    threads: int = 1
    grid: bool = False
    plugins: tuple[str, ...] = field(default_factory=plugins.loaded)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The outcome of a job: values, or the text of an error.

    Attributes
    ----------
    values : dict
    seconds : float
    peak_bytes : int
        Most memory that the worker's process held meanwhile.
    error : str
    grid : bytes
        HDF5 file of the learned grid.
    """

    values: dict[str, Any]
    seconds: float = 0.0
    peak_bytes: int = 0
    error: str = ""
    grid: bytes = b""


def held_out(data: str, holdout: int, data_dir: str | Path | None) -> Dataset:
    """Training images less `holdout` of them, which stand in the place of the test images."""
    return _held_out(data, holdout, None if data_dir is None else str(data_dir))


@cache
def _held_out(data: str, holdout: int, data_dir: str | None) -> Dataset:
    return split(load(data, data_dir), holdout)


def train(job: Job) -> bytes:
    """Train the network of the job's seed; returns its file."""
    with _alone:
        plugins.load(*job.plugins)
        _use(job.threads)
        return _runner(job).bench(job.cell.seed).base_path.read_bytes()


def run(job: Job) -> Answer:
    """Learn the noise, retrain, test on the held-out images."""
    began = perf_counter()
    with _alone:
        _forget_peak()
        try:
            plugins.load(*job.plugins)
            _use(job.threads)
            result = _runner(job).run(job.cell)
            values = result.values | facts(_member(result.noise)) | {"energy": energy(result.noise)}
            file = _file(result.noise, job.cell) if job.grid else b""
            return Answer(values=values, seconds=result.seconds, peak_bytes=_peak(), grid=file)
        except Exception:
            text = traceback.format_exc()[-_MOST:]
            return Answer(values={}, seconds=perf_counter() - began, peak_bytes=_peak(), error=text)


def energy(noise: Any) -> float:
    """Energy of a draw in pJ, counted and priced by the 45 nm table; of a float grid at the default formats; 0 of none.

    One member of a bank draws at a time.
    """
    from localnoise.hardware.chips.profile import load_profile
    from localnoise.hardware.fitting.cost import draw_operations
    from localnoise.hardware.fitting.energy import energy_of
    from localnoise.hardware.fitting.memory import map_of
    from localnoise.hardware.fitting.wiring import Wiring

    one = _member(noise)
    if not isinstance(one, (UnitGrid, ChipGrid)):
        return 0.0
    formats = one.formats if isinstance(one, ChipGrid) else Formats()
    wiring = Wiring.of(one)  # type: ignore[arg-type]
    operations = draw_operations(wiring, formats, None)
    return energy_of(operations, formats, load_profile("ideal"), map_of(wiring, formats).bytes).total


def _member(noise: Any) -> Any:
    return noise.members[0] if isinstance(noise, Bank) else noise


def _file(noise: Any, cell: Cell) -> bytes:
    one = _member(noise)
    if not isinstance(one, (UnitGrid, ChipGrid)):
        return b""
    one.provenance |= cell.provenance()
    with temporary_folder() as folder:
        path = folder / "grid.h5"
        one.save(path, state=False)
        return path.read_bytes()


def _runner(job: Job) -> "Runner":
    """Return the runner of the job's seed and settings; the last few are kept."""
    from localnoise.sims.experiments.runner import Runner

    place = (job.settings, job.holdout, job.cell.seed)
    if place not in _runners:
        while len(_runners) >= _HELD:
            _runners.popitem(last=False)
        data = held_out(job.settings.data, job.holdout, job.data_dir)
        _runners[place] = Runner(job.settings, data, _folder())
        if job.network:
            path = _runners[place].unused_bench(job.cell.seed).base_path
            write_bytes(path, job.network)
    _runners.move_to_end(place)
    return _runners[place]


@cache
def _folder() -> Path:
    kept = ExitStack()
    atexit.register(kept.close)
    return kept.enter_context(temporary_folder())


@cache
def _warn_plainly() -> None:
    show_warnings_plainly()  # once a process


def _use(threads: int) -> None:
    import numba
    import torch

    _warn_plainly()
    torch.set_num_threads(threads)
    numba.set_num_threads(min(threads, int(vars(numba.config)["NUMBA_NUM_THREADS"])))


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


def nothing(job: Job) -> Answer:
    """Stand in for `run` where only the dispatch is measured."""
    return Answer(values={f"accuracy.{threat.label}": 0.5 for threat in job.cell.threats} | _SIZES)
