"""The layers of a network behind the cut at which its activation can be repaired once more."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from localnoise.errors import ArgumentError

_SHAPE_ONLY = (nn.Flatten, nn.Unflatten, nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d)


def stage_ends(back: nn.Module, h: Tensor) -> list[str]:
    """Return the last module of each stage of the later layers, in the order in which they run.

    A stage begins with each module that has a matrix of weights, a convolution or a dense layer, and holds what follows
    it: norms, nonlinearities, pooling. Modules that change the shape alone end none. Only modules that run once, and
    whose output is one tensor of an activation for each input, count.

    Parameters
    ----------
    back : Module
        Layers after the cut.
    h : Tensor, (T, ...)
        A few activations at the cut.
    """
    names = {module: name for name, module in back.named_modules() if not any(True for _ in module.children())}
    ran: list[tuple[nn.Module, Any]] = []
    handles = [module.register_forward_hook(lambda own, _, out: ran.append((own, out))) for module in names]
    try:
        with torch.no_grad():
            back(h)
    finally:
        for handle in handles:
            handle.remove()
    runs = [module for module, _ in ran]
    found, last = list[str](), ""
    for module, out in ran:
        if last and any(weight.ndim > 1 for weight in module.parameters(recurse=False)):
            found.append(last)
            last = ""
        fits = isinstance(out, Tensor) and out.is_floating_point() and out.ndim > 1 and len(out) == len(h)
        if fits and runs.count(module) == 1 and not isinstance(module, _SHAPE_ONLY):
            last = names[module]
    return [*found, *([last] if last else [])]


def named_modules(back: nn.Module, wanted: Iterable[str]) -> list[str]:
    """Return `wanted`, if later layers have modules of these names.

    Raises
    ------
    ArgumentError
        One is none; those that can be repaired are what the message lists.
    """
    known = [name for name, module in back.named_modules() if name]
    names = list(wanted)
    for name in names:
        if name not in known:
            raise ArgumentError(
                f"layers={'+'.join(names)!r}: the later layers have no module {name!r}; expected all, first, or of"
                f" {', '.join(known)}"
            )
    return names
