"""Options that all commands of experiments share, and what they are for: which task, how much is spent, where to."""

import inspect
from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields
from functools import wraps
from pathlib import Path
from typing import Any

from localnoise.sims.experiments.cell import Cell, strengths
from localnoise.sims.experiments.chosen import DEFAULT, Chosen
from localnoise.sims.experiments.conduct import conduct
from localnoise.sims.experiments.presets import Preset, preset
from localnoise.sims.models.training import BACKPROP
from localnoise.sims.results.experiment import Report
from localnoise.sims.runtime.options import (
    Attacked,
    DataDir,
    Epochs,
    Jobs,
    Layer,
    Mix,
    Out,
    PresetName,
    Scheduler,
    Seeds,
    Steps,
    TaskName,
    Training,
)


@dataclass(frozen=True, kw_only=True)
class Run:
    """The shared options of a command, as they were given.

    Attributes
    ----------
    out : Path
        Default: results/COMMAND.
    """

    task: TaskName = DEFAULT
    layer: Layer = None
    training: Training = BACKPROP
    spend: PresetName = "quick"
    seeds: Seeds = None
    epochs: Epochs = None
    attacked: Attacked = None
    steps: Steps = None
    out: Out
    data_dir: DataDir = None
    jobs: Jobs = 2
    scheduler: Scheduler = ""
    mix: Mix = False

    def plan(self) -> Preset:
        """Return how much is spent."""
        return preset(self.spend, seeds=self.seeds, epochs=self.epochs, attacked=self.attacked, steps=self.steps)

    def chosen(self, activation: str = "tanh") -> Chosen:
        """Return the task, its perturbations known by their names from now on."""
        return Chosen.of(self.task, activation, self.layer, self.training)

    def title(self, chosen: Chosen) -> str:
        """Return the report's title."""
        return f"{chosen.title}{self.spend} preset"

    def conduct(self, cells: list[Cell], chosen: Chosen, report: Report, **options: Any) -> None:
        """Carry the experiment out, each cell once; `options` are further ones of `conduct`."""
        chosen.check_inputs(name for name, _ in strengths(cells))
        settings, cells = self.plan().settings(self.data_dir, chosen), list(dict.fromkeys(cells))
        how: dict[str, Any] = {"jobs": self.jobs, "scheduler": self.scheduler, "mix": self.mix} | options
        conduct(cells, settings, self.out, report, data_dir=self.data_dir, **how)


def experiment(function: Callable[..., None]) -> Callable[..., None]:
    """Return a command that takes the options of `Run` as well, and hands them on as its first argument."""

    @wraps(function)
    def made(*arguments: Any, **options: Any) -> None:
        given = signature.bind(*arguments, **options)
        given.apply_defaults()
        shared = {one.name: given.arguments.pop(one.name) for one in fields(Run)}
        function(Run(**shared), **given.arguments)

    _, *own = inspect.signature(function).parameters.values()
    signature = inspect.Signature([*own, *_shared(Path("results") / function.__name__)])
    made.__signature__ = signature  # type: ignore[attr-defined]
    made.__annotations__ = {one.name: one.annotation for one in signature.parameters.values()}
    return made


def _shared(out: Path) -> list[inspect.Parameter]:
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    return [
        inspect.Parameter(one.name, kind, default=out if one.default is MISSING else one.default, annotation=one.type)
        for one in fields(Run)
    ]
