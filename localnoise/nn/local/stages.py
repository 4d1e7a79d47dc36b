"""Stages of a network, one for each matrix of weights: what learns by itself when nothing crosses a layer backward."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from localnoise.errors import ArgumentError
from localnoise.nn.local.running import innermost as innermost
from localnoise.nn.local.running import is_output, stepping


@dataclass(frozen=True, eq=False)
class Stage:
    """A layer with a matrix of weights, and what follows it up to the next one: norms, nonlinearities, pooling.

    What follows may be modules or functions, `nn.ReLU()` or `F.relu` in the network's forward.

    Attributes
    ----------
    name : str
        Of the module that has the matrix.
    weighted : Module
        That module: a Linear or a convolution.
    modules : tuple of Module
        All modules that have weights of the stage.
    first, last : int
        Which of the network's steps (`localnoise.nn.local.running`), counted from 0, begin and end it; its output is
        the last one's.
    shape : tuple of int
        Of the output for one input.
    channels_last : bool
        Whether the output's channels are its last dimension, as a Linear's are, and not its first.
    """

    name: str
    weighted: nn.Module
    modules: tuple[nn.Module, ...]
    first: int
    last: int
    shape: tuple[int, ...]
    channels_last: bool

    @property
    def channels(self) -> int:
        """Channels of the output."""
        return self.shape[-1 if self.channels_last else 0]

    def parameters(self) -> Iterator[nn.Parameter]:
        """Yield its weights.

        Returns
        -------
        iterator of Parameter
            Those of its modules.
        """
        for module in self.modules:
            yield from module.parameters(recurse=False)

    def by_channel(self, out: Tensor) -> Tensor:
        """Return its output as (T, channels, places).

        Parameters
        ----------
        out : Tensor, (T, ...)
            Its output.

        Returns
        -------
        Tensor, (T, channels, places)
            One place, of a dense layer.
        """
        moved = out.movedim(-1, 1) if self.channels_last else out
        return moved.flatten(2) if moved.ndim > 2 else moved[:, :, None]


def stages_of(model: nn.Module, x: Tensor) -> list[Stage]:
    """Return the stages of a network in the order in which they run; the last one gives the logits.

    A value may go around a stage, as in a residual network, if it leaves at the end of an earlier one.

    Parameters
    ----------
    model : Module
        Is left as it is.
    x : Tensor, (T, ...)
        A few inputs.

    Returns
    -------
    list of Stage
        In the order in which they run.

    Raises
    ------
    ArgumentError
        The network cannot learn so: it has no matrix of weights, layers share weights across depth or time, weights
        are in no Linear and no convolution, or a gradient would reach another stage.
    """
    names = innermost(model)
    runs: list[tuple[Any, Any]] = []

    def ran(number: int, step: Any, out: Any) -> None:
        runs.append((step, out))

    with Still(model), torch.no_grad(), stepping(model, ran):
        model(x)
    _refuse(model, names, [module for module, _ in runs])
    starts = [at for at, (module, _) in enumerate(runs) if _is_weighted(module)]
    if not starts:
        raise ArgumentError("model has no Linear and no convolution: expected a network with layers that learn")
    found = []
    for number, start in enumerate(starts):
        end = starts[number + 1] if number + 1 < len(starts) else len(runs)
        last = max(at for at in range(start, end) if at == start or is_output(*runs[at], len(x)))
        begin = 0 if number == 0 else start
        owners = tuple(module for module, _ in runs[begin:end] if _has_weights(module))
        module = runs[start][0]
        shape = tuple(runs[last][1].shape[1:])
        found.append(Stage(names[module], module, owners, start, last, shape, isinstance(module, nn.Linear)))
    return found


class Still:
    """A network in evaluation mode for a while: its running statistics stay as they are."""

    def __init__(self, model: nn.Module) -> None:
        self._before = {module: module.training for module in model.modules()}
        self._model = model

    def __enter__(self) -> None:
        self._model.eval()

    def __exit__(self, *error: Any) -> None:
        for module, training in self._before.items():
            module.training = training


_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


def _is_weighted(module: Any) -> bool:
    return isinstance(module, (nn.Linear, *_CONVOLUTIONS))


def _has_weights(step: Any) -> bool:
    return isinstance(step, nn.Module) and any(True for _ in step.parameters(recurse=False))


def _refuse(model: nn.Module, names: dict[nn.Module, str], runs: list[Any]) -> None:
    """Raise an ArgumentError where layers cannot learn by themselves."""
    owner: dict[int, str] = {}
    for name, module in model.named_modules():
        for own, weight in module.named_parameters(recurse=False):
            place = f"{name}.{own}" if name else own
            if id(weight) in owner:
                raise ArgumentError(
                    f"model: {place} and {owner[id(weight)]} are the same weights, which layers share across depth, so"
                    " that no layer learns by itself: expected weights of their own; else train it by backpropagation"
                )
            owner[id(weight)] = place
        if not any(True for _ in module.parameters(recurse=False)):
            continue
        if runs.count(module) > 1:
            raise ArgumentError(
                f"model: {name} runs {runs.count(module)} times, so that its layers share weights across depth, which "
                "is not local: expected one run each; else train it by backpropagation"
            )
        matrix = any(weight.ndim > 1 for weight in module.parameters(recurse=False))
        if module not in names or (matrix and not _is_weighted(module)):
            raise ArgumentError(
                f"model: {name or 'the network'} ({type(module).__name__}) holds weights that no local rule is for: "
                "expected Linear and convolutions, with norms after them; else train it by backpropagation"
            )
