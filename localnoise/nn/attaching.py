"""A module put behind a layer of a network, by the layer's name; in a copy, and without hooks."""

import copy
from typing import Any

from torch import Tensor, nn

from localnoise.errors import ArgumentError, short
from localnoise.nn.naming import find_single, names, whole

_INNER = "module."


class Followed(nn.Module):
    """A layer and what follows it: noise(module(...)).

    Keys of the `state_dict` are those of the layer alone, and the noise's under ``noise.``. So a state from before the
    noise was attached still loads, with ``strict=False``, as its only missing keys are the noise's. The layer's
    attributes and modules are found here too, its weights are not: a forward that reads them without calling the layer
    would pass the noise by.

    Parameters
    ----------
    module : Module
        The layer; its output is one tensor.
    noise : Module
        Takes that output; mostly a `NoiseLayer`.
    name : str
        Of the layer, for messages.
    """

    def __init__(self, module: nn.Module, noise: nn.Module, name: str = "") -> None:
        super().__init__()
        self.module, self.noise, self.name = module, noise, name
        self.register_state_dict_post_hook(_shortened)  # type: ignore[no-untyped-call]  # torch's own
        self.register_load_state_dict_pre_hook(_lengthened)  # type: ignore[no-untyped-call]
        self.train(module.training)

    def forward(self, *args: Any, **kwargs: Any) -> Tensor:
        """Return the layer's output, with the noise.

        Parameters
        ----------
        *args, **kwargs
            Of the layer.

        Returns
        -------
        Tensor
            What `noise` makes of its output.

        Raises
        ------
        ArgumentError
            The layer gives something else than one tensor.
        """
        h = self.module(*args, **kwargs)
        if not isinstance(h, Tensor):
            raise ArgumentError(
                f"layer {self.name!r} gives a {type(h).__name__}: expected one tensor; attach to a module inside of it"
            )
        out: Tensor = self.noise(h)
        return out

    def __getattr__(self, name: str) -> Any:
        """Return an attribute of the layer that is no weight."""
        try:
            return super().__getattr__(name)
        except AttributeError:
            module = self.__dict__.get("_modules", {}).get("module")
            found = None if module is None else getattr(module, name, None)
            if found is None or isinstance(found, Tensor):
                raise
            return found


def attach(model: nn.Module, name: str, module: nn.Module) -> nn.Module:
    """Return a deep copy of a network in which the layer of this name is followed by a module.

    The layer is replaced by `Followed(layer, module)`: no hook, so that the copy compiles, exports, pickles and copies
    as the network did. Its `state_dict` has the network's own keys, and below ``NAME.noise.`` those of the module.
    `module` itself becomes part of the copy, and takes the layer's training mode.

    Parameters
    ----------
    model : Module
        Is left as it is.
    name : str
        As in `model.named_modules()`, such as "layer2" or "features.3".
    module : Module
        Takes the layer's output, one tensor, and returns another of its shape: `NoiseLayer(grid)`.

    Returns
    -------
    Module
        The copy.

    Raises
    ------
    ArgumentError
        No such layer (the near name is suggested), one that is used in several places or never called as a module, that
        has noise already, or what is attached is no module. In the forward: a layer whose output is no tensor.

    Examples
    --------
    >>> import localnoise as ln, torch
    >>> from localnoise import nn as lnn
    >>> net = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.Tanh(), torch.nn.Linear(8, 2))
    >>> noisy = lnn.attach(net, "1", lnn.NoiseLayer(ln.UnitGrid(shape=(1, 8)), when="train"))
    >>> noisy(torch.zeros(5, 3)).shape, type(lnn.detach(noisy, "1")[1]).__name__
    (torch.Size([5, 2]), 'Tanh')
    """
    model = whole(model)
    if not isinstance(module, nn.Module):
        raise ArgumentError(
            f"module is {short(repr(module))}: expected a torch module; of a noise make one, NoiseLayer(noise)"
        )
    layer = find_single(model, name)
    if isinstance(layer, Followed):
        raise ArgumentError(f"name={name!r} has noise already: expected a layer without; use detach(model, {name!r})")
    if hasattr(layer, "noise"):
        raise ArgumentError(
            f"name={name!r} has a part of its own that is called 'noise': expected another name; rename that part"
        )
    copied = copy.deepcopy(model)
    copied.set_submodule(name, Followed(copied.get_submodule(name), module, name))
    return copied


def detach(model: nn.Module, name: str) -> nn.Module:
    """Return a deep copy of a network in which the layer of this name is no longer followed by a module.

    Parameters
    ----------
    model : Module
        Is left as it is.
    name : str
        Of the layer, as `attach` was given it.

    Returns
    -------
    Module
        The copy.

    Raises
    ------
    ArgumentError
        No such layer, or nothing is attached to it: the layers that have something are listed.
    """
    model = whole(model)
    layer = find_single(model, name)
    if not isinstance(layer, Followed):
        others = [repr(other) for other, one in names(model).items() if isinstance(one, Followed)]
        raise ArgumentError(
            f"name={name!r} has nothing attached: expected a layer that `attach` was called with, here "
            f"{', '.join(others) or 'none'}"
        )
    copied = copy.deepcopy(model)
    found = copied.get_submodule(name)
    assert isinstance(found, Followed)
    copied.set_submodule(name, found.module)
    return copied


def _shortened(module: nn.Module, state: dict[str, Any], prefix: str, metadata: Any) -> None:
    """Give a state the layer's own keys."""
    for key in [key for key in state if key.startswith(prefix + _INNER)]:
        state[prefix + key[len(prefix + _INNER) :]] = state.pop(key)


def _lengthened(module: nn.Module, state: dict[str, Any], prefix: str, *rest: Any) -> None:
    """Take the layer's own keys."""
    for key in [key for key in state if key.startswith(prefix)]:
        own = key[len(prefix) :]
        if not own.startswith("noise."):
            state[prefix + _INNER + own] = state.pop(key)
