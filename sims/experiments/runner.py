"""One cell of an experiment: learn the noise, retrain the layers after it, test. Every table rests on it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch
from torch import Tensor

from localnoise import Bank, central
from localnoise.nn import NoiseLayer, Predictor
from localnoise.sims.arms import ARMS, Arm
from localnoise.sims.data import Dataset
from localnoise.sims.experiments import training
from localnoise.sims.experiments.cells import Cell
from localnoise.sims.experiments.settings import Settings
from localnoise.sims.experiments.source import Source
from localnoise.sims.experiments.workbench import Workbench

Stage = Callable[[str, int, int], None]  # (what is being done, done, of)


@dataclass
class Result:
    """What a cell gives: numbers and per-image outcomes for the record, and the learned noise."""

    values: dict[str, Any]
    noise: Any
    seconds: float


@dataclass
class Runner:
    """Runs the cells of one experiment in one process, keeping the dear steps of the present seed and source.

    Attributes
    ----------
    settings : Settings
    data : Dataset
    folder : Path
        Where trained networks are kept.
    stage : callable
        Told what is being done, and how far it is.
    """

    settings: Settings
    data: Dataset
    folder: Path
    stage: Stage = lambda what, done, of: None
    _bench: Workbench | None = None
    _displaced: dict[tuple[int, Source], Tensor] = field(default_factory=dict)
    _moved_tests: dict[tuple[int, Source], Tensor] = field(default_factory=dict)

    def run(self, cell: Cell) -> Result:
        """Learn, retrain and test one cell."""
        began = perf_counter()
        arm, bench = ARMS[cell.arm], self.bench(cell.seed)
        if arm.build is None:
            noise: Any = central.none(bench.h_train[:1].numpy())
            predictor = self._augment(cell, bench, arm)
        else:
            noise = self._noise(cell, bench, arm)
            layer = NoiseLayer(noise, when=arm.when, seed=cell.seed)
            settings = {"epochs": self.settings.epochs, "seed": cell.seed, "draws": self.settings.draws}
            tick = self._ticker("retrain", self.settings.epochs * len(bench.h_train))
            predictor = training.retrain(bench.network, layer, bench.h_train, bench.train[1], tick=tick, **settings)
        values = self._test(cell, bench, predictor)
        values |= {"parameters": noise.parameters, "bytes_per_unit": float(noise.bytes_per_unit)}
        return Result(values, noise, perf_counter() - began)

    def bench(self, seed: int) -> Workbench:
        """Return the seed's workbench, made when it is first needed."""
        if self._bench is None or self._bench.seed != seed:
            s = self.settings
            self._displaced.clear()
            self._moved_tests.clear()
            self._bench = Workbench(
                self.data, seed, s.base_epochs, s.attack, s.attacked_train, s.attacked_test, self.folder
            )
            self._bench.train_base(self._ticker("train the network", s.base_epochs * len(self.data.train_images)))
        return self._bench

    def _noise(self, cell: Cell, bench: Workbench, arm: Arm) -> Any:
        assert arm.build is not None
        members: list[Any] = []
        shares: list[float] = []
        for source in cell.sources:
            moved = self._displacement(bench, source)
            h = bench.h_train[: len(moved)]
            self.stage(f"learn: {arm.label}", 0, 0)
            causes = bench.causes(source.name, len(moved), arm.causes)
            found = np.unique(causes)
            for cause in found:
                rows = slice(None) if len(found) == 1 else causes == cause
                members.append(arm.build((moved - h).numpy()[rows], h.numpy()[rows], source.trace))
                members[-1].state = None  # the running statistics: 130 MB a field
                shares.append(1 / len(found))  # a source's turn comes as often as another's, whatever its causes
        return members[0] if len(members) == 1 and not arm.clean else Bank(members, arm.clean, shares)

    def _displacement(self, bench: Workbench, source: Source) -> Tensor:
        """Modified activations of a source, kept while it is in use."""
        if (bench.seed, source) not in self._displaced:
            self._displaced.clear()
            tick = self._ticker(f"{source.name}: attack training images", bench.attacked_train)
            self.stage(f"{source.name}: modify", 0, 0)
            self._displaced[bench.seed, source] = bench.modified_train(source.name, source.level, tick=tick)
        return self._displaced[bench.seed, source]

    def _augment(self, cell: Cell, bench: Workbench, arm: Arm) -> Predictor:
        """Train the same layers on modified training images, drawn anew each epoch: matched information."""
        back, rng = bench.network.fresh_back(cell.seed), np.random.default_rng(cell.seed)
        labels = bench.train[1]
        tick = self._ticker("retrain", self.settings.epochs * len(labels))

        def mixture(epoch: int) -> Tensor:
            turn = torch.from_numpy(rng.integers(len(cell.sources), size=len(labels)))
            turn[torch.from_numpy(rng.random(len(labels)) < arm.clean)] = -1
            h = bench.h_train.clone()
            for index, source in enumerate(cell.sources):
                self.stage(f"{source.name}: modify anew", epoch, self.settings.epochs)
                if source.name == "pgd":  # on the frozen network: a new attack would be nearly the same, and is dear
                    fresh = self._displacement(bench, source)
                else:
                    fresh = bench.modified_train(source.name, source.level, draw=epoch + 1)
                h[: len(fresh)][turn[: len(fresh)] == index] = fresh[turn[: len(fresh)] == index]
            return h

        training.fit(back, mixture, labels, epochs=self.settings.epochs, seed=cell.seed, tick=tick)
        off = NoiseLayer(central.none(bench.h_train[:1].numpy()), when="never")
        return Predictor(bench.network.front, off, back, 1).eval()

    def _test(self, cell: Cell, bench: Workbench, predictor: Predictor) -> dict[str, Any]:
        """Accuracy and per-image outcomes on clean test images and on each source."""
        outcome = {"clean": training.correct_from(predictor, bench.h_test, bench.test[1])}
        for source in cell.sources:
            self.stage(f"test: {source.name}", 0, 0)
            if source.name == "pgd":
                outcome["pgd"] = self._attacked(bench, predictor)
            else:
                if (bench.seed, source) not in self._moved_tests:
                    self._moved_tests[bench.seed, source] = bench.modified_test(source.name, source.level)
                moved = self._moved_tests[bench.seed, source]
                outcome[source.name] = training.correct_from(predictor, moved, bench.test[1])
        values: dict[str, Any] = {f"accuracy.{name}": float(hit.double().mean()) for name, hit in outcome.items()}
        return values | {f"correct.{name}": hit.numpy() for name, hit in outcome.items()}

    def _attacked(self, bench: Workbench, predictor: Predictor) -> Tensor:
        """Attack the deployed predictor, its noise known to the attacker; then let it vote on the result."""
        few = slice(self.settings.attacked_test)
        images, labels = bench.test[0][few], bench.test[1][few]
        draws, predictor.draws = predictor.draws, self.settings.attack.draws
        tick = self._ticker("test: attack", len(labels))
        attacked = self.settings.attack(predictor, images, labels, seed=bench.seed, tick=tick)
        predictor.draws = draws
        return training.accuracy_per_image(predictor, attacked, labels)

    def _ticker(self, what: str, of: int) -> Callable[[int], None]:
        done = 0

        def tick(n: int) -> None:
            nonlocal done
            done += n
            self.stage(what, done, of)

        return tick
