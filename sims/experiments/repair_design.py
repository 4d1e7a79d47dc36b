"""The design of a repair's evaluation: what is learned, what is tested besides, and the cells of every arm."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from localnoise.errors import ArgumentError, listed
from localnoise.sims import perturbations
from localnoise.sims.defenses import DEFENSES, Repairing, repairing_name
from localnoise.sims.defenses.repair_plan import ALL, FIRST, NO_BENDS, NONE
from localnoise.sims.evaluation.names import CLEAN, name_and_level
from localnoise.sims.evaluation.source import DRIFT, Source, milder
from localnoise.sims.evaluation.threat import Threat, threat
from localnoise.sims.experiments.cell import Cell
from localnoise.sims.experiments.chosen import Chosen
from localnoise.sims.experiments.design import STRONGEST, trained_on
from localnoise.sims.experiments.presets import Preset
from localnoise.sims.experiments.repair_beside import beside as named_beside
from localnoise.sims.models.stages import named_modules
from localnoise.sims.perturbations import MODIFICATIONS, causes
from localnoise.sims.runtime.choices import words

LEARNED, OTHERS = "modifications", "others"
"""What options call the paper's ten perturbations, or a task's own, and those that are never learned."""
UNREPAIRED = "undefended"
PAIRS = (
    "motion_blur@3+brightness@3",
    "contrast@3+gaussian_noise@3",
    "snow@3+motion_blur@3",
    "rotate@1+contrast@3",
    "perspective@1+impulse_noise@3",
    "obstruction@1+brightness@3",
)
"""Mixtures of the paper's ten: what happens to the scene comes first, then the lens, then the sensor."""


@dataclass(frozen=True, kw_only=True)
class Design:
    """A repair, what stands beside it, and what both are tested on.

    Attributes
    ----------
    arm : str
        The repair, told nothing.
    beside : list of str
        Arms beside it, less the unrepaired network.
    heads : dict of str to str
        What arms are called whose names do not say it.
    learned, others, named : list of str
        NAME@LEVEL of what was learned, of what is tested besides, and of those of the latter that the user named.
    cells : list of Cell
    """

    arm: str
    beside: list[str]
    heads: dict[str, str]
    learned: list[str]
    others: list[str]
    named: list[str]
    cells: list[Cell]


def design(
    plan: Repairing,
    chosen: Chosen,
    spent: Preset,
    learned: Sequence[Source],
    *,
    threats: str = OTHERS,
    severities: str = "",
    mixed: bool = False,
    dense: bool = True,
    retrained: bool = False,
    beside: str = "",
) -> Design:
    """Return the arms and the cells that test a repair clean, on what it learned, and on what it never met.

    Parameters
    ----------
    plan : Repairing
    chosen : Chosen
    spent : Preset
    learned : sequence of Source
    threats, severities, beside : str
        As the options of `localnoise repair` spell them.
    mixed, dense, retrained : bool
        Whether mixtures are tested, and whether a dense repair and one with later layers retrained stand beside.

    Returns
    -------
    Design

    Raises
    ------
    ArgumentError
        As `check_plan`, `beside`, `severities_of` and `mixtures`; or a name that is unknown.
    """
    check_plan(plan, chosen, learned)
    named = named_beside(beside, plan, chosen, learned)
    names = names_of(learned)
    others = _others(threats, chosen, learned, spent)
    asked = [one.label for one in others if one.label not in names]
    others += [threat(text, spent.images, 1) for text in _milder(severities, learned)]
    others += [threat(text, spent.images, 1) for text in (mixtures(learned) if mixed else [])]
    others = list(dict.fromkeys(one for one in others if one.label not in names))
    arms = list(dict.fromkeys([*_arms(plan, dense, retrained), *named]))
    tested = [
        Threat(name=CLEAN, level=0.0, images=spent.images),
        *(threat(name, spent.images, spent.attacked_test) for name in names),
        *others,
    ]
    sources, known = tuple(learned), {CLEAN, *names}
    meets = {arm: [one for one in tested if not _told(arm) or one.label in known] for arm in (UNREPAIRED, *arms)}
    return Design(
        arm=arms[0],
        beside=arms[1:],
        heads={arm: said for arm, said in named.items() if said},
        learned=names,
        others=[one.label for one in others],
        named=asked,
        cells=[
            cell
            for seed in range(spent.seeds)
            for arm, own in meets.items()
            for cell in trained_on(seed, sources, [arm], own)
        ],
    )


def sources_of(text: str, chosen: Chosen, images: int | None) -> list[Source]:
    """Return what is learned: NAME@LEVEL,... or "modifications", the paper's ten or a task's own, each of `images`.

    Raises
    ------
    ArgumentError
        An unknown name, a level out of range, or nothing.
    """
    usual = chosen.usual(text, LEARNED)
    spelled = words(STRONGEST if usual == LEARNED else usual)
    found = [Source.default(*name_and_level(one)).of(images) for one in spelled]
    if not found:
        raise ArgumentError("train is empty: expected at least one perturbation, such as rotate@2")
    return list(dict.fromkeys(found))


def names_of(learned: Iterable[Source]) -> list[str]:
    """Return NAME@LEVEL of what was learned and can be tested: a drift is no threat."""
    return [f"{one.name}@{one.level:g}" for one in learned if one.name != DRIFT]


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


def _arms(plan: Repairing, dense: bool, retrained: bool) -> list[str]:
    """Return the repair, and what is derived from it; what its bits or sharing rule out stays out."""
    found = [plan, replace(plan, told=True)]
    if dense:
        found.append(replace(plan, dense=True, causes=1, share="none", bits=0, bends=NO_BENDS))
    if retrained:
        found.append(replace(plan, retrained=True, bits=0))
    return [repairing_name(one) for one in found]


def _told(arm: str) -> bool:
    """Return whether a repair is told what happened: it shows what a perfect gate would give on what was learned."""
    plan = DEFENSES[arm].repair
    return plan is not None and plan.told


def _milder(severities: str, learned: Sequence[Source]) -> list[str]:
    wanted = severities_of(severities)
    found = [text for source in learned for text in milder(source, wanted)]
    if wanted and not found:
        raise ArgumentError(
            f"severities={severities!r}: no milder levels are known of {', '.join(one.name for one in learned)}: "
            "expected them in --test, as in gain_drift@0.5"
        )
    return found


def _others(text: str, chosen: Chosen, learned: Sequence[Source], spent: Preset) -> list[Threat]:
    if text == "none":
        return []
    own, known = list(chosen.task.own) or list(perturbations.HELD_OUT), {one.name for one in learned}
    several = ([name for name in own if name not in known] if word == OTHERS else [word] for word in words(text))
    found = [threat(name, spent.images, spent.attacked_test) for names in several for name in names]
    return list(dict.fromkeys(one for one in found if one.name != CLEAN))
