"""The part of `localnoise export` that is about a task's whole network: quantised, measured, held against the chip."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.table import Table
from torch import Tensor

from localnoise.errors import ArgumentError
from localnoise.hardware import ChipBank, ChipGrid, ChipRepair, load_chips
from localnoise.hardware.fitting.network import check_network_fits
from localnoise.hardware.network import ChipDefense, Program, defend
from localnoise.sims import tasks
from localnoise.sims.defenses.repair_arms import UNDEFENDED
from localnoise.sims.experiments.on_chip import CALIBRATION, FRONT, bits_of, on_chip
from localnoise.sims.models.training import BACKPROP
from localnoise.sims.reports.fits import network_costs
from localnoise.sims.reports.table import as_terminal, texts
from localnoise.sims.runtime.console import console, follow, progress, show
from localnoise.sims.tools.asked_network import NONE, Asked
from localnoise.sims.tools.named_defense import Made, accuracy, made_by_name, named_sources


def exported_network(asked: Asked) -> Program | ChipDefense:
    """Return a task's network in integers, with its defense, that fits the chip; its accuracy and budget are shown.

    Raises
    ------
    ArgumentError
        A layer that the network lacks, a defense that no chip has, or a chip too small.
    """
    file = _chip(asked.defense) if Path(asked.defense).is_file() else None
    base = asked.defense == NONE or file is not None
    if file is not None and asked.weights is None and not tasks.find(asked.task).trained:
        raise ArgumentError(
            f"--weights is missing, and task {asked.task!r} comes untrained: expected the FILE.pt of the network that "
            f"{asked.defense} was learned for"
        )
    made = made_by_name(
        UNDEFENDED if base else asked.defense, asked.task, asked.layer, sources=asked.train, weights=asked.weights,
        keep=asked.cache, data=asked.data, spend=asked.preset, epochs=asked.epochs, draws=asked.draws, seed=asked.seed,
        training=asked.training,
    )  # fmt: skip
    own = _in_integers(asked, made, file)
    program = own.program if isinstance(own, ChipDefense) else own
    said = {"task": asked.task, "layer": str(made.network.layer), "chip": asked.chip, "defense": asked.defense}
    if asked.training != BACKPROP:
        said["training"] = asked.training
    if made.sources:
        said["learned from"] = ", ".join(named_sources(made.sources))
    program.provenance |= said
    if own is not program:
        own.provenance |= said
    elif not base and asked.defense != UNDEFENDED:
        console.print(f"{asked.defense} adds nothing at test: its layers are exported, and no noise")
    show(network_costs(check_network_fits(own, asked.chip)))
    if asked.test_images:
        show(_accuracies(asked, made, own))
    return own


def _in_integers(asked: Asked, made: Made, file: ChipGrid | ChipBank | ChipRepair | None) -> Program | ChipDefense:
    x = made.train[0]
    shuffled = x[torch.from_numpy(np.random.default_rng(asked.seed).permutation(len(x)))]
    how: dict[str, Any] = {
        "weight_bits": asked.weight_bits, "activation_bits": asked.activation_bits, "bounds": made.bounds,
        "draws": asked.draws, "vote": asked.vote, "seed": asked.seed,
    }  # fmt: skip
    with progress() as bars:
        how["progress"] = follow(bars, bars.add_task("quantise", total=None))
        if file is not None:
            return defend(made.model, shuffled[:CALIBRATION], file, FRONT, **how)
        bits = 8 if asked.defense == NONE else bits_of(asked.defense)
        how |= {"held": made.held, "clean": made.clean, "pairs": made.pairs}
        return on_chip(made.predictor, made.network, shuffled, own_bits=bits, **how)


def _chip(defense: str) -> ChipGrid | ChipBank | ChipRepair:
    chip = load_chips(defense)
    if isinstance(chip, (Program, ChipDefense)):
        raise ArgumentError(f"defense={defense!r} holds a network: expected a chip grid, a bank or a repair")
    return chip


def _accuracies(asked: Asked, made: Made, own: Program | ChipDefense) -> Table:
    """Return the accuracies of test inputs, in floating point and in integers, and how many classes are equal."""
    labels = made.test[1][: asked.test_images]
    defended = isinstance(own, ChipDefense) and not Path(asked.defense).is_file()
    rows = []
    for name, inputs in made.tested(asked.test_images).items():
        found = _classes(own, inputs, name)
        cells = [accuracy(made.model, inputs, labels)]
        cells += [accuracy(made.predictor, inputs, labels)] if defended or made.sources else []
        cells.append(float((found == labels).double().mean()))
        rows.append([name, *(f"{cell:.4f}" for cell in cells)])
    how = ["in integers"]
    if isinstance(own, ChipDefense):
        how = [f"in integers, {'repaired' if own.entry.repairs else f'{own.draws} draws'}"]
    heads = ["test inputs", "float, undefended", *(["float, defended"] * (len(rows[0]) == 4)), *how]
    return as_terminal(texts(heads, rows), f"Accuracy on {len(labels):,} test inputs")


def _classes(own: Program | ChipDefense, inputs: Tensor, name: str) -> Tensor:
    program = own.program if isinstance(own, ChipDefense) else own
    with progress() as bars:
        bar = follow(bars, bars.add_task(f"test in integers: {name}", total=len(inputs)))
        words = program.input_words(inputs.numpy())
        found = own.scores(words, progress=bar) if isinstance(own, ChipDefense) else program.words(words, bar)
    return torch.from_numpy(found.argmax(axis=1))
