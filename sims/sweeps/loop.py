"""The loop of a sweep, in the client: ask, send, record, tell. Workers compute; this process alone writes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any

from localnoise.records import Record
from localnoise.sims.experiments import worker
from localnoise.sims.experiments.cell import Cell
from localnoise.sims.experiments.settings import Settings
from localnoise.sims.experiments.worker import Job
from localnoise.sims.results.records import key
from localnoise.sims.runtime.cluster import slots
from localnoise.sims.runtime.engine import Engine, Finished, Task
from localnoise.sims.runtime.stage import Stage
from localnoise.sims.sweeps import jobs
from localnoise.sims.sweeps.keeping import Entry, TrialStore
from localnoise.sims.sweeps.search import Search
from localnoise.sims.sweeps.study import Study
from localnoise.sims.sweeps.trials import (
    Front,
    Trial,
    baselines_of,
    cells_of,
    config_of,
    fitted,
    name_of,
    settings_of,
    trials_of,
)

_AGAIN = 20  # times in a row that workers may die: a sweep lasts for days


@dataclass
class _Running:
    """A trial under way: its place in the search, its open cells, and its records so far."""

    trial: Trial
    number: int
    shadow: Any
    seed: int = 0
    open: set[str] = field(default_factory=set)


@dataclass(frozen=True, eq=False)
class _Sent:
    """A cell that was sent: its job and configuration, and the trial that it is of, or none of a baseline."""

    job: Job
    config: dict[str, Any]
    running: _Running | None

    @property
    def network(self) -> tuple[int, str]:
        """Seed and training of the network that it needs."""
        return self.job.cell.seed, self.job.settings.training


@dataclass
class Counts:
    """The counts that the display shows."""

    wanted: int
    done: int = 0
    pruned: int = 0
    failed: int = 0
    running: int = 0


class Sweep:
    """One sweep.

    Parameters
    ----------
    study, kept, search, client
        What, where to, by which search, and on which cluster.
    settings : Settings
    data_dir : Path or None
    threads : int
        Of a worker.
    work : callable
        What a worker does with a job; another one only to measure the dispatch.
    """

    def __init__(
        self,
        study: Study,
        kept: TrialStore,
        search: Search,
        client: Any,
        settings: Settings,
        data_dir: Path | None = None,
        threads: int = 1,
        work: Callable[[Job, Stage], jobs.Outcome] = jobs.run,
    ) -> None:
        self.study, self.kept, self.search, self.client, self.work = study, kept, search, client, work
        self.settings, self.data_dir, self.threads = settings, data_dir, threads
        self.trials: dict[str, Trial] = {name_of(t.parameters): t for t in trials_of(kept.by_key.values())}
        self.counts, self.front = Counts(study.trials), Front(study)
        for trial in self.trials.values():
            self._count(trial)
        self._engine: Engine
        self._networks: dict[tuple[int, str], bytes | None] = {}  # by seed and training; None: being trained
        self._waiting: list[_Sent] = []  # for their network
        self._under_way: dict[str, _Running] = {}

    def run(self, tell: Callable[["Sweep"], None] = lambda sweep: None, asked: Sequence[int] = ()) -> None:
        """Run what is missing; `tell` is called after every change, and `asked` to stop looked at between them."""
        self._engine = Engine(self.client, asked, again=_AGAIN)
        for network, cell in product(self.study.networks, baselines_of(self.study)):
            settings = fitted(self.settings, network)
            config = config_of(self.study, cell, settings, None)
            if key(config) not in self.kept.by_key:
                self._send(cell, config, None, settings)
        self._fill()
        tell(self)
        while self._engine.running:
            entries: list[Entry] = []
            ended: list[_Running] = []
            for finished in self._engine.take():
                self._take(finished, entries, ended)
            self.kept.add(entries)  # recorded before it is reported to the search: what is reported is never lost
            for running in ended:
                self._end_rung(running)
            self._fill()
            tell(self)

    def _fill(self) -> None:
        """Begin trials until every slot has a job and a few wait."""
        room = slots(self.client) + 2
        while len(self._under_way) < room and self.counts.done + len(self._under_way) < self.study.trials:
            found = self.search.next()
            if found is None:
                break
            number, parameters = found
            trial = self.trials.setdefault(name_of(parameters), Trial(len(self.trials), parameters))
            running = _Running(trial, number, self.search.begin_pruning())
            self._under_way[name_of(parameters)] = running
            self._begin_rung(running)
        self.counts.running = len(self._under_way)

    def _begin_rung(self, running: _Running) -> None:
        """Send the cells of a seed that the records lack; a rung that has none ends at once."""
        parameters = running.trial.parameters
        for cell in cells_of(self.study, parameters, running.seed):
            config = config_of(self.study, cell, self.settings, parameters)
            if key(config) not in self.kept.by_key:
                running.open.add(key(config))
                self._send(cell, config, running, fitted(self.settings, parameters))
        if not running.open:
            self._end_rung(running)

    def _send(self, cell: Cell, config: dict[str, Any], running: _Running | None, settings: Settings) -> None:
        job = Job(
            cell=cell,
            settings=settings,
            holdout=self.study.holdout,
            data_dir=None if self.data_dir is None else str(self.data_dir),
            threads=self.threads,
            grids=running is not None and cell == cells_of(self.study, running.trial.parameters, 0)[0],
            held=jobs.HELD,
        )
        sent = _Sent(job, config, running)
        if self.work is not jobs.run or self._networks.get(sent.network):
            self._submit(sent)
            return
        self._waiting.append(sent)
        if sent.network not in self._networks:  # trained once, on some worker
            self._networks[sent.network] = None
            self._engine.send(Task(work=worker.train, given=job, name=sent.network, priority=100))

    def _submit(self, sent: _Sent) -> None:
        network = self._networks.get(sent.network) or b""
        priority = 0 if sent.running is None else sent.running.seed + 1  # a trial is finished before others begin
        self._engine.send(Task(work=self.work, given=replace(sent.job, network=network), name=sent, priority=priority))

    def _take(self, finished: Finished, entries: list[Entry], ended: list[_Running]) -> None:
        """Take one answer: a seed's network, for which cells wait, or a cell's outcome."""
        if finished.error is not None:
            raise finished.error
        if isinstance(finished.value, bytes):
            network = finished.task.name
            self._networks[network] = finished.value
            ready = [sent for sent in self._waiting if sent.network == network]
            self._waiting = [sent for sent in self._waiting if sent.network != network]
            for sent in ready:
                self._submit(sent)
            return
        outcome: jobs.Outcome = finished.value
        config, running = finished.task.name.config, finished.task.name.running
        results = outcome.values | {"peak_bytes": outcome.peak_bytes}
        results |= {"error": outcome.error} if outcome.error else {}
        if running is None:
            entries.append((config, results, outcome.seconds))
            return
        running.open.discard(key(config))
        running.trial.records.append(Record(config, results, {}, outcome.seconds))
        if outcome.grid:  # until the trial ends: one seed does not say whether all of them reach the front
            self.kept.keep_grid(running.trial, outcome.grid)  # before the record, which says that the cell is done
        if not running.open:
            ended.append(running)
            if not running.trial.error and self.search.prune(running.shadow, running.trial, running.seed):
                results["pruned"] = 1
        entries.append((config, results, outcome.seconds))

    def _end_rung(self, running: _Running) -> None:
        """Begin the next seed, or tell the search what came of the trial."""
        trial = running.trial
        if not trial.error and not trial.pruned and running.seed + 1 < self.study.seeds:
            running.seed += 1
            self._begin_rung(running)
            return
        self.search.tell(running.number, trial, running.shadow)
        del self._under_way[name_of(trial.parameters)]
        self._count(trial)

    def _count(self, trial: Trial) -> None:
        state = trial.state(self.study)
        self.counts.done += state != "running"
        self.counts.failed += state == "failed"
        self.counts.pruned += state == "pruned"
        if not self.front.add(trial) and state != "running":
            self.kept.drop_grid(trial)


def prepared(study: Study, data_dir: Path | None) -> Settings:
    """Settings of a study, with the fingerprint of its images."""
    settings = settings_of(study, "")
    return replace(settings, fingerprint=worker.held_out(settings, study.holdout, data_dir).fingerprint)
