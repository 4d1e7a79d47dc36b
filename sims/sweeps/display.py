"""Live progress of a sweep: trials done, running, failed, time left, and the front so far."""

from types import TracebackType
from typing import Any, Self

from rich import box
from rich.console import Group
from rich.live import Live
from rich.table import Table

from localnoise.sims.console import errors, progress
from localnoise.sims.sweeps.study import Study, spelled
from localnoise.sims.sweeps.sweep import Sweep
from localnoise.sims.sweeps.trials import BEST, LABELS, Trial

_SHOWN = 8  # trials of the front


class Display:
    """Bars and the front on a terminal; in a log, a line whenever a trial ends."""

    def __init__(self, study: Study) -> None:
        self.study, self._bars, self._ended = study, progress(), -1
        self._bar = self._bars.add_task("", total=study.trials)
        self._live = Live(self._bars, console=errors, refresh_per_second=4, transient=True)

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(self, *exception: Any) -> None:
        kind: type[BaseException] | None
        error: BaseException | None
        trace: TracebackType | None
        kind, error, trace = exception
        self._live.__exit__(kind, error, trace)

    def __call__(self, sweep: Sweep) -> None:
        """Show a sweep as it is now."""
        counts = sweep.counts
        said = [f"{counts.done} of {counts.wanted} trials", f"{counts.running} running"]
        said += [
            f"{number} {word}" for number, word in ((counts.pruned, "pruned"), (counts.failed, "failed")) if number
        ]
        if errors.is_terminal:
            self._bars.update(self._bar, description=", ".join(said), completed=counts.done)
            found = list(sweep.front)
            self._live.update(Group(self._bars, front_table(found[:_SHOWN], self.study)) if found else self._bars)
        elif counts.done > max(self._ended, 0):
            errors.print(", ".join(said))
        self._ended = counts.done


def front_table(trials: list[Trial], study: Study) -> Table:
    """The trials of a front, best of the first goal first."""
    table = Table(box=box.SIMPLE_HEAD, title="Pareto front", title_justify="left")
    for name in study.goals:
        table.add_column(_heading(name), justify="right")
    table.add_column("hyperparameters")
    sign = -1 if BEST[study.goals[0]] == "high" else 1
    for trial in sorted(trials, key=lambda one: sign * one.values()[study.goals[0]]):
        values = trial.values()
        table.add_row(*(number(name, values[name]) for name in study.goals), described(trial))
    return table


def described(trial: Trial) -> str:
    """A trial's hyperparameters in words."""
    others = [f"{name} {trial.parameters[name]}" for name in ("source", "layer") if name in trial.parameters]
    return ", ".join([spelled(trial.parameters).label, *others])


def number(name: str, value: float) -> str:
    """A goal's value as text."""
    if name in ("robust", "clean"):
        return f"{value:.3f}".removeprefix("0")
    return f"{value:.2f}" if name == "energy" else f"{value:,.0f}"


def _heading(name: str) -> str:
    label, unit = LABELS[name]
    return f"{label}\n/ {unit}" if unit else label
