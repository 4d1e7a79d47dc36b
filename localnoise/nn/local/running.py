"""A network's run, step by step: its innermost modules, and the functions that its forward calls between them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

_SHAPE_ONLY = (nn.Flatten, nn.Unflatten, nn.Identity)
_REARRANGES = {
    *("flatten", "view", "view_as", "reshape", "reshape_as", "unflatten", "ravel", "squeeze", "unsqueeze"),
    *("permute", "transpose", "swapaxes", "movedim", "moveaxis", "expand", "expand_as", "contiguous", "clone"),
    *("detach", "float", "double", "to", "type", "requires_grad_", "__get__", "__getitem__"),
}
_JOINS = {"add", "add_", "__add__", "__radd__", "__iadd__", "cat", "concat", "concatenate", "stack"}  # of residuals

Before = Callable[[int, nn.Module, Any], Any]
After = Callable[[int, Any, Any], Any]


def innermost(model: nn.Module) -> dict[nn.Module, str]:
    """Return modules without modules in them, and their names."""
    return {module: name for name, module in model.named_modules() if not any(True for _ in module.children())}


def is_output(step: Any, out: Any, count: int) -> bool:
    """Return whether what a step gave can be a stage's output: an activation for each of `count` inputs."""
    fits = isinstance(out, Tensor) and out.is_floating_point() and out.ndim > 1 and len(out) == count
    return fits and not isinstance(step, _SHAPE_ONLY)


class Steps:
    """A count of the steps that a network has run.

    Attributes
    ----------
    done : int
    """

    def __init__(self) -> None:
        self.done = 0


class _Functions(TorchFunctionMode):
    """Meets each function that is called outside of modules; what `met` returns takes the place of its output."""

    def __init__(self, met: Callable[[str, Any], Any]) -> None:
        super().__init__()
        self.inside, self._met = 0, met

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if self.inside or not isinstance(out, Tensor):
            return out
        name = getattr(func, "__name__", "")
        return out if name in _REARRANGES or name in _JOINS else self._met(name, out)


@contextmanager
def stepping(model: nn.Module, after: After, before: Before | None = None) -> Iterator[Steps]:
    """Meet each step of a network's forward: an innermost module, or a function such as relu between them.

    Functions that rearrange a tensor, or add or append one that went around a layer, are no steps.

    Parameters
    ----------
    after : callable
        (number, module or function's name, output), numbers from 0 on -> what takes the output's place, or None.
    before : callable
        (number, module, arguments) -> what takes the arguments' place, or None.
    """
    steps = Steps()

    def met(name: str, out: Any) -> Any:
        given = after(steps.done, name, out)
        steps.done += 1
        return out if given is None else given

    functions = _Functions(met)

    def enter(module: nn.Module, args: Any) -> Any:
        functions.inside += 1  # first: what `before` calls is no step
        return None if before is None else before(steps.done, module, args)

    def leave(module: nn.Module, args: Any, out: Any) -> Any:
        given = after(steps.done, module, out)
        steps.done += 1
        functions.inside -= 1
        return given

    names = innermost(model)
    handles = [module.register_forward_pre_hook(enter) for module in names]
    handles += [module.register_forward_hook(leave) for module in names]
    try:
        with functions:
            yield steps
    finally:
        for handle in handles:
            handle.remove()
