"""How the output of a layer lies on a grid, found out from one forward; and a fresh grid of that layout."""

import math
from typing import Any

from torch import Tensor, nn

from localnoise.errors import ArgumentError
from localnoise.grid import UnitGrid
from localnoise.nn.arrangement import Arrangement
from localnoise.nn.loading import first_input
from localnoise.nn.naming import device_of, find, whole
from localnoise.nn.tapping import Tap

_FIRST = ("out_channels", "num_features", "num_channels")  # attributes of convolutions, batch and group norms
_LAST = ("out_features", "embed_dim", "embedding_dim", "hidden_size")  # of linear layers, attentions, embeddings


def arrangement_of(
    model: nn.Module, name: str, batch: Any, *, kind: str | None = None, skipped: int | None = None
) -> Arrangement:
    """Return how the output of a layer lies on a grid, from one forward of a batch.

    (T, N) is dense. Of three or four axes the second is the channels' where the layer's convolutions or norms have as
    many, the last one where its linear layers or layer norms have; a layer without weights is judged by the whole
    network's. What has its channels last is tokens if the inputs are images, and lies on a square, a class token
    skipped where the tokens are one more than a square; else it is a sequence, on a row.

    Parameters
    ----------
    model : Module
        Is left as it is.
    name : str
        As in `model.named_modules()`.
    batch : Tensor or (Tensor, ...)
        A few inputs, of labels or none.
    kind, skipped
        As in `Arrangement.of`, where the guess would be wrong.

    Returns
    -------
    Arrangement
        Of the layer's output.

    Raises
    ------
    ArgumentError
        Nothing, or several things, speak for where the channels are: say so by `kind`, `skipped`.

    Examples
    --------
    >>> import torch
    >>> from localnoise import nn as lnn
    >>> net = torch.nn.Sequential(torch.nn.Conv1d(6, 16, 5), torch.nn.Tanh())
    >>> lnn.arrangement_of(net, "1", torch.zeros(2, 6, 50))
    Arrangement(kind='channels-first', layout=(16, 1, 46), skipped=0)
    """
    model = whole(model)
    layer = find(model, name)
    x = first_input(batch, device_of(model))
    return arranged(Tap(model, layer, name).whole(x), x, model, layer, name, kind, skipped)


def grid_like(
    model: nn.Module,
    name: str,
    batch: Any,
    *,
    parents: int | None = None,
    kind: str | None = None,
    skipped: int | None = None,
    **options: Any,
) -> UnitGrid:
    """Return a grid of the layout that a layer's output has, which has learned nothing.

    The grid remembers how the output lies on it (`provenance`), in its file, too: `NoiseLayer(grid)` takes tokens and
    channels last from it.

    Parameters
    ----------
    model, name, batch, kind, skipped
        As in `arrangement_of`.
    parents : int or None
        Most parents per unit, as in `UnitGrid`.
    **options
        Of `UnitGrid`: `signal="local"`, `order=`, `radius=`.

    Returns
    -------
    UnitGrid
        On which the output lies.

    Raises
    ------
    ArgumentError
        As `arrangement_of` and `UnitGrid`.

    Examples
    --------
    >>> import torch
    >>> from localnoise import nn as lnn
    >>> net = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.ReLU())
    >>> lnn.grid_like(net, "1", torch.zeros(2, 3, 8, 8), parents=3)
    UnitGrid(6x6 units x 8, multiscale, signal none; nothing learned)
    """
    found = arrangement_of(model, name, batch, kind=kind, skipped=skipped)
    channels, height, width = found.layout
    grid = UnitGrid((height, width), channels, parents=parents, **options)
    grid.provenance["arrangement"] = found.as_plain()
    return grid


def arranged(
    h: Tensor, x: Tensor, model: nn.Module, layer: nn.Module, name: str, kind: str | None, skipped: int | None
) -> Arrangement:
    """Return how the output h of a layer, at inputs x, lies on a grid; see `arrangement_of`."""
    if kind is None and skipped is not None:
        kind = "tokens"
    if kind is None and h.ndim in (3, 4):
        kind = _kind(h, x, model, layer, name)
    if kind == "tokens" and skipped is None and h.ndim == 3:
        skipped = _skipped(h.shape[1], name)
    return Arrangement.of(h, kind, skipped=skipped or 0)


def _kind(h: Tensor, x: Tensor, model: nn.Module, layer: nn.Module, name: str) -> str:
    first, last = _speaks(h, layer)
    if not (first or last):
        first, last = _speaks(h, model)
    if not (first or last) and h.ndim == 4:
        first = True  # torch's own way
    if first == last:
        raise ArgumentError(
            f"name={name!r} gives shape {tuple(h.shape)}, whose channels may be axis 1 or the last: expected the "
            "arrangement to be said; use kind='channels-first', 'channels-last' or 'tokens'"
        )
    if first:
        return "channels-first"
    return "tokens" if h.ndim == 3 and x.ndim == 4 else "channels-last"


def _speaks(h: Tensor, module: nn.Module) -> tuple[bool, bool]:
    """Return whether modules inside have as many channels as axis 1, and as many features as the last axis."""
    first, last = set[Any](), set[Any]()
    for part in module.modules():
        first |= {getattr(part, attribute, None) for attribute in _FIRST}
        last |= {getattr(part, attribute, None) for attribute in _LAST}
        shape = getattr(part, "normalized_shape", None)
        last |= {shape[0]} if isinstance(shape, (tuple, list)) and len(shape) == 1 else set()
    return h.shape[1] in first, h.shape[-1] in last


def _skipped(count: int, name: str) -> int:
    """Return how many of these tokens lie on no unit of a square."""
    for skipped in (0, 1):
        if math.isqrt(count - skipped) ** 2 == count - skipped > 0:
            return skipped
    raise ArgumentError(
        f"name={name!r} gives {count} tokens, which are no square, with a class token or without: expected their "
        "arrangement to be said; use skipped=0 for a row of units, or how many tokens lie on none"
    )
