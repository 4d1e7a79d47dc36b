"""Cells on several processes, one writer, live progress: finished cells are kept, and skipped when run again."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from rich.progress import Progress, TaskID

from localnoise.sims.data import load
from localnoise.sims.defenses import DEFENSES
from localnoise.sims.experiments.cell import Cell
from localnoise.sims.experiments.settings import Settings
from localnoise.sims.results.records import RecordFile, key
from localnoise.sims.runtime.console import errors, progress, show_warnings_plainly
from localnoise.sims.runtime.processes import Task, end_with_parent, run_tasks, thinned
from localnoise.sims.runtime.stopping import asked_to_stop

Keep = Callable[[Cell, Any], None]
_TOLD = 10  # damaged records that are named
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
    source, which share the expensive steps. Only this process writes records. Cells of processes that are killed run
    again.

    keep : called in the worker with each cell and its noise, to save what the experiment wants saved.
    """
    configs = {cell: cell.config(settings) for cell in everything}
    done = records.done()
    if records.damaged:
        errors.print(
            f"{records.path}: damaged, lost are records {', '.join(records.damaged[:_TOLD])}"
            f"{' and others' * (len(records.damaged) > _TOLD)}; they run again"
        )
    todo = dict.fromkeys(cell for cell in everything if key(configs[cell]) not in done)
    if not todo:
        return 0
    fresh = len(todo)

    def training() -> list[Task]:
        return [(_train, seed) for seed in sorted({cell.seed for cell in todo})]

    def trained(task: Task) -> list[Task]:
        function, seed = task
        return [(_work, group) for group in _groups(todo, seed)] if function is _train else []

    with progress() as bars, asked_to_stop() as asked:
        total = bars.add_task("all cells", total=len(everything), completed=len(everything) - fresh)
        shown: dict[int, TaskID] = {}

        def hear(message: Any) -> bool:
            worker, kind, content = message
            if kind == "stage":
                _show(bars, shown, worker, *content)
                return False
            cell, values, seconds = content
            records.append(configs[cell], values, seconds, once=True)
            todo.pop(cell, None)
            bars.update(total, completed=len(everything) - len(todo))
            if not errors.is_terminal:  # in a log, bars show only their end
                errors.print(f"{len(everything) - len(todo)} of {len(everything)}: {_describe(cell)}, {seconds:.0f} s")
            return True

        given = (settings, folder, data_dir, keep)
        run_tasks(training, trained, hear, jobs=jobs, prepare=_prepare, given=given, asked=asked)
    return fresh


def _groups(cells: Iterable[Cell], seed: int) -> list[list[Cell]]:
    """Cells of a seed that share the expensive steps; in each group the threats of one trained network together."""
    groups: dict[Any, list[Cell]] = {}
    for cell in cells:
        if cell.seed == seed:
            shared = tuple(source.moved for source in cell.sources) or (cell.arm, cell.trace)
            groups.setdefault(shared, []).append(cell)
    for group in groups.values():
        order = {cell.trained: place for place, cell in reversed(list(enumerate(group)))}
        group.sort(key=lambda cell: order[cell.trained])
    return list(groups.values())


def _show(bars: Progress, shown: dict[int, TaskID], worker: int, what: str, done: int, of: int) -> None:
    if worker not in shown:
        shown[worker] = bars.add_task("")
    bars.update(shown[worker], description=f"  {what}", completed=done, total=of or None)


def _prepare(messages: Any, stop: Any, settings: Settings, folder: Path, data_dir: Path | None, keep: Keep) -> None:
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
    return ", ".join(filter(None, (f"seed {cell.seed}", names, DEFENSES[cell.arm].label, tested)))
