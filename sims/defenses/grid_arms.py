"""Local arms: grids of units, by order, fan-in, rule, gain; signal-independent and signal-dependent."""

from typing import Any

from localnoise import UnitGrid
from localnoise.sims.defenses.defense import Array, Build, Defense
from localnoise.sims.defenses.registry import register


def _field(rule: str = "moments", scope: str = "global", **wiring: Any) -> Build:
    def build(d: Array, h: Array, variance: float) -> UnitGrid:
        grid = UnitGrid(shape=d.shape[2:], channels=d.shape[1], **wiring)
        return grid.learn(d, rule=rule).normalise(variance, scope)

    return build


def _signal(amplified: bool = False, **wiring: Any) -> Build:
    def build(d: Array, h: Array, variance: float) -> UnitGrid:
        grid = UnitGrid(shape=d.shape[2:], channels=d.shape[1], signal="local", **wiring).learn(d, h)
        return grid.normalise(variance) if amplified else grid

    return build


def _quiet(name: str, label: str, summary: str, parents: int, amplified: bool = False, **more: object) -> Defense:
    """Return a signal-dependent arm, tested without noise, at its natural scale or at the source's variance."""
    build = _signal(amplified, parents=parents)
    facts = {"when": "train", "clean": 0.2} | more
    return Defense(name=name, label=label, summary=summary, build=build, central=False, **facts)  # type: ignore[arg-type]


LOCAL = (
    Defense(
        name="raster-1",
        label="raster r=1",
        summary="A grid row by row, parents among the next neighbors.",
        build=_field(order="raster", radius=1),
        central=False,
    ),
    Defense(
        name="raster-2",
        label="raster r=2, K=8",
        summary="A grid row by row, eight parents within a radius of two.",
        build=_field(order="raster", radius=2, parents=8),
        central=False,
    ),
    Defense(
        name="multiscale-2",
        label="multiscale K=2",
        summary="A grid from coarse to fine, K parents a unit.",
        build=_field(parents=2),
        central=False,
    ),
    Defense(
        name="multiscale-4",
        label="multiscale K=4",
        summary="A grid from coarse to fine, K parents a unit.",
        build=_field(parents=4),
        central=False,
    ),
    Defense(
        name="multiscale-8",
        label="multiscale K=8",
        summary="A grid from coarse to fine, K parents a unit.",
        build=_field(parents=8),
        central=False,
    ),
    Defense(
        name="hubs-8",
        label="multiscale K=4+4 hubs",
        summary="A grid with four near parents a unit and four of a coarse sublattice.",
        build=_field(parents=8, far=4),
        central=False,
    ),
    Defense(
        name="local-gain-8",
        label="K=8, local gain",
        summary="multiscale-8 whose units set their gains by themselves.",
        build=_field(scope="local", parents=8),
        central=False,
    ),
    Defense(
        name="lms-8",
        label="K=8, lms",
        summary="multiscale-8, learned by normalised least mean squares.",
        build=_field("lms", parents=8),
        central=False,
    ),
    Defense(
        name="sign-lms-8",
        label="K=8, sign-lms",
        summary="multiscale-8, learned by signs, without a multiplication.",
        build=_field("sign-lms", parents=8),
        central=False,
    ),
    Defense(
        name="train-8",
        label="K=8, noise at training only",
        summary="multiscale-8, on in training alone.",
        build=_field(parents=8),
        central=False,
        when="train",
    ),
    Defense(
        name="test-8",
        label="K=8, noise at test only",
        summary="multiscale-8, on at test alone.",
        build=_field(parents=8),
        central=False,
        when="eval",
    ),
    _quiet(
        "signal-4", "signal-dependent K=4", "Noise that also follows neighbors' activations, K parents; off at test.", 4
    ),
    _quiet(
        "signal-8", "signal-dependent K=8", "Noise that also follows neighbors' activations, K parents; off at test.", 8
    ),
    _quiet("signal-on-8", "signal-dependent K=8, on at test", "signal-8, on at test, too.", 8, when="both"),
    _quiet(
        "signal-amplified-8",
        "signal-dependent K=8, amplified",
        "signal-8, scaled to the variance of the other defenses.",
        8,
        amplified=True,
    ),
    _quiet(
        "signal-amplified-on-8",
        "signal-dependent K=8, amplified, on at test",
        "signal-amplified-8, on at test, too.",
        8,
        amplified=True,
        when="both",
    ),
    _quiet(
        "bank-8",
        "signal-dependent K=8, bank of 16",
        "signal-8, a field for each of sixteen ranges of the angle or place.",
        8,
        causes=16,
        revision=2,
    ),  # 1 cut each source into four
)
register(*LOCAL)
