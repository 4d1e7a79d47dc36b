"""From records to the numbers of a table: one row an arm, one column a source. Nothing is computed from a live run."""

from dataclasses import dataclass

import numpy as np

from localnoise.sims.defenses import ordered
from localnoise.sims.perturbations import MODIFICATIONS
from localnoise.sims.results.records import Record
from localnoise.sims.results.statistics import Estimate, over_seeds, retention

MIXED = "all modifications"


@dataclass(frozen=True)
class Entry:
    """One arm against one source: accuracy on it and on clean images, retention, lead over augmentation, size."""

    accuracy: Estimate
    clean: Estimate
    retention: Estimate | None
    lead: Estimate | None
    parameters: int
    bytes_per_unit: float


@dataclass(frozen=True)
class Summary:
    """Entries by (arm, source learned from, source tested on), and the arms and sources in their order.

    Attributes
    ----------
    clean : dict of str to Estimate
        Accuracy of an arm on the clean test images: the mean over its nets, one a source, by seed.
    """

    entries: dict[tuple[str, str, str], Entry]
    arms: list[str]
    sources: list[str]
    clean: dict[str, Estimate]

    def mean_retention(self, arm: str) -> float | None:
        """Mean over the sources of the arm's retention; None if a source is missing."""
        found = [self.entries.get((arm, source, source)) for source in self.sources]
        kept = [entry.retention.mean for entry in found if entry is not None and entry.retention is not None]
        return float(np.mean(kept)) if len(kept) == len(found) else None


def summarise(records: list[Record]) -> Summary:
    """Group records by arm and source, over their seeds."""
    grouped: dict[tuple[str, str], dict[int, Record]] = {}
    for record in records:
        names = [source["name"] for source in record.config["sources"]]
        learned = names[0] if len(names) == 1 else MIXED
        grouped.setdefault((record.config["arm"], learned), {})[record.config["seed"]] = record
    entries = {}
    for (arm, learned), by_seed in grouped.items():
        seeds = sorted(by_seed)
        first = by_seed[seeds[0]].results
        for tested in (name.removeprefix("accuracy.") for name in first if name.startswith("accuracy.")):
            if tested != "clean":
                entries[arm, learned, tested] = Entry(
                    _accuracy(by_seed, tested),
                    _accuracy(by_seed, "clean"),
                    _retained(grouped, arm, learned, tested),
                    _lead(grouped, arm, learned, tested),
                    int(first["parameters"]),
                    float(first["bytes_per_unit"]),
                )
    learned_from = [learned for _, learned, _ in entries if learned != MIXED]
    known = [name for name in (*MODIFICATIONS, "pgd") if name in learned_from]
    sources, arms = list(dict.fromkeys((*known, *learned_from))), ordered(arm for arm, _, _ in entries)
    clean = {arm: own for arm in arms if (own := _clean(grouped, arm, sources)) is not None}
    return Summary(entries, arms, sources, clean)


def _clean(grouped: dict[tuple[str, str], dict[int, Record]], arm: str, sources: list[str]) -> Estimate | None:
    """Mean over the arm's nets, by the seeds that all of them have; None without one."""
    nets = [grouped[arm, source] for source in sources if (arm, source) in grouped]
    shared = sorted(set.intersection(*(set(net) for net in nets))) if nets else []
    if not shared:
        return None
    means = [np.mean([net[seed].results["accuracy.clean"] for net in nets]) for seed in shared]
    return over_seeds(means, len(nets[0][shared[0]].results["correct.clean"]))


def _accuracy(by_seed: dict[int, Record], tested: str) -> Estimate:
    results = [by_seed[seed].results for seed in sorted(by_seed)]
    return over_seeds([r[f"accuracy.{tested}"] for r in results], len(results[0][f"correct.{tested}"]))


def _lead(grouped: dict[tuple[str, str], dict[int, Record]], arm: str, learned: str, tested: str) -> Estimate | None:
    """Accuracy less that of augmentation with the same sources, paired by seed; None for fewer than two seeds."""
    own, other = grouped[arm, learned], grouped.get(("augmentation", learned), {})
    shared = sorted(set(own) & set(other))
    name = f"accuracy.{tested}"
    if arm == "augmentation" or len(shared) < 2:
        return None
    gaps = [own[seed].results[name] - other[seed].results[name] for seed in shared]
    return over_seeds(gaps, len(own[shared[0]].results[f"correct.{tested}"]))


def _retained(
    grouped: dict[tuple[str, str], dict[int, Record]], arm: str, learned: str, tested: str
) -> Estimate | None:
    """Retention over the seeds that the arm, `none` and `full` share; these two learned from `tested` alone.

    None where the three share no seed, or there is no central gain to keep a share of.
    """
    three = [grouped.get(place, {}) for place in ((arm, learned), ("none", tested), ("full", tested))]
    shared = sorted(set.intersection(*(set(by_seed) for by_seed in three)))
    if not shared:
        return None
    values = [[by_seed[seed].results[f"accuracy.{tested}"] for seed in shared] for by_seed in three]
    local, none, full = values
    if np.mean(full) == np.mean(none):
        return None
    return retention(local, none, full, images=len(three[0][shared[0]].results[f"correct.{tested}"]))
