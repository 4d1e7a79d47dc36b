"""The output of a layer as a network runs: evaluation mode, no gradients, no noise, and nothing left behind."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from localnoise.errors import ArgumentError, LocalnoiseError, first_line
from localnoise.nn.layer import NoiseLayer


class _Reached(BaseException):
    """The layer has run: the rest of the network need not. Not an Exception, which a forward might catch."""


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Put a network into evaluation mode; each module has its own mode again afterwards.

    Flags are set module by module: no `train` of a module's own is called.
    """
    modes = {module: module.training for module in model.modules()}
    try:
        for module in modes:
            module.training = False
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode


@contextmanager
def quiet(model: nn.Module) -> Iterator[None]:
    """Put a network into evaluation mode, without gradients, its noise layers silent; afterwards it is as it was."""
    whens = {module: module.when for module in model.modules() if isinstance(module, NoiseLayer)}
    try:
        for layer in whens:
            layer.when = "never"
        with evaluating(model), torch.no_grad():
            yield
    finally:
        for layer, when in whens.items():
            layer.when = when


class Tap:
    """Runs a network up to a layer, and returns the layer's output.

    Parameters
    ----------
    model, layer : Module
        The layer is a part of the model.
    name : str
        Of the layer, for messages.
    """

    def __init__(self, model: nn.Module, layer: nn.Module, name: str) -> None:
        self._model, self._layer, self._name = model, layer, name

    def whole(self, x: Tensor) -> Tensor:
        """Return the output at x by a whole forward, which shows whether the layer runs just once.

        Raises
        ------
        ArgumentError
            It runs never or several times, gives no tensor of floating numbers, or its first axis is not the batch's.
        """
        seen = self._seen(x, stop=False)
        if len(seen) != 1:
            fix = "give each use a module of its own" if seen else "name a module that the forward calls"
            raise ArgumentError(
                f"name={self._name!r} runs {len(seen)} times in a forward: expected a layer that runs once; {fix}"
            )
        return self._checked(seen[0], x)

    def upto(self, x: Tensor) -> Tensor:
        """Return the output at x; the network runs no further than that."""
        seen = self._seen(x, stop=True)
        if not seen:
            raise ArgumentError(
                f"name={self._name!r} does not run for every batch: expected a layer that runs once in each forward"
            )
        return self._checked(seen[0], x)

    def _seen(self, x: Tensor, *, stop: bool) -> list[Any]:
        seen: list[Any] = []

        def note(module: nn.Module, inputs: Any, output: Any) -> None:
            seen.append(output.clone() if isinstance(output, Tensor) and not stop else output)  # before in-place layers
            if stop:
                raise _Reached

        handle = self._layer.register_forward_hook(note)
        try:
            with quiet(self._model):
                self._model(x.clone())  # a first layer in place would change the user's data
        except _Reached:
            pass
        except (LocalnoiseError, torch.OutOfMemoryError):
            raise
        except (RuntimeError, TypeError, ValueError, IndexError) as error:
            raise ArgumentError(
                f"the network cannot take inputs {tuple(x.shape)} of {x.dtype} ({first_line(error)}): expected "
                "(T, ...) of the shape and dtype that it was trained on"
            ) from error
        finally:
            handle.remove()
        return seen

    def _checked(self, h: Any, x: Tensor) -> Tensor:
        if not isinstance(h, Tensor):
            raise ArgumentError(
                f"name={self._name!r} gives a {type(h).__name__}: expected one tensor; name a module inside of it"
            )
        if not h.is_floating_point():
            raise ArgumentError(
                f"name={self._name!r} gives {h.dtype}: expected floating numbers; name a layer after it"
            )
        if h.ndim < 2 or len(h) != len(x):
            raise ArgumentError(
                f"name={self._name!r} gives shape {tuple(h.shape)} for {len(x)} inputs: expected the batch as first "
                "axis; name a layer that keeps the batch first"
            )
        return h
