"""Trials: hyperparameters as cells to run, and cells' records as trials with a value for every goal."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from statistics import mean
from typing import Any

from localnoise.records import Record
from localnoise.sims.attacks import ATTACKS
from localnoise.sims.defenses import Repairing, named, repairing_name
from localnoise.sims.evaluation.names import CLEAN
from localnoise.sims.evaluation.source import Source
from localnoise.sims.evaluation.threat import Threat
from localnoise.sims.experiments.cell import Cell
from localnoise.sims.experiments.chosen import Chosen
from localnoise.sims.experiments.settings import Settings
from localnoise.sims.sweeps.space import Parameters
from localnoise.sims.sweeps.study import Study

BEST = {
    "robust": "high",
    "clean": "high",
    "bytes": "low",
    "energy": "low",
    "links": "low",
    "wire": "low",
    "work": "low",
}
MEASURED = ("robust", "clean")  # only a run tells; the other goals follow from the hyperparameters alone
LABELS = {
    "robust": ("robust accuracy", ""),
    "clean": ("clean accuracy", ""),
    "bytes": ("parameters per unit", "B"),
    "energy": ("energy per draw", "µJ"),
    "links": ("links", ""),
    "wire": ("wire length", "unit pitches"),
    "work": ("multiplications per input", ""),
}
_PLACES = {
    "clean": "accuracy.clean",
    "bytes": "bytes_per_unit",
    "energy": "energy",
    "links": "noise.links",
    "wire": "noise.wire_length",
    "work": "repair.work",
}


def settings_of(study: Study, fingerprint: str) -> Settings:
    """Return the settings that all cells of a study share, but for the layer and the training."""
    return Settings(
        fingerprint=fingerprint,
        base_epochs=study.base_epochs,
        epochs=study.epochs,
        attacked_train=study.attacked,
        attacked_test=study.attacked,
        **Chosen.of(study.network, study.activation, training=study.training).fields(study.data),
    )


def fitted(settings: Settings, parameters: Parameters) -> Settings:
    """Return the settings of a trial."""
    return replace(settings, **{name: parameters[name] for name in ("layer", "training") if name in parameters})


def cells_of(study: Study, parameters: Parameters, seed: int) -> list[Cell]:
    """A rung of a trial: one cell for each net."""
    arm = arm_name(study, parameters)
    return [_cell(study, arm, sources, seed) for sources in study.source_sets(parameters)]


def arm_name(study: Study, parameters: Parameters) -> str:
    """Return the name of a trial's arm: the short one where it has one."""
    found = study.arm_of(parameters)
    return repairing_name(found) if isinstance(found, Repairing) else found.name


def baselines_of(study: Study) -> list[Cell]:
    """Cells of the arms that trials are compared with."""
    values = [{"source": str(value)} for value in study.space["source"].discrete or ()] if not study.sources else [{}]
    lessons = [sources for value in values for sources in study.source_sets(value)]
    cells = [_cell(study, arm, own, seed) for seed in range(study.seeds) for own in lessons for arm in study.baselines]
    return list(dict.fromkeys(cells))


def _cell(study: Study, name: str, sources: tuple[Source, ...], seed: int) -> Cell:
    arm, threats = named(name), [Threat(name=CLEAN, level=0.0, images=study.holdout)]
    for one in sources:
        images = study.attacked if one.name in ATTACKS else study.holdout
        threats.append(Threat(name=one.name, level=one.level, images=images))
    variance = sources[0].variance if not arm.learns and arm.build is not None and arm.when != "never" else None
    learned = sources if arm.learns else ()
    return Cell(seed=seed, sources=learned, arm=name, threats=tuple(threats), variance=variance)


def config_of(study: Study, cell: Cell, settings: Settings, parameters: Parameters | None) -> dict[str, Any]:
    """Return the configuration that a record's key is made of; `parameters`: None of a baseline."""
    settings = settings if parameters is None else fitted(settings, parameters)
    own = {} if parameters is None else {"hyperparameters": parameters}
    return cell.config(settings) | {"study": study.name, "holdout": study.holdout} | own


def name_of(parameters: Parameters) -> str:
    """Identity of a trial: its hyperparameters as canonical JSON."""
    return json.dumps(parameters, sort_keys=True)


@dataclass
class Trial:
    """A trial as its records tell it.

    Attributes
    ----------
    number : int
        By the order of the first record.
    parameters : dict
    records : list of Record
    """

    number: int
    parameters: Parameters
    records: list[Record] = field(default_factory=list)

    @property
    def key(self) -> str:
        """Ten hex digits of its hyperparameters: the same before and after an interruption."""
        return hashlib.sha256(name_of(self.parameters).encode()).hexdigest()[:10]

    @property
    def error(self) -> str:
        """Text of the first cell that failed; "" if none did."""
        return next((str(r.results["error"]) for r in self.records if "error" in r.results), "")

    @property
    def pruned(self) -> bool:
        """Return whether it was ended at a rung."""
        return any("pruned" in record.results for record in self.records)

    def state(self, study: Study) -> str:
        """failed, pruned, complete or running."""
        if self.error:
            return "failed"
        if self.pruned:
            return "pruned"
        whole = study.seeds * len(study.source_sets(self.parameters))
        if len(self.records) < whole:
            return "running"
        return "complete" if self.values().keys() >= {*study.goals} else "failed"  # one without a goal's value

    @property
    def seeds(self) -> int:
        """Seeds that it has run."""
        return len({record.config["seed"] for record in self.records})

    def values(self) -> dict[str, float]:
        """Every goal: the mean over the cells that have run."""
        return values_of(self.records)


def values_of(records: Iterable[Record]) -> dict[str, float]:
    """Every goal: the mean over cells; {} if none ran."""
    good = [record for record in records if "error" not in record.results]
    measured = {name: [goal(name, record) for record in good] for name in BEST}
    return {name: mean(v for v in values if v is not None) for name, values in measured.items() if {*values} - {None}}


def beats(one: dict[str, float], other: dict[str, float], study: Study) -> bool:
    """Return whether `one` is as good as `other` in all of the study's goals, and better in one."""
    signs = {name: 1 if BEST[name] == "high" else -1 for name in study.goals}
    less = [signs[name] * (one[name] - other[name]) for name in study.goals]
    return min(less) >= 0 and max(less) > 0


def goal(name: str, record: Record) -> float | None:
    """One goal's value in one cell; None where it has none, as no noise has no links."""
    if name == "robust":
        return robust(record)
    value = record.results.get(_PLACES[name])
    if value is None:
        return None
    return 1e-6 * float(value) if name == "energy" else float(value)  # records have it in pJ


def met(record: Record) -> list[str]:
    """Return what a cell was judged against, NAME@LEVEL each, beside clean images."""
    return [f"{own['name']}@{own['level']:g}" for own in record.config["threats"] if own["name"] != CLEAN]


def robust(record: Record) -> float:
    """Accuracy against what a cell learned from, the mean where that is several."""
    return mean(float(record.results[f"accuracy.{threat}"]) for threat in met(record))


def judged(record: Record, name: str) -> int:
    """Return how many images the accuracy `name` of a cell is of; of several threats those of one."""
    return int(next(t["images"] for t in record.config["threats"] if (t["name"] == CLEAN) == (name == CLEAN)))


def trials_of(records: Iterable[Record]) -> list[Trial]:
    """Group the records of trials, in the order of their first; a cell that was run again counts once, the last."""
    found: dict[str, Trial] = {}
    for record in records:
        if (parameters := record.config.get("hyperparameters")) is not None:
            trial = found.setdefault(name_of(parameters), Trial(len(found), parameters))
            trial.records = [r for r in trial.records if r.config != record.config] + [record]
    return list(found.values())


class Front:
    """The Pareto front of complete trials, kept up to date; cost of adding one: O(trials on the front)."""

    def __init__(self, study: Study, trials: Iterable[Trial] = ()) -> None:
        self.study, self._members = study, list[tuple[Trial, dict[str, float]]]()
        for trial in trials:
            self.add(trial)

    def __iter__(self) -> Iterator[Trial]:
        """Yield the trials that no other one beats."""
        return iter(trial for trial, _ in self._members)

    def beaten(self, values: dict[str, float]) -> bool:
        """Return whether a trial on the front beats these values."""
        return any(beats(own, values, self.study) for _, own in self._members)

    def add(self, trial: Trial) -> bool:
        """Take in a trial, if it is complete and no other one beats it; whether it was taken in."""
        values = trial.values()
        if trial.state(self.study) != "complete" or self.beaten(values):
            return False
        self._members = [(t, own) for t, own in self._members if not beats(values, own, self.study)]
        self._members.append((trial, values))
        return True
