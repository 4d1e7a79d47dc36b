"""Repaired networks as predictors: the task's layer is repaired where others have noise, later layers inside the back.

Nothing is drawn, and one pass decides. With `dense` the ways back are affine maps of whole layers, chosen by the gate
of the local laws; with `bits` integers decide and repair, as a chip's do.
"""

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from localnoise import Repair
from localnoise.hardware import Formats, quantise
from localnoise.hardware.fixedpoint import to_values
from localnoise.hardware.quantiser.repaired import densities, log_terms, rescored
from localnoise.nn import Predictor, RepairLayer
from localnoise.nn.attaching import Followed
from localnoise.repair.gate import FLOOR
from localnoise.sims.models.affine import Affine

Ways = Mapping[str, list[Affine | None]]  # layer -> a map for each member of its repair
CUT = "0"  # the task's layer, in `trunk`


def trunk(back: nn.Module) -> nn.Sequential:
    """Return the network from the cut on: its layer "0" gives the activation, layers behind it are "1.NAME"."""
    return nn.Sequential(nn.Identity(), back).eval()


class DenseRepairLayer(RepairLayer):
    """A repair whose ways back are affine maps of the whole layer, the central counterpart.

    Parameters
    ----------
    repair : Repair
        Its laws are the gate's.
    ways : list of Affine or None
        For each member; clean has none.
    follows
        As `RepairLayer` takes it.
    """

    def __init__(self, repair: Repair, ways: list[Affine | None], follows: RepairLayer | None = None) -> None:
        super().__init__(repair, follows)
        self._maps = [
            (j, torch.from_numpy(way.G), torch.from_numpy(way.a)) for j, way in enumerate(ways) if way is not None
        ]

    def _change(self, x: Tensor, w: Tensor) -> Tensor:
        flat = x.transpose(1, 2).flatten(1)  # (T, C H W)
        out = torch.zeros_like(flat)
        for j, G, a in self._maps:
            rows = (w[:, j] > FLOOR).nonzero()[:, 0]
            if len(rows):
                out = out.index_add(0, rows, w[rows, j, None] * (flat[rows] @ G + a))
        change: Tensor = out.reshape(len(x), x.shape[2], x.shape[1]).transpose(1, 2)
        return change


class IntegerRepairLayer(RepairLayer):
    """A repair as a chip makes it, emulated to the bit: one member decides. What is left alone stays as it is.

    Where a gradient is asked for, the floating-point repair answers, with its own gradients: rounding has none, and an
    attacker knows the twin. What an attack finds is judged on the integers (as `on_chip.Deployed` has it).

    Parameters
    ----------
    repair : Repair
    bits : int
        Of weights; activations have 8, or as many.
    follows
        As `RepairLayer` takes it.
    """

    def __init__(self, repair: Repair, bits: int, follows: RepairLayer | None = None) -> None:
        self._formats = Formats(weight_bits=bits, activation_bits=max(8, bits))
        super().__init__(repair, follows)

    def _take(self, repair: Repair) -> None:
        vars(self).pop("chip", None)  # of another repair
        super()._take(repair)
        chip: Any = quantise(repair, self._formats)  # with feedback under the moments of held-out activations
        self.chip, self._terms = chip, log_terms(repair, chip)

    def decide_as_now(self) -> None:
        """Take margins, worth and `among` that the repair asks for now, in integers as well; by their own densities."""
        super().decide_as_now()
        if "chip" in vars(self):
            self.chip = rescored(self.chip, self._repair, logs=self._terms)

    def _weights(self, x: Tensor) -> Tensor:
        if not _differentiated(x):
            return self._chosen(x)
        with torch.no_grad():
            pays = self._chosen(x.detach()).sum(1) > 0  # worth was learned by what integers say: they are asked
        asked, self._worth = self._worth, self._worth[:0]
        try:
            w = super()._weights(x)
        finally:
            self._worth = asked
        assert self.posterior is not None
        self.posterior = self.posterior * pays[:, None]
        return w * pays[:, None]

    def _chosen(self, x: Tensor) -> Tensor:
        """Return the members' weights (T, J) as the chip has them: one member, or none."""
        known: Any = self.source
        if known is None and self.follows is not None:
            before = self.follows.posterior
            assert before is not None
            known = torch.where(before.sum(1) > 0, before.argmax(1), -1).numpy()
        words, squares = self._words(x), None
        if self.decides:
            squares = self.chip.squares(words)
            self.density = torch.from_numpy(densities(self.chip, squares, self._terms))
        member = torch.from_numpy(self.chip.likeliest(words, known, squares))
        w = torch.eye(len(self._own), dtype=x.dtype)[member.clamp(min=0)] * (member >= 0)[:, None]
        self.posterior = torch.stack([w[:, where].sum(1) for where in self._where], 1)
        return w

    def _change(self, x: Tensor, w: Tensor) -> Tensor:
        if _differentiated(x):
            return super()._change(x, w)
        member = torch.where(w.sum(1) > 0, w.argmax(1), -1)
        fixed, _ = self.chip.words(self._words(x), member.numpy())
        values = to_values(fixed, self.chip.field.activation_scale).reshape(len(x), x.shape[2], x.shape[1])
        undone = (member >= 0) & torch.from_numpy(self.chip.field.backs >= 0)[member.clamp(min=0)]
        return (torch.from_numpy(values).transpose(1, 2).to(x.dtype) - x) * undone[:, None, None]

    def _words(self, x: Tensor) -> Any:
        c = self.repair.config
        return self.chip.activation_words(x.detach().transpose(1, 2).reshape(-1, c.channels, *c.shape).numpy())


def _differentiated(x: Tensor) -> bool:
    return torch.is_grad_enabled() and x.requires_grad


def attached(model: nn.Module, repairs: Mapping[str, Repair], ways: Ways | None = None, bits: int = 0) -> nn.Module:
    """Return a copy of a trunk whose layers are repaired: by `repairs`, by dense ways, or with `bits` by integers."""
    copied, leader = copy.deepcopy(model), None
    for name, repair in repairs.items():
        layer: RepairLayer
        if bits:
            layer = IntegerRepairLayer(repair, bits, leader)
        else:
            layer = RepairLayer(repair, leader) if ways is None else DenseRepairLayer(repair, ways[name], leader)
        leader = layer if layer.decides else leader
        copied.set_submodule(name, Followed(copied.get_submodule(name), layer, name))
    return copied.eval()


class Mended(nn.Module):
    """The repair of the task's layer, in the place of a predictor's noise; it rules those of later layers, too.

    Parameters
    ----------
    first : RepairLayer
    later : list of RepairLayer
        Those inside the back, which follow it.
    told : bool
        Whether `tell` is heeded.

    Attributes
    ----------
    said : list of (T,) uint8 or None, or more bits where there are more than 255 sources
        If set to a list: of each activation what the gate called it, an index of `sources`, batch by batch.
    """

    seed, active = None, False  # nothing is drawn

    def __init__(self, first: RepairLayer, later: list[RepairLayer], told: bool = False) -> None:
        super().__init__()
        self.first = first
        self._layers = (first, *later)  # a tuple: later ones are the back's modules
        self._told = told
        self.said: list[npt.NDArray[np.integer[Any]]] | None = None
        [layer for layer in self._layers if layer.decides][-1].register_forward_hook(self._listen)

    def _listen(self, layer: nn.Module, inputs: Any, output: Any) -> None:
        posterior: Any = layer.posterior
        if self.said is not None and posterior is not None:
            most = posterior.shape[1] - 1
            self.said.append(posterior.argmax(1).cpu().numpy().astype(np.min_scalar_type(most)))

    @property
    def repairs(self) -> list[Repair]:
        """Of all layers, the task's first."""
        return [layer.repair for layer in self._layers]

    @property
    def sources(self) -> list[str]:
        """Names of what the gate tells apart, clean first."""
        return self.first.repair.sources

    @property
    def when(self) -> str:
        """When all layers repair, as in `RepairLayer`."""
        return self.first.when

    @when.setter
    def when(self, when: str) -> None:
        for layer in self._layers:
            layer.when = when

    def reseed(self, seed: int) -> None:
        """There is no stream."""

    def tell(self, name: str, level: float) -> None:
        """Say what is tested next: one that was learned, at this level or another; all else is left unrepaired."""
        if not self._told:
            return
        same = [source for source in self.sources if source.partition("@")[0] == name]
        exact = f"{name}@{level:g}"
        known = exact if exact in same else same[0] if same else self.sources[0]
        for layer in self._layers:
            layer.source = known

    @contextmanager
    def constant(self) -> Iterator[None]:
        """Let the gate's weights count as constants in gradients."""
        before = [layer.constant for layer in self._layers]
        for layer in self._layers:
            layer.constant = True
        try:
            yield
        finally:
            for layer, own in zip(self._layers, before, strict=True):
                layer.constant = own

    def forward(self, h: Tensor) -> Tensor:
        """Return the repaired activation."""
        out: Tensor = self.first(h)
        return out


def mended(front: nn.Module, model: nn.Module, *, told: bool = False, back: nn.Module | None = None) -> Predictor:
    """Return the predictor of a front and of a trunk whose layers are repaired (`attached`).

    told : whether tests say what happened.
    back : in the place of the trunk's later layers.
    """
    task: Any = model.get_submodule(CUT)
    own = model.get_submodule("1")
    later = [part.noise for part in own.modules() if isinstance(part, Followed) and isinstance(part.noise, RepairLayer)]
    noise: Any = Mended(task.noise, [] if back is not None else later, told)
    return Predictor(front, noise, own if back is None else back, 1).eval()
