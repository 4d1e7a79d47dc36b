"""One cell of an experiment: learn noise or a repair, retrain the layers after it, test. Every table rests on it."""

import math
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from torch import Tensor

from localnoise import Bank
from localnoise.nn import NoiseLayer, Predictor
from localnoise.sims.data.samples import Data
from localnoise.sims.defenses import DEFENSES, Defense, added_parameters
from localnoise.sims.defenses.facts import facts, loudness
from localnoise.sims.defenses.repair_plan import Repairing
from localnoise.sims.defenses.repaired_network import IntegerRepairLayer, Mended
from localnoise.sims.defenses.sizes import Size
from localnoise.sims.evaluation.source import Source
from localnoise.sims.experiments.cell import Cell
from localnoise.sims.experiments.held_pairs import held_pairs
from localnoise.sims.experiments.lessons import lesson
from localnoise.sims.experiments.mender import Mender
from localnoise.sims.experiments.on_chip import deployed
from localnoise.sims.experiments.repair_learning import calibrating, kept_inputs, learned_from
from localnoise.sims.experiments.repair_variants import is_variant, variant
from localnoise.sims.experiments.retraining import repaired
from localnoise.sims.experiments.settings import Settings
from localnoise.sims.experiments.testbed import Testbed, with_network
from localnoise.sims.experiments.testing import Examiner
from localnoise.sims.models import folded, training
from localnoise.sims.runtime.stage import Stage, ticker


@dataclass
class Result:
    """The result of a cell: numbers and per-image outcomes for the record, and the learned noise."""

    values: dict[str, Any]
    noise: Any
    seconds: float


@dataclass
class Runner:
    """Runs the cells of one experiment in one process, keeping the expensive steps of the present seed and source.

    Attributes
    ----------
    settings : Settings
    data : Data
    folder : Path
        Where trained networks are kept.
    stage : callable
        Called with what is being done, and how far it is.
    """

    settings: Settings
    data: Data
    folder: Path
    stage: Stage = lambda what, done, of: None
    _bench: Testbed | None = None
    _displaced: dict[tuple[str, float, int | None], tuple[Tensor, Tensor]] = field(default_factory=dict)
    _examiner: Examiner | None = None
    _trained: tuple[Cell, Predictor, dict[str, float]] | None = None
    _mender: Mender | None = None
    _after: tuple[Cell, Mender] | None = None

    def run(self, cell: Cell) -> Result:
        """Learn, retrain and test one cell; cells that differ in their threats alone share the trained network."""
        began = perf_counter()
        bench = self.bench(cell.seed)
        predictor, size = self.trained(cell)
        if self._examiner is None or self._examiner.bench is not bench:
            self._examiner = Examiner(bench, self.settings, self.stage)
        values = self._examiner.examine(cell, predictor)
        values |= size
        noise: Any = predictor.noise
        learned = noise.repairs if isinstance(noise, Mended) else getattr(noise, "noise", None)
        return Result(values, learned, perf_counter() - began)

    def trained(self, cell: Cell) -> tuple[Predictor, dict[str, float]]:
        """Return the deployed predictor of a cell, and the size and `facts` of its noise; the last one is kept."""
        bench = self.bench(cell.seed)
        if self._trained is None or self._trained[0] != cell.trained:
            arm = DEFENSES[cell.arm]
            if arm.deployed:  # of a twin that has just been trained, or is now
                twin, own = self.trained(replace(cell.trained, arm=arm.twin))
                self.stage("quantise the network", 0, 0)
                given = (bench.network, bench.train[0], bench.task.bounds, cell.seed)
                held, pairs = self.kept_inputs(cell, twin), self.held_pairs(cell, twin)
                clean = None if held is None else calibrating(bench, arm.repair)
                made: Predictor = deployed(arm, twin, *given, held, clean, pairs)
                self._trained = (cell.trained, made, own)
            else:
                self._trained = None  # a bank and the next may not fit into memory together
                self._trained = (cell.trained, *self._train(cell, bench))
        _, predictor, size = self._trained
        return predictor, size

    def kept_inputs(self, cell: Cell, predictor: Predictor) -> dict[str, list[Tensor]] | None:
        """Return inputs on which a chip's repair is calibrated; None where the predictor repairs nothing."""
        noise: Any = predictor.noise
        plan = DEFENSES[cell.arm].repair
        if plan is None or not isinstance(noise, Mended):
            return None
        return kept_inputs(self.bench(cell.seed), plan, cell.sources)

    def held_pairs(self, cell: Cell, predictor: Predictor) -> list[tuple[Tensor, Tensor]]:
        """Return inputs on which a chip's repair learns what it is worth; none where it asks for no worth."""
        plan, noise = DEFENSES[cell.arm].repair, predictor.noise
        asks = plan is not None and isinstance(noise, Mended) and noise.first.repair.worth is not None
        return held_pairs(self.bench(cell.seed), plan, cell.sources) if plan is not None and asks else []

    def _train(self, cell: Cell, bench: Testbed) -> tuple[Predictor, dict[str, float]]:
        """Return the deployed predictor, and the size and `facts` of its noise."""
        arm, s = DEFENSES[cell.arm], self.settings
        epochs = arm.most or (round(s.base_epochs * arm.longer) if arm.whole else s.epochs)
        tick = ticker(self.stage, "retrain", epochs * len(bench.train[0]))
        if arm.train is not None:
            given = lesson(cell, bench, epochs, tick, s.draws, partial(self._displacement, bench))
            predictor = arm.train(given)
            added = added_parameters(predictor)
            size = {"parameters": added, "bytes_per_unit": added * 4 / math.prod(bench.network.layout[1:])}
            return predictor, size | given.facts
        if arm.repair is not None:
            return self._repaired(cell, bench, arm.repair, tick)
        noise = self._noise(cell, bench, arm)
        layer = NoiseLayer(noise, when=arm.when, seed=cell.seed, arrangement=bench.network.arrangement)
        own: dict[str, Any] = {"epochs": epochs, "seed": cell.seed, "draws": s.draws, "by": s.training}
        predictor = training.retrain(bench.network, layer, bench.h_train, bench.train[1], tick=tick, **own)
        size = {"parameters": noise.parameters, "bytes_per_unit": float(noise.bytes_per_unit)}
        size |= facts(noise)
        if not bench.task.two_sets and arm.when != "never":  # nobody has chosen the variance for this layer yet
            levels = [one.variance if cell.variance is None else cell.variance for one in cell.sources] or [1.0]
            size |= loudness(noise, float(np.mean(levels)), bench.h_train)
        return predictor, size

    def _repaired(
        self, cell: Cell, bench: Testbed, plan: Repairing, tick: training.Tick
    ) -> tuple[Predictor, dict[str, float]]:
        """Return the repaired network, and the size of its repairs."""
        s, mender = self.settings, self._mender_of(cell, bench, plan)
        given = partial(lesson, cell, bench, s.epochs, tick, s.draws, partial(self._displacement, bench))
        size: dict[str, float]
        if is_variant(plan):
            predictor, learned = variant(mender, plan, cell.sources)
            size = {"parameters": learned.parameters}
        else:
            predictor, size = repaired(mender, plan, cell.sources, given)
        chips = [part.chip.flash for part in predictor.modules() if isinstance(part, IntegerRepairLayer)]
        size["bytes_per_unit"] = (sum(chips) or size["parameters"] * 4) / math.prod(bench.network.layout[1:])
        noise: Any = predictor.noise
        if isinstance(noise, Mended):
            size["repair.learned"] = learned_from(bench, cell.sources)
            size |= {} if plan.dense else Size.of(noise.repairs).values
        return predictor, size

    def _mender_of(self, cell: Cell, bench: Testbed, plan: Repairing) -> Mender:
        """Return who repairs the network of the workbench, or the one that another arm trains; each is kept."""
        if self._mender is None or self._mender.bench is not bench:
            self._mender, self._after = (
                Mender(bench, lambda source: self._displacement(bench, source), self.stage),
                None,
            )
        if not plan.after:
            return self._mender
        key = replace(cell.trained, arm=plan.after)
        if self._after is None or self._after[0] != key:
            trained, _ = self.trained(key)
            other = with_network(bench, trained.front, trained.back)
            self._after = key, Mender(other, other.displacement, self.stage)
        return self._after[1]

    def bench(self, seed: int) -> Testbed:
        """Return the seed's workbench, made when it is first needed."""
        if self._bench is None or self._bench.seed != seed:
            s = self.settings
            self._displaced.clear()
            self._bench = self.unused_bench(seed)
            self._bench.train_base(
                ticker(self.stage, "train the network", (s.stopped or s.base_epochs) * self.data.count)
            )
        return self._bench

    def unused_bench(self, seed: int) -> Testbed:
        """Return a workbench of the seed, whose network may yet have to be trained."""
        s = self.settings
        made = (s.network, s.activation, s.layer, s.training)
        return Testbed(self.data, seed, s.base_epochs, s.attack, s.attacked_train, self.folder, *made, s.stopped)

    def _noise(self, cell: Cell, bench: Testbed, arm: Defense) -> Any:
        """Learn from each source in turn: one noise, or a bank where there are several sources or causes."""
        assert arm.build is not None
        members: list[Any] = []
        shares: list[float] = []
        for source in cell.sources:
            d, h = self._displacement(bench, source)
            variance = source.variance if cell.variance is None else cell.variance
            self.stage(f"learn: {arm.label}", 0, 0)
            causes = bench.causes(source.name, len(d), arm.causes)
            found = np.unique(causes)
            for cause in found:
                rows = slice(None) if len(found) == 1 else causes == cause
                members.append(arm.build(d.numpy()[rows], h.numpy()[rows], variance))
                members[-1].state = None  # the running statistics: 130 MB a field
                shares.append(1 / len(found))  # a source's turn comes as often as another's, whatever its causes
        if not cell.sources:
            still = np.zeros_like(folded(bench.network, bench.h_train[:1]).numpy())
            members, shares = [arm.build(still, still, 1.0 if cell.variance is None else cell.variance)], [1.0]
        return members[0] if len(members) == 1 and not arm.clean else Bank(members, arm.clean, shares)

    def _displacement(self, bench: Testbed, source: Source) -> tuple[Tensor, Tensor]:
        """Displacements of a source and the activations displaced, kept while they are in use."""
        if source.moved not in self._displaced:
            self._displaced.clear()
            tick = ticker(self.stage, f"{source.name}: attack training images", bench.attacked_train)
            self.stage(f"{source.name}: modify", 0, 0)
            self._displaced[source.moved] = bench.displacement(source, tick)
        return self._displaced[source.moved]
