"""Tests of a deployed predictor: clean images, modified ones, attacked ones; image by image."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from torch import Tensor

from localnoise.nn import Predictor
from localnoise.sims.attacks import ATTACKS
from localnoise.sims.defenses.repair_arms import UNDEFENDED
from localnoise.sims.defenses.repaired_network import Mended
from localnoise.sims.evaluation import AdaptiveReport
from localnoise.sims.evaluation.names import CLEAN, WORST
from localnoise.sims.evaluation.source import DRIFT
from localnoise.sims.evaluation.threat import Threat
from localnoise.sims.experiments.cell import Cell
from localnoise.sims.experiments.settings import Settings
from localnoise.sims.experiments.testbed import Testbed
from localnoise.sims.models import training
from localnoise.sims.runtime.stage import Stage, ticker


@dataclass
class Examiner:
    """Tests the networks of one seed, and keeps the modified test images that they share.

    Attributes
    ----------
    bench : Testbed
    settings : Settings
    stage : callable
        Called with what is being done, and how far it is.
    """

    bench: Testbed
    settings: Settings
    stage: Stage
    _moved: dict[Threat, Tensor] = field(default_factory=dict)

    def examine(self, cell: Cell, predictor: Predictor) -> dict[str, Any]:
        """`accuracy.NAME` and `correct.NAME` (T,) uint8 for each threat; by default for clean and sources.

        Of a repair also `gate.NAME` (1 + sources,): how many inputs its gate called clean, the first source, ...; and
        `decided.NAME` (T,) uint8: what it called each.
        """
        images = len(self.bench.test[1])
        threats = cell.threats or (
            Threat(name=CLEAN, level=0, images=images),
            *(
                Threat(name=s.name, level=s.level, images=self.settings.attacked_test if s.name in ATTACKS else images)
                for s in cell.sources
                if s.name != DRIFT  # which is no threat
            ),
        )
        values: dict[str, Any] = {}
        for threat in threats:
            name = threat.label if cell.threats else threat.name
            if cell.threats:
                predictor.noise.reseed(cell.seed)  # a result depends on no earlier test
            gate = predictor.noise if isinstance(predictor.noise, Mended) else None
            if gate is not None:
                gate.tell(threat.name, threat.level)
            if threat.name == WORST:
                report = self._adaptive(threat, predictor, cell.arm == UNDEFENDED)
                hit = report.verdict.robust.byte()
                values |= {f"adaptive.{key}": value for key, value in report.evidence().items()}
            else:
                if gate is not None and threat.name not in ATTACKS:  # an attack asks the gate many times
                    gate.said = []
                hit = self._correct(threat, predictor)
                if gate is not None and gate.said is not None:
                    decided, gate.said = np.concatenate(gate.said), None
                    values[f"decided.{name}"] = decided
                    values[f"gate.{name}"] = np.bincount(decided, minlength=len(gate.sources)).astype(np.int64)
            values |= {f"accuracy.{name}": float(hit.double().mean()), f"correct.{name}": hit.numpy()}
        return values

    def _adaptive(self, threat: Threat, predictor: Predictor, undefended: bool) -> AdaptiveReport:
        images, labels = (part[: threat.images] for part in self.bench.test)
        attack = replace(self.settings.adaptive, eps=threat.level)
        return attack(
            predictor,
            images,
            labels,
            twin=self.bench.network,
            others={} if self.bench.by == training.BACKPROP else {training.BACKPROP: self.bench.twin.network},
            undefended=undefended,
            bounds=self.bench.task.bounds,
            seed=self.bench.seed,
            stage=self.stage,
        )

    def _correct(self, threat: Threat, predictor: Predictor) -> Tensor:
        images, labels = (part[: threat.images] for part in self.bench.test)
        tick = ticker(self.stage, f"test: {threat.label}", len(labels))
        if threat.name in ATTACKS:
            attack = ATTACKS[threat.name](self.settings.attack, threat.level)
            images = attack(predictor, images, labels, bounds=self.bench.task.bounds, seed=self.bench.seed, tick=tick)
            return training.accuracy_per_image(predictor, images, labels)
        return training.correct_from(predictor, self._activations(threat, predictor), labels)

    def _activations(self, threat: Threat, predictor: Predictor) -> Tensor:
        """Activations of the clean or modified test images, before the noise."""
        clean, front = threat.name == CLEAN, predictor.front
        if clean and front is self.bench.network.front:
            return self.bench.h_test[: threat.images]
        if not clean and threat not in self._moved:
            self._moved[threat] = self.bench.modified_test(threat.name, threat.level, threat.images)
        return training.activations(front, self.bench.test[0][: threat.images] if clean else self._moved[threat])
