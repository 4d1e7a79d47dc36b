"""What stands beside a repair: other arms, and augmented networks of equal memory or work, by the size it will have."""

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import nn

from localnoise import Repair
from localnoise.errors import ArgumentError
from localnoise.nn import repair_like
from localnoise.repair.lessons import CLEAN
from localnoise.sims.defenses import Augmenting, Repairing, named, repairing_name
from localnoise.sims.defenses.augmentation_plan import NAME
from localnoise.sims.defenses.repair_plan import ALL, FIRST
from localnoise.sims.defenses.repaired_network import trunk
from localnoise.sims.defenses.sizes import Layer, Part, Size, forward_products, weights
from localnoise.sims.evaluation.source import Source
from localnoise.sims.experiments.chosen import Chosen
from localnoise.sims.experiments.mender import asks_worth
from localnoise.sims.experiments.repair_learning import looked_at_again, source_name
from localnoise.sims.models import build
from localnoise.sims.models.registry import NETWORKS
from localnoise.sims.models.stages import named_modules, stage_ends
from localnoise.sims.perturbations import MODIFICATIONS

MEMORY, WORK = "equal-memory", "equal-work"
_STEP = 16  # widths are multiples of 1 / 16


def beside(text: str, plan: Repairing, chosen: Chosen, learned: Sequence[Source]) -> dict[str, str]:
    """Return the arms that an option names, and what each is called where its name does not say it.

    "equal-memory" and "equal-work": `augmentation-converged` of the least wider network that holds as many numbers as
    network and repair together, or takes as many multiplications an input.

    Raises
    ------
    ArgumentError
        An unknown name, or a width of a network that has none.
    """
    found = dict[str, str]()
    for word in dict.fromkeys(part.strip() for part in text.split(",") if part.strip()):
        if word not in (MEMORY, WORK):
            own = named(word)
            if own.repair is not None and own.repair.after and ":" not in word:  # as the command's own, but for that
                own = named(repairing_name(replace(plan, after=own.repair.after, bits=0)))
            found[own.name] = "augmented to convergence" if word == NAME else ""
            continue
        width, said = equal(word, plan, chosen, learned)
        found[Augmenting(width=width).name] = said
    return found


def equal(word: str, plan: Repairing, chosen: Chosen, learned: Sequence[Source]) -> tuple[float, str]:
    """Return the width of an equal network, and what its column is called."""
    if chosen.task.name not in NETWORKS:
        raise ArgumentError(
            f"beside={word!r}: task {chosen.task.name!r} has no width: expected one of {', '.join(NETWORKS)}; bring a "
            "wider network as a task of its own"
        )
    layer, size = int(chosen.layer), planned(plan, chosen, learned)

    def measured(width: float) -> int:
        with torch.device("meta" if word == MEMORY else "cpu"):  # shapes alone: such networks are large
            wide = build(chosen.task.name, chosen.activation, layer, width=width)
            if word == MEMORY:
                return weights(wide.front, wide.back)
            return forward_products(nn.Sequential(wide.front, wide.back), torch.zeros(1, 1, 28, 28))

    own = measured(1.0)
    aim = own + (size.numbers if word == MEMORY else size.work)
    low, high = _STEP, _STEP * max(2, math.ceil(2 * math.sqrt(aim / own)))
    while low < high:  # the least multiple of the step that reaches the aim
        middle = (low + high) // 2
        low, high = (low, middle) if measured(middle / _STEP) >= aim else (middle + 1, high)
    what = "equal memory" if word == MEMORY else "equal work"
    return low / _STEP, f"augmented, {what} ({low / _STEP:.3g} x as wide)"


def planned(plan: Repairing, chosen: Chosen, learned: Sequence[Source]) -> Size:
    """Return the size that a plan's repairs will have, before anything is learned."""
    network = chosen.task.network(0, chosen.activation, chosen.layer)
    images = torch.zeros(2, 1, 28, 28)
    model, few = trunk(network.back), network.front(images).detach()
    channels, height, width = network.layout
    repairs = [Repair((height, width), channels, **plan.options)]
    if plan.layers == ALL:
        later = [f"1.{name}" for name in stage_ends(network.back, few)]
    else:
        named_ones = [] if plan.layers == FIRST else plan.layers.split("+")
        later = [f"1.{name}" for name in named_modules(network.back, named_ones)]
    repairs += [repair_like(model, name, few, **plan.options) for name in later]
    deciding = min(1, len(repairs) - 1)  # the layer that tells causes apart, and looks again
    alone = [one for one in learned if deciding and _causes(one, plan) > 1 and looked_at_again(one)]
    worth, layers = asks_worth(plan, learned), []
    for place, repair in enumerate(repairs):
        parts = [Part(source=CLEAN, law=repair.blank_law, back=None)]
        for source in learned:
            several = _causes(source, plan)
            undone = several == 1 or place >= deciding
            own = Part(source=source_name(source), law=repair.blank_law, back=repair.blank_back if undone else None)
            parts += [own] * (several if place == deciding else 1)
        among = (CLEAN, *sorted(map(source_name, alone))) if plan.anew and alone and place == deciding else ()
        asks = worth and (not place or bool(among))
        layers.append(Layer(parts=tuple(parts), asks=plan.asks, among=among, worth=asks))
    return Size.counted(layers)


def _causes(source: Source, plan: Repairing) -> int:
    own = MODIFICATIONS.get(source.name)
    cut = own is not None and own.shape is not None and (own.numbers or (plan.typical and own.movements is not None))
    return plan.causes if cut else 1
