"""Torch modules: noise drawn afresh at each presentation, with exact gradients. Needs the extra `sims` (torch)."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from localnoise.errors import MissingDependencyError

try:
    import torch as _torch  # noqa: F401
except ImportError as error:
    raise MissingDependencyError("localnoise.nn needs torch: pip install 'localnoise[sims]'") from error

from localnoise.nn import local as local
from localnoise.nn import rewards as rewards
from localnoise.nn.arrangement import Arrangement as Arrangement
from localnoise.nn.attaching import Followed as Followed
from localnoise.nn.attaching import attach as attach
from localnoise.nn.attaching import detach as detach
from localnoise.nn.calibrating import calibrate_repairs as calibrate_repairs
from localnoise.nn.choosing import Choice as Choice
from localnoise.nn.choosing import Trial as Trial
from localnoise.nn.choosing import choose_variance as choose_variance
from localnoise.nn.cutting import cut as cut
from localnoise.nn.displacing import Displacements as Displacements
from localnoise.nn.displacing import displacements as displacements
from localnoise.nn.freezing import Frozen as Frozen
from localnoise.nn.freezing import freeze_before as freeze_before
from localnoise.nn.layer import NoiseLayer as NoiseLayer
from localnoise.nn.likeness import arrangement_of as arrangement_of
from localnoise.nn.likeness import grid_like as grid_like
from localnoise.nn.local.learner import LocalLearner as LocalLearner
from localnoise.nn.local.units import LocalUnits as LocalUnits
from localnoise.nn.penalty import CovariancePenalty as CovariancePenalty
from localnoise.nn.predictor import Noise as Noise
from localnoise.nn.predictor import NoNoise as NoNoise
from localnoise.nn.predictor import Predictor as Predictor
from localnoise.nn.rating import Rater as Rater
from localnoise.nn.repairing import RepairLayer as RepairLayer
from localnoise.nn.repairs import attach_repairs as attach_repairs
from localnoise.nn.repairs import learn_repairs as learn_repairs
from localnoise.nn.repairs import repair_like as repair_like
from localnoise.nn.reparametrised import Reparametrised as Reparametrised
from localnoise.nn.rewarding import Turn as Turn
from localnoise.nn.rewarding import reward_noise as reward_noise
from localnoise.nn.task import Task as Task
from localnoise.nn.weighing import expect_worth as expect_worth

if TYPE_CHECKING:  # for editors and type checkers; loaded by `__getattr__` when it is touched
    from localnoise.sims.evaluation.evaluate import evaluate as evaluate

__all__ = [
    "Arrangement",
    "Choice",
    "CovariancePenalty",
    "Displacements",
    "Followed",
    "Frozen",
    "LocalLearner",
    "LocalUnits",
    "NoNoise",
    "Noise",
    "NoiseLayer",
    "Predictor",
    "Rater",
    "RepairLayer",
    "Reparametrised",
    "Task",
    "Trial",
    "Turn",
    "arrangement_of",
    "attach",
    "attach_repairs",
    "calibrate_repairs",
    "choose_variance",
    "cut",
    "detach",
    "displacements",
    "evaluate",
    "expect_worth",
    "freeze_before",
    "grid_like",
    "learn_repairs",
    "local",
    "repair_like",
    "reward_noise",
    "rewards",
]


if not TYPE_CHECKING:  # a type checker would take any name for one that is there

    def __getattr__(name: str) -> Any:
        """Import `evaluate` when it is first asked for: it runs the attacks of `localnoise.sims`."""
        if name == "evaluate":
            return import_module("localnoise.sims.evaluation.evaluate").evaluate
        raise AttributeError(f"module 'localnoise.nn' has no attribute {name!r}")


def __dir__() -> list[str]:
    """Return the public names, `evaluate` too."""
    return sorted(__all__)
