"""Rows of `localnoise train`: NAME, NAME@EPOCHS or NAME@EPOCH/EPOCHS, a way of training and for how long."""

from dataclasses import replace

from torch import nn

from localnoise.errors import ArgumentError, choose
from localnoise.nn.local.memory import activations_kept
from localnoise.rules import RULES
from localnoise.sims.defenses import named
from localnoise.sims.evaluation.equal import Equal
from localnoise.sims.experiments.chosen import Chosen
from localnoise.sims.experiments.settings import Settings
from localnoise.sims.models.training import BACKPROP, trainings

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


def planned(settings: Settings, row: str, length: Length | None) -> Settings:
    """Return the settings of a row."""
    epochs, stopped = (settings.base_epochs, None) if length is None else length
    return replace(settings, training=rule_of(row), base_epochs=epochs, stopped=stopped)


def equal_row(one: Equal, falls: bool) -> str:
    """Return the row of backpropagation that is as accurate; where the rate does not fall, it need not be stopped."""
    if one.epoch == one.epochs:
        return BACKPROP
    return f"{BACKPROP}@{one.epoch}/{one.epochs}" if falls else f"{BACKPROP}@{one.epoch}"


def noise_of(name: str) -> str:
    """Return the defense that a rule's or a defense's name stands for."""
    return named(f"grid:rule={name}:parents=8" if name in RULES else name).name


def memory(chosen: Chosen, plans: dict[str, Settings]) -> dict[str, int]:
    """Return how many activations a step keeps for one input, by training."""
    network = chosen.task.network(0, chosen.activation, chosen.layer)
    every, largest = activations_kept(nn.Sequential(network.front, network.back), chosen.few())
    return {rule_of(row): every if rule_of(row) == BACKPROP else largest for row in plans}
