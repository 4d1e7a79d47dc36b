"""Layers by their names in a network, as `model.named_modules()` lists them: found, or refused in one sentence."""

from itertools import chain
from typing import Any

import torch
from torch import nn

from localnoise.errors import ArgumentError, choose

_SILENT = (nn.ModuleList, nn.ModuleDict, nn.ParameterList, nn.ParameterDict)  # they hold, and have no forward
_WHOLE = (nn.MultiheadAttention, nn.TransformerEncoderLayer)  # in evaluation one operation that reads their weights


def whole(model: Any) -> nn.Module:
    """Return the network itself, also of one that `torch.compile` wrapped.

    Raises
    ------
    ArgumentError
        It is no torch module.
    """
    model = getattr(model, "_orig_mod", model)
    if not isinstance(model, nn.Module):
        raise ArgumentError(f"model is {type(model).__name__}: expected a torch.nn.Module")
    return model


def names(model: nn.Module) -> dict[str, nn.Module]:
    """Return the modules inside of a network by name, one that has several names under each of them."""
    return {name: module for name, module in model.named_modules(remove_duplicate=False) if name}


def find(model: nn.Module, name: str) -> nn.Module:
    """Return the module of this name.

    Raises
    ------
    ArgumentError
        There is none, the near name is suggested; or it only holds others, and is never called.
    """
    known = names(model)
    choose("name", name, known)
    if isinstance(known[name], _SILENT):
        inside = next((f", such as {one!r}" for one in known if one.startswith(f"{name}.")), "")
        raise ArgumentError(
            f"name={name!r} is a {type(known[name]).__name__}, which is never called: expected a module inside of it"
            f"{inside}"
        )
    return known[name]


def find_single(model: nn.Module, name: str) -> nn.Module:
    """Return the module of this name, which a network has under no other one and calls as a module.

    Raises
    ------
    ArgumentError
        As `find`; or it is shared, or part of an attention that torch computes in one piece.
    """
    module = find(model, name)
    also = [other for other, one in names(model).items() if one is module and other != name]
    if also:
        raise ArgumentError(
            f"name={name!r} is the same module as {also[0]!r}: expected one that is used in one place; give each place "
            "a module of its own"
        )
    for end in (i for i, letter in enumerate(name) if letter == "."):
        outer = model.get_submodule(name[:end])
        if isinstance(outer, _WHOLE):
            raise ArgumentError(
                f"name={name!r} is part of a {type(outer).__name__}, which reads its parts' weights without calling "
                f"them: expected the whole of it, {name[:end]!r}"
            )
    return module


def device_of(model: nn.Module) -> torch.device:
    """Return the device of a network's first parameter or buffer; the CPU where it has none."""
    first = next(chain(model.parameters(), model.buffers()), None)
    return torch.device("cpu") if first is None else first.device


def check_device(model: nn.Module, device: torch.device | str | None) -> torch.device:
    """Return a network's device.

    Raises
    ------
    ArgumentError
        Another device is stated.
    """
    own = device_of(model)
    stated = own if device is None else torch.device(device)
    if stated.type != own.type or stated.index not in (None, own.index):
        raise ArgumentError(
            f"device={str(device)!r}, the network is on {own}: expected the same; use model.to({str(device)!r})"
        )
    return own
