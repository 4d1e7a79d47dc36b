"""Repairs that differ from learned ones in their gate or in their arithmetic alone: nothing is learned for them."""

from copy import copy
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from torch import nn

from localnoise import Repair
from localnoise.nn import Predictor, RepairLayer
from localnoise.repair.gate import Gate
from localnoise.sims.defenses.repair_plan import CALIBRATED, LIKELIEST, WORTH_ALONE, Repairing
from localnoise.sims.defenses.repaired_network import attached, mended
from localnoise.sims.evaluation.source import Source
from localnoise.sims.experiments.learned_repairs import Learned
from localnoise.sims.experiments.mender import Mender

_HARD = 1e3  # times the scores: one cause has all of the weight


def is_variant(plan: Repairing) -> bool:
    """Return whether a plan asks for another gate or for integers."""
    return plan.gate != CALIBRATED or plan.bits > 0


def variant(mender: Mender, plan: Repairing, sources: tuple[Source, ...]) -> tuple[Predictor, Learned]:
    """Return the repaired network with the plan's gate, or with its bits, and what was learned for it."""
    learned = mender.learned(plan, sources)
    if plan.bits:
        learned = learned.only_layers(*learned.repairs)
        model = attached(mender.model, learned.repairs, bits=plan.bits)
        if not plan.told:  # else nothing is asked
            mender.calibrate(learned, plan, sources, partial(_asked_as_now, model))  # by densities that integers give
    else:
        model = attached(mender.model, {name: _altered(repair, plan) for name, repair in learned.repairs.items()})
    return mended(mender.bench.network.front, model, told=plan.told), learned


def _asked_as_now(model: nn.Module, *_: Any) -> nn.Module:
    """Return a repaired network whose layers ask for what their repairs ask for now; nothing is quantised again."""
    for layer in model.modules():
        if isinstance(layer, RepairLayer):
            layer.decide_as_now()
    return model


def _altered(repair: Repair, plan: Repairing) -> Repair:
    """Return a repair of the same members with another gate; nothing is copied."""
    own, again = repair.fitted_gate, repair.fitted_among if repair.among else None
    if plan.gate == LIKELIEST:
        own, again = _hard(own), None if again is None else _hard(again)
    worth = repair.worth if plan.gate == WORTH_ALONE else None
    return _decided(repair, own, again, None if worth is None else worth.asking(np.zeros_like(worth.more)))


def opened(repair: Repair) -> Repair:
    """Return a repair of the same members with neither margins nor worth, which protect clean inputs."""
    return _decided(repair, repair.fitted_gate, repair.fitted_among if repair.among else None, None)


def _decided(repair: Repair, gate: Gate, again: Gate | None, worth: Any) -> Repair:
    out = copy(repair)
    decided: dict[str, Any] = {"margin": 0.0, "margins": {}, "among": repair.among, "worth": worth}
    out.restore(members=repair.members, gate=gate, among_gate=again, **decided)
    return out


def _hard(gate: Gate) -> Gate:
    """Return a gate in which one cause has all of the weight, whatever the log densities."""
    anything = np.full(len(gate.bias), np.inf)
    return replace(gate, scale=_HARD * gate.scale, bias=_HARD * gate.bias, low=-anything, high=anything)
