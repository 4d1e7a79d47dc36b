"""The front and the baselines as rows of a table: each accuracy with its 95 % interval over seeds."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import pandas as pd

from localnoise.records import Record
from localnoise.sims.defenses import named
from localnoise.sims.experiments.settings import Settings
from localnoise.sims.models.training import BACKPROP
from localnoise.sims.reports.table import share, texts
from localnoise.sims.results.statistics import over_seeds
from localnoise.sims.sweeps.study import Study
from localnoise.sims.sweeps.trials import BEST, LABELS, MEASURED, Trial, judged, met, values_of


@dataclass(frozen=True)
class TrialRow:
    """A trial or a baseline.

    Attributes
    ----------
    label : str
    values : dict of str to float
        By goal, and clean accuracy; empty of a baseline whose cells failed.
    half_widths : dict of str to float
        Of the accuracies: half of the 95 % interval.
    """

    label: str
    values: dict[str, float]
    half_widths: dict[str, float]

    def text(self, name: str) -> str:
        """A value as a table has it; empty where there is none, as energy of what is no grid."""
        value = self.values.get(name)
        if name in self.half_widths and value is not None:
            return f"{share(value)} ±{share(self.half_widths[name])}"
        if not self.values or (name == "energy" and not value):
            return ""
        return number(name, value or 0.0)


def columns(study: Study) -> list[str]:
    """Return the columns that tables show: the goals, and clean accuracy."""
    return list(dict.fromkeys([*study.goals, "clean"]))


def rows_of(study: Study, front: Iterable[Trial], records: Sequence[Record]) -> list[TrialRow]:
    """Trials of a front, best of the first goal first, then the baselines that have run."""
    return [
        *(row(described(study, trial), trial.records) for trial in best_first(study, front)),
        *baselines(study, records),
    ]


def front_texts(study: Study, front: Iterable[Trial], records: Sequence[Record]) -> pd.DataFrame:
    """Return `rows_of` as texts, by label: a column for each of `columns`, headed by its name and unit."""
    names, rows = columns(study), rows_of(study, front, records)
    heads = ["\n/ ".join(filter(None, LABELS[name])) for name in names]
    return texts(heads, [[row.text(name) for name in names] for row in rows], [row.label for row in rows])


def best_first(study: Study, front: Iterable[Trial]) -> list[Trial]:
    """Trials by their first goal."""
    first, sign = study.goals[0], -1 if BEST[study.goals[0]] == "high" else 1
    return sorted(front, key=lambda trial: sign * trial.values()[first])


def baselines(study: Study, records: Iterable[Record]) -> list[TrialRow]:
    """A row for each baseline that has run, its network's training and layer, and its source where trials have one.

    One that failed says so.
    """
    everything = [r for r in records if "hyperparameters" not in r.config and "arm" in r.config]
    groups: dict[tuple[Any, ...], list[Record]] = {}
    for record in everything:
        by, source = record.config.get("training", BACKPROP), ",".join(met(record)) if "source" in study.space else ""
        groups.setdefault((record.config["arm"], by, record.config.get("layer", Settings.layer), source), []).append(
            record
        )
    found, several = [], len({layer for _, _, layer, _ in groups}) > 1
    for arm, network in product(study.baselines, study.networks):
        by = network["training"]
        for (name, training, layer, source), own in groups.items():
            if (name, training, layer) == (arm, by, network.get("layer", layer)):
                words = [by] * (len(study.trainings) > 1) + [f"layer {layer}"] * several + [source] * bool(source)
                found.append(row(", ".join([named(arm).label, *words]), own))
    return found


def row(label: str, records: Sequence[Record]) -> TrialRow:
    """Means over cells, of accuracies over seeds with their interval; failed cells are left out, and counted."""
    good = [record for record in records if "error" not in record.results]
    lost = len(records) - len(good)
    said = f"{label} ({lost} of {len(records)} cells failed)" if lost else label
    values, half_widths = values_of(good), dict[str, float]()
    for name in MEASURED if good else ():
        seeds = sorted({record.config["seed"] for record in good})
        means = [values_of(r for r in good if r.config["seed"] == seed)[name] for seed in seeds]
        spread = over_seeds(means, min(judged(record, name) for record in good))
        values[name], half_widths[name] = spread.mean, spread.half_width
    return TrialRow(said, values, half_widths)


def described(study: Study, trial: Trial) -> str:
    """A trial's hyperparameters in words."""
    others = [
        f"{name} {trial.parameters[name]}" for name in ("source", "layer", "training") if name in trial.parameters
    ]
    return ", ".join([study.arm_of(trial.parameters).label, *others])


def number(name: str, value: float) -> str:
    """A goal's value as text."""
    if name in MEASURED:
        return share(value)
    return f"{value:.2f}" if name == "energy" else f"{value:,.0f}"
