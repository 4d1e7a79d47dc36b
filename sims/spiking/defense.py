"""Spiking variability as a defense: accuracy of a network whose later layers learned on a layer's spike counts."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from localnoise import UnitGrid
from localnoise.nn import Predictor
from localnoise.sims.data.tensors import PIXELS
from localnoise.sims.evaluation.source import Source
from localnoise.sims.experiments.testbed import Testbed
from localnoise.sims.models import training
from localnoise.sims.models.training import answered
from localnoise.sims.runtime.stage import Stage, ticker
from localnoise.sims.spiking.arms import Variability, layer_of
from localnoise.sims.spiking.plan import SpikingPreset
from localnoise.sims.spiking.readout import Readout, Table


@dataclass
class Defence:
    """One kind of variability in one trained network.

    accuracy.* are by spikes of Brian2, one trial an image; table.* and table10.* by counts drawn from the table, one
    trial, and logits averaged over ten. The attacker knows field, table and later layers, and differentiates through
    the counts' mean.
    """

    plan: SpikingPreset
    bench: Testbed
    seed: int
    kind: Variability
    field: UnitGrid | None
    table: Table
    stage: Stage

    def accuracies(self, sources: tuple[Source, ...]) -> dict[str, Any]:
        """Retrain, then test on clean images, on those that each source moves, and under attack."""
        p, front = self.plan, self.bench.network.front
        predictor = self._trained()
        layer = layer_of(self.kind, self.bench.network.layout, self.field, target=p.target)
        threats = {"clean": self.bench.test[0][: p.images]}
        for source in sources:
            threats[f"{source.name}@{source.level:g}"] = self.bench.modified_test(source.name, source.level, p.images)
        threats[f"pgd@{p.attack.eps:g}"] = self._attacked(predictor)
        values: dict[str, Any] = {}
        for label, images in threats.items():
            h, labels = training.activations(front, images), self.bench.test[1][: len(images)]
            told = self._told(label)
            counts = torch.from_numpy(layer.counts(h.numpy(), 1, self.seed + 1, told)[:, 0]).float()
            with torch.no_grad():
                hit = answered(predictor.back(self.table.values(counts)), labels).byte()
            values |= {f"accuracy.{label}": float(hit.double().mean()), f"correct.{label}": hit.numpy()}
            for draws, prefix in ((1, "table"), (10, "table10")):
                many = Predictor(front, predictor.noise, predictor.back, draws).eval()
                values[f"{prefix}.{label}"] = float(training.correct_from(many, h, labels).double().mean())
        return values

    def _trained(self) -> Predictor:
        bench, p = self.bench, self.plan
        readout: Any = Readout(self.table, self.field, self.seed)
        tick = ticker(self.stage, f"{self.kind.label}: retrain on spikes", p.epochs * len(bench.h_train))
        own: dict[str, Any] = {"epochs": p.epochs, "seed": self.seed, "draws": 1, "by": p.training}
        return training.retrain(bench.network, readout, bench.h_train, bench.train[1], tick=tick, **own)

    def _attacked(self, predictor: Predictor) -> Tensor:
        images, labels = (x[: self.plan.attacked] for x in self.bench.test)
        tick = ticker(self.stage, f"{self.kind.label}: attack", len(images))
        predictor.noise.reseed(self.seed + 2)
        return self.plan.attack(predictor, images, labels, bounds=PIXELS, seed=self.seed, batch=50, tick=tick)

    def _told(self, what: str) -> Any:
        return lambda done, of: self.stage(f"{self.kind.label}: {what}", done, of)
