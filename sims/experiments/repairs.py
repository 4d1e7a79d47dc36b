"""Repairs of a seed's network: learned from displacements, layer by layer, calibrated, put together as a predictor.

No label is read, but where fresh later layers are trained.
"""

from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from localnoise import Repair
from localnoise.errors import ArgumentError
from localnoise.nn import NoNoise, Predictor, RepairLayer, calibrate_repairs, repair_like
from localnoise.nn.arrangement import Arrangement
from localnoise.nn.likeness import arrangement_of
from localnoise.nn.naming import find
from localnoise.nn.tapping import Tap
from localnoise.sims.defenses.lesson import Lesson, teach
from localnoise.sims.defenses.mended import CUT, attached, mended, trunk
from localnoise.sims.defenses.repairing import ALL, FIRST, NONE, Repairing
from localnoise.sims.evaluation.source import DRIFT, Source
from localnoise.sims.experiments.testbed import Testbed
from localnoise.sims.models import training
from localnoise.sims.models.affine import Affine, least_squares
from localnoise.sims.models.stages import named_modules, stage_ends
from localnoise.sims.runtime.stage import Stage, ticker

Displace = Callable[[Source], tuple[Tensor, Tensor]]
HELD, SHARE = 2_000, 10  # of the training inputs the last tenth, at most so many, calibrate the gate
CHANGED = 0.005  # share of their decisions that a repair may change
_CHUNK = 500


@dataclass
class Learned:
    """Repairs that were learned, by layers' names in the trunk, in the order in which they run.

    Attributes
    ----------
    repairs : dict of str to Repair
    ways : dict of str to list, or None
        Dense ways back, where they are asked for: one for each member, None for clean.
    """

    repairs: dict[str, Repair] = field(default_factory=dict)
    ways: dict[str, list[Affine | None]] | None = None

    def attached(self, model: nn.Module, repairs: Any = None) -> nn.Module:
        """Return a copy of the trunk that is repaired."""
        return attached(model, self.repairs if repairs is None else repairs, self.ways)

    def only(self, source: str, *layers: str) -> "Learned":
        """Return what was learned of one source, in these layers."""
        repairs, ways = {name: self.repairs[name].only(source) for name in layers}, None
        if self.ways is not None:
            ways = {
                name: [
                    way
                    for way, member in zip(self.ways[name], self.repairs[name].members, strict=True)
                    if member.source in ("clean", source)
                ]
                for name in layers
            }
        return Learned(repairs, ways)

    @property
    def first(self) -> "Learned":
        """The task's layer alone; it may be calibrated anew."""
        return Learned({CUT: copy(self.repairs[CUT])}, None if self.ways is None else {CUT: self.ways[CUT]})

    @property
    def parameters(self) -> int:
        """Numbers that laws, gate and ways back need."""
        if self.ways is None:
            return sum(repair.parameters for repair in self.repairs.values())
        laws = sum(
            member.law.parameters + member.centre.size for own in self.repairs.values() for member in own.members
        )
        return laws + sum(way.parameters for ways in self.ways.values() for way in ways if way is not None)


def held_out(count: int) -> int:
    """Return how many of the training inputs calibrate."""
    return min(HELD, count // SHARE)


def source_name(source: Source) -> str:
    """Return the name under which a repair knows a source."""
    return f"{source.name}@{source.level:g}"


class Mender:
    """Learns and assembles repairs of one seed's network.

    Parameters
    ----------
    bench : Testbed
    displace : callable
        source -> (d, h), as `Testbed.displacement`, kept where it is needed again.
    stage : callable
        Called with what is being done, how much of it is done, and of how much.
    """

    def __init__(self, bench: Testbed, displace: Displace, stage: Stage) -> None:
        self.bench, self._displace, self._stage = bench, displace, stage
        self._model = trunk(bench.network.back)
        self._kept: tuple[Any, Learned] | None = None

    def predictor(
        self, plan: Repairing, sources: tuple[Source, ...], lesson: Callable[[], Lesson]
    ) -> tuple[Predictor, int]:
        """Return the repaired network, and how many numbers its repairs need.

        lesson : asked for where later layers are trained.
        """
        front = self.bench.network.front
        if plan.layers == NONE:
            return Predictor(front, NoNoise(), self.bench.network.back, 1).eval(), 0
        learned = self.learned(plan, sources)
        made = mended(front, learned.attached(self._model), told=plan.told)
        if not plan.retrained:
            return made, learned.parameters
        given = lesson()
        later = given.back(given.seed)
        teach(given, nn.Sequential(front, made.noise), later, False, _with_clean(given, len(sources)))
        made.back = later.eval()
        return made, learned.parameters

    def learned(self, plan: Repairing, sources: tuple[Source, ...]) -> Learned:
        """Return calibrated repairs; those of the last call are used again where they are the same."""
        key = (plan.lesson, tuple(source.moved for source in sources))
        layers = [] if plan.layers == FIRST else self._later(plan.layers)
        if self._kept is not None and self._kept[0] == key:
            before = self._kept[1]
            names = [*before.repairs]
            if names == [CUT, *layers]:
                return before
            if not layers and plan.causes == 1:  # else the task's layer of several undoes nothing
                one = before.first
                self._calibrate(one)
                return one
        self._kept = None
        learned = self._learn(plan, sources, layers)
        self._calibrate(learned)
        self._kept = key, learned
        return learned

    def _later(self, layers: str) -> list[str]:
        back, few = self.bench.network.back, self.bench.h_train[:2]
        if layers != ALL:
            return [f"1.{name}" for name in named_modules(back, layers.split("+"))]
        return [name for name in (f"1.{end}" for end in stage_ends(back, few)) if self._lies(name, few)]

    def _lies(self, name: str, few: Tensor) -> bool:
        """Return whether it is plain how a layer's output lies on a grid."""
        try:
            arrangement_of(self._model, name, few)
        except ArgumentError:
            return False
        return True

    def _learn(self, plan: Repairing, sources: tuple[Source, ...], layers: list[str]) -> Learned:
        """Learn all layers from one source after the other: its activations are needed once."""
        out, h = Learned(ways={} if plan.dense else None), self.bench.h_train
        first = len(h) - held_out(len(h))
        few = h[:2]
        for name in (CUT, *layers):
            options = plan.options
            if name == CUT:
                out.repairs[name] = self._blank(**options)
            else:
                out.repairs[name] = repair_like(self._model, name, few, **options)
            self._stage(f"learn: clean activations of {self._said(name)}", 0, 0)
            out.repairs[name].learn("clean", self._outputs(self._model, name, h[:first], out.repairs[name]))
            if out.ways is not None:
                out.ways[name] = [None]
        for source in sources:
            self._source(plan, source, out, first)
            for repair in out.repairs.values():
                _forget(repair)
        return out

    def _blank(self, **options: Any) -> Repair:
        """Return a fresh repair of the task's layer, which lies as the task says."""
        network = self.bench.network
        lies = network.arrangement or Arrangement(kind="channels-first", layout=network.layout)
        channels, height, width = lies.layout
        repair = Repair((height, width), channels, **options)
        repair.provenance["arrangement"] = lies.as_plain()
        return repair

    def _source(self, plan: Repairing, source: Source, out: Learned, most: int) -> None:
        """Learn one source in all layers, each behind the repairs of earlier ones, which know the source.

        A source of several causes is recognised in the task's layer and undone from the next one on, where units are
        fewer and see more: for rotations that is better than to undo them on average first, and takes less memory.
        """
        calm, moved = self._activations(source)
        causes = self.bench.causes(source.name, len(calm), plan.causes)[:most]
        calm, moved = calm[:most], moved[:most]
        told, at = source_name(source), moved
        model: nn.Module = self._model
        split = np.unique(causes, return_inverse=True)[1] if causes.any() else None
        deciding = 0 if len(out.repairs) == 1 else 1  # the layer that tells causes apart, and undoes each in its way
        for place, (name, repair) in enumerate(out.repairs.items()):
            which = split if place == deciding else None
            way_back = split is None or place >= deciding
            self._stage(f"learn: {told} in {self._said(name)}", 0, len(calm))
            pairs = _Pairs(self._outputs(self._model, name, calm, repair), self._outputs(model, name, at, repair))
            tick = ticker(self._stage, f"learn: {told} in {self._said(name)}", len(calm))
            if which is None:
                repair.learn(told, _ticked(pairs, tick), way_back=way_back)
            else:
                displaced, undisplaced = pairs.whole()
                repair.learn(told, displaced, undisplaced, causes=which)
                tick(len(calm))
            if out.ways is not None and not way_back:
                out.ways[name].append(None)
            elif out.ways is not None:
                displaced, undisplaced = (part.reshape(len(part), -1) for part in pairs.whole())
                several = np.zeros(len(displaced), int) if which is None else which
                for cause in range(several.max(initial=0) + 1):
                    self._stage(f"learn: {told} in {self._said(name)}, dense", 0, 0)
                    rows = several == cause
                    way = least_squares(displaced[rows], undisplaced[rows] - displaced[rows])
                    out.ways[name].append(way)
            if name == CUT:  # later layers see what the repair of this one leaves
                first = _told(out.only(told, CUT).attached(self._model), told).get_submodule(CUT)
                at = training.activations(first, moved)
            else:
                names = [*out.repairs]
                behind = names[1 : names.index(name) + 1]
                model = _told(out.only(told, *behind).attached(self._model), told)

    def _activations(self, source: Source) -> tuple[Tensor, Tensor]:
        """Clean and displaced activations at the cut, as the front gives them."""
        bench = self.bench
        lies = bench.network.arrangement
        if lies is None:
            d, h = self._displace(source)
            return h, h + d
        assert source.name != DRIFT  # a stream of images, whose networks have no arrangement
        if lies.skipped:  # what lies on no unit moves, too
            moved = training.activations(bench.network.front, bench.altered(source, count=source.images))
            return bench.h_train[: len(moved)], moved
        d, _ = self._displace(source)
        calm = bench.h_train[: len(d)]
        return calm, lies.added(calm, d)

    def _outputs(self, model: nn.Module, name: str, h: Tensor, repair: Repair) -> "_Outputs":
        return _Outputs(Tap(model, find(model, name), name), h, repair)

    def _calibrate(self, learned: Learned) -> None:
        self._stage("calibrate the gate", 0, 0)
        h = self.bench.h_train
        held = h[len(h) - held_out(len(h)) :]
        if len(held):
            calibrate_repairs(self._model, learned.repairs, held, CHANGED, attach=learned.attached)

    def _said(self, name: str) -> str:
        return f"layer {self.bench.layer}" if name == CUT else name.removeprefix("1.")


class _Outputs:
    """What a layer gives for activations at the cut, chunk by chunk, folded as its repair has them."""

    def __init__(self, tap: Tap, h: Tensor, repair: Repair) -> None:
        lies = Arrangement.remembered(repair)
        assert lies is not None
        self._tap, self._h, self._lies = tap, h, lies

    def __iter__(self) -> Iterator[Any]:
        for part in self._h.split(_CHUNK):
            yield np.ascontiguousarray(self._lies.folded(self._tap.upto(part)).numpy())


class _Pairs:
    """Pairs (displaced, clean) of chunks."""

    def __init__(self, clean: _Outputs, displaced: _Outputs) -> None:
        self._parts = displaced, clean

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        return zip(*self._parts, strict=True)

    def whole(self) -> tuple[Any, Any]:
        """Return all of both, (T, C, H, W)."""
        displaced, clean = (np.concatenate([*part]) for part in self._parts)
        return displaced, clean


def _ticked(pairs: _Pairs, tick: training.Tick) -> Iterator[tuple[Any, Any]]:
    for displaced, clean in pairs:
        yield displaced, clean
        tick(len(clean))


def _told(model: nn.Module, source: str) -> nn.Module:
    """Let all repairs of a model take the source for granted."""
    for part in model.modules():
        if isinstance(part, RepairLayer):
            part.source = source
    return model


def _forget(repair: Repair) -> None:
    """Drop the running statistics, 130 MB a cause: nothing more is learned."""
    for member in repair.members:
        for grid in (member.law, member.back):
            if grid is not None:
                grid.state = None


def _with_clean(lesson: Lesson, sources: int) -> Callable[[int], Tensor]:
    """Return the images of an epoch: clean ones as often as those of a source."""
    assert lesson.modified is not None
    modified = lesson.modified

    def images(epoch: int) -> Tensor:
        moved = modified(epoch)
        chosen = np.random.default_rng((lesson.seed, epoch, 1)).random(len(moved)) < 1 / (1 + sources)
        rows = torch.from_numpy(chosen)
        moved[rows] = lesson.images[rows]
        return moved

    return images
