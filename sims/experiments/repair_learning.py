"""Lessons of a seed's network: each source is learned layer by layer, behind the repairs of the layers before.

No label is read.
"""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from localnoise import Repair
from localnoise.lesson import SHARE as SHARE_HELD
from localnoise.nn import RepairLayer, repair_like
from localnoise.nn.arrangement import Arrangement
from localnoise.repair.member import KEPT
from localnoise.sims.attacks import ATTACKS
from localnoise.sims.defenses.repair_plan import Repairing
from localnoise.sims.defenses.repaired_network import CUT
from localnoise.sims.evaluation.source import DRIFT, Source
from localnoise.sims.experiments.layer_outputs import CHUNK, Calm, Outputs, Pairs, ticked
from localnoise.sims.experiments.learned_repairs import Learned
from localnoise.sims.experiments.testbed import Testbed
from localnoise.sims.models import training
from localnoise.sims.models.affine import least_squares
from localnoise.sims.perturbations import MODIFICATIONS
from localnoise.sims.runtime.stage import Stage, ticker

Displace = Callable[[Source], tuple[Tensor, Tensor]]
HELD, SHARE = 2_000, 10  # of the training inputs the last tenth, at most so many, calibrate the gate


def held_out(count: int) -> int:
    """Return how many of the training inputs calibrate."""
    return min(HELD, count // SHARE)


def source_name(source: Source) -> str:
    """Return the name under which a repair knows a source."""
    return f"{source.name}@{source.level:g}"


def looked_at_again(source: Source) -> bool:
    """Return whether the next layer may decide anew on a source of several causes.

    Not on what was cut by typical movements: that cost rotations more than it gave (docs: "Repair", "Tried").
    """
    own = MODIFICATIONS.get(source.name)
    return own is not None and own.numbers > 0


def kept_inputs(bench: Testbed, plan: Repairing, sources: tuple[Source, ...]) -> dict[str, list[Tensor]]:
    """Return the inputs of each source, clean too, whose activations the task's layer kept and did not learn from.

    An attack is made anew for them. A list holds the inputs of each of a source's members.

    Parameters
    ----------
    plan : Repairing
        Says into how many parts the repair's sources were cut.
    """
    total = len(bench.train[0])
    learned = total - held_out(total)
    out = {"clean": [bench.train[0][torch.from_numpy(_last(learned))]]}
    for source in sources:
        count = bench.attacked_train if source.name in ATTACKS else total if source.images is None else source.images
        count = min(count, learned)
        which = bench.causes(source.name, count, plan.causes, typical=plan.typical)
        rows = _last(count)
        moved = bench.altered(source, rows=rows)
        out[source_name(source)] = [moved[torch.from_numpy(which[rows] == cause)] for cause in np.unique(which)]
    return out


def learned_from(bench: Testbed, sources: tuple[Source, ...]) -> int:
    """Return how many activations of a source a repair learns from, of the one with the fewest.

    What is held out calibrates, so that they are fewer than there are training inputs, however many were asked for.
    """
    total = len(bench.train[0])
    few = [
        bench.attacked_train if one.name in ATTACKS else total if one.images is None else one.images for one in sources
    ]
    return min([total - held_out(total), *few])


def calibrating(bench: Testbed, plan: Repairing | None) -> Tensor | None:
    """Return the clean training inputs on which margins are set; None where none are asked for.

    Labels have taught retrained layers what a repaired clean input looks like. A handful of inputs leaves none.
    """
    x = bench.train[0]
    held = held_out(len(x))
    return x[len(x) - held :] if held and plan is not None and not plan.retrained else None


def _last(count: int) -> npt.NDArray[np.int64]:
    """Return which of so many presentations a repair's first lesson holds out."""
    return np.arange(count - min(count // SHARE_HELD, KEPT), count)


class RepairLessons:
    """Learns the repairs of one plan.

    Parameters
    ----------
    bench : Testbed
    model : Module
        Its network from the cut on, `trunk`.
    plan : Repairing
    calm : Calm
        Clean activations; they may serve several plans.
    displace, stage
        As `Mender` takes them.
    """

    def __init__(
        self, bench: Testbed, model: nn.Module, plan: Repairing, calm: Calm, displace: Displace, stage: Stage
    ) -> None:
        self.bench, self._model, self._plan, self._calm = bench, model, plan, calm
        self._displace, self._stage = displace, stage

    def learned(self, sources: tuple[Source, ...], layers: list[str], known: Learned | None = None) -> Learned:
        """Learn the task's layer and these from one source after the other: its activations are needed once.

        known : what was learned already, the task's layer and perhaps more, which is then taken as it is.
        """
        plan, out, h = self._plan, Learned(ways={} if self._plan.dense else None), self.bench.h_train
        if known is not None:
            out = known.only_layers(*known.repairs)
        given = [*out.repairs]
        first = len(h) - held_out(len(h))
        few = h[:2]
        for name in [name for name in (CUT, *layers) if name not in given]:
            options = plan.options
            if name == CUT:
                out.repairs[name] = self._blank(**options)
            else:
                out.repairs[name] = repair_like(self._model, name, few, **options)
            self._stage(f"learn: clean activations of {self._said(name)}", 0, 0)
            out.repairs[name].learn("clean", iter(self._clean(name, h[:first], out.repairs[name])))
            if out.ways is not None:
                out.ways[name] = [None]
        for source in sources:
            self._source(source, out, first, given)
            for repair in [out.repairs[name] for name in out.repairs if name not in given]:
                _forget(repair)
        if plan.anew and layers and layers[0] not in given:
            alone = {member.source for member in out.repairs[CUT].members[1:] if member.back is None}
            again = {source_name(source) for source in sources if looked_at_again(source)}
            out.repairs[layers[0]].decide_among(*sorted(alone & again))
        return out

    def _blank(self, **options: Any) -> Repair:
        """Return a fresh repair of the task's layer, which lies as the task says."""
        network = self.bench.network
        lies = network.arrangement or Arrangement(kind="channels-first", layout=network.layout)
        channels, height, width = lies.layout
        repair = Repair((height, width), channels, **options)
        repair.provenance["arrangement"] = lies.as_plain()
        return repair

    def _source(self, source: Source, out: Learned, most: int, known: list[str]) -> None:
        """Learn one source in all layers, each behind the repairs of earlier ones, which know the source.

        A source of several causes is recognised in the task's layer and undone from the next one on, where units are
        fewer and see more: for rotations that is better than to undo them on average first, and takes less memory.

        known : layers that have learned it.
        """
        calm, moved = self._activations(source)
        parts = self._plan.causes
        causes = self.bench.causes(source.name, len(calm), parts, typical=self._plan.typical)[:most]
        calm, moved = calm[:most], moved[:most]
        told, at = source_name(source), moved
        model: nn.Module = self._model
        split = np.unique(causes, return_inverse=True)[1] if causes.any() else None
        deciding = 0 if len(out.repairs) == 1 else 1  # the layer that tells causes apart, and undoes each in its way
        for place, (name, repair) in enumerate(out.repairs.items()):
            if name not in known:
                which = split if place == deciding else None
                lesson = Pairs(self._clean(name, calm, repair), Outputs(model, name, at, repair))
                self._learn(out, name, told, lesson, which, len(calm), way_back=split is None or place >= deciding)
            if name == CUT:  # later layers see what the repair of this one leaves
                at = self._repaired(out.only(told, CUT), told, moved)
            else:
                names = [*out.repairs]
                behind = names[1 : names.index(name) + 1]
                model = _told(out.only(told, *behind).attached(self._model), told)

    def _learn(
        self, out: Learned, name: str, told: str, pairs: Pairs, which: Any, count: int, *, way_back: bool
    ) -> None:
        """Learn one source in one layer; of several causes, `which` says the one of each input."""
        repair, said = out.repairs[name], f"learn: {told} in {self._said(name)}"
        self._stage(said, 0, count)
        tick = ticker(self._stage, said, count)
        if which is None:
            repair.learn(told, ticked(pairs, tick), way_back=way_back)
        else:
            displaced, undisplaced = pairs.whole()
            repair.learn(told, displaced, undisplaced, causes=which)
            tick(count)
        if out.ways is not None and not way_back:
            out.ways[name].append(None)
        elif out.ways is not None:
            displaced, undisplaced = (part.reshape(len(part), -1) for part in pairs.whole())
            several = np.zeros(len(displaced), int) if which is None else which
            for cause in range(several.max(initial=0) + 1):
                self._stage(f"{said}, dense", 0, 0)
                rows = several == cause
                out.ways[name].append(least_squares(displaced[rows], undisplaced[rows] - displaced[rows]))

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

    def _repaired(self, learned: Learned, told: str, moved: Tensor) -> Tensor:
        """Return what the repair of the task's layer leaves of displaced activations."""
        if learned.ways is not None:
            return training.activations(_told(learned.attached(self._model), told).get_submodule(CUT), moved)
        lies, out = self.bench.network.arrangement, torch.empty_like(moved)
        for part, fixed in zip(moved.split(CHUNK), out.split(CHUNK), strict=True):  # kernels: a quarter of torch's time
            x = part if lies is None else lies.folded(part)
            found = torch.from_numpy(learned.repairs[CUT](np.ascontiguousarray(x.numpy()), told)[0])
            fixed.copy_(found if lies is None else lies.added(part, found - x))
        return out

    def _clean(self, name: str, h: Tensor, repair: Repair) -> Iterable[Any]:
        """Return chunks of a layer's clean output; the task's layer gives what is there already."""
        return Outputs(self._model, name, h, repair) if name == CUT else self._calm.of(name, repair, h)

    def _said(self, name: str) -> str:
        return f"layer {self.bench.layer}" if name == CUT else name.removeprefix("1.")


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
