"""Repairs of a network's layers: made for a layer, learned one layer after the other, attached, calibrated."""

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from inspect import signature
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from localnoise.errors import ArgumentError, choose, short
from localnoise.nn.arrangement import Arrangement
from localnoise.nn.attaching import Followed
from localnoise.nn.layer import NoiseLayer
from localnoise.nn.likeness import arrangement_of
from localnoise.nn.loading import Batches, as_altered
from localnoise.nn.naming import check_device, find, find_single, whole
from localnoise.nn.repairing import RepairLayer
from localnoise.nn.saying import said_of
from localnoise.nn.tapping import Tap
from localnoise.repair import Repair
from localnoise.repair.lessons import CLEAN
from localnoise.validate import Array, check_progress

Progress = Callable[[str, str], None]
_OPTIONS = tuple(signature(Repair).parameters)[2:]
_DENSE = 1024  # neurons of a dense layer up to which every one reads every other


def repair_like(
    model: nn.Module, name: str, batch: Any, *, kind: str | None = None, skipped: int | None = None, **options: Any
) -> Repair:
    """Return a fresh repair of the layout that the output of a layer has, as `grid_like` does for a grid.

    A dense layer of N <= 1,024 neurons becomes one unit of N channels: every neuron reads every other, which is not
    local, and small. A larger one becomes 1 x N units.

    Parameters
    ----------
    model, name, batch, kind, skipped
        As `arrangement_of` takes them.
    **options
        Of `Repair`: radius, parents, ridge, width, share, ...

    Returns
    -------
    Repair
        It has learned nothing.

    Raises
    ------
    ArgumentError
        As `arrangement_of`.
    """
    for option in options:
        choose("option", option, _OPTIONS)
    lies = arrangement_of(model, name, batch, kind=kind, skipped=skipped)
    channels, height, width = lies.layout
    if lies.kind == "dense" and width <= _DENSE:
        lies = Arrangement(kind="dense", layout=(width, 1, 1))
        options = options | {"radius": 0}
        channels, height, width = lies.layout
    made = Repair((height, width), channels, **options)
    made.provenance["arrangement"] = lies.as_plain()
    return made


def attach_repairs(model: nn.Module, repairs: Mapping[str, Repair], **options: Any) -> nn.Module:
    """Return a deep copy of a network in which each of these layers is repaired; the first one's gate decides for all.

    Where a later repair decides anew between some sources (`Repair.decide_among`), those behind it follow that one.

    Parameters
    ----------
    model : Module
        Is left as it is; its weights are untouched in the copy, too.
    repairs : dict of str to Repair
        By the name of the layer, in the order in which they run, with the same sources. A layer may have noise that is
        on at training only (`NoiseLayer(..., when="train")`): the repair then comes behind it, which at test is all
        that happens there.
    **options
        Of `RepairLayer`: source, when.

    Returns
    -------
    Module
        The copy.

    Raises
    ------
    ArgumentError
        No such layer, one that something else is attached to, no repairs, one that has learned nothing, or other
        sources than the first.
    """
    model = whole(model)
    given: Any = repairs
    if not isinstance(given, Mapping) or not given:
        raise ArgumentError(
            f"repairs is {type(repairs).__name__}: expected a dict of layers' names to repairs; for a single one use "
            "attach(model, name, RepairLayer(repair))"
        )
    for name in repairs:
        layer = find_single(model, name)
        if isinstance(layer, Followed) and not _at_training_only(layer.noise):
            raise ArgumentError(
                f"repairs: {name!r} has something attached already, which is on at test: expected a layer without, or "
                'with noise at training only; use detach, or NoiseLayer(..., when="train")'
            )
    copied, leader = copy.deepcopy(model), None
    for name, repair in repairs.items():
        made = RepairLayer(repair, leader, **options)
        leader = made if made.decides else leader
        before = copied.get_submodule(name)
        if isinstance(before, Followed):
            copied.set_submodule(name, Followed(before.module, nn.Sequential(before.noise, made), name))
        else:
            copied.set_submodule(name, Followed(before, made, name))
    return copied


def _at_training_only(attached: nn.Module) -> bool:
    return isinstance(attached, NoiseLayer) and attached.when == "train"


def learn_repairs(
    model: nn.Module,
    layers: str | Sequence[str] | Mapping[str, Repair],
    loader: Any,
    sources: Mapping[str, Callable[[Tensor], Tensor]],
    *,
    progress: Progress | None = None,
    device: torch.device | str | None = None,
    **options: Any,
) -> dict[str, Repair]:
    """Learn repairs of one or several layers, no label read and no weight changed.

    Each layer is learned behind the repairs of the layers before it, whose source is then known. Later layers are
    smaller and closer to the decision, so that repairing several in turn repairs more, at little cost
    (docs: "Repair"). Every source's inputs are made once for each layer.

    Parameters
    ----------
    model : Module
        Is left as it is.
    layers : str or sequence of str, or dict of str to Repair
        Names of layers, in the order in which they run; or what this returned before, to learn further sources: none is
        learned again, and what was given stays as it is. Calibrate anew then: what was found of worth is of other
        sources. Or fresh repairs of `repair_like`, where layers differ in their options.
    loader : DataLoader, Dataset, Tensor, (x, y), or iterable of batches
        Undisplaced inputs, read as often as there are layers and sources.
    sources : dict of str to callable
        What may happen to inputs: a function of a batch. A source that repairs know already goes on learning from it.
    progress : callable
        Told (layer, source) before each lesson.
    device : device or None
        The network's own, None or stated.
    **options
        Of `Repair`; `kind` and `skipped`, as `repair_like` takes them. None with repairs that are there.

    Returns
    -------
    dict of str to Repair
        For `attach_repairs`, in the order of `layers`.

    Raises
    ------
    ArgumentError
        No such layer, no sources, or as `displacements`.

    Examples
    --------
    >>> import torch
    >>> from localnoise import nn as lnn
    >>> net = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.Tanh(), torch.nn.Linear(8, 2))
    >>> x = torch.randn(400, 3, generator=torch.Generator().manual_seed(0))
    >>> repairs = lnn.learn_repairs(net, ["1", "2"], x, {"dark": lambda x: 0.3 * x})
    >>> mended = lnn.attach_repairs(net, repairs)
    >>> bool((mended(0.3 * x) - net(x)).abs().mean() < (net(0.3 * x) - net(x)).abs().mean())
    True
    """
    check_progress(progress)
    model = whole(model)
    own = check_device(model, device)
    named = [layers] if isinstance(layers, str) else list(layers)
    if not named or not sources:
        raise ArgumentError(
            f"layers={named!r}, sources={list(sources or ())!r}: expected at least one of each, such as 'layer2' and "
            "{'blur': blur}"
        )
    given: Any = sources
    if not isinstance(given, Mapping) or not all(callable(corrupt) for corrupt in given.values()):
        raise ArgumentError(
            f"sources is {short(repr(given), 80)}: expected a dict of names to functions of a batch, such as "
            "{'blur': blur}; of several causes of a source, learn each under its own name"
        )
    if CLEAN in sources:
        raise ArgumentError(
            f"sources holds {CLEAN!r}, the name of inputs that nothing has happened to: expected another name"
        )
    if options and isinstance(layers, Mapping):
        raise ArgumentError(
            f"{next(iter(options))} was given with repairs, which keep the options that they were made with: expected "
            "none of them"
        )
    if isinstance(layers, Mapping):
        _refuse_unlike(layers)
    batches, made = Batches(loader, own), dict[str, Repair]()
    _refuse_order(model, named, next(iter(batches))[0])
    for name in named:
        find(model, name)
        if isinstance(layers, Mapping):
            repair = _copy(name, layers[name])
        else:
            repair = repair_like(model, name, next(iter(batches))[0], **options)
        for source, corrupt in sources.items():
            if progress is not None:
                progress(name, source)
            earlier = attach_repairs(model, made, source=source) if made else model
            with said_of(f"layer {name!r}"):
                repair.learn(source, _Pairs(model, earlier, name, batches, corrupt, source, repair))
        made[name] = repair
    return made


def _copy(name: str, repair: Repair) -> Repair:
    """Return a copy whose lessons and margins the repair does not see."""
    given: Any = repair
    if not isinstance(given, Repair) or Arrangement.remembered(given) is None:
        raise ArgumentError(
            f"layers[{name!r}] is {given!r}: expected a Repair that says how the layer's output lies on it, as "
            "learn_repairs and repair_like make them"
        )
    made = repair._copied(list(repair.members))
    made.margins = dict(repair.margins)
    return made


def _refuse_unlike(repairs: Mapping[str, Repair]) -> None:
    """Raise an ArgumentError unless repairs have learned the same sources, or all of them none."""
    known = {name: sorted({one.source for one in getattr(own, "members", ())}) for name, own in repairs.items()}
    first = next(iter(known))
    for name, own in known.items():
        if own != known[first]:
            raise ArgumentError(
                f"layers[{name!r}] has learned {own!r}, layers[{first!r}] {known[first]!r}: expected the same sources; "
                "learn all of them together, or begin with fresh repairs"
            )


def _refuse_order(model: nn.Module, named: list[str], x: Tensor) -> None:
    """Raise an ArgumentError unless layers are named in the order in which they run."""
    seen: list[str] = []
    hooks = [find(model, name).register_forward_hook(lambda *given, name=name: seen.append(name)) for name in named]
    try:
        Tap(model, find(model, named[-1]), named[-1]).whole(x)
    finally:
        for hook in hooks:
            hook.remove()
    order = [name for name in dict.fromkeys(seen) if name in named]
    if order != [name for name in named if name in order]:
        raise ArgumentError(f"layers={named!r}: expected the order in which they run, {order!r}")


class _Pairs:
    """Pairs (displaced, clean) of a layer's output, the displaced ones behind the repairs of earlier layers."""

    def __init__(
        self,
        model: nn.Module,
        earlier: nn.Module,
        name: str,
        batches: Batches,
        corrupt: Callable[[Tensor], Tensor],
        source: str,
        repair: Repair,
    ) -> None:
        self._taps = Tap(model, find(model, name), name), Tap(earlier, find(earlier, name), name)
        self._batches, self._corrupt, self._source = batches, corrupt, source
        lies = Arrangement.remembered(repair)
        assert lies is not None
        self._lies = lies

    def __iter__(self) -> Iterator[tuple[Array, Array]]:
        calm, displaced = self._taps
        for index, (x, _) in enumerate(self._batches):
            moved = as_altered(self._corrupt, x, f"sources[{self._source!r}]")
            if not index and len(x) and torch.equal(moved, x):
                raise ArgumentError(
                    f"sources[{self._source!r}] gave the first batch back as it was: expected other values"
                )
            yield _numpy(self._lies.folded(displaced.upto(moved))), _numpy(self._lies.folded(calm.upto(x)))


def _numpy(values: Tensor) -> npt.NDArray[np.float32]:
    return np.ascontiguousarray(values.float().cpu().numpy())
