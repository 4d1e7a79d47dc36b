"""A sweep's records as what its figures and its page show: trials with values, the front, importances, commands."""

import math
import shlex
from pathlib import Path
from statistics import mean
from typing import Any

from localnoise.records import Record
from localnoise.sims import tasks
from localnoise.sims.experiments.settings import Settings
from localnoise.sims.models.training import BACKPROP
from localnoise.sims.reports.table import as_markdown
from localnoise.sims.results.records import RecordFile
from localnoise.sims.sweeps.importance import importance
from localnoise.sims.sweeps.keeping import TrialStore, study_in
from localnoise.sims.sweeps.page import Content, Goal, PageTrial, Reference
from localnoise.sims.sweeps.rows import TrialRow, baselines, columns, described, front_texts, row
from localnoise.sims.sweeps.study import Study
from localnoise.sims.sweeps.trials import BEST, LABELS, MEASURED, Front, Trial, arm_name, judged, met, robust, trials_of


def content_of(path: Path) -> Content:
    """Read a sweep's file, even one that is being written.

    Raises
    ------
    FileFormatError
        No such file, or no sweep's.
    """
    study, _ = study_in(path)
    kept, records = TrialStore(path), list(RecordFile(path))
    ended = [trial for trial in trials_of(records) if trial.state(study) != "running"]
    references = {name: _reference(records, name) for name in ("none", "full")}
    best = list(Front(study, ended))
    return Content(
        title=f"Sweep “{study.name}”",
        facts=_facts(study, records),
        goals=tuple(map(_goal, study.goals)),
        also=tuple(_goal(name) for name in columns(study) if name not in study.goals),
        references=tuple(map(_reference_of, baselines(study, records))),
        trials=tuple(_shown(trial, study, references) for trial in ended),
        front=tuple(trial.number for trial in best),
        importance=importance(study, ended),
        grids={trial.number: kept.grid(trial) for trial in best if kept.grid(trial).exists()},
    )


def _reference_of(one: TrialRow) -> Reference:
    """A baseline for the page; what is no grid has no energy, which its records say is 0."""
    values = {name: value for name, value in one.values.items() if value or name != "energy"}
    return Reference(one.label, values, one.half_widths)


def _goal(name: str) -> Goal:
    label, unit = LABELS[name]
    return Goal(name=name, label=label, unit=unit, best=BEST[name], known=name not in MEASURED)


def command_of(study: Study, trial: Trial) -> str:
    """The command that tests a trial on the test images, beside no noise, and a grid beside the full covariance."""
    threats = ",".join(study.sources or [str(trial.parameters["source"])])
    task = shlex.quote(study.network)
    whole = study.defense == "repair"
    said = [
        "localnoise compare",
        f"--defenses none,{'' if whole else 'full,'}{arm_name(study, trial.parameters)}",
        *([f"--train {threats}"] if whole else []),
        f"--test {threats}",
        f"--preset {'standard' if study.data == 'full' else 'quick'}",
        f"--seeds {study.seeds} --epochs {study.epochs}",
    ]
    if study.network != "v2" or study.activation != "tanh":
        said.append(f"--task {task} --activation {study.activation}")
    if (by := trial.parameters.get("training", study.training)) != BACKPROP:
        said.append(f"--training {by}")
    if "layer" in trial.parameters:
        said.append(f"--layer {trial.parameters['layer']}")
    return " ".join(said)


def _shown(trial: Trial, study: Study, references: dict[str, dict[Any, float]]) -> PageTrial:
    values = trial.values()
    if study.defense == "grid" and (share := _retention(trial, references)) is not None:
        values["retention"] = share
    return PageTrial(
        number=trial.number,
        state=trial.state(study),
        parameters=trial.parameters,
        values=values,
        half_widths=row(described(study, trial), trial.records).half_widths,
        seeds=trial.seeds,
        seconds=sum(record.seconds for record in trial.records),
        peak_bytes=max(int(record.results.get("peak_bytes", 0)) for record in trial.records),
        command=command_of(study, trial),
        error=trial.error,
    )


def _place(record: Record) -> Any:
    network = record.config.get("training", BACKPROP), record.config.get("layer", Settings.layer)
    return record.config["seed"], *met(record), *network


def _reference(records: list[Record], arm: str) -> dict[Any, float]:
    """Robust accuracy of a baseline, by seed, source and training."""
    own = [r for r in records if r.config.get("arm") == arm and "hyperparameters" not in r.config]
    return {_place(record): robust(record) for record in own if "error" not in record.results}


def _retention(trial: Trial, references: dict[str, dict[Any, float]]) -> float | None:
    """Share of the central method's gain that a trial keeps, on the cells that it shares with both baselines."""
    none, full = references["none"], references["full"]
    shared = [r for r in trial.records if "error" not in r.results and _place(r) in none and _place(r) in full]
    if not shared:
        return None
    gains = [full[_place(record)] - none[_place(record)] for record in shared]
    if not _sure(gains, shared):
        return None
    return mean(robust(record) - none[_place(record)] for record in shared) / mean(gains)


def _sure(gains: list[float], records: list[Record]) -> bool:
    """Return whether a central gain is surely above 0: else there is nothing of which a share could be kept.

    By the 95 % interval of a difference of two independent shares, of variance .25 at most: wider than the paired one.
    """
    images = sum(judged(record, "robust") for record in records)
    return mean(gains) > 1.96 * math.sqrt(2 * 0.25 / images)


def _facts(study: Study, records: list[Record]) -> dict[str, str]:
    codes = sorted({str(record.provenance["code"]) for record in records})
    sources = ", ".join(study.sources) or "by trial"
    return {
        "Data": f"Fashion-MNIST, {study.data}" if tasks.find(study.network).two_sets else study.network,
        "Judged on": f"{study.holdout:,} held-out training images, never on test images",
        "Learned from, and judged against": sources,
        "Seeds of a complete trial": str(study.seeds),
        "Network": f"{study.network}, {study.activation}, {study.base_epochs} epochs"
        + (f", then {study.epochs} with noise" if study.defense == "grid" else ""),
        "Search": f"{study.sampler}, pruning: {study.pruning}",
        "Code": ", ".join(codes),
    }


def markdown(path: Path) -> str:
    """The front as a Markdown table, best of the first goal first, and the baselines; 95 % intervals over seeds."""
    study, _ = study_in(path)
    records = list(RecordFile(path))
    return as_markdown(front_texts(study, Front(study, trials_of(records)), records))
