"""Torch modules: noise drawn afresh at each presentation, with exact gradients. Needs the extra `sims` (torch)."""

from localnoise.errors import MissingDependencyError

try:
    import torch as _torch  # noqa: F401
except ImportError as error:
    raise MissingDependencyError("localnoise.nn needs torch: pip install 'localnoise[sims]'") from error

from localnoise.nn.arrangement import Arrangement as Arrangement
from localnoise.nn.choosing import Choice as Choice
from localnoise.nn.choosing import Trial as Trial
from localnoise.nn.choosing import choose_variance as choose_variance
from localnoise.nn.cutting import cut as cut
from localnoise.nn.layer import NoiseLayer as NoiseLayer
from localnoise.nn.predictor import Noise as Noise
from localnoise.nn.predictor import NoNoise as NoNoise
from localnoise.nn.predictor import Predictor as Predictor
from localnoise.nn.task import Task as Task
