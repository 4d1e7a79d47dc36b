"""Repairs of a seed's network: learned from displacements, layer by layer, and calibrated. No label is read."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from localnoise import Repair
from localnoise.errors import ArgumentError
from localnoise.nn import calibrate_repairs, expect_worth
from localnoise.nn.likeness import arrangement_of
from localnoise.sims.defenses.repair_plan import ALL, CALIBRATED, FIRST, WORTH_ALONE, Repairing
from localnoise.sims.defenses.repaired_network import CUT, trunk
from localnoise.sims.evaluation.source import Source
from localnoise.sims.experiments.held_pairs import EACH, altered, held_rows, levels_of
from localnoise.sims.experiments.layer_outputs import Calm
from localnoise.sims.experiments.learned_repairs import Learned
from localnoise.sims.experiments.repair_learning import Displace, RepairLessons, held_out
from localnoise.sims.experiments.testbed import Testbed, with_network
from localnoise.sims.models import training
from localnoise.sims.models.stages import named_modules, stage_ends
from localnoise.sims.runtime.stage import Stage, ticker

Attach = Callable[[nn.Module, Mapping[str, Repair]], nn.Module]
CHANGED = 0.005  # share of their decisions that a repair may change


def asks_worth(plan: Repairing, sources: Sequence[Source]) -> bool:
    """Return whether a plan's repairs ask what they are worth: nobody knows without milder levels of some source."""
    return plan.worth and plan.gate in (CALIBRATED, WORTH_ALONE) and bool(levels_of(plan, sources))


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
        self.model = trunk(bench.network.back)
        self._kept: tuple[Any, Learned] | None = None

    @cached_property
    def _calm(self) -> Calm:
        """Clean activations of later layers, which all plans share."""
        h = self.bench.h_train
        return Calm(self.model, h[: len(h) - held_out(len(h))])

    def behind(self, later: nn.Module) -> "Mender":
        """Return the mender of the same network with other later layers."""
        bench = with_network(self.bench, self.bench.network.front, later.eval())
        return Mender(bench, self._displace, self._stage)

    def lessons(self, plan: Repairing) -> RepairLessons:
        """Return what learns the repairs of a plan, each source in all layers."""
        return RepairLessons(self.bench, self.model, plan, self._calm, self._displace, self._stage)

    def learned(self, plan: Repairing, sources: tuple[Source, ...]) -> Learned:
        """Return calibrated repairs; those of the last call are used again where they are the same."""
        key = (plan.lesson, tuple(source.moved for source in sources))
        layers = self.later(plan.layers)
        if self._kept is not None and self._kept[0] == key:
            before = self._kept[1]
            names = [*before.repairs]
            if names == [CUT, *layers]:
                return before
            if not layers and plan.causes == 1:  # else the task's layer of several undoes nothing
                one = before.first
                self.calibrate(one, plan, sources)
                return one
        self._kept = None
        learned = self.lessons(plan).learned(sources, layers)
        self.calibrate(learned, plan, sources)
        self._kept = key, learned
        return learned

    def later(self, layers: str) -> list[str]:
        """Return the names in the trunk of the layers that follow the task's and are repaired."""
        back, few = self.bench.network.back, self.bench.h_train[:2]
        if layers == FIRST:
            return []
        if layers != ALL:
            return [f"1.{name}" for name in named_modules(back, layers.split("+"))]
        return [name for name in (f"1.{end}" for end in stage_ends(back, few)) if self._lies(name, few)]

    def _lies(self, name: str, few: Tensor) -> bool:
        """Return whether it is plain how a layer's output lies on a grid."""
        try:
            arrangement_of(self.model, name, few)
        except ArgumentError:
            return False
        return True

    def calibrate(
        self, learned: Learned, plan: Repairing, sources: tuple[Source, ...], attach: Attach | None = None
    ) -> None:
        """Set margins and worth on held-out inputs.

        attach : makes the repaired network in another way than `learned.attached`.
        """
        attach = learned.attached if attach is None else attach
        self._stage("calibrate the gate", 0, 0)
        h = self.bench.h_train
        first = len(h) - held_out(len(h))
        if first == len(h):
            return
        if levels := levels_of(plan, sources):
            expect_worth(self.model, learned.repairs, self._pairs(levels), attach=attach, most=CHANGED)
        else:
            calibrate_repairs(self.model, learned.repairs, h[first:], CHANGED, attach=attach)

    def _pairs(self, levels: list[str]) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield activations of held-out inputs, altered and unaltered."""
        h, said = self.bench.h_train, "calibrate the gate: what repairs are worth"
        tick = ticker(self._stage, said, (1 + len(levels)) * min(held_out(len(h)), EACH))
        for level, rows in held_rows(len(h), levels):
            x = unaltered = h[torch.from_numpy(rows)]
            if level:
                x = training.activations(self.bench.network.front, altered(self.bench, level, rows))
            yield x, unaltered
            tick(len(rows))
