"""A task: a network of the user's, its data, and what happens to its inputs. All experiments run on it."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from localnoise.errors import ArgumentError, choose, short
from localnoise.nn.arrangement import KINDS
from localnoise.validate import as_count, check_positive

RESERVED = ("clean", "adaptive", "drift")
_MARKS = "@,:+"


@dataclass(frozen=True, kw_only=True, eq=False)
class Task:
    """A network and its data, as far as an experiment needs to know them.

    Attributes
    ----------
    model : callable
        () -> Module with fresh weights, drawn from torch's generator (which is seeded before), or trained ones. Inputs
        (T, ...) to logits (T, classes).
    layer : str
        Name of the module whose output the noise is added to, as in `model.named_modules()`. Everything must pass
        through it (`localnoise.nn.cut`).
    train, test : data set, or callable
        Pairs (x, y) of an input and its class, a torch data set or anything with a length; or (x, y) arrays of all
        inputs (N, ...) and classes (N,). A function of the seed gives each seed a split of its own.
    perturbations : dict of str to callable
        What happens to inputs: function of a batch (T, ...) that returns the perturbed one, of the same shape. It may
        take ``level``, a strength, whose default is used where none is asked for, and ``generator``, a
        `torch.Generator` for random numbers; then it is called input by input, so that each has a draw of its own.
    harmless : dict of str to float
        Of perturbations with a ``level``: the level at which nothing happens, from which strengths are counted. Levels
        between it and another are milder, which lets a repair be tested on them and learn what it is worth there.
    bounds : pair of float, or None
        The lowest and highest value of an input, which attacks and perturbations keep to; None: there is none.
    kind : str or None
        How the layer's output lies on a grid, as `Arrangement.of` takes it; None: by its shape.
    skipped : int
        Leading tokens without noise, such as a class token.
    trained : bool
        Whether `model()` returns trained weights, which are left as they are; else every experiment trains them.
    longer : float
        Epochs of all trainings, relative to the preset's: more than 1 where there are few inputs.
    name : str
        In tables and records; "": that of its file.

    Raises
    ------
    ArgumentError
        A field of another kind, or a perturbation's name that means something else.

    Examples
    --------
    >>> import torch, localnoise as ln
    >>> x, y = torch.rand(64, 8), torch.randint(3, (64,))
    >>> net = lambda: torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.Tanh(), torch.nn.Linear(16, 3))
    >>> task = ln.Task(
    ...     model=net,
    ...     layer="1",
    ...     train=(x, y),
    ...     test=(x, y),
    ...     bounds=(0, 1),
    ...     perturbations={"dark": lambda x, level=0.5: x * level},
    ... )
    >>> sorted(task.perturbations)
    ['dark']
    """

    model: Callable[[], nn.Module]
    layer: str
    train: Any
    test: Any
    perturbations: Mapping[str, Callable[..., Tensor]] = field(default_factory=dict)
    harmless: Mapping[str, float] = field(default_factory=dict)
    bounds: tuple[float, float] | None = None
    kind: str | None = None
    skipped: int = 0
    trained: bool = False
    longer: float = 1.0
    name: str = ""

    def __post_init__(self) -> None:
        model: Any = self.model
        if isinstance(model, nn.Module) or not callable(model):
            given = type(model).__name__ if isinstance(model, nn.Module) else short(repr(model))
            raise ArgumentError(
                f"model={given}: expected a function that returns a network, such as `lambda: Net()`, or `make_net` in "
                "the place of `make_net()`, so that each seed has one of its own"
            )
        layer: Any = self.layer
        if not isinstance(layer, str) or not layer:
            raise ArgumentError(
                f"layer={self.layer!r}: expected the name of one of the model's modules, such as 'layer2'"
            )
        if self.kind is not None and self.kind not in KINDS:
            raise ArgumentError(f"kind={self.kind!r}: expected one of {', '.join(KINDS)}, or None")
        as_count("skipped", self.skipped)
        check_positive("longer", self.longer, what=", epochs relative to the preset's")
        _check_bounds(self.bounds)
        if not isinstance(self.perturbations, Mapping):
            raise ArgumentError(
                f"perturbations={short(repr(self.perturbations))}: expected a dict of names to functions"
            )
        for name, function in self.perturbations.items():
            _check_perturbation(name, function)
        _check_harmless(self.harmless, self.perturbations)


def _check_bounds(bounds: Any) -> None:
    if bounds is None:
        return
    try:
        low, high = (float(edge) for edge in bounds)
    except (TypeError, ValueError):
        low, high = 0.0, 0.0
    if not -float("inf") < low < high < float("inf"):
        raise ArgumentError(f"bounds={bounds!r}: expected the lowest and the highest value of an input, or None")


def _check_harmless(given: Any, perturbations: Mapping[str, Any]) -> None:
    if not isinstance(given, Mapping):
        raise ArgumentError(
            f"harmless={short(repr(given))}: expected a dict of perturbations' names to levels at which nothing happens"
        )
    for name, level in given.items():
        choose("harmless", name, perturbations)
        if isinstance(level, bool) or not isinstance(level, (int, float)) or not math.isfinite(level):
            raise ArgumentError(
                f"harmless[{name!r}]={short(repr(level))}: expected the level at which nothing happens, such as 0"
            )


def _check_perturbation(name: Any, function: Any) -> None:
    if not isinstance(name, str) or not name.strip() or any(mark in name for mark in _MARKS):
        raise ArgumentError(f"perturbations: the name {name!r} holds one of {_MARKS}, or nothing: expected words")
    if name in RESERVED:
        raise ArgumentError(f"perturbations: the name {name!r} means something else: expected none of {RESERVED}")
    if not callable(function):
        raise ArgumentError(
            f"perturbations[{name!r}]={short(repr(function))}: expected a function of a batch of inputs"
        )
