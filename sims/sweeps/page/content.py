"""The content of a sweep's page; the sweep fills it in, the page knows nothing of how trials were run."""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from localnoise.errors import ArgumentError, choose

STATES = ("complete", "pruned", "failed")


@dataclass(frozen=True, kw_only=True)
class Goal:
    """A quantity that trials are compared by.

    Parameters
    ----------
    name : str
        Key in `PageTrial.values`, such as "robust".
    label : str
        As a reader writes it, such as "robust accuracy".
    unit : str
        "B", "pJ", or "" for a share.
    best : str
        "high" or "low".
    known : bool
        It follows from the parameters alone, as bytes do: no run has to measure it.
    """

    name: str
    label: str
    unit: str
    best: str
    known: bool = False

    def __post_init__(self) -> None:
        choose("best", self.best, ("high", "low"))

    @property
    def title(self) -> str:
        """Label and unit, for an axis or a column."""
        return f"{self.label} ({self.unit})" if self.unit else self.label


@dataclass(frozen=True, kw_only=True)
class PageTrial:
    """One configuration that was tried.

    Parameters
    ----------
    number : int
        Its number in the sweep.
    state : str
        "complete", "pruned" or "failed".
    parameters : dict
        Values by name; a parameter that depends on another may be absent.
    values : dict
        By goal, and what else was measured ("links", "retention"); a pruned trial's are those it had when it stopped.
    half_widths : dict
        Half of the 95 % interval of the values that have one.
    seeds : int
        Seeds behind the values.
    seconds : float
        Time it took.
    peak_bytes : int
        Most memory that it held.
    command : str
        Shell command that reproduces it.
    error : str
        Why it failed, else "".
    """

    number: int
    state: str
    parameters: dict[str, Any]
    values: dict[str, float]
    seeds: int
    seconds: float
    peak_bytes: int
    command: str
    error: str
    half_widths: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        choose("state", self.state, STATES)


@dataclass(frozen=True)
class Reference:
    """A baseline that trials are held against: its label, values by goal, half widths of their 95 % intervals."""

    label: str
    values: dict[str, float]
    half_widths: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class Content:
    """A sweep.

    Parameters
    ----------
    title : str
        Heading of the page.
    facts : dict
        Data, seeds, sampler, code version: name and text.
    goals : tuple of Goal
        The first is set against every other.
    trials : tuple of PageTrial
        In any order.
    front : tuple of int
        Numbers of the Pareto-optimal trials.
    importance : dict
        By goal, each parameter's share; may be empty.
    grids : dict
        HDF5 files of grids, `UnitGrid` or `ChipGrid`, by trial.
    also : tuple of Goal
        No goals of the search, but shown beside them in the table of the front.
    references : tuple of Reference
        Rows below the front's.

    Raises
    ------
    ArgumentError
        No goal, or `front` or `grids` name a trial that there is not.
    """

    title: str
    facts: dict[str, str]
    goals: tuple[Goal, ...]
    trials: tuple[PageTrial, ...]
    front: tuple[int, ...]
    importance: dict[str, dict[str, float]]
    grids: dict[int, Path]
    also: tuple[Goal, ...] = ()
    references: tuple[Reference, ...] = ()

    def __post_init__(self) -> None:
        if not self.goals:
            raise ArgumentError("goals=(): expected at least one Goal")
        known = {trial.number for trial in self.trials}
        for name, numbers in (("front", set(self.front)), ("grids", set(self.grids))):
            if numbers - known:
                raise ArgumentError(f"{name}: no trials {sorted(numbers - known)}; expected numbers of `trials`")

    @property
    def ranked(self) -> list[PageTrial]:
        """Trials, best first: the front, others that are complete, pruned, failed; each by the first goal."""
        goal, sign = self.goals[0], -1 if self.goals[0].best == "high" else 1

        def place(trial: PageTrial) -> tuple[bool, int, float, int]:
            value = sign * trial.values.get(goal.name, math.inf * sign)
            return trial.number not in self.front, STATES.index(trial.state), value, trial.number

        return sorted(self.trials, key=place)

    @property
    def parameters(self) -> list[str]:
        """Names of all parameters, in the order in which trials first have them."""
        return list(dict.fromkeys(name for trial in self.trials for name in trial.parameters))
