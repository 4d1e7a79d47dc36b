"""The space of a study: what each hyperparameter may be, when it is asked for, and every combination."""

from collections.abc import Iterator
from math import inf
from typing import Annotated, Any, Literal, Self

from optuna import create_study
from optuna.distributions import BaseDistribution
from optuna.samplers import RandomSampler
from optuna.trial import BaseTrial
from pydantic import BaseModel, ConfigDict, Field, model_validator

_FAR = 1e15  # bounds and steps of a range lie below
Value = bool | int | float | str
Parameters = dict[str, Any]
GRID = ("rule", "rate", "order", "parents", "far", "radius", "signal", "signal_radius", "share", "rank",
        "scope", "trace", "turns", "draws", "spread", "reward", "baseline", "decorrelate", "weight_bits",
        "word_bits")  # fmt: skip
FINITE = 100_000  # values of a range, and combinations of a space, that are listed; more are taken for endless
REPAIR = ("layers", "radius", "bends", "parents", "asks", "causes", "typical", "share", "worth", "anew", "gate", "bits",
          "retrained")  # fmt: skip
SEARCHED = {"grid": (*GRID, "source", "layer", "training"), "repair": (*REPAIR, "layer", "training")}
NAMES = tuple(dict.fromkeys(name for names in SEARCHED.values() for name in names))


class Part(BaseModel):
    """One hyperparameter: choices, or a range of numbers.

    Attributes
    ----------
    values : list
        The choices.
    low, high : float
        Bounds, included; whole numbers if both are.
    step, log
        Steps from `low` on; or evenly spread logarithms.
    when : dict of str to list
        Asked for only where other hyperparameters, named before, have one of these values.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    values: Annotated[list[Value], Field(min_length=1)] | None = None
    low: int | float | None = None
    high: int | float | None = None
    step: Annotated[int | float, Field(gt=0)] | None = None
    log: bool = False
    when: dict[str, list[Value]] = {}

    @model_validator(mode="before")
    @classmethod
    def _short(cls, given: Any) -> Any:
        """A list is choices, a lone value one choice."""
        if isinstance(given, list):
            return {"values": given}
        return {"values": [given]} if isinstance(given, (str, bool, int, float)) else given

    @model_validator(mode="after")
    def _whole(self) -> Self:
        bounds = (self.low, self.high)
        if (self.values is None) == (bounds == (None, None)) or bounds.count(None) == 1:
            raise ValueError("expected a list of values, or low and high")
        if self.low is not None and self.high is not None:
            if self.low > self.high:
                raise ValueError(f"low={self.low} is above high={self.high}")
            if self.log and (self.low <= 0 or self.step is not None):
                raise ValueError("log needs low > 0 and no step")
            if not max(abs(self.low), abs(self.high), self.step or 0) < _FAR:
                raise ValueError(f"low, high and step: expected numbers below {_FAR:g}")
        return self

    @property
    def count(self) -> float:
        """Number of values; infinitely many of a continuous range."""
        if self.values is not None:
            return len(self.values)
        assert self.low is not None
        assert self.high is not None
        whole = isinstance(self.low, int) and isinstance(self.high, int)
        step = self.step if self.step is not None else 1 if whole else None
        return inf if step is None else int((self.high - self.low) / step + 1e-9) + 1

    @property
    def discrete(self) -> list[Value] | None:
        """All values; None of a continuous range, and of one that has more than `FINITE` values."""
        if self.values is not None or self.count > FINITE:
            return self.values
        assert self.low is not None
        step = 1 if self.step is None else self.step
        return [self.low + i * step for i in range(int(self.count))]

    @property
    def ends(self) -> list[Value]:
        """All values, or the bounds of a range without end: what is tried when a study is checked."""
        found = self.discrete
        return [self.low, self.high] if found is None else found  # type: ignore[list-item]

    def suggest(self, name: str, trial: BaseTrial) -> Value:
        """Return the value that the sampler suggests."""
        if self.values is not None:
            return trial.suggest_categorical(name, self.values)  # type: ignore[return-value]
        assert self.low is not None
        assert self.high is not None
        if isinstance(self.low, int) and isinstance(self.high, int) and not isinstance(self.step, float):
            return trial.suggest_int(name, self.low, self.high, step=self.step or 1, log=self.log)
        return trial.suggest_float(name, self.low, self.high, step=self.step, log=self.log)

    @property
    def distribution(self) -> BaseDistribution:
        """The distribution that `suggest` draws from, as Optuna keeps it."""
        trial = create_study(sampler=RandomSampler(seed=0)).ask()
        self.suggest("", trial)
        return trial.distributions[""]

    def asked(self, parameters: Parameters) -> bool:
        """Return whether it is asked for beside these."""
        return all(name in parameters and parameters[name] in values for name, values in self.when.items())


Space = dict[Literal[NAMES], Part]  # type: ignore[valid-type]


def suggest(space: dict[str, Part], trial: BaseTrial) -> Parameters:
    """The hyperparameters of a trial."""
    parameters: Parameters = {}
    for name, part in space.items():
        if part.asked(parameters):
            parameters[name] = part.suggest(name, trial)
    return parameters


def combinations(space: dict[str, Part]) -> Iterator[Parameters]:
    """Every combination of values, of ranges without end the bounds."""

    def extend(names: list[str], parameters: Parameters) -> Iterator[Parameters]:
        if not names:
            yield parameters
            return
        part = space[names[0]]
        for value in part.ends if part.asked(parameters) else [None]:
            yield from extend(names[1:], parameters if value is None else parameters | {names[0]: value})

    yield from extend(list(space), {})
