"""The layers of a network up to one of them, held fast while the later ones are trained."""

from functools import partial
from types import TracebackType
from typing import Any

import torch
from torch import Tensor, nn

from localnoise.errors import ArgumentError
from localnoise.nn.attaching import Followed
from localnoise.nn.layer import NoiseLayer
from localnoise.nn.loading import first_input
from localnoise.nn.naming import device_of, find, names, whole
from localnoise.nn.tapping import quiet


class Frozen:
    """A front that `freeze_before` froze; `undo` gives it back, as does the end of a `with` block.

    Parameters
    ----------
    parameters : list of Parameter
        That no longer require gradients; those that required none stay out.
    modules : list of Module
        That stay in evaluation mode.
    """

    def __init__(self, parameters: list[nn.Parameter], modules: list[nn.Module]) -> None:
        self._parameters = [parameter for parameter in parameters if parameter.requires_grad]
        self._modes = {module: module.training for module in modules if "train" not in vars(module)}
        for parameter in self._parameters:
            parameter.requires_grad_(False)
        for module in self._modes:
            module.training = False
            module.train = partial(_stays, module)  # type: ignore[method-assign]  # what the network's train() calls

    def undo(self) -> None:
        """Let everything that was frozen be trained again; modules take the mode that they had."""
        for parameter in self._parameters:
            parameter.requires_grad_()
        for module, mode in self._modes.items():
            vars(module).pop("train", None)
            module.training = mode
        self._parameters, self._modes = [], {}

    def __enter__(self) -> "Frozen":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.undo()


def freeze_before(model: nn.Module, name: str, batch: Any = None) -> Frozen:
    """Freeze a network up to a layer and the layer itself, in place: later layers are trained, these are not.

    Their parameters no longer require gradients, and their modules (batch norm, dropout) stay in evaluation mode when
    the network's `train()` is called. Noise layers among them follow `train()` as before, also the one that is attached
    to the layer. A module that is used before and after counts as before. Copies and pickles of the network are frozen,
    too.

    Parameters
    ----------
    model : Module
        Is changed in place.
    name : str
        Of the layer, as in `model.named_modules()`.
    batch : Tensor or (Tensor, ...), optional
        A few inputs. With them one forward shows what the layer's output depends on: exactly the parameters that it has
        a gradient of, and the modules that had begun before it ended. Without, the order in which modules were made
        decides: those before the layer in `model.named_modules()`, and the parameters of modules that hold it, such as
        a class token.

    Returns
    -------
    Frozen
        `undo()` reverses it; so does the end of ``with lnn.freeze_before(...):``.

    Raises
    ------
    ArgumentError
        No such layer (the near name is suggested), or the batch does not reach it.

    Examples
    --------
    >>> import torch
    >>> from localnoise import nn as lnn
    >>> net = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.Dropout(), torch.nn.Linear(8, 2))
    >>> with lnn.freeze_before(net, "1"):
    ...     print([p.requires_grad for p in net.parameters()], net.train()[1].training)
    [False, False, True, True] False
    >>> all(p.requires_grad for p in net.parameters())
    True
    """
    model = whole(model)
    layer = find(model, name)
    if isinstance(layer, Followed):
        name, layer = f"{name}.module", layer.module
    holders = [model, *(model.get_submodule(name[:end]) for end, letter in enumerate(name) if letter == ".")]
    if batch is None:
        parameters, modules = _made_before(model, name, layer, holders)
    else:
        parameters, modules = _run_before(model, name, layer, first_input(batch, device_of(model)))
    kept = [part for part in modules if part not in holders and not _holds_noise(part)]
    return Frozen(parameters, kept)


def _made_before(
    model: nn.Module, name: str, layer: nn.Module, holders: list[nn.Module]
) -> tuple[list[nn.Parameter], list[nn.Module]]:
    """Return the parameters and modules that come before the layer's end in the order in which they were made."""
    before = list(names(model))
    before = before[: before.index(name)]
    parts = [model.get_submodule(one) for one in before] + list(layer.modules())
    parts = [part for part in parts if not isinstance(part, Followed)]
    owners = [*holders, *parts]
    parameters = [parameter for part in owners for parameter in part.parameters(recurse=False)]
    return parameters, parts


def _run_before(model: nn.Module, name: str, layer: nn.Module, x: Tensor) -> tuple[list[nn.Parameter], list[nn.Module]]:
    """Return the parameters that the layer's output depends on, and the modules that began before it ended."""
    begun: list[nn.Module] = []
    seen: list[Any] = []

    def begins(module: nn.Module, inputs: Any) -> None:
        if not seen:
            begun.append(module)

    def ends(module: nn.Module, inputs: Any, output: Any) -> None:
        seen.append(output.clone() if isinstance(output, Tensor) else output)

    parameters = [parameter for parameter in model.parameters() if parameter.is_floating_point()]
    needed = [parameter.requires_grad for parameter in parameters]
    handles = [module.register_forward_pre_hook(begins) for module in model.modules()]
    handles.append(layer.register_forward_hook(ends))
    try:
        with quiet(model), torch.enable_grad():
            for parameter in parameters:
                parameter.requires_grad_()
            model(x.clone())
            if not seen or not isinstance(seen[0], Tensor):
                said = f"gives a {type(seen[0]).__name__}" if seen else "does not run in a forward"
                raise ArgumentError(f"name={name!r} {said}: expected a layer that runs and gives one tensor")
            wanted = parameters if seen[0].requires_grad else []  # or no weight comes before
            gradients: tuple[Tensor | None, ...] = (
                torch.autograd.grad(seen[0].sum(), wanted, allow_unused=True) if wanted else ()
            )
    finally:
        for handle in handles:
            handle.remove()
        for parameter, before in zip(parameters, needed, strict=True):
            parameter.requires_grad_(before)
    used = [parameter for parameter, gradient in zip(wanted, gradients, strict=True) if gradient is not None]
    return used, [*dict.fromkeys([*begun, *layer.modules()])]


def _holds_noise(module: nn.Module) -> bool:
    return any(isinstance(part, NoiseLayer) for part in module.modules())


def _stays(module: nn.Module, mode: bool = True) -> nn.Module:
    """Stand in for `Module.train`: what is frozen does what it does when deployed."""
    module.training = False
    return module
