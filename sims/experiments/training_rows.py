"""Rows of `localnoise train`: NAME, NAME@EPOCHS or NAME@EPOCH/EPOCHS, a way of training and for how long."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import nn

from localnoise.errors import ArgumentError, choose
from localnoise.nn.local.memory import activations_kept
from localnoise.rules import RULES
from localnoise.sims.defenses import named
from localnoise.sims.defenses.repair_arms import UNDEFENDED
from localnoise.sims.evaluation.equal import Equal, equals
from localnoise.sims.evaluation.names import name_and_level
from localnoise.sims.evaluation.source import Source
from localnoise.sims.evaluation.threat import Threat
from localnoise.sims.experiments.cell import Cell
from localnoise.sims.experiments.chosen import Chosen
from localnoise.sims.experiments.equal import held_of, run_curves
from localnoise.sims.experiments.presets import Preset
from localnoise.sims.experiments.settings import Settings
from localnoise.sims.models.training import BACKPROP, trainings
from localnoise.sims.results.records import RecordFile
from localnoise.sims.runtime.console import console
from localnoise.sims.runtime.options import words

ALL = "all"
Length = tuple[int, int | None]
"""Epochs, and the one after which training stops; None: it runs to its end."""


def rule_of(row: str) -> str:
    """Return the training of a row."""
    return row.partition("@")[0]


def length_of(row: str) -> Length | None:
    """Return epochs, and the one after which it stops, of NAME@EPOCHS or NAME@EPOCH/EPOCHS; None of NAME.

    Raises
    ------
    ArgumentError
        An unknown training, or epochs that are none.
    """
    rule, at, epochs = row.partition("@")
    choose("training", rule, trainings())
    if not at:
        return None
    first, slash, every = epochs.partition("/")
    numbers = [int(one) if one.isdecimal() else 0 for one in ([first, every] if slash else [first])]
    if not all(numbers) or (slash and numbers[0] >= numbers[1]):
        raise ArgumentError(f"training={row!r}: expected NAME, or NAME@EPOCHS such as {rule}@3, or {rule}@3/10")
    return (numbers[1], numbers[0]) if slash else (numbers[0], None)


def planned(settings: Settings, row: str) -> Settings:
    """Return the settings of a row."""
    epochs, stopped = length_of(row) or (settings.base_epochs, None)
    return replace(settings, training=rule_of(row), base_epochs=epochs, stopped=stopped)


def refuse_stopped(plans: Mapping[str, Settings], arms: Sequence[str]) -> None:
    """Raise an ArgumentError if an arm trains all layers, to their end, in networks whose training is stopped."""
    stopped, whole = [row for row, own in plans.items() if own.stopped], [arm for arm in arms if named(arm).whole]
    if stopped and whole:
        raise ArgumentError(
            f"noise={whole[0]!r} trains all layers, to the end also in the row {stopped[0]!r}: expected arms that "
            "leave the first ones as they are; or leave out --equal and rows that are stopped"
        )


def equal_row(one: Equal, falls: bool) -> str:
    """Return the row of backpropagation that is as accurate; where the rate does not fall, it need not be stopped."""
    if one.epoch == one.epochs:
        return BACKPROP
    return f"{BACKPROP}@{one.epoch}/{one.epochs}" if falls else f"{BACKPROP}@{one.epoch}"


def with_equal(
    names: list[str], settings: Settings, chosen: Chosen, seeds: int, records: RecordFile, *, data_dir: Path | None,
    **how: Any,
) -> tuple[list[str], list[dict[str, Any]]]:  # fmt: skip
    """Return the rows, and with them backpropagation stopped where it is as accurate as each local rule among them.

    Learning curves on held-out training images say where; what `records` lacks of them is run.

    Parameters
    ----------
    names : list of str
        Rows; rules without epochs of their own are judged.
    how : dict
        As `run_curves` takes them.

    Returns
    -------
    list of str
        Rows, each once.
    list of dict
        The configurations of the curves' records.

    Raises
    ------
    ArgumentError
        There is no local rule among the rows, or there are too few training inputs to hold some out.
    """
    local = [name for name in names if rule_of(name) != BACKPROP and length_of(name) is None]
    if not local:
        raise ArgumentError(f"equal: no local rule among {', '.join(names)}: expected one, such as local-heads")
    judged = [replace(settings, training=name) for name in (BACKPROP, *local)]
    curves = run_curves(judged, seeds, held_of(settings, data_dir), records, data_dir=data_dir, **how)
    falls = chosen.task.network(0, chosen.activation, chosen.layer).falling
    stopped = [equal_row(one, falls) for one in equals(records.of(curves)).values()]
    return list(dict.fromkeys([*names, *stopped])), curves


def noise_of(name: str) -> str:
    """Return the defense that a rule's or a defense's name stands for."""
    return named(f"grid:rule={name}:parents=8" if name in RULES else name).name


def memory(chosen: Chosen, plans: dict[str, Settings]) -> dict[str, int]:
    """Return how many activations a step keeps for one input, by training."""
    network = chosen.task.network(0, chosen.activation, chosen.layer)
    every, largest = activations_kept(nn.Sequential(network.front, network.back), chosen.few())
    return {rule_of(row): every if rule_of(row) == BACKPROP else largest for row in plans}


def rows_of(training: str) -> list[str]:
    """Return the rows that were asked for; refused are those that could be none."""
    names = trainings() if training == ALL else words(training)
    if not names:
        raise ArgumentError("training is empty: expected all, or names such as backprop,local-heads")
    for name in names:
        length_of(name)
    return names


def learnable(names: list[str], every: bool, chosen: Chosen) -> list[str]:
    """Return the rows by which the network can learn; others are refused, or left out where all were asked for."""
    found = []
    for name in names:
        try:
            Chosen.of(chosen.task.name, chosen.activation, chosen.layer, rule_of(name))
        except ArgumentError as error:
            if not every:
                raise
            console.print(f"left out: {error}")
        else:
            found.append(name)
    return found


def cells_of(spent: Preset, noises: list[str], source: str, wanted: list[Threat]) -> list[Cell]:
    """Return the cells of a row: the network as it is, and with each noise, one threat each."""
    learned = (Source.default(*name_and_level(source)).of(spent.displaced),) if noises else ()
    return [
        Cell(seed=seed, sources=learned if named(arm).learns else (), arm=arm, threats=(one,))
        for seed in range(spent.seeds)
        for arm in (UNDEFENDED, *noises)
        for one in wanted
    ]
