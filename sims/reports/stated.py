"""The paper's statements, row by row, and whether a measurement agrees with one."""

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from localnoise.sims.results.statistics import Estimate

DEFENSES = ("none", "identity", "diagonal", "full")
TOLERANCE = 0.03  # the paper's own rounding, network and training noise; wider where the two intervals are
NAMES = {"AutoPGD": "art-autopgd", "PGD": "art-pgd", "FGM": "art-fgm", "Square": "art-square"}


@dataclass(frozen=True)
class Stated:
    """Accuracy of one arm that the paper states, and its 95 % interval."""

    source: str
    level: float
    arm: str
    mean: float
    low: float
    high: float

    def agrees(self, measured: Estimate) -> bool:
        """Return whether the two differ by at most .03, or by less than their intervals together."""
        spread = (self.high - self.low) / 2 + (measured.half_width if measured.half_width == measured.half_width else 0)
        return bool(abs(measured.mean - self.mean) <= max(TOLERANCE, spread))


@cache
def table() -> tuple[Stated, ...]:
    """Rows of the paper's table: matched source and strength, trace 2."""
    return tuple(
        Stated(
            NAMES.get(row["source"], row["source"]),
            float(row["strength"]),
            arm,
            *(float(row[f"{arm}_{part}"]) for part in ("acc", "lo", "hi")),
        )
        for row in _rows("table")
        for arm in DEFENSES
    )


@cache
def transfer() -> dict[tuple[str, str], float]:
    """Accuracy under (modification, source of the covariance): the paper's heat map, trace 0.5."""
    return {
        (row["applied"], source): float(value)
        for row in _rows("transfer")
        for source, value in row.items()
        if source != "applied"
    }


def strengths(source: str, count: int) -> list[float]:
    """Strengths that the paper's table has for a source, `count` of them, evenly spread, the strongest among them."""
    levels = sorted({row.level for row in table() if row.source == source})
    if count >= len(levels):
        return levels
    last = len(levels) - 1
    return [levels[round(last - i * last / count)] for i in reversed(range(count))]


def _rows(name: str) -> list[dict[str, str]]:
    text = (files("localnoise.sims.reports") / "published" / f"{name}.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))
