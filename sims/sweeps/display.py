"""Live progress of a sweep: trials done, running, failed, time left, and the front so far."""

from collections.abc import Iterable
from types import TracebackType
from typing import Any, Self

from rich.console import Group
from rich.live import Live
from rich.table import Table

from localnoise.records import Record
from localnoise.sims.reports.table import as_terminal
from localnoise.sims.runtime.console import errors, progress
from localnoise.sims.sweeps.loop import Sweep
from localnoise.sims.sweeps.rows import best_first, front_texts
from localnoise.sims.sweeps.study import Study
from localnoise.sims.sweeps.trials import Trial

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
            found = best_first(self.study, sweep.front)[:_SHOWN]
            table = front_table(found, self.study, sweep.kept.by_key.values()) if found else None
            self._live.update(self._bars if table is None else Group(self._bars, table))
        elif counts.done > max(self._ended, 0):
            errors.print(", ".join(said))
        self._ended = counts.done


def front_table(trials: list[Trial], study: Study, records: Iterable[Record]) -> Table:
    """The trials of a front, best of the first goal first, and the baselines; ± half of the 95 % interval."""
    table = front_texts(study, trials, list(records)).reset_index(names="hyperparameters")
    values = [name for name in table if name != "hyperparameters"]
    return as_terminal(table[[*values, "hyperparameters"]], "Pareto front, and the baselines", left=(len(values),))
