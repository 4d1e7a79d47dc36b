"""A defense by its name, learned for a chip from a task's training data, as experiments learn it."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from localnoise.files import temporary_folder, write_bytes
from localnoise.nn import Predictor
from localnoise.sims import perturbations
from localnoise.sims.attacks import ATTACKS
from localnoise.sims.defenses import DEFENSES, check_crossing
from localnoise.sims.evaluation.names import name_and_level
from localnoise.sims.evaluation.source import DRIFT, Source
from localnoise.sims.experiments.cell import Cell, strengths
from localnoise.sims.experiments.chosen import Chosen
from localnoise.sims.experiments.on_chip import arm_for_chip
from localnoise.sims.experiments.presets import preset
from localnoise.sims.experiments.rehearsal import try_on_few
from localnoise.sims.experiments.repair_learning import calibrating
from localnoise.sims.experiments.runner import Runner
from localnoise.sims.experiments.testbed import given_weights, network_path
from localnoise.sims.models.training import BACKPROP
from localnoise.sims.runtime.console import progress, staged
from localnoise.sims.runtime.options import words

NOISE_SOURCE = "pgd"  # what drawn noise learns from: one grid, on any task
USUAL_SOURCES = "contrast@5,brightness@5,gaussian_noise@5"  # of tasks without perturbations of their own


@dataclass(frozen=True, kw_only=True)
class Made:
    """A trained network with a defense, in floating point, and its data.

    Attributes
    ----------
    network : CutNetwork
        As it was trained, without the defense.
    predictor : Predictor
    train, test : pair of Tensor
        Inputs and classes.
    bounds : pair of float or None
    sources : tuple of Source
        That the defense has learned from.
    seed : int
    held : dict of str to list of Tensor, or None
        Of a repair, inputs on which it is calibrated on the chip.
    clean : Tensor or None
        Likewise, clean inputs on which its margins are set.
    pairs : list of (Tensor, Tensor)
        Likewise, inputs altered and unaltered, on which it learns what it is worth.
    """

    network: Any
    predictor: Predictor
    train: tuple[Tensor, Tensor]
    test: tuple[Tensor, Tensor]
    bounds: tuple[float, float] | None
    sources: tuple[Source, ...]
    seed: int
    held: dict[str, list[Tensor]] | None
    clean: Tensor | None
    pairs: list[tuple[Tensor, Tensor]]

    @property
    def model(self) -> nn.Module:
        """The network without the defense."""
        return nn.Sequential(self.network.front, self.network.back).eval()

    def tested(self, count: int) -> dict[str, Tensor]:
        """Return the first `count` test inputs: clean ones, and as each of the defense's perturbations changes them."""
        clean = self.test[0][:count]
        found = {"clean": clean}
        for source in self.sources:
            if source.name not in ATTACKS and source.name != DRIFT:
                moved = perturbations.apply(source.name, clean, source.level, (self.seed << 32) + 2)
                found[f"{source.name}@{source.level:g}"] = moved
        return found


def made_by_name(
    defense: str, task: str, layer: str, *, sources: str, weights: Path | None, keep: Path | None, data: str,
    spend: str, epochs: int | None, draws: int | None, seed: int, training: str = BACKPROP,
) -> Made:  # fmt: skip
    """Return a task's network with a defense that is learned here; the network is trained unless it is given.

    Parameters
    ----------
    sources : str
        NAME@LEVEL,...: what the defense learns from; "": `usual_sources`.
    weights, keep : Path or None
        The trained network's file; the folder where it is kept, and found again.
    training : str
        How all layers learn, of `localnoise list trainings`.

    Raises
    ------
    ArgumentError
        An unknown name, an arm without a form in integers, or a source that cannot be.
    """
    arm = arm_for_chip(defense)
    check_crossing(training, [arm])
    chosen = Chosen.of(task, layer=layer or None, training=training)
    plan = replace(preset(spend, seeds=1, epochs=epochs), data=data)
    settings = plan.settings(None, chosen)
    settings = replace(settings, draws=settings.draws if draws is None else draws)
    given = sources or usual_sources(chosen, arm)
    learned = tuple(Source.default(*name_and_level(text)).of(plan.displaced) for text in words(given))
    learned = learned if DEFENSES[arm].learns else ()
    chosen.check_inputs(source.name for source in learned)
    cell = Cell(seed=seed, sources=learned, arm=arm)
    try_on_few(strengths([cell]), chosen.task.name)
    with ExitStack() as held:
        folder = held.enter_context(temporary_folder()) if keep is None or weights is not None else keep
        path = network_path(settings, folder, seed)
        if weights is not None:
            given_weights(weights, chosen.task.network(seed, chosen.activation, chosen.layer))  # others are refused
            write_bytes(path, weights.read_bytes())
        stage = staged(held.enter_context(progress()))
        own = chosen.task.data(settings.data, seed=seed)
        runner = Runner(settings, own, folder, stage)
        predictor, _ = runner.trained(cell)
        bench = runner.bench(seed)
        return Made(
            network=bench.network, predictor=predictor, train=bench.train, test=bench.test,
            bounds=chosen.task.bounds, sources=learned, seed=seed, clean=calibrating(bench, DEFENSES[arm].repair),
            held=runner.kept_inputs(cell, predictor), pairs=runner.held_pairs(cell, predictor),
        )  # fmt: skip


def usual_sources(chosen: Chosen, arm: str) -> str:
    """Return what a defense learns from where nobody says.

    Noise that is drawn at test learns from attacks: each source more is a grid more on the chip. All else learns from
    the task's own perturbations.
    """
    found = DEFENSES[arm]
    if found.build is not None and found.when in ("both", "eval"):
        return NOISE_SOURCE
    return chosen.usual("", "") or USUAL_SOURCES


def accuracy(model: Any, inputs: Tensor, labels: Tensor, at_once: int = 250) -> float:
    """Return the share of inputs that a float network or predictor gets right."""
    with torch.no_grad():
        right = [model(x).argmax(1) == y for x, y in zip(inputs.split(at_once), labels.split(at_once), strict=True)]
    return float(torch.cat(right).double().mean())


def named_sources(sources: Sequence[Source]) -> list[str]:
    """Return NAME@LEVEL of each."""
    return [f"{source.name}@{source.level:g}" for source in sources]
