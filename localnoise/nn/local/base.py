"""The protocol that every local rule of networks follows, and their registry."""

from dataclasses import is_dataclass
from typing import Any, ClassVar, Protocol

from torch import Tensor, nn

from localnoise.nn.local.stages import Stage
from localnoise.registry import Registry

BACKPROP = "backprop"  # the name of the training that is no local rule


class LocalRule(Protocol):
    """A way in which hidden stages of a network learn: a configuration that never changes, and two methods.

    The last stage is its own readout, and learns from the cross-entropy of its output whatever the rule: the delta
    rule. A rule reads a stage's input, its output and the labels, and changes this stage's weights alone.

    Attributes
    ----------
    name : str
        Of the class: the name in `LocalLearner(rule=name)`, in records and on the command line.
    labels : bool
        Of the class: whether hidden stages read the labels.
    """

    name: ClassVar[str]
    labels: ClassVar[bool]

    def head(self, stage: Stage, classes: int) -> nn.Module:
        """Return what a stage learns with, and drops afterwards, such as a classifier of its own.

        Parameters
        ----------
        stage : Stage
            A hidden one.
        classes : int
            Of the labels.

        Returns
        -------
        Module
            Identity for none.

        Raises
        ------
        ArgumentError
            The rule is not made for such a stage.
        """

    def teach(self, stage: Stage, head: nn.Module, x: Tensor, out: Tensor, labels: Tensor) -> None:
        """Add gradients to the weights of the stage and of its head, or change them here.

        Parameters
        ----------
        stage : Stage
            Whose weights learn.
        head : Module
            As `head` returned it.
        x : Tensor, (T, ...)
            The stage's input, without gradients.
        out : Tensor, (T, ...)
            Its output, with the gradients of this stage.
        labels : Tensor of int64, (T,)
            Classes.
        """


def _fault(name: str, rule: Any) -> str:
    """Return why a class cannot be a local rule that is found by this name, or ""."""
    if not (isinstance(rule, type) and is_dataclass(rule)):
        return "is no dataclass: expected a class under @dataclass(frozen=True, kw_only=True), its fields the options"
    said: Any = rule
    if said.name != name:
        return f"says name = {said.name!r}: expected name = {name!r}, which records will hold"
    return "takes the name of what is no local rule: expected another" if name == BACKPROP else ""


LOCAL_RULES = Registry(
    "local rule",
    LocalRule,
    group="localnoise.local_rules",
    home="localnoise.nn.local",
    first=("local-heads", "similarity", "channels", "softhebb"),
    check=_fault,
)
"""Rules by which layers learn, by name: classes that follow `LocalRule`."""
