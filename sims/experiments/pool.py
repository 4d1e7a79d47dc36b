"""Cells on several processes, one writer, live progress: finished cells are kept, and skipped when run again."""

import multiprocessing
import os
import queue
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from multiprocessing import connection
from multiprocessing.managers import SyncManager
from pathlib import Path
from threading import Thread
from typing import Any

from rich.progress import Progress, TaskID

from localnoise.sims.arms import ARMS
from localnoise.sims.console import errors, progress, show_warnings_plainly
from localnoise.sims.data import load
from localnoise.sims.experiments.cells import Cell
from localnoise.sims.experiments.settings import Settings
from localnoise.sims.experiments.stage import Stage
from localnoise.sims.experiments.stopping import asked_to_stop
from localnoise.sims.reports.records import RecordFile, key

Keep = Callable[[Cell, Any], None]
_process: dict[str, Any] = {}  # what a worker process holds: set once by its initialiser


def run(
    everything: list[Cell],
    settings: Settings,
    records: RecordFile,
    folder: Path,
    *,
    data_dir: Path | None,
    keep: Keep,
    jobs: int,
) -> int:
    """Run the cells that `records` lacks; returns how many were run.

    Each process has one thread. A seed's network is trained first; then each process takes the cells of one seed and
    source, which share the dear steps. Only this process writes records.

    keep : called in the worker with each cell and its noise, to save what the experiment wants saved.
    """
    done = records.done()
    if records.damaged:
        errors.print(f"{records.path}: damaged, lost are records {', '.join(records.damaged)}; they run again")
    todo = [cell for cell in everything if key(cell.config(settings)) not in done]
    groups: dict[Any, list[Cell]] = {}
    for cell in todo:
        shared = tuple(source.moved for source in cell.sources) or (cell.arm, cell.trace)
        groups.setdefault((cell.seed, shared), []).append(cell)
    for group in groups.values():  # the threats of one trained network together
        order = {cell.trained: place for place, cell in reversed(list(enumerate(group)))}
        group.sort(key=lambda cell: order[cell.trained])
    if not todo:
        return 0
    context = multiprocessing.get_context("spawn")
    manager = SyncManager(ctx=context)
    manager.start(end_with_parent)
    with manager, progress() as bars, one_thread_each():
        messages, stop = manager.Queue(), manager.Event()
        total = bars.add_task("all cells", total=len(everything), completed=len(everything) - len(todo))
        shown: dict[int, TaskID] = {}

        def drain() -> None:
            while True:
                try:
                    worker, kind, content = messages.get_nowait()
                except queue.Empty:
                    return
                if kind == "stage":
                    _show(bars, shown, worker, *content)
                else:
                    cell, values, seconds = content
                    records.append(cell.config(settings), values, seconds)
                    bars.advance(total)
                    if not errors.is_terminal:  # in a log, bars show only their end
                        errors.print(
                            f"{bars.tasks[0].completed:.0f} of {len(everything)}: {_describe(cell)}, {seconds:.0f} s"
                        )

        start = (settings, folder, data_dir, messages, stop, keep)
        with asked_to_stop() as asked, ProcessPoolExecutor(jobs, context, _prepare, start) as pool:
            training = {pool.submit(_train, seed): seed for seed in sorted({cell.seed for cell in todo})}
            pending: set[Future[None]] = set(training)
            try:
                while pending or asked:
                    if asked:
                        raise KeyboardInterrupt
                    finished, pending = wait(pending, timeout=0.2, return_when=FIRST_COMPLETED)
                    drain()
                    for future in sorted(finished, key=lambda done: training.get(done, -1)):
                        future.result()
                        seed = training.get(future)
                        pending |= {pool.submit(_work, group) for (own, _), group in groups.items() if own == seed}
            except BaseException:
                stop.set()  # workers look at it a hundred times a step; what they had not begun is dropped
                pool.shutdown(cancel_futures=True)
                drain()
                raise
    return len(todo)


def _show(bars: Progress, shown: dict[int, TaskID], worker: int, what: str, done: int, of: int) -> None:
    if worker not in shown:
        shown[worker] = bars.add_task("")
    bars.update(shown[worker], description=f"  {what}", completed=done, total=of or None)


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Workers read these when they start: one thread each, or they would wait for one another's."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def end_with_parent() -> None:
    """End this process when its parent is gone, even killed: a pool's workers would wait for work for ever."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    sentinel = parent.sentinel

    def watch() -> None:
        connection.wait([sentinel])
        os._exit(1)

    Thread(target=watch, daemon=True).start()


def thinned(stage: Stage, stop: Any) -> Stage:
    """Pass on at most a hundred messages a step; raise an InterruptedError at the next one after `stop` is set."""
    last: tuple[str, int] | None = None

    def passed_on(what: str, done: int, of: int) -> None:
        nonlocal last
        now = what, 100 * done // of if of else 0
        if now != last:
            if stop.is_set():
                raise InterruptedError("stopped by the main process")
            last = now
            stage(what, done, of)

    return passed_on


def _prepare(settings: Settings, folder: Path, data_dir: Path | None, messages: Any, stop: Any, keep: Keep) -> None:
    import torch

    from localnoise.sims.experiments.runner import Runner

    torch.set_num_threads(1)
    show_warnings_plainly()
    end_with_parent()

    def stage(what: str, done: int, of: int) -> None:
        messages.put((os.getpid(), "stage", (_process.get("prefix", "") + what, done, of)))

    runner = Runner(settings, load(settings.data, data_dir), folder, thinned(stage, stop))
    _process.update(runner=runner, messages=messages, keep=keep)


def _train(seed: int) -> None:
    _process["prefix"] = f"seed {seed}, "
    _process["runner"].bench(seed)


def _work(group: list[Cell]) -> None:
    for cell in group:
        _process["prefix"] = f"{_describe(cell)}: "
        result = _process["runner"].run(cell)
        _process["keep"](cell, result.noise)
        _process["messages"].put((os.getpid(), "result", (cell, result.values, result.seconds)))


def _describe(cell: Cell) -> str:
    names = " + ".join(source.name for source in cell.sources)
    tested = ", ".join(threat.label for threat in cell.threats)
    return ", ".join(filter(None, (f"seed {cell.seed}", names, ARMS[cell.arm].label, tested)))
