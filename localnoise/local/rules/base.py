"""The protocol of rules by which units learn features, and their registry."""

from dataclasses import dataclass, is_dataclass
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from localnoise.registry import Registry

Floats = npt.NDArray[Any]
State = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Units:
    """The units of a layer: what they read, and how they answer.

    Attributes
    ----------
    readers : (N, R) int32
        Places of the inputs that each unit reads, -1 where there is none.
    channels, classes : int
        m, of a unit's answer; of the labels, 0 where there are none.
    bend : int
        0: tanh, 1: max(0, .).
    dtype
        Of weights and inputs.
    """

    readers: npt.NDArray[np.int32]
    channels: int
    classes: int
    bend: int
    dtype: Any


@runtime_checkable
class UnitRule(Protocol):
    """A way to learn features: a configuration that never changes, and methods that work on a state given to them.

    A unit's rows of the weights and of the state depend on its own window of inputs and the labels alone, which nobody
    can check but by perturbation. How the presentations are cut into calls changes nothing.

    Attributes
    ----------
    name : str
        Of the class: the name in `LocalLayer(rule=name)`.
    labels : bool
        Of the class: whether units read labels.
    """

    name: ClassVar[str]
    labels: ClassVar[bool]

    def start(self, units: Units, regressors: int) -> State:
        """Return the state before the first presentation.

        Parameters
        ----------
        units : Units
            What they read, and how they answer.
        regressors : int
            p, of each unit, the constant included.

        Returns
        -------
        dict
            Arrays whose rows are units', and `seen`, 0.

        Raises
        ------
        ArgumentError
            The rule is not made for such units.
        """

    def observe(self, units: Units, W: Floats, state: State, x: Floats, labels: npt.NDArray[np.int64]) -> None:
        """Learn from inputs in the order given.

        Parameters
        ----------
        units : Units
            Not changed.
        W : (N, p, m)
            Weights, changed in place.
        state : dict
            Changed in place.
        x : (T, C, P)
            Inputs, P places of C channels.
        labels : (T,) int64
            Classes; zeros where the rule reads none.
        """

    def votes(self, units: Units, state: State, h: Floats) -> Floats:
        """Return what each unit makes of its own answer.

        Parameters
        ----------
        units : Units
            Not changed.
        state : dict
            Not changed.
        h : (T, m, N)
            Answers.

        Returns
        -------
        ndarray, (T, classes, N)
            log q, natural.

        Raises
        ------
        ArgumentError
            The rule reads no labels.
        """


def _fault(name: str, rule: Any) -> str:
    """Return why a class cannot be a rule that is found by this name, or ""."""
    if not (isinstance(rule, type) and is_dataclass(rule)):
        return "is no dataclass: expected a class under @dataclass(frozen=True, kw_only=True), its fields the options"
    said: Any = rule
    return "" if said.name == name else f"says name = {said.name!r}: expected name = {name!r}"


UNIT_RULES = Registry(
    "unit rule",
    UnitRule,
    group="localnoise.unit_rules",
    home="localnoise.local.rules",
    first=("local-heads", "channels", "softhebb"),
    check=_fault,
)
"""Rules by which units learn features, by name: classes that follow `UnitRule`."""
