"""The search, by Optuna: what to try next, from what came of it; and whether a trial is worth another rung."""

import random
import warnings
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import BaseSampler, NSGAIISampler, RandomSampler, TPESampler
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import FrozenTrial, TrialState

from localnoise.errors import ArgumentError
from localnoise.files import write_bytes
from localnoise.sims.sweeps.space import FINITE, Parameters, combinations, suggest
from localnoise.sims.sweeps.study import Study
from localnoise.sims.sweeps.trials import BEST, Trial, beats, name_of, values_of

_PATIENCE = 20  # suggestions in a row that were tried before: then one that was not is looked for
_DIRECTIONS = {"high": "maximize", "low": "minimize"}


class Search:
    """Ask for hyperparameters, tell their values.

    Parameters
    ----------
    study : Study
    storage : str
        URL of a database (SQLAlchemy), or the path of a journal file.
    """

    def __init__(self, study: Study, storage: str) -> None:
        quiet()
        self.study, self._shadow = study, _halving(study)
        self._optuna = _of_this_space(_open(study, storage), study, storage)
        self._begun = [trial for trial in self._all() if trial.state == TrialState.RUNNING]
        self._seen: set[str] = set()
        self._rungs: dict[int, list[dict[str, float]]] = {}
        self._untried: list[Parameters] | None = None

    def restore(self, trials: Iterable[Trial]) -> None:
        """Take up what the records hold: values not reported yet, the rungs; all of it where the storage was lost."""
        known = {name_of(t.params) for t in self._all() if t.state.is_finished()}
        begun = {name_of(t.params): t.number for t in self._begun}
        for trial in trials:
            name = name_of(trial.parameters)
            if trial.state(self.study) == "running":
                if name not in begun:
                    self._optuna.enqueue_trial(trial.parameters)
                continue
            self._seen.add(name)
            shadow = self.begin_pruning()
            for seed in range(trial.seeds if shadow is not None and not trial.error else 0):
                self._report(shadow, trial, seed)
            if name in begun:
                self.tell(begun[name], trial, shadow)
                continue
            self._tell_shadow(shadow, trial)
            if name not in known:
                self._add(trial)
        self._begun = [t for t in self._begun if name_of(t.params) not in self._seen]

    def next(self) -> tuple[int, Parameters] | None:
        """(number, hyperparameters) of the next trial that was not tried before; None where there are no more."""
        while self._begun:
            frozen = self._begun.pop(0)
            try:
                parameters = suggest(self.study.space, optuna.trial.FixedTrial(frozen.params))
            except ValueError:  # killed while it was being asked for
                self._optuna.tell(frozen.number, state=TrialState.FAIL)
                continue
            self._seen.add(name_of(parameters))
            return frozen.number, parameters
        for turn in range(_PATIENCE + 1):
            if (
                (turn == _PATIENCE or self.study.sampler == "grid")
                and not self._waiting()
                and not self._queue_untried()
            ):
                return None
            trial = self._optuna.ask()
            parameters = suggest(self.study.space, trial)
            if name_of(parameters) not in self._seen:
                self._seen.add(name_of(parameters))
                return trial.number, parameters
            self._optuna.tell(trial.number, state=TrialState.FAIL)
        return None

    def prune(self, shadow: Any, trial: Trial, seed: int) -> bool:
        """Return whether a trial ends with this seed, by successive halving of the number of trials that beat it."""
        if self._shadow is None or shadow is None or seed + 1 >= self.study.seeds:
            return False
        return self._report(shadow, trial, seed)

    def begin_pruning(self) -> Any:
        """A trial's place among the rungs."""
        return None if self._shadow is None else self._shadow.ask()

    def tell(self, number: int, trial: Trial, shadow: Any = None) -> None:
        """Report the outcome of a trial."""
        state = trial.state(self.study)
        if state == "complete":
            values = trial.values()
            self._optuna.tell(number, [values[name] for name in self.study.goals])
        else:
            self._optuna.tell(number, state=TrialState.PRUNED if state == "pruned" else TrialState.FAIL)
        self._tell_shadow(shadow, trial)

    def _all(self) -> list[FrozenTrial]:
        return self._optuna.get_trials(deepcopy=False)

    def _queue_untried(self) -> bool:
        """Queue a combination that was not tried, in a shuffled order; False where there is none, or no end of them."""
        if self._untried is None:
            finite = all(part.discrete is not None for part in self.study.space.values())
            every = list(islice(combinations(self.study.space), FINITE)) if finite else []
            random.Random(self.study.seed).shuffle(every)  # a grid that is cut short is a random sample of it
            self._untried = every
        while self._untried:
            if name_of(self._untried[-1]) not in self._seen:
                self._optuna.enqueue_trial(self._untried.pop())
                return True
            self._untried.pop()
        return False

    def _waiting(self) -> bool:
        return any(trial.state == TrialState.WAITING for trial in self._all())

    def _report(self, shadow: Any, trial: Trial, seed: int) -> bool:
        """Tell the pruner how many trials beat this one at this rung; whether it belongs to the worse half."""
        own = values_of(record for record in trial.records if record.config["seed"] <= seed)
        before = self._rungs.setdefault(seed, [])
        shadow.report(sum(beats(other, own, self.study) for other in before), seed + 1)
        before.append(own)
        return bool(shadow.should_prune())

    def _tell_shadow(self, shadow: Any, trial: Trial) -> None:
        if self._shadow is None or shadow is None:
            return
        last = self._shadow.trials[shadow.number].last_step
        if last is None:
            self._shadow.tell(shadow, state=TrialState.FAIL)
        else:
            self._shadow.tell(shadow, self._shadow.trials[shadow.number].intermediate_values[last])

    def _add(self, trial: Trial) -> None:
        state, values = trial.state(self.study), trial.values()
        self._optuna.add_trial(
            optuna.trial.create_trial(
                params=trial.parameters,
                distributions={name: self.study.space[name].distribution for name in trial.parameters},
                state={"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED}.get(state, TrialState.FAIL),
                values=[values[name] for name in self.study.goals] if state == "complete" else None,
            )
        )


def quiet() -> None:
    """Optuna tells of each study and of each experimental part: a sweep has its own display."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    warnings.filterwarnings("ignore", message="PedAnova", category=UserWarning)


def _halving(study: Study) -> optuna.Study | None:
    """A study of one goal, by how many a trial is beaten: Optuna prunes no trial that has several goals."""
    if study.pruning == "none":
        return None
    pruner = optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=2)
    return optuna.create_study(direction="minimize", pruner=pruner)


def _sampler(study: Study) -> BaseSampler:
    if study.sampler == "tpe":
        return TPESampler(seed=study.seed, multivariate=True, group=True, constant_liar=True)
    if study.sampler == "nsga2":
        return NSGAIISampler(seed=study.seed, population_size=max(4, min(24, study.trials // 4)))
    return RandomSampler(seed=study.seed)  # of a grid every combination waits in the queue


def _open(study: Study, storage: str) -> optuna.Study:
    """Open Optuna's storage; a journal that was cut short is set aside, as the records hold all that counts."""
    directions = [_DIRECTIONS[BEST[name]] for name in study.goals]
    own: dict[str, Any] = {"study_name": study.name, "sampler": _sampler(study), "directions": directions}
    if "://" in storage:
        try:
            return optuna.create_study(storage=storage, load_if_exists=True, **own)
        except Exception as error:  # SQLAlchemy's own, a driver's, or an import's
            raise ArgumentError(
                f"storage={storage!r} cannot be opened ({str(error).splitlines()[0][:120]}): expected a path, or the "
                "URL of a database that SQLAlchemy reaches, such as sqlite:///study.db or postgresql://user@host/name"
            ) from None
    try:
        return optuna.create_study(storage=_journal(storage), load_if_exists=True, **own)
    except ValueError:  # a line that is no JSON
        Path(storage).rename(storage + ".damaged")
        return optuna.create_study(storage=_journal(storage), load_if_exists=True, **own)


def _of_this_space(found: optuna.Study, study: Study, storage: str) -> optuna.Study:
    """Return the study of a storage if its trials are of the same goals and space, or raise an ArgumentError."""
    wanted, what = [_DIRECTIONS[BEST[name]] for name in study.goals], ""
    if [direction.name.lower() for direction in found.directions] != wanted:
        what = f"{len(found.directions)} goals"
    known = {name: part.distribution for name, part in study.space.items()}
    for trial in found.get_trials(deepcopy=False):
        for name, own in trial.distributions.items():
            if not what and own != known.get(name):
                what = f"{name} in {_short(own)}"
    if what:
        raise ArgumentError(
            f"storage={storage!r} holds trials of another study named {study.name!r}, with {what}: expected the same "
            "goals and space; name another with --storage, give the study another name, or move the file away"
        )
    return found


def _short(own: BaseDistribution) -> str:
    if isinstance(own, CategoricalDistribution):
        return str(list(own.choices))[:100]
    return f"{getattr(own, 'low', '?')} to {getattr(own, 'high', '?')}"


def _journal(path: str) -> optuna.storages.JournalStorage:
    lock = JournalFileOpenLock(path)
    Path(path + ".lock").unlink(missing_ok=True)  # a killed sweep's; a second sweep is refused before
    place = Path(path)
    if place.exists() and not (content := place.read_bytes()).endswith(b"\n"):  # killed while it wrote a line
        write_bytes(place, content[: content.rfind(b"\n") + 1])
    return optuna.storages.JournalStorage(JournalFileBackend(path, lock))
