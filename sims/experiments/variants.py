"""Repairs that differ from learned ones in their gate or in their arithmetic alone: nothing is learned for them."""

from copy import copy
from dataclasses import replace

import numpy as np

from localnoise import Repair
from localnoise.nn import Predictor
from localnoise.sims.defenses.mended import attached, mended, trunk
from localnoise.sims.defenses.repairing import CALIBRATED, LIKELIEST, Repairing
from localnoise.sims.experiments.repairs import Learned
from localnoise.sims.models import CutNetwork

_HARD = 1e3  # times the scores: one cause has all of the weight


def is_variant(plan: Repairing) -> bool:
    """Return whether a plan asks for another gate or for integers."""
    return plan.gate != CALIBRATED or plan.bits > 0


def variant(network: CutNetwork, learned: Learned, plan: Repairing) -> Predictor:
    """Return the repaired network with the plan's gate, or with its bits."""
    repairs = {name: _altered(repair, plan.gate) for name, repair in learned.repairs.items()}
    return mended(network.front, attached(trunk(network.back), repairs, bits=plan.bits), told=plan.told)


def _altered(repair: Repair, gate: str) -> Repair:
    """Return a repair of the same members with another gate; nothing is copied."""
    if gate == CALIBRATED:
        return repair
    out, own = copy(repair), repair.fitted_gate
    if gate == LIKELIEST:
        anything = np.full(len(own.bias), np.inf)
        own = replace(own, scale=_HARD * own.scale, bias=_HARD * own.bias, low=-anything, high=anything)
    out.restore(repair.members, own, 0.0)
    return out
