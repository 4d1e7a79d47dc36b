"""What `localnoise spiking` measures, part by part: plain values for the records."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from localnoise import UnitGrid
from localnoise.errors import choose
from localnoise.nn import Predictor
from localnoise.sims.attacks import PGD
from localnoise.sims.data import load
from localnoise.sims.experiments import training
from localnoise.sims.experiments.source import Source
from localnoise.sims.experiments.stage import Stage, ticker
from localnoise.sims.experiments.workbench import Workbench
from localnoise.sims.reports.plain import plain
from localnoise.sims.spiking import learning, variability
from localnoise.sims.spiking.arms import VARIABILITIES, field_of, layer_of
from localnoise.sims.spiking.plan import Plan
from localnoise.sims.spiking.readout import Readout, Table
from localnoise.spiking import network

Task = Callable[[], dict[str, Any]]
PARENTS, _COPIES = 8, 8
FIELDS = (("raster", "none"), ("multiscale", "none"), ("multiscale", "local"))
ORDERS = {"raster": {"radius": 1}, "multiscale": {"parents": 4}}


@dataclass
class Study:
    """The parts of one seed; each returns values for a record."""

    plan: Plan
    seed: int
    folder: Path
    data_dir: Path | None = None
    stage: Stage = lambda what, done, of: None
    _moved: dict[tuple[str, float], tuple[npt.NDArray[Any], npt.NDArray[Any]]] = field(default_factory=dict)
    _grids: dict[tuple[str, float], UnitGrid] = field(default_factory=dict)
    _tables: dict[str, Table] = field(default_factory=dict)

    @cached_property
    def fingerprint(self) -> str:
        """Of the images."""
        return load(self.plan.data, self.data_dir).fingerprint

    def tasks(self, parts: list[str], sources: tuple[Source, ...]) -> list[tuple[dict[str, Any], Task]]:
        """What is to be run: the configuration that a record is kept under, and a call that gives its values."""
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
    def bench(self) -> Workbench:
        """Network, images and displacements."""
        data, p = load(self.plan.data, self.data_dir), self.plan
        bench = Workbench(data, self.seed, p.base_epochs, PGD(), 1, self.folder)
        bench.train_base(ticker(self.stage, "train the network", p.base_epochs * len(data.train_images)))
        return bench

    def displaced(self, source: Source) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """(d, h) of a source, kept: most parts begin with them."""
        where = source.name, source.level
        if where not in self._moved:
            self.stage(f"displace by {source.name}", 0, 0)
            d, h = self.bench.displacement(source.of(self.plan.displaced))
            self._moved = {where: (d.numpy(), h.numpy())}
        return self._moved[where]

    def grid(self, source: Source) -> UnitGrid:
        """Return the field of a source, learned by `moments`, at the source's trace."""
        where = source.name, source.level
        if where not in self._grids:
            self.stage(f"learn a field from {source.name}", 0, 0)
            d, _ = self.displaced(source)
            grid = UnitGrid((d.shape[2], d.shape[3]), d.shape[1], parents=PARENTS)
            self._grids[where] = grid.learn(d).normalise(source.trace)
            self._grids[where].state = None
        return self._grids[where]

    def field(self, source: Source, order: str, signal: str) -> dict[str, Any]:
        """Draws of Brian2 against the closed form and the Numba grid, on the network's own layer."""
        d, h = self.displaced(source)
        wiring = ORDERS[choose("order", order, ORDERS)]
        grid = UnitGrid(d.shape[2:], d.shape[1], order=order, signal=signal, **wiring)
        grid.learn(d, h if signal == "local" else None)
        if signal == "none":
            grid.normalise(source.trace)
        net, count = network(grid, target=self.plan.target), self.plan.draws
        one, shown = h[:1], np.repeat(h[:1], count, 0)
        numba = grid.perturb(h[:4], seed=1) if signal == "local" else grid.sample(4, seed=1)
        again = net.settle(grid.innovations(numba, h[:4] if signal == "local" else None), h[:4])
        tick = self._told(f"Brian2 draws, {order}, signal {signal}")
        eta = net.perturb(shown, seed=self.seed, progress=tick).reshape(count, -1)
        eta -= grid.mean(one).reshape(-1) if signal == "local" else 0
        own = grid.sample(count, seed=self.seed + 1).reshape(count, -1)
        chosen = np.random.default_rng(0).permutation(eta.shape[1])[:300]
        sigma = grid.covariance()[np.ix_(chosen, chosen)]
        spread = np.sqrt((np.outer(np.diag(sigma), np.diag(sigma)) + sigma**2) / count)
        low = np.tril_indices(len(chosen))
        z, control = (((x[:, chosen].T @ x[:, chosen] / count - sigma) / spread)[low] for x in (eta, own))
        return {
            "field.difference": float(np.abs(again - numba).max() / numba.std()),
            "field.mean_square_z": float(np.square(z).mean()),
            "field.largest_z": float(np.abs(z).max()),
            "field.numba_mean_square_z": float(np.square(control).mean()),
            "field.numba_largest_z": float(np.abs(control).max()),
            "field.entries": len(low[0]),
            "field.draws": count,
        }

    def learning(self, source: Source, causal: float) -> dict[str, Any]:
        """The local rules in Brian2's terms, on displacements of the network's layer."""
        d, _ = self.displaced(source)
        tick = self._told(f"spike-timing plasticity, causal share {causal:g}")
        few, target = self.plan.shown, self.plan.target
        return {
            **learning.lms(d[:200], target),
            **learning.stdp(d[:few], causal, _COPIES, self.seed, tick),
        }

    def variability(self, name: str, source: Source) -> dict[str, Any]:
        """Measures of one kind of variability over the first test images; `source` gives field and directions."""
        kind, p = VARIABILITIES[choose("variability", name, VARIABILITIES)], self.plan
        h = self.bench.h_test[: p.stimuli]
        layer = layer_of(kind, self.bench.network.layout, self.grid(source), target=p.target)
        counts = layer.counts(h.numpy(), p.trials, self.seed, self._told(f"{kind.label}: trials"))
        counts = counts.reshape(p.stimuli, p.trials, -1)
        moved = training.activations(
            self.bench.network.front, self.bench.modified_test(source.name, source.level, p.stimuli)
        )
        rates = [np.asarray(layer.lif.rate(layer.lif.current(x.numpy()))).reshape(p.stimuli, -1) for x in (h, moved)]
        channels, *shape = self.bench.network.layout
        places = np.stack(np.divmod(np.tile(np.arange(shape[0] * shape[1]), channels), shape[1]), axis=1)
        found = variability.pairs(counts, places)
        mean, variance = variability.mean_and_variance(counts)
        some = np.random.default_rng(0).permutation(len(mean))[:3000]
        few = np.random.default_rng(1).permutation(len(found.noise))[:20_000]
        everywhere = np.random.default_rng(2).normal(size=rates[0].shape) * (rates[0] + rates[1] > 0)
        return {
            "fano": variability.fano(counts),
            "rate": float(counts.mean() / float(layer.window)),
            "correlation": float(found.noise.mean()),
            "correlation.spread": float(found.noise.std()),
            "slope.signal": float(np.polyfit(found.signal, found.noise, 1)[0]) if len(found.noise) else float("nan"),
            "participation": variability.participation_ratio(counts),
            "neurons": int(counts.shape[2]),
            "alignment": variability.alignment(counts, rates[1] - rates[0]),
            "alignment.random": variability.alignment(counts, everywhere),
            "mean": mean[some], "variance": variance[some],
            "pairs.noise": found.noise[few], "pairs.signal": found.signal[few], "pairs.distance": found.distance[few],
        }  # fmt: skip

    def defence(self, name: str, sources: tuple[Source, ...]) -> dict[str, Any]:
        """Accuracy of a net whose later layers learned on spikes of this kind: clean, and against what moved its field.

        A kind without a field learns from no source: one net is tested against all of them. accuracy.* are by spikes of
        Brian2, one trial an image; table.* and table10.* by counts drawn from the table, one trial, and logits averaged
        over ten.
        """
        kind, p, bench = VARIABILITIES[choose("variability", name, VARIABILITIES)], self.plan, self.bench
        if name not in self._tables:
            self.stage(f"{kind.label}: count spikes of a ladder of currents", 0, 0)
            self._tables[name] = Table.measure(kind, self.seed, target=p.target)
        table = self._tables[name]
        grid = field_of(kind, self.grid(sources[0]))
        readout: Any = Readout(table, grid, self.seed)
        tick = ticker(self.stage, f"{kind.label}: retrain on spikes", p.epochs * len(bench.h_train))
        own = {"epochs": p.epochs, "seed": self.seed, "draws": 1}
        predictor = training.retrain(bench.network, readout, bench.h_train, bench.train[1], tick=tick, **own)
        layer = layer_of(kind, bench.network.layout, self.grid(sources[0]), target=p.target)
        labels, values = bench.test[1][: p.images], dict[str, Any]()
        for threat in (None, *sources):
            label = "clean" if threat is None else f"{threat.name}@{threat.level:g}"
            h = self._activations(threat)
            counts = layer.counts(h.numpy(), 1, self.seed + 1, self._told(f"{kind.label}: {label}"))[:, 0]
            hit = self._right(predictor, table.values(torch.from_numpy(counts).float()), labels)
            values |= {f"accuracy.{label}": float(hit.double().mean()), f"correct.{label}": hit.numpy()}
            for draws, prefix in ((1, "table"), (10, "table10")):
                many = Predictor(predictor.front, readout, predictor.back, draws).eval()
                values[f"{prefix}.{label}"] = float(training.correct_from(many, h, labels).double().mean())
        return values

    def _activations(self, threat: Source | None) -> Tensor:
        count = self.plan.images
        if threat is None:
            return self.bench.h_test[:count]
        return training.activations(
            self.bench.network.front, self.bench.modified_test(threat.name, threat.level, count)
        )

    @staticmethod
    def _right(predictor: Predictor, values: Tensor, labels: Tensor) -> Tensor:
        with torch.no_grad():
            right: Tensor = (predictor.back(values).argmax(1) == labels).byte()
        return right

    def _told(self, what: str) -> Any:
        return lambda done, of: self.stage(what, done, of)

    def config(self, part: str, **more: Any) -> dict[str, Any]:
        """Everything that a part's result depends on: its key in the records."""
        shown = {
            "field": ("draws", "displaced"),
            "learning": ("shown", "displaced"),
            "variability": ("stimuli", "trials", "displaced"),
        }
        of_part = {name: getattr(self.plan, name) for name in shown.get(part, ("images", "epochs", "displaced"))}
        base = {
            "data": self.plan.data,
            "fingerprint": self.fingerprint,
            "base_epochs": self.plan.base_epochs,
            "target": self.plan.target,
        }
        plainly = {name: plain(value) for name, value in more.items()}
        return {"experiment": "spiking", "part": part, "seed": self.seed, **base, **of_part, **plainly}
