"""What a gate's confusions cost: told what has happened less repaired, by what the gate took images for."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from localnoise.sims.reports.comparing import Comparison
from localnoise.sims.reports.comparison import Outcome
from localnoise.sims.reports.table import share, texts
from localnoise.sims.results.statistics import Estimate, difference, over_seeds

_LEAST = 0.001  # share of a row's images below which a confusion is not listed by itself


@dataclass(frozen=True, kw_only=True)
class Confusion:
    """Images of one row that the gate took for the same thing.

    Attributes
    ----------
    tested, called : str
        What had happened, and what the gate said.
    share : float
        Of the row's images.
    repaired, told, undefended : float
        Accuracy on these images: as the gate had it, told what had happened, unrepaired.
    lost, won : float
        Share of the row's images that are answered right when told alone, and as the gate had it alone.
    cost : Estimate
        By how much the row's accuracy is lower than where these images alone were told: lost less won.
    """

    tested: str
    called: str
    share: float
    repaired: float
    told: float
    undefended: float
    lost: float
    won: float
    cost: Estimate

    @property
    def right(self) -> bool:
        """Return whether the gate named what had happened."""
        return self.tested == self.called

    @property
    def costs(self) -> bool:
        """Return whether accuracy is lost beyond chance: the interval lies above 0."""
        return self.cost.low > 0


def confusions(
    table: Comparison, arm: str, told: str, undefended: str, rows: Sequence[str], names: Sequence[str]
) -> list[Confusion]:
    """Return what the gate of an arm took the images of rows for, the most expensive first; rows that say so alone.

    Parameters
    ----------
    told : str
        The same repair that is told what has happened.
    rows : sequence of str
        That the repair has learned.
    names : sequence of str
        What the gate tells apart, clean first.
    """
    found = []
    for row in rows:
        entries = [table.entry(one, row) for one in (arm, told, undefended)]
        if all(entry is not None for entry in entries):
            found += _of_row(row, [entry for entry in entries if entry is not None], names)
    return sorted(found, key=lambda one: -one.cost.mean)


def _of_row(row: str, entries: list[Outcome], names: Sequence[str]) -> list[Confusion]:
    own = entries[0]
    decided = {seed: extra.get(f"decided.{row}") for seed, extra in own.extra.items()}
    seeds = [s for s in sorted(decided) if decided[s] is not None and all(s in entry.correct for entry in entries)]
    if not seeds:
        return []
    found = []
    for index, called in enumerate(names):
        where = {seed: np.asarray(decided[seed]) == index for seed in seeds}
        if not any(mask.any() for mask in where.values()):
            continue
        right = [{seed: entry.correct[seed] > 0 for seed in seeds} for entry in entries]
        shares = [float(np.mean([_over(one[seed], where[seed]) for seed in seeds])) for one in right]
        repaired, told = ({seed: one[seed] & where[seed] for seed in seeds} for one in right[:2])
        found.append(
            Confusion(
                tested=row,
                called=called,
                share=float(np.mean([mask.mean() for mask in where.values()])),
                repaired=shares[0],
                told=shares[1],
                undefended=shares[2],
                lost=float(np.mean([(told[seed] & ~repaired[seed]).mean() for seed in seeds])),
                won=float(np.mean([(repaired[seed] & ~told[seed]).mean() for seed in seeds])),
                cost=_cost([(repaired[seed], told[seed]) for seed in seeds]),
            )
        )
    return found


def _over(right: npt.NDArray[np.bool_], where: npt.NDArray[np.bool_]) -> float:
    return float(right[where].mean()) if where.any() else 0.0


def _cost(pairs: list[tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]]) -> Estimate:
    """Return told less repaired, of the images that were called so, as a share of all."""
    if len(pairs) == 1:
        return difference(*pairs[0])
    return over_seeds([float(second.mean() - first.mean()) for first, second in pairs], len(pairs[0][0]))


def frame(found: Sequence[Confusion]) -> pd.DataFrame:
    """Return a table of wrong names: those that cost, then those that cost nothing."""
    wrong = [one for one in found if not one.right and one.share >= _LEAST]
    heads = ["taken for", "share of images", "undefended", "repaired", "told the source", "cost", "costs"]
    rows, labels = [], []
    for one in sorted(wrong, key=lambda own: (not own.costs, -own.cost.mean)):
        half = "" if np.isnan(one.cost.half_width) else f" ±{one.cost.half_width:.4f}"
        cells = [share(value) for value in (one.share, one.undefended, one.repaired, one.told)]
        rows.append([one.called, *cells, f"{one.cost.mean:+.4f}{half}", "yes" if one.costs else "nothing"])
        labels.append(one.tested)
    return texts(heads, rows, labels).rename_axis("tested")


def said(found: Sequence[Confusion]) -> str:
    """Return sentences on how often the gate is right, how often where that matters, and what is lost."""
    rows = list(dict.fromkeys(one.tested for one in found))
    if not rows:
        return ""
    wrong = [one for one in found if not one.right]
    right = 1 - sum(one.share for one in wrong) / len(rows)
    matters = 1 - sum(one.share for one in wrong if one.costs) / len(rows)
    lost = sum(one.cost.mean for one in wrong if one.costs) / len(rows)
    rest = sum(one.cost.mean for one in found) / len(rows) - lost
    free = sum(not one.costs for one in wrong)
    turned, won = (sum(getattr(one, name) for one in found) / len(rows) for name in ("lost", "won"))
    return (
        f"The gate names {share(right)} of the {len(rows)} learned rows' images right, {share(matters)} where it "
        f"matters: {free} of its {len(wrong)} confusions cost nothing beyond chance. Those that cost lose {lost:.4f} "
        f"of the mean, everything else {rest:+.4f}. Image by image, its choice matters to {share(turned + won)}: "
        f"{share(turned)} are right only when told, {share(won)} only as the gate has it."
    )
