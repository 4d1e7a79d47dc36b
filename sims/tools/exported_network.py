"""The part of `localnoise export` that is about a task's whole network: quantised, measured, held against the chip."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from localnoise.errors import ArgumentError
from localnoise.hardware import ChipBank, ChipGrid, ChipRepair, load_chips
from localnoise.hardware.fitting.network import check_network_fits
from localnoise.hardware.network import ChipDefense, Program, defend, quantise
from localnoise.sims import tasks
from localnoise.sims.experiments.testbed import weights_in
from localnoise.sims.reports.fits import network_costs
from localnoise.sims.runtime.console import console, follow, progress, show

CALIBRATION = 512  # training inputs
FRONT = "0"  # what holds the layers up to the noise
NONE = "none"
_AT_ONCE = 500


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What the command was asked for; its options say what each is."""

    task: str
    weights: Path | None
    layer: str
    defense: str
    draws: int | None
    vote: bool
    weight_bits: int
    activation_bits: int
    data: str
    images: int
    seed: int
    chip: str


def exported_network(asked: Asked) -> Program | ChipDefense:
    """Return a task's network in integers, with its defense, that fits the chip; its accuracy and budget are shown.

    Raises
    ------
    ArgumentError
        No trained weights, a layer that the network lacks, a defense that is no chip's file, or a chip too small.
    """
    task = tasks.find(asked.task)
    data = task.data(asked.data, seed=asked.seed)
    network = task.network(asked.seed, layer=asked.layer or None)
    if asked.weights is not None:
        network.restore(weights_in(asked.weights))
    elif not task.trained:
        raise ArgumentError(
            f"--weights is missing, and task {asked.task!r} comes untrained: expected the FILE.pt that an "
            "experiment left in its --out folder, or a Task with trained=True"
        )
    model = nn.Sequential(network.front, network.back).eval()
    x = data.pair("train")[0]
    few = x[torch.from_numpy(np.random.default_rng(asked.seed).permutation(len(x))[:CALIBRATION])]
    options: dict[str, Any] = {
        "weight_bits": asked.weight_bits, "activation_bits": asked.activation_bits, "bounds": task.bounds,
    }  # fmt: skip
    with progress() as bars:
        bar = bars.add_task("quantise", total=None)
        options["progress"] = follow(bars, bar)
        if asked.defense == NONE:
            made: Program | ChipDefense = quantise(model, few, **options).program
        else:
            how: dict[str, Any] = {"draws": asked.draws, "vote": asked.vote, "seed": asked.seed}
            made = defend(model, few, _chip(asked.defense), FRONT, **how, **options)
    made.provenance |= {"task": asked.task, "layer": str(network.layer), "chip": asked.chip}
    show(network_costs(check_network_fits(made, asked.chip)))
    inputs, labels = (part[: asked.images] for part in data.pair("test"))
    if len(inputs):
        _show_accuracy(model, made, inputs, labels)
    return made


def _chip(defense: str) -> ChipGrid | ChipBank | ChipRepair:
    if not Path(defense).is_file():
        raise ArgumentError(
            f"defense={defense!r}: expected none, or the file of a chip grid, bank or repair that `quantise` wrote"
        )
    chip = load_chips(defense)
    if isinstance(chip, (Program, ChipDefense)):
        raise ArgumentError(f"defense={defense!r} holds a network: expected a chip grid, a bank or a repair")
    return chip


def _show_accuracy(model: nn.Module, made: Program | ChipDefense, inputs: Tensor, labels: Tensor) -> None:
    """Print the accuracy of the float network without defense, and of the integers, on clean test inputs."""
    program = made.program if isinstance(made, ChipDefense) else made
    with progress() as bars, torch.no_grad():
        bar = follow(bars, bars.add_task("test in integers", total=len(inputs)))
        expected = torch.cat([model(part).argmax(1) for part in inputs.split(_AT_ONCE)])
        words = program.input_words(inputs.numpy())
        found = made.scores(words, progress=bar) if isinstance(made, ChipDefense) else program.words(words, bar)
    own = torch.from_numpy(found.argmax(axis=1))
    right = [float((classes == labels).double().mean()) for classes in (expected, own)]
    how = "" if program is made else f", with {'its repair' if made.entry.repairs else f'{made.draws} draws'}"  # type: ignore[union-attr]
    console.print(
        f"Accuracy on {len(inputs):,} clean test inputs: {right[0]:.4f} in floating point without a defense, "
        f"{right[1]:.4f} in integers{how}; {float((expected == own).double().mean()):.2%} of the classes are equal"
    )
