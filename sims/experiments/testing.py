"""Tests of a deployed predictor: clean images, modified ones, attacked ones; image by image."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from torch import Tensor

from localnoise.nn import Predictor
from localnoise.sims.experiments import training
from localnoise.sims.experiments.cells import Cell
from localnoise.sims.experiments.settings import Settings
from localnoise.sims.experiments.threat import Threat
from localnoise.sims.experiments.workbench import Workbench

Ticker = Callable[[str, int], training.Tick]  # (what is being done, of how many) -> tick


@dataclass
class Examiner:
    """Tests the networks of one seed, and keeps the modified test activations that they share.

    Attributes
    ----------
    bench : Workbench
    settings : Settings
    ticker : callable
        Makes the ticks of a progress bar.
    """

    bench: Workbench
    settings: Settings
    ticker: Ticker
    _moved: dict[tuple[str, float], Tensor] = field(default_factory=dict)

    def examine(self, cell: Cell, predictor: Predictor) -> dict[str, Any]:
        """`accuracy.NAME` and `correct.NAME` (T,) uint8 for each threat; by default for clean and sources."""
        images = len(self.bench.test[1])
        threats = cell.threats or (
            Threat(name="clean", level=0, images=images),
            *(
                Threat(name=s.name, level=s.level, images=self.settings.attacked_test if s.name == "pgd" else images)
                for s in cell.sources
            ),
        )
        values: dict[str, Any] = {}
        for threat in threats:
            name = threat.label if cell.threats else threat.name
            if cell.threats:
                predictor.noise.reseed(cell.seed)  # a result depends on no earlier test
            hit = self._correct(threat, predictor)
            values |= {f"accuracy.{name}": float(hit.double().mean()), f"correct.{name}": hit.numpy()}
        return values

    def _correct(self, threat: Threat, predictor: Predictor) -> Tensor:
        images, labels = (part[: threat.images] for part in self.bench.test)
        tick = self.ticker(f"test: {threat.label}", len(labels))
        if threat.name == "pgd":
            return training.accuracy_per_image(predictor, self._attacked(threat, predictor, tick), labels)
        if predictor.front is not self.bench.network.front:  # a defence that trained all layers
            if threat.name != "clean":
                images = self.bench.modified_images(threat.name, threat.level)[: threat.images]
            return training.accuracy_per_image(predictor, images, labels)
        if threat.name == "clean":
            return training.correct_from(predictor, self.bench.h_test[: threat.images], labels)
        place = (threat.name, threat.level)
        if place not in self._moved:
            self._moved[place] = self.bench.modified_test(*place)
        return training.correct_from(predictor, self._moved[place][: threat.images], labels)

    def _attacked(self, threat: Threat, predictor: Predictor, tick: training.Tick) -> Tensor:
        """Attack the deployed predictor, its noise known to the attacker."""
        images, labels = (part[: threat.images] for part in self.bench.test)
        draws, predictor.draws = predictor.draws, self.settings.attack.draws
        attack = replace(self.settings.attack, eps=threat.level)
        attacked = attack(predictor, images, labels, seed=self.bench.seed, tick=tick)
        predictor.draws = draws
        return attacked
