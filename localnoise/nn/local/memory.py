"""Memory of training: the activations that a step must keep for one input."""

from typing import Any

import torch
from torch import Tensor, nn

from localnoise.nn.local.running import stepping
from localnoise.nn.local.stages import Still, stages_of


def activations_kept(model: nn.Module, x: Tensor) -> tuple[int, int]:
    """Return how many numbers one input's step keeps by backpropagation, and by local rules.

    Backpropagation keeps the outputs of all steps until the loss is known; a local rule those of one stage, and its
    input. Counted are outputs of modules and of functions between them, whatever each keeps inside, so that both are
    counted alike.

    Parameters
    ----------
    model : Module
        Is left as it is.
    x : Tensor, (T, ...)
        A few inputs.

    Returns
    -------
    by_backpropagation, by_local_rules : int
        Numbers for one input.

    Raises
    ------
    ArgumentError
        The network cannot learn by local rules (`stages_of`).
    """
    stages = stages_of(model, x)
    sizes: list[int] = []

    def count(number: int, step: Any, out: Any) -> None:
        sizes.append(out[0].numel() if isinstance(out, Tensor) else 0)

    with Still(model), torch.no_grad(), stepping(model, count):
        model(x)
    inputs = x[0].numel()
    largest = 0
    for number, stage in enumerate(stages):
        first = 0 if number == 0 else stage.first
        given = inputs if number == 0 else sizes[first - 1]
        last = stages[number + 1].first if number + 1 < len(stages) else len(sizes)
        largest = max(largest, given + sum(sizes[first:last]))
    return inputs + sum(sizes), largest
