"""The loop of a sweep, in the client: ask, send, record, tell. Workers compute; this process alone writes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import sleep
from typing import Any

from localnoise.records import Record
from localnoise.sims.experiments.cell import Cell
from localnoise.sims.experiments.settings import Settings
from localnoise.sims.results.records import key
from localnoise.sims.sweeps import jobs
from localnoise.sims.sweeps.cluster import slots
from localnoise.sims.sweeps.keeping import Entry, TrialStore
from localnoise.sims.sweeps.search import Search
from localnoise.sims.sweeps.space import Parameters
from localnoise.sims.sweeps.study import Study
from localnoise.sims.sweeps.trials import (
    Front,
    Trial,
    baselines_of,
    cells_of,
    config_of,
    name_of,
    settings_of,
    trials_of,
)

_AGAIN = 20  # times that a job is sent again after its workers died


@dataclass
class _Running:
    """A trial under way: its place in the search, its open cells, and its records so far."""

    trial: Trial
    number: int
    shadow: Any
    seed: int = 0
    open: set[str] = field(default_factory=set)


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
        work: Callable[[jobs.Job], jobs.Answer] = jobs.run,
    ) -> None:
        self.study, self.kept, self.search, self.client, self.work = study, kept, search, client, work
        self.settings, self.data_dir, self.threads = settings, data_dir, threads
        self.trials: dict[str, Trial] = {name_of(t.parameters): t for t in trials_of(kept.by_key.values())}
        self.counts, self.front = Counts(study.trials), Front(study)
        for trial in self.trials.values():
            self._count(trial)
        self._networks: dict[int, Any] = {}
        self._under_way: dict[str, _Running] = {}
        self._sent: dict[Any, tuple[jobs.Job, dict[str, Any], _Running | None, int]] = {}

    def run(self, tell: Callable[["Sweep"], None] = lambda sweep: None, asked: Sequence[int] = ()) -> None:
        """Run what is missing; `tell` is called after every change, and `asked` to stop looked at between them."""
        from distributed import as_completed

        finished = as_completed()
        for cell in baselines_of(self.study):
            config = config_of(self.study, cell, self.settings, None)
            if key(config) not in self.kept.by_key:
                self._send(finished, cell, config, None)
        self._fill(finished)
        tell(self)
        while self._sent:
            entries: list[Entry] = []
            ended: list[_Running] = []
            for future in _batch(finished, asked):
                self._take(finished, future, entries, ended)
            self.kept.add(entries)  # recorded before it is reported to the search: what is reported is never lost
            for running in ended:
                self._end_rung(finished, running)
            self._fill(finished)
            tell(self)

    def _fill(self, finished: Any) -> None:
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
            self._begin_rung(finished, running)
        self.counts.running = len(self._under_way)

    def _begin_rung(self, finished: Any, running: _Running) -> None:
        """Send the cells of a seed that the records lack; a rung that has none ends at once."""
        parameters = running.trial.parameters
        for cell in cells_of(self.study, parameters, running.seed):
            config = config_of(self.study, cell, self.settings, parameters)
            if key(config) not in self.kept.by_key:
                running.open.add(key(config))
                self._send(finished, cell, config, running, parameters)
        if not running.open:
            self._end_rung(finished, running)

    def _send(
        self,
        finished: Any,
        cell: Cell,
        config: dict[str, Any],
        running: _Running | None,
        parameters: Parameters | None = None,
    ) -> None:
        layer = (parameters or {}).get("layer", self.settings.layer)
        job = jobs.Job(
            cell=cell,
            settings=replace(self.settings, layer=layer),
            holdout=self.study.holdout,
            data_dir=None if self.data_dir is None else str(self.data_dir),
            threads=self.threads,
            grid=running is not None and running.seed == 0 and not running.open - {key(config)},
        )
        self._submit(finished, job, config, running, 0)

    def _submit(
        self, finished: Any, job: jobs.Job, config: dict[str, Any], running: _Running | None, times: int
    ) -> None:
        priority = 0 if running is None else running.seed + 1  # a trial is finished before others begin
        network = self._network(job)
        future = self.client.submit(_with_network, self.work, job, network, pure=False, priority=priority)
        self._sent[future.key] = (job, config, running, times)
        finished.add(future)

    def _network(self, job: jobs.Job) -> Any:
        """The seed's network, trained once on some worker; a future."""
        if self.work is not jobs.run:
            return b""
        seed = job.cell.seed
        if seed not in self._networks or self._networks[seed].status in ("error", "lost", "cancelled"):
            self._networks[seed] = self.client.submit(jobs.train, job, pure=False, priority=100)
        return self._networks[seed]

    def _take(self, finished: Any, future: Any, entries: list[Entry], ended: list[_Running]) -> None:
        """Take one answer; a job whose workers died is sent again."""
        from distributed import KilledWorker

        job, config, running, times = self._sent.pop(future.key)
        if future.status == "finished":
            answer: jobs.Answer = future.result()
        else:
            error = future.exception() if future.status == "error" else RuntimeError(f"the job was {future.status}")
            if times < _AGAIN and (future.status != "error" or isinstance(error, KilledWorker)):
                self._submit(finished, job, config, running, times + 1)
                return
            answer = jobs.Answer(values={}, error=f"{type(error).__name__}: {error}")
        results = answer.values | {"peak_bytes": answer.peak_bytes}
        results |= {"error": answer.error} if answer.error else {}
        if running is None:
            entries.append((config, results, answer.seconds))
            return
        running.open.discard(key(config))
        running.trial.records.append(Record(config, results, {}, answer.seconds))
        if answer.grid:  # until the trial ends: one seed does not say whether all of them reach the front
            self.kept.keep_grid(running.trial, answer.grid)  # before the record, which says that the cell is done
        if not running.open:
            ended.append(running)
            if not running.trial.error and self.search.prune(running.shadow, running.trial, running.seed):
                results["pruned"] = 1
        entries.append((config, results, answer.seconds))

    def _end_rung(self, finished: Any, running: _Running) -> None:
        """Begin the next seed, or tell the search what came of the trial."""
        trial = running.trial
        if not trial.error and not trial.pruned and running.seed + 1 < self.study.seeds:
            running.seed += 1
            self._begin_rung(finished, running)
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


def _batch(finished: Any, asked: Sequence[int]) -> list[Any]:
    """Futures that are done, at least one; waits for it, and looks at `asked` meanwhile."""
    pause = 0.001
    while not (batch := finished.next_batch(block=False)) and not asked:
        sleep(pause)
        pause = min(2 * pause, 0.05)
    if asked:
        raise KeyboardInterrupt
    return list(batch)


def _with_network(work: Callable[[jobs.Job], jobs.Answer], job: jobs.Job, network: bytes) -> jobs.Answer:
    return work(replace(job, network=network))


def prepared(study: Study, data_dir: Path | None) -> Settings:
    """Settings of a study, with the fingerprint of its images."""
    return settings_of(study, jobs.held_out(study.data, study.holdout, data_dir).fingerprint)
