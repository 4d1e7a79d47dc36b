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
from localnoise.sims.experiments.testing import Examiner
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
    _examiner: Examiner | None = None
    _trained: tuple[Cell, Predictor, Any] | None = None

    def run(self, cell: Cell) -> Result:
        """Learn, retrain and test one cell; cells that differ in their threats alone share the trained network."""
        began = perf_counter()
        bench = self.bench(cell.seed)
        if self._trained is None or self._trained[0] != cell.trained:
            self._trained = None  # a bank and the next may not fit into memory together
            self._trained = (cell.trained, *self._train(cell, bench))
        _, predictor, noise = self._trained
        if self._examiner is None or self._examiner.bench is not bench:
            self._examiner = Examiner(bench, self.settings, self._ticker)
        values = self._examiner.examine(cell, predictor)
        values |= {"parameters": noise.parameters, "bytes_per_unit": float(noise.bytes_per_unit)}
        return Result(values, noise, perf_counter() - began)

    def _train(self, cell: Cell, bench: Workbench) -> tuple[Predictor, Any]:
        """Return the deployed predictor and its noise."""
        arm = ARMS[cell.arm]
        if arm.build is None:
            return self._augment(cell, bench, arm), central.none(bench.h_train[:1].numpy())
        noise = self._noise(cell, bench, arm)
        layer = NoiseLayer(noise, when=arm.when, seed=cell.seed)
        settings = {"epochs": self.settings.epochs, "seed": cell.seed, "draws": self.settings.draws}
        tick = self._ticker("retrain", self.settings.epochs * len(bench.h_train))
        predictor = training.retrain(bench.network, layer, bench.h_train, bench.train[1], tick=tick, **settings)
        return predictor, noise

    def bench(self, seed: int) -> Workbench:
        """Return the seed's workbench, made when it is first needed."""
        if self._bench is None or self._bench.seed != seed:
            s = self.settings
            self._displaced.clear()
            cut = (s.network, s.activation, s.layer)
            self._bench = Workbench(self.data, seed, s.base_epochs, s.attack, s.attacked_train, self.folder, *cut)
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

    def _ticker(self, what: str, of: int) -> Callable[[int], None]:
        done = 0

        def tick(n: int) -> None:
            nonlocal done
            done += n
            self.stage(what, done, of)

        return tick
