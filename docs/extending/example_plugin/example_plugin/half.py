"""A defense: a local field at half of the variance, so that clean images lose less."""

from typing import Any

from localnoise import UnitGrid
from localnoise.sims.defenses import Defense, register


def build(d: Any, h: Any, variance: float) -> UnitGrid:
    """Return a grid learned from displacements d (T, C, H, W), at half of the variance asked for."""
    return UnitGrid(shape=d.shape[2:], channels=d.shape[1], parents=8).learn(d).normalise(variance / 2)


DEFENSE = Defense(
    name="half-8",
    label="K=8 at half the variance",
    summary="multiscale-8 at half of the variance.",
    build=build,
    central=False,
)
register(DEFENSE)
