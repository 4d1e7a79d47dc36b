"""A stream that was asked for: what happens on it, what repairs learn, and which methods meet it."""

from dataclasses import dataclass, replace

from localnoise.errors import ArgumentError, choose
from localnoise.sims import perturbations
from localnoise.sims.defenses import Repairing
from localnoise.sims.evaluation.names import check_eps, name_and_level
from localnoise.sims.evaluation.source import Source
from localnoise.sims.experiments.chosen import Chosen
from localnoise.sims.experiments.design import STRONGEST
from localnoise.sims.experiments.presets import Preset
from localnoise.sims.experiments.repair_design import LEARNED, check_plan, sources_of
from localnoise.sims.experiments.settings import Settings
from localnoise.sims.models.registry import ARCHITECTURES, TWIN
from localnoise.sims.runtime.options import words
from localnoise.sims.streaming.arms import ARMS, NORM, StreamArm, stream_arm
from localnoise.sims.streaming.schedule import StreamPlan
from localnoise.sims.streaming.study import StreamSettings, check_norm
from localnoise.sims.streaming.workshop import MIXED
from localnoise.sims.streaming.workshop import STRONGEST as TOP
from localnoise.validate import as_count

SAME, EVERY = "learned", "all"
_LENGTHS = {"quick": 6_000, "standard": 30_000, "full": 100_000}
_STAYS = {"quick": 300, "standard": 1_000, "full": 2_000}
_TUNED = 70_000  # images of the stream on which hyperparameters are chosen, at most: a reset after 1,000 batches is met
_DISPLACED = 10_000  # images that repairs learn from, at most, unless more are asked for


@dataclass(frozen=True, kw_only=True)
class AskedStream:
    """The options of a stream, as they were given.

    Attributes
    ----------
    learned, tested : str
        NAME@LEVEL,...: what repairs learn and what happens.
    strengths : str
        At which levels repairs learn: all that a stream drifts through, or the named one.
    length, stay, displaced : int or None
        Images of the stream, mean ones of a corruption, training images that repairs learn from; None: the preset's.
    repairing : Repairing
    """

    learned: str
    tested: str
    strengths: str
    length: int | None
    stay: int | None
    displaced: int | None
    repairing: Repairing


def methods_of(text: str) -> list[StreamArm]:
    """Return the methods that were asked for."""
    arms = [stream_arm(name) for name in (ARMS if text == EVERY else words(text))]
    if not arms:
        raise ArgumentError(f"defenses is empty: expected all, or some of {', '.join(ARMS)}")
    return arms


def planned(asked: AskedStream, chosen: Chosen, spent: Preset, spend: str, settings: Settings) -> StreamSettings:
    """Return what a stream's methods share; refused is now what workers would refuse after hours.

    spend : the preset's name.
    """
    choose("strengths", asked.strengths, (MIXED, TOP))
    images = asked.displaced
    images = min(spent.displaced, _DISPLACED) if images is None else as_count("displaced", images, 100)
    learned = sources_of(asked.learned, chosen, images)
    happening = learned
    if asked.tested != SAME:
        tested = STRONGEST if asked.tested == LEARNED else asked.tested
        happening = [Source.default(*name_and_level(text)) for text in words(tested)]
    _check([(one.name, one.level) for one in [*learned, *happening]], chosen)
    check_plan(asked.repairing, chosen, learned)
    count = _LENGTHS[spend] if asked.length is None else as_count("length", asked.length, 1)
    plan = StreamPlan(
        modifications=tuple(strongest([(one.name, one.level) for one in happening]).items()),
        length=count,
        stay=_STAYS[spend] if asked.stay is None else as_count("stay", asked.stay, 1),
    )
    return StreamSettings(
        settings=settings,
        sources=tuple(learned),
        plan=plan,
        strengths=asked.strengths,
        tuned=min(_TUNED, count),
        repairing=asked.repairing,
    )


def wanted(
    shared: StreamSettings, arms: list[StreamArm], chosen: Chosen, seeds: int
) -> list[tuple[StreamSettings, StreamArm, int]]:
    """Return each method on each seed's stream, with the network that it runs on."""
    twin = _twin(chosen, shared) if any(arm.network == NORM for arm in arms) else shared
    return [(twin if arm.network == NORM else shared, arm, seed) for seed in range(seeds) for arm in arms]


def strongest(happening: list[tuple[str, float]]) -> dict[str, float]:
    """Return each perturbation's level that is farthest from the one at which nothing happens."""
    out = {}
    for name, _ in happening:
        mildest = perturbations.MODIFICATIONS[name].mildest or 0.0
        levels = [level for other, level in happening if other == name]
        out[name] = max(levels, key=lambda level: abs(level - mildest))
    return out


def _check(happening: list[tuple[str, float]], chosen: Chosen) -> None:
    check_eps(happening, chosen.task.bounds)
    chosen.check_inputs(name for name, _ in happening)
    for name, level in happening:
        if name not in perturbations.MODIFICATIONS:
            raise ArgumentError(
                f"{name!r} is no perturbation of inputs: expected one of `localnoise list perturbations`; an attack or "
                "a drift has no strength to come and go"
            )
        perturbations.MODIFICATIONS[name].checked(level)


def _twin(chosen: Chosen, shared: StreamSettings) -> StreamSettings:
    """Return the settings of the network with batch normalisation: the twin of a paper's, or a task's own."""
    twin = f"{shared.settings.network}{TWIN}"
    if twin in ARCHITECTURES:
        return replace(shared, settings=replace(shared.settings, network=twin))
    check_norm(chosen.task.network(0, chosen.activation, chosen.layer), chosen.task.name)
    return shared
