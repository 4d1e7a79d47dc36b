"""A repaired network on a stream: its gate remembers what it saw a moment ago, and its ways back may go on learning."""

from copy import copy
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from localnoise import Repair, RepairStream
from localnoise.nn import Predictor
from localnoise.nn.arrangement import Arrangement
from localnoise.sims.defenses.repaired_network import Mended
from localnoise.sims.models import CutNetwork
from localnoise.sims.streaming.temporal import Matched

_FLOAT, _DOUBLE = 4, 8

Floats = npt.NDArray[np.float32]


class Learner(Protocol):
    """A learner that goes on learning from what a stream did, between two images.

    Attributes
    ----------
    state_bytes : int
    """

    state_bytes: int

    def seen(self, method: "Filtered", h: Floats, posterior: npt.NDArray[np.float64]) -> None:
        """Take notice of activations (T, C, H, W) at the task's layer, and of what the filter says; maybe learn."""

    def room(self) -> int:
        """Return how many images there are until it may learn next."""


@dataclass
class Filtered:
    """Repair with the gate's posterior filtered forward by `RepairStream`; later layers take what it says.

    Parameters
    ----------
    predictor : Predictor
        A repaired network.
    network : CutNetwork
        That it was made of.
    stay : float
        Of `RepairStream`.
    margin : bool
        Whether the gate that is filtered keeps the margins that were calibrated for one image at a time. A filter adds
        the evidence of image after image up, and the margins with it. A later layer's second look is no filter.
    matched : Matched or None
        Moves the repaired activation on.
    learner : Learner or None
        Changes the repairs between two images.
    """

    predictor: Predictor
    network: CutNetwork
    stay: float
    margin: bool = True
    parameter_bytes: int = 0
    matched: Matched | None = None
    learner: Learner | None = None
    gradient_bytes: int = 0

    def __post_init__(self) -> None:
        noise: Any = self.predictor.noise
        assert isinstance(noise, Mended)
        self.lead = noise.first  # its posterior is what later layers follow; it does not run
        repair = copy(noise.repairs[0])
        if not self.margin:
            repair.margin, repair.margins = 0.0, {}
        self.stream = RepairStream(repair, stay=self.stay)
        layout = self.network.layout
        self.lies = self.network.arrangement or Arrangement(kind="channels-first", layout=layout)

    @property
    def repair(self) -> Repair:
        """Of the task's layer."""
        return self.stream.repair

    @property
    def state_bytes(self) -> int:
        """The filter's weights, and what its parts keep."""
        own = _DOUBLE * len(self.repair.members)
        return own + sum(part.state_bytes for part in (self.matched, self.learner) if part is not None)

    def __call__(self, x: Tensor) -> Tensor:
        """Return logits. A learner may learn between any two images, so that no batch runs past that place."""
        out = []
        while len(x):
            few = len(x) if self.learner is None else min(len(x), self.learner.room())
            out.append(self._few(x[:few]))
            x = x[few:]
        return torch.cat(out)

    def _few(self, x: Tensor) -> Tensor:
        h = self.predictor.front(x)
        given = self.lies.folded(h)
        flat = np.ascontiguousarray(given.numpy(), np.float32)
        fixed, posterior = self.stream(flat)
        if self.matched is not None:
            fixed = self.matched.step(fixed)
        logits = self.decided(h, given, fixed, posterior)
        if self.learner is not None:
            self.learner.seen(self, flat, posterior)
        return logits

    def decided(self, h: Tensor, given: Tensor, fixed: Floats, posterior: npt.NDArray[np.float64]) -> Tensor:
        """Return logits of activations h, which `given` lays on the grid, after what became of them there."""
        self.lead.posterior = torch.from_numpy(posterior).to(given.dtype)
        logits: Tensor = self.predictor.back(self.lies.added(h, torch.from_numpy(fixed) - given))
        return logits


class TemporalOnly:
    """An unrepaired network whose activation at the task's layer is matched to clean statistics.

    Parameters
    ----------
    network : CutNetwork
    matched : Matched
    """

    parameter_bytes, gradient_bytes = 0, 0

    def __init__(self, network: CutNetwork, matched: Matched) -> None:
        self.network, self.matched, self.state_bytes = network, matched, matched.state_bytes
        self.parameter_bytes = matched.parameter_bytes
        self.lies = network.arrangement or Arrangement(kind="channels-first", layout=network.layout)

    def __call__(self, x: Tensor) -> Tensor:
        """Return logits."""
        h = self.network.front(x)
        given = self.lies.folded(h)
        fixed = torch.from_numpy(self.matched.step(np.ascontiguousarray(given.numpy(), np.float32)))
        logits: Tensor = self.network.back(self.lies.added(h, fixed - given))
        return logits
