"""Measurements of `localnoise spiking`, part by part: plain values for the records."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from localnoise import UnitGrid
from localnoise.errors import choose
from localnoise.sims.attacks import PGD
from localnoise.sims.data import load
from localnoise.sims.evaluation.source import Source
from localnoise.sims.experiments.testbed import Testbed
from localnoise.sims.models import training
from localnoise.sims.results.plain import plain
from localnoise.sims.runtime.stage import Stage, ticker
from localnoise.sims.spiking import plasticity, variability
from localnoise.sims.spiking.agreement import agreement
from localnoise.sims.spiking.arms import VARIABILITIES, Variability, field_of, layer_of
from localnoise.sims.spiking.defense import Defence
from localnoise.sims.spiking.plan import SpikingPreset
from localnoise.sims.spiking.readout import Table

Task = Callable[[], dict[str, Any]]
PARENTS, _COPIES = 8, 8
FIELDS = (("raster", "none"), ("multiscale", "none"), ("multiscale", "local"))
ORDERS: dict[str, Any] = {"raster": {"radius": 1}, "multiscale": {"parents": 4}}
ALWAYS = ("data", "base_epochs", "displaced", "target")  # of a plan, what each part depends on
SPENT = {
    "field": ("draws",),
    "learning": ("shown",),
    "variability": ("stimuli", "trials"),
    "defence": ("images", "attacked", "attack", "epochs"),
}


@dataclass
class SpikingStudy:
    """The parts of one seed; each returns values for a record."""

    plan: SpikingPreset
    seed: int
    folder: Path
    data_dir: Path | None = None
    stage: Stage = lambda what, done, of: None
    _moved: dict[tuple[str, float], tuple[npt.NDArray[Any], npt.NDArray[Any]]] = field(default_factory=dict)
    _grids: dict[Source, UnitGrid] = field(default_factory=dict)
    _tables: dict[tuple[str, bool], Table] = field(default_factory=dict)
    _lms: dict[Source, dict[str, Any]] = field(default_factory=dict)

    @property
    def fingerprint(self) -> str:
        """Of the images."""
        return _fingerprint(self.plan.data, self.data_dir)

    def tasks(self, parts: list[str], sources: tuple[Source, ...]) -> list[tuple[dict[str, Any], Task]]:
        """Return the tasks to run: the configuration that a record is kept under, and a call that gives its values."""
        out: list[tuple[dict[str, Any], Task]] = []
        for order, signal in FIELDS if "field" in parts else ():
            config = self.config("field", source=sources[0], order=order, signal=signal)
            out.append((config, partial(self.field, sources[0], order, signal)))
        for causal in (0.0, 1.0) if "learning" in parts else ():
            config = self.config("learning", source=sources[0], causal=causal)
            out.append((config, partial(self.learning, sources[0], causal)))
        for name in VARIABILITIES if "variability" in parts else ():
            for source in sources[:1]:
                config = self.config("variability", source=source, variability=name)
                out.append((config, partial(self.variability, name, source)))
        for name, kind in VARIABILITIES.items() if "defence" in parts else ():
            for own in [(source,) for source in sources] if kind.field != "none" else [sources]:
                config = self.config("defence", sources=own, variability=name)
                out.append((config, partial(self.defence, name, own)))
        return out

    @cached_property
    def _testbed(self) -> Testbed:
        p = self.plan
        images = load(p.data, self.data_dir)
        return Testbed(images, self.seed, p.base_epochs, PGD(), 1, self.folder, p.network, by=p.training)

    @property
    def network_path(self) -> Path:
        """File of the seed's trained network."""
        return self._testbed.base_path

    @cached_property
    def bench(self) -> Testbed:
        """Network, images and displacements."""
        images = self.plan.base_epochs * self._testbed.data.count
        self._testbed.train_base(ticker(self.stage, "train the network", images))
        return self._testbed

    def displaced(self, source: Source) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """(d, h) of a source, kept: most parts begin with them."""
        where = source.name, source.level
        if where not in self._moved:
            self.stage(f"displace by {source.name}", 0, 0)
            d, h = self.bench.displacement(source.of(self.plan.displaced))
            self._moved = {where: (d.numpy(), h.numpy())}
        return self._moved[where]

    def grid(self, source: Source) -> UnitGrid:
        """Return the field of a source, learned by `moments`, at the source's variance."""
        if source not in self._grids:
            self.stage(f"learn a field from {source.name}", 0, 0)
            d, _ = self.displaced(source)
            grid = UnitGrid((d.shape[2], d.shape[3]), d.shape[1], parents=PARENTS)
            self._grids[source] = grid.learn(d).normalise(source.variance)
            self._grids[source].state = None
        return self._grids[source]

    def field(self, source: Source, order: str, signal: str) -> dict[str, Any]:
        """Draws of Brian2 against the closed form and the Numba grid, on the network's own layer."""
        d, h = self.displaced(source)
        wiring = ORDERS[choose("order", order, ORDERS)]
        grid = UnitGrid(d.shape[2:], d.shape[1], order=order, signal=signal, **wiring)
        grid.learn(d, h if signal == "local" else None)
        if signal == "none":
            grid.normalise(source.variance)
        told = self._told(f"Brian2 draws, {order}, signal {signal}")
        return agreement(grid, h, self.plan.draws, self.seed, self.plan.target, told)

    def learning(self, source: Source, causal: float) -> dict[str, Any]:
        """The local rules in Brian2's terms, on displacements of the network's layer."""
        d, _ = self.displaced(source)
        tick = self._told(f"spike-timing plasticity, causal share {causal:g}")
        if source not in self._lms:
            self._lms[source] = plasticity.lms(d[:200], self.plan.target)
        return self._lms[source] | plasticity.stdp(d[: self.plan.shown], causal, _COPIES, self.seed, tick)

    def variability(self, name: str, source: Source) -> dict[str, Any]:
        """Measures of one kind of variability over the first test images; `source` gives field and directions."""
        kind, p, network = VARIABILITIES[choose("variability", name, VARIABILITIES)], self.plan, self.bench.network
        layer = layer_of(kind, network.layout, self._field(kind, source), target=p.target)
        moved = self.bench.modified_test(source.name, source.level, p.stimuli)
        h, after = self.bench.h_test[: p.stimuli].numpy(), training.activations(network.front, moved).numpy()
        counts = layer.counts(h, p.trials, self.seed, self._told(f"{kind.label}: trials"))
        counts = counts.reshape(p.stimuli, p.trials, -1)
        rates = [np.asarray(layer.lif.rate(layer.lif.current(x))).reshape(p.stimuli, -1) for x in (h, after)]
        channels, height, width = network.layout
        places = np.stack(np.divmod(np.tile(np.arange(height * width), channels), width), axis=1)
        found = variability.measures(counts, places, *rates)
        return {"rate": float(counts.mean() / float(layer.window)), "neurons": int(counts.shape[2])} | found

    def defence(self, name: str, sources: tuple[Source, ...]) -> dict[str, Any]:
        """Accuracies of one kind; one without a field learns from no source, and is tested against all of them."""
        kind, p = VARIABILITIES[choose("variability", name, VARIABILITIES)], self.plan
        neurons = kind.neurons, kind.own
        if neurons not in self._tables:
            self.stage(f"{kind.label}: count spikes of a ladder of currents", 0, 0)
            self._tables[neurons] = Table.measure(kind, self.seed, target=p.target)
        field = self._field(kind, sources[0])
        return Defence(p, self.bench, self.seed, kind, field, self._tables[neurons], self.stage).accuracies(sources)

    def _field(self, kind: Variability, source: Source) -> UnitGrid | None:
        return None if kind.field == "none" else field_of(kind, self.grid(source))

    def _told(self, what: str) -> Any:
        return lambda done, of: self.stage(what, done, of)

    def config(self, part: str, **more: Any) -> dict[str, Any]:
        """Everything that a part's result depends on: its key in the records."""
        of_part = {name: plain(getattr(self.plan, name)) for name in (*SPENT[part], *ALWAYS)}
        if self.plan.network != "v2":  # which earlier records do not say
            of_part["network"] = self.plan.network
        if self.plan.training != training.BACKPROP:
            of_part["training"] = self.plan.training
        said = {"experiment": "spiking", "part": part, "seed": self.seed, "fingerprint": self.fingerprint}
        return said | of_part | {name: plain(value) for name, value in more.items()}


@cache
def _fingerprint(data: str, data_dir: Path | None) -> str:
    """One for all seeds: reading the images takes a second."""
    return load(data, data_dir).fingerprint
