"""Repairs that differ in one thing, or in size: what is varied, and the cells that test each, clean and as learned."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from localnoise.errors import ArgumentError, choose
from localnoise.sims.defenses import Repairing, repairing_name
from localnoise.sims.defenses.repair_plan import CALIBRATED, FIRST, LIKELIEST, NO_BENDS, NO_MARGIN, WORTH_ALONE
from localnoise.sims.evaluation.source import Source
from localnoise.sims.evaluation.threat import threat
from localnoise.sims.experiments.cell import Cell
from localnoise.sims.experiments.chosen import Chosen
from localnoise.sims.experiments.design import trained_on
from localnoise.sims.experiments.presets import Preset
from localnoise.sims.experiments.repair_design import UNREPAIRED, check_plan, names_of

_VARIED = ("radius", "bends", "parents", "asks", "causes", "layers", "share", "bits")


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One repair of several: a value of what an ablation varies, or a design of the front.

    Attributes
    ----------
    value : str
    plan : Repairing
    displaced : int or None
        Activations of each source that it learns from; None: as many as otherwise.
    twin : str
        The arm that is the same in floating point, where it stands beside this one in integers; "" for none.
    """

    value: str
    plan: Repairing
    displaced: int | None = None
    twin: str = ""

    @property
    def arm(self) -> str:
        """Name of its arm."""
        return repairing_name(self.plan)


@dataclass(frozen=True, kw_only=True)
class Varied:
    """Repairs side by side.

    Attributes
    ----------
    varies : str
        What differs between them; "" where all does.
    default : str
        The value that is as the plan has it, or else the first one.
    learned : list of str
        NAME@LEVEL of what they learned.
    variants : list of Variant
    cells : list of Cell
    """

    varies: str
    default: str
    learned: list[str]
    variants: list[Variant]
    cells: list[Cell]


def varied(
    plan: Repairing, chosen: Chosen, spent: Preset, learned: Sequence[Source], *, ablate: str, front: bool
) -> Varied:
    """Return repairs that differ from a plan in one thing, or those of the front, and the cells that test them.

    Raises
    ------
    ArgumentError
        Both were asked for, or nothing that can be varied; and as `check_plan`.
    """
    if ablate and front:
        raise ArgumentError("ablate and front were both given: expected one of them")
    varies, variants = ("", front_designs()) if front else ablation(ablate, plan)
    names, cells = names_of(learned), list[Cell]()
    tested = [threat(name, spent.images, spent.attacked_test) for name in ("clean", *names)]
    for one in variants:
        check_plan(one.plan, chosen, learned)
        arms = list(filter(None, [UNREPAIRED, one.arm, one.twin]))
        own = tuple(source.of(one.displaced) if one.displaced else source for source in learned)
        for seed in range(spent.seeds):
            cells += trained_on(seed, own, arms, tested)
    usual = [one for one in variants if one.plan == plan and one.displaced in (None, spent.displaced)]
    default = [*usual, variants[0]][0].value
    return Varied(varies=varies, default=default, learned=names, variants=variants, cells=cells)


def ablation(text: str, plan: Repairing) -> tuple[str, list[Variant]]:
    """Return what "radius=0,1,2,3" varies, and each value's repair; all else is as `plan` has it.

    radius, bends, parents, asks, causes, layers, share, bits: fields of a repair. displacements: activations that it
    learns from. gate: as calibrated, with worth or margins alone, with neither, without a second look, always the
    likeliest cause, told the source. dense: ways back of units, or one affine map of a whole layer.

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
        none = {"none": NO_BENDS} if what == "bends" else {}
        fitting: list[tuple[str, Any]] = [
            (value, value if words else none[value] if value in none else _whole(text, value)) for value in named_values
        ]
        return what, [Variant(value=value, plan=replace(plan, **{what: own})) for value, own in fitting]
    return what, [Variant(value=value, plan=plan, displaced=_whole(text, value)) for value in named_values]


def front_designs() -> list[Variant]:
    """Return the repairs whose accuracy is set against their bytes: at 8 bits, with their twins, large ones first."""
    wide = [
        ("none", 2, 4, 16),
        ("none", 2, 4, 1),
        ("none", 1, 4, 16),
        ("places", 2, 4, 16),
        ("places", 2, 4, 1),
        ("places", 2, 1, 4),
        ("places", 2, 1, 1),
    ]
    narrow = [(2, 4, 16), (2, 4, 4), (2, 4, 1), (1, 4, 16), (1, 4, 4), (1, 4, 1), (1, 2, 16), (1, 1, 1), (0, 4, 1)]
    straight = [*wide, *(("all", *one) for one in narrow)]
    bent = [
        ("none", 2, 4, 16),
        ("places", 2, 4, 16),
        ("places", 2, 1, 4),
        ("all", 2, 4, 16),
        ("all", 2, 4, 4),
        ("all", 1, 4, 16),
        ("all", 1, 4, 4),
        ("all", 0, 4, 1),
    ]

    def at_8_bits(share: str, radius: int, parents: int, causes: int, bends: int = NO_BENDS) -> Repairing:
        return Repairing(share=share, radius=radius, parents=parents, causes=causes, bits=8, bends=bends)

    found = [at_8_bits(*one) for one in straight] + [at_8_bits(*one, bends=min(one[1], 1)) for one in bent]
    found += [Repairing(share="all", radius=radius, layers=FIRST, bits=8) for radius in (2, 1)]
    twins = [repairing_name(replace(plan, bits=0)) for plan in found]
    return [Variant(value=_said(plan), plan=plan, twin=twin) for plan, twin in zip(found, twins, strict=True)]


def _said(plan: Repairing) -> str:
    shared = {"none": "own", "places": "ways back shared", "all": "all shared"}[plan.share]
    one = ", one layer" if plan.layers == FIRST else ""
    bent = ", bends" if plan.bends != NO_BENDS else ""
    return f"{shared}, r={plan.radius}, K={plan.parents}, {plan.causes} cause{'s' * (plan.causes > 1)}{bent}{one}"


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
    return [Variant(value="units", plan=one), Variant(value="dense", plan=replace(one, dense=True, bends=NO_BENDS))]


def _whole(text: str, value: str) -> int:
    if not value.isdigit():
        raise ArgumentError(f"ablate={text!r}: {value!r} is no whole number; expected values such as 1,4,16")
    return int(value)
