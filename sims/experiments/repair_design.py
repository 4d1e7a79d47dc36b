"""The design of a repair's evaluation: what is tested, what stands beside it, what is varied, and a front of sizes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from typing import Any

import torch
from torch import nn

from localnoise import Repair
from localnoise.errors import ArgumentError, choose, listed
from localnoise.nn import repair_like
from localnoise.repair.lessons import CLEAN
from localnoise.sims.defenses import Augmenting, Repairing, named, repairing_name
from localnoise.sims.defenses.augmentation_plan import NAME
from localnoise.sims.defenses.repair_plan import ALL, CALIBRATED, FIRST, LIKELIEST, NO_MARGIN, NONE, WORTH_ALONE
from localnoise.sims.defenses.repaired_network import trunk
from localnoise.sims.defenses.sizes import Layer, Part, Size, forward_products, weights
from localnoise.sims.evaluation.source import Source
from localnoise.sims.experiments.chosen import Chosen
from localnoise.sims.experiments.mender import asks_worth
from localnoise.sims.experiments.repair_learning import looked_at_again, source_name
from localnoise.sims.models import build
from localnoise.sims.models.registry import NETWORKS
from localnoise.sims.models.stages import named_modules, stage_ends
from localnoise.sims.perturbations import MODIFICATIONS, causes

MEMORY, WORK = "equal-memory", "equal-work"
PAIRS = (
    "motion_blur@3+brightness@3",
    "contrast@3+gaussian_noise@3",
    "snow@3+motion_blur@3",
    "rotate@1+contrast@3",
    "perspective@1+impulse_noise@3",
    "obstruction@1+brightness@3",
)
"""Mixtures of the paper's ten: what happens to the scene comes first, then the lens, then the sensor."""
_STEP = 16  # widths are multiples of 1 / 16
_VARIED = ("radius", "parents", "asks", "causes", "layers", "share", "bits")


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One value of what an ablation varies.

    Attributes
    ----------
    value : str
    plan : Repairing
    displaced : int or None
        Activations of each source that it learns from; None: as many as otherwise.
    """

    value: str
    plan: Repairing
    displaced: int | None = None


# What is tested


def severities_of(text: str) -> list[float]:
    """Return the severities that an option names, "1,2,3,4".

    Raises
    ------
    ArgumentError
        One of them is no whole number from 1 to 4.
    """
    found = [part.strip() for part in text.split(",") if part.strip()]
    if not all(part in ("1", "2", "3", "4") for part in found):
        raise ArgumentError(f"severities={text!r}: expected whole numbers from 1 to 4, such as 1,2,3,4")
    return [float(part) for part in dict.fromkeys(found)]


def mixtures(learned: Sequence[Source]) -> list[str]:
    """Return pairs of learned sources: those of `PAIRS`, or where there are none each source and the next one.

    Raises
    ------
    ArgumentError
        There are no two modifications.
    """
    names = [source.name for source in learned if source.name in MODIFICATIONS]
    stated = [pair for pair in PAIRS if {part.partition("@")[0] for part in pair.split("+")} <= {*names}]
    if stated:
        return stated
    own = [f"{source.name}@{source.level:g}" for source in learned if source.name in MODIFICATIONS]
    if len(own) < 2:
        raise ArgumentError("mixtures: expected at least two perturbations in --train, such as rotate@2,contrast@5")
    return [f"{first}+{second}" for first, second in pairwise(own)]


def check_plan(plan: Repairing, chosen: Chosen, learned: Sequence[Source]) -> None:
    """Refuse now what workers would refuse after hours.

    Raises
    ------
    ArgumentError
        Causes that a source cannot be cut into, typical movements of none of them, or layers that the network does not
        have.
    """
    for source in learned:
        if source.name in MODIFICATIONS:
            try:
                causes(source.name, 0, 1, plan.causes)
            except ArgumentError as error:  # which calls them by its own argument
                raise ArgumentError(str(error).replace("parts=", "causes=", 1)) from None
    moving = [name for name, own in MODIFICATIONS.items() if own.movements is not None]
    if plan.typical and not any(source.name in moving for source in learned):
        raise ArgumentError(f"typical: nothing in --train has typical movements: expected {listed(moving)} among it")
    if plan.layers not in (ALL, FIRST, NONE):
        back = chosen.task.network(0, chosen.activation, chosen.layer).back
        named_modules(back, plan.layers.split("+"))


# What stands beside it


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


# Ablations, and the front


def ablation(text: str, plan: Repairing) -> tuple[str, list[Variant]]:
    """Return what "radius=0,1,2,3" varies, and each value's repair; all else is as `plan` has it.

    radius, parents, asks, causes, layers, share, bits: fields of a repair. displacements: activations that it learns
    from. gate: as calibrated, with worth or margins alone, with neither, without a second look, always the likeliest
    cause, told the source. dense: ways back of units, or one affine map of a whole layer.

    Raises
    ------
    ArgumentError
        Nothing that can be varied, or no values.
    """
    what, _, values = text.partition("=")
    choose("ablate", what, (*_VARIED, "displacements", "gate", "dense"))
    named_values = [part.strip() for part in values.split(",") if part.strip()]
    if what in ("gate", "dense"):
        if named_values:
            raise ArgumentError(f"ablate={text!r}: expected {what} alone, whose values are known")
        return what, _gates(plan) if what == "gate" else _densities(plan)
    if len(named_values) < 2:
        raise ArgumentError(f"ablate={text!r}: expected two values or more, as in radius=0,1,2,3")
    if what != "displacements":
        words = isinstance({one.name: one.default for one in fields(Repairing)}[what], str)
        fitting: list[tuple[str, Any]] = [(value, value if words else _whole(text, value)) for value in named_values]
        return what, [Variant(value=value, plan=replace(plan, **{what: own})) for value, own in fitting]
    return what, [Variant(value=value, plan=plan, displaced=_whole(text, value)) for value in named_values]


def front() -> list[Variant]:
    """Return the repairs whose accuracy is set against their bytes: all at 8 bits, large ones first."""
    wide = [("none", 2, 4, 16), ("none", 2, 4, 1), ("none", 1, 4, 16), ("places", 2, 4, 16), ("places", 2, 4, 1)]
    narrow = [(2, 4, 16), (2, 4, 4), (2, 4, 1), (1, 4, 16), (1, 4, 4), (1, 4, 1), (1, 2, 16), (1, 1, 1), (0, 4, 1)]
    designs = [*wide, *(("all", *one) for one in narrow)]
    found = [
        Repairing(share=share, radius=radius, parents=parents, causes=causes, bits=8)
        for share, radius, parents, causes in designs
    ]
    found += [Repairing(share="all", radius=radius, layers=FIRST, bits=8) for radius in (2, 1)]
    return [Variant(value=_said(plan), plan=plan) for plan in found]


def _said(plan: Repairing) -> str:
    shared = {"none": "own", "places": "ways back shared", "all": "all shared"}[plan.share]
    one = ", one layer" if plan.layers == FIRST else ""
    return f"{shared}, r={plan.radius}, K={plan.parents}, {plan.causes} cause{'s' * (plan.causes > 1)}{one}"


def _gates(plan: Repairing) -> list[Variant]:
    return [
        Variant(value="calibrated", plan=replace(plan, gate=CALIBRATED)),
        Variant(value="worth without margins", plan=replace(plan, gate=WORTH_ALONE)),
        Variant(value="margins in the place of worth", plan=replace(plan, worth=False)),
        Variant(value="neither margins nor worth", plan=replace(plan, gate=NO_MARGIN)),
        Variant(value="no second look", plan=replace(plan, anew=False)),
        Variant(value="no gate: always the likeliest", plan=replace(plan, gate=LIKELIEST)),
        Variant(value="told the source", plan=replace(plan, told=True)),
    ]


def _densities(plan: Repairing) -> list[Variant]:
    one = replace(plan, causes=1, share="none")
    return [Variant(value="units", plan=one), Variant(value="dense", plan=replace(one, dense=True))]


def _whole(text: str, value: str) -> int:
    if not value.isdigit():
        raise ArgumentError(f"ablate={text!r}: {value!r} is no whole number; expected values such as 1,4,16")
    return int(value)
