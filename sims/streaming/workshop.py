"""What the methods of one network are made of: the network, its repairs, clean inputs that a device keeps."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from localnoise.nn import Predictor
from localnoise.sims import perturbations
from localnoise.sims.defenses import Repairing
from localnoise.sims.defenses.repaired_network import mended, trunk
from localnoise.sims.evaluation.source import Source
from localnoise.sims.experiments.learned_repairs import Learned
from localnoise.sims.experiments.mender import Mender
from localnoise.sims.experiments.repair_learning import held_out, source_name
from localnoise.sims.experiments.testbed import Testbed
from localnoise.sims.models import folded, training
from localnoise.sims.runtime.stage import Stage
from localnoise.sims.streaming.entropy import RDumb, Statistics, Tent
from localnoise.sims.streaming.method import Frozen
from localnoise.sims.streaming.pairs import PairLearner
from localnoise.sims.streaming.repaired import Filtered, TemporalOnly
from localnoise.sims.streaming.schedule import levels
from localnoise.sims.streaming.temporal import Matched

MIXED, STRONGEST = "mixed", "strongest"
KEPT = 128  # clean inputs that a device keeps to make pairs of
_EVERY = 500  # images between two lessons
_CALM = 2000  # clean activations whose means and variances are known
_FLOAT = 4
TEST, HELD, _LEARNED, _OWN = 3, 4, 5, 6  # streams of a seed; 1 and 2 are the testbed's


def stream_seed(seed: int, part: int, draw: int = 0) -> int:
    """Return the seed of the modifications of one part of an experiment; no two share a draw."""
    return (seed << 32) + (draw << 8) + part


@dataclass
class Workshop:
    """Makes fresh methods of one seed's network.

    Attributes
    ----------
    bench : Testbed
    sources : tuple of Source
        What repairs learn.
    strengths : str
        "mixed": from all levels that a stream's strength drifts through; "strongest": from each source's own.
    weakest : float
        Of the stream.
    repairing : Repairing
        How activations are repaired.
    stage : callable
        Called with what is being done, and how far it is.
    """

    bench: Testbed
    sources: tuple[Source, ...]
    strengths: str
    weakest: float
    repairing: Repairing
    stage: Stage

    @property
    def network(self) -> Any:
        """The trained network."""
        return self.bench.network

    @cached_property
    def model(self) -> nn.Module:
        """The network in one piece."""
        return nn.Sequential(self.network.front, self.network.back).eval()

    @cached_property
    def learned(self) -> Learned:
        """The repairs of all layers, learned from training inputs and calibrated."""
        displace = self._displaced if self.strengths == MIXED else self.bench.displacement
        return Mender(self.bench, displace, self.stage).learned(self.repairing, self.sources)

    def held(self) -> tuple[Tensor, Tensor]:
        """Return the training inputs that no repair was learned from, with their classes."""
        inputs, labels = self.bench.train
        count = held_out(len(labels))
        return inputs[len(labels) - count :], labels[len(labels) - count :]

    # Methods

    def frozen(self) -> Frozen:
        """Return the network as it is."""
        return Frozen(self.model)

    def repaired(self) -> Frozen:
        """Return it repaired, told nothing, each image for itself."""
        return Frozen(self._predictor(), _FLOAT * self.learned.parameters)

    def filtered(
        self,
        stay: float,
        margin: bool,
        rate: float | None = None,
        share: float | None = None,
        variance: bool = True,
    ) -> Filtered:
        """Return it repaired, its gate filtered; with `rate` it learns from pairs, with `share` it is matched."""
        predictor, learner = self._predictor(), None
        if rate is not None:
            learner = PairLearner(self._still, self._corrupts(), rate=rate, every=_EVERY)
        matched = None if share is None else Matched(self._calm, share, variance)
        size = _FLOAT * self.learned.parameters + (0 if matched is None else matched.parameter_bytes)
        return Filtered(predictor, self.network, stay, margin, size, matched, learner)

    def temporal(self, share: float, variance: bool) -> TemporalOnly:
        """Return the network, its activation matched to clean statistics."""
        return TemporalOnly(self.network, Matched(self._calm, share, variance))

    def statistics(self, **options: Any) -> Statistics:
        """Return the network with batch normalisation by the stream's statistics."""
        return Statistics(self.model, **options)

    def tent(self, **options: Any) -> Tent:
        """Return TENT."""
        return Tent(self.model, **options)

    def rdumb(self, **options: Any) -> RDumb:
        """Return RDumb."""
        return RDumb(self.model, **options)

    def _predictor(self) -> Predictor:
        return mended(self.network.front, self.learned.attached(trunk(self.network.back)))

    # What they learn from

    @property
    def _still(self) -> Tensor:
        return self.bench.train[0][:KEPT]

    @cached_property
    def _calm(self) -> Any:
        h = training.activations(self.network.front, self.bench.train[0][:_CALM])
        return np.ascontiguousarray(folded(self.network, h).numpy(), np.float32)

    def _levels(self, source: Source) -> Sequence[float]:
        return levels(source.name, source.level, self.weakest)

    def _corrupts(self) -> dict[str, Any]:
        def corrupt(name: str, x: Tensor, level: float, draw: int) -> Tensor:
            return perturbations.apply(name, x, level, stream_seed(self.bench.seed, _OWN, draw))

        return {source_name(one): (partial(corrupt, one.name), self._levels(one)) for one in self.sources}

    def _displaced(self, source: Source) -> tuple[Tensor, Tensor]:
        """Displacements (d, h) of training inputs, each at one of the levels of a stream."""
        inputs, several = self.bench.train[0][: source.images], self._levels(source)
        which = np.random.default_rng((self.bench.seed, _LEARNED)).integers(len(several), size=len(inputs))
        moved = inputs.clone()
        self.stage(f"{source.name}: modify", 0, 0)
        for index, level in enumerate(several):
            rows = np.flatnonzero(which == index)
            if len(rows):  # with the draw that the testbed gives each input, so that it knows the causes
                moved[torch.from_numpy(rows)] = self.bench.altered(replace(source, level=level), rows=rows)
        h = folded(self.network, self.bench.h_train[: len(inputs)])
        return folded(self.network, training.activations(self.network.front, moved)) - h, h
