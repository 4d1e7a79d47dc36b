"""Repairs that differ from learned ones in their gate or in their arithmetic alone: nothing is learned for them."""

from copy import copy
from dataclasses import replace
from typing import Any

import numpy as np

from localnoise import Repair
from localnoise.nn import Predictor
from localnoise.repair.gate import Gate
from localnoise.sims.defenses.repair_plan import CALIBRATED, LIKELIEST, WORTH_ALONE, Repairing
from localnoise.sims.defenses.repaired_network import attached, mended, trunk
from localnoise.sims.experiments.learned_repairs import Learned
from localnoise.sims.models import CutNetwork

_HARD = 1e3  # times the scores: one cause has all of the weight


def is_variant(plan: Repairing) -> bool:
    """Return whether a plan asks for another gate or for integers."""
    return plan.gate != CALIBRATED or plan.bits > 0


def variant(network: CutNetwork, learned: Learned, plan: Repairing) -> Predictor:
    """Return the repaired network with the plan's gate, or with its bits."""
    repairs = {name: _altered(repair, plan) for name, repair in learned.repairs.items()}
    return mended(network.front, attached(trunk(network.back), repairs, bits=plan.bits), told=plan.told)


def _altered(repair: Repair, plan: Repairing) -> Repair:
    """Return a repair of the same members with another gate; nothing is copied."""
    if plan.gate == CALIBRATED:
        return repair
    own, again = repair.fitted_gate, repair.fitted_among if repair.among else None
    if plan.gate == LIKELIEST:
        own, again = _hard(own), None if again is None else _hard(again)
    return _decided(repair, own, again, repair.worth if plan.gate == WORTH_ALONE else None)


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
