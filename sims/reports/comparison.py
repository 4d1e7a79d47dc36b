"""From records of comparisons to estimates: one entry for each arm, what it learned from, and what it was tested on."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from localnoise.sims.defenses import DEFENSES
from localnoise.sims.reports.protocols import ran
from localnoise.sims.results.records import Record
from localnoise.sims.results.statistics import Estimate, difference, over_seeds

Place = tuple[str, str, str]  # (arm, learned from, tested on)


@dataclass
class Outcome:
    """What the seeds of one place gave.

    Attributes
    ----------
    correct : dict of int to ndarray of uint8, (T,)
        Images that were right, by seed.
    parameters : int
        Numbers that the defence needs.
    bytes_per_unit : float
    unreliable : dict of int to str
        Why a seed's evaluation failed its checks; empty if all held.
    extra : dict of int to dict
        Whatever else a record says, by seed.
    ran : str
        Which attacks the threat stands for; "" for none.
    """

    parameters: int
    bytes_per_unit: float
    correct: dict[int, npt.NDArray[np.uint8]] = field(default_factory=dict)
    unreliable: dict[int, str] = field(default_factory=dict)
    extra: dict[int, dict[str, Any]] = field(default_factory=dict)
    ran: str = ""

    @property
    def bias(self) -> float | None:
        """By how much, at most, the accuracy is too high for the choice of each image's worst example; None: unknown.

        The mean over seeds; records of revision 1, whose verdicts are too low instead, do not say.
        """
        found = [values["adaptive.bias"] for values in self.extra.values() if "adaptive.bias" in values]
        return float(np.mean(found)) if found else None

    @property
    def accuracy(self) -> Estimate:
        """Mean over seeds, 95 % interval."""
        seeds = sorted(self.correct)
        return over_seeds([float(self.correct[s].mean()) for s in seeds], len(self.correct[seeds[0]]))

    def less(self, other: "Outcome") -> Estimate | None:
        """Own accuracy less the other's, paired: by seed, or by image if there is one; None: no seed in common."""
        seeds = sorted(set(self.correct) & set(other.correct))
        if not seeds:
            return None
        images = min(len(self.correct[seeds[0]]), len(other.correct[seeds[0]]))
        pairs = [(self.correct[s][:images] > 0, other.correct[s][:images] > 0) for s in seeds]
        if len(seeds) == 1:
            return difference(pairs[0][1], pairs[0][0])
        return over_seeds([float(own.mean() - its.mean()) for own, its in pairs], images)


def seed_means(several: Iterable[Outcome | None]) -> dict[int, float] | None:
    """Mean accuracy over several places, by seed; None if a place is missing or has other seeds."""
    found: list[Outcome] = []
    for one in several:
        if one is None or one.correct.keys() != (found or [one])[0].correct.keys():
            return None
        found.append(one)
    return (
        {seed: float(np.mean([one.correct[seed].mean() for one in found])) for seed in found[0].correct}
        if found
        else None
    )


def outcomes(records: Iterable[Record]) -> dict[Place, Outcome]:
    """Group records of cells with one threat each. Of records that say the same, the last counts."""
    found: dict[Place, Outcome] = {}
    for record in records:
        config, results = record.config, record.results
        (one,) = config["threats"]
        label = one["name"] if one["name"] == "clean" else f"{one['name']}@{one['level']:g}"
        place = (config["arm"], learned(config), label)
        size = (int(results["parameters"]), float(results["bytes_per_unit"]))
        outcome = found.setdefault(place, Outcome(*size, ran=ran(one, config)))
        seed = config["seed"]
        outcome.correct[seed] = results[f"correct.{label}"]
        if reason := results.get("adaptive.unreliable"):
            outcome.unreliable[seed] = reason
        outcome.extra[seed] = {k: v for k, v in results.items() if k.startswith(("adaptive.", "noise."))}
    return found


def attacks_run(found: Mapping[Place, Outcome]) -> list[str]:
    """Lines on the attacks that were run: what each label stands for, and what is left of each verdict's bias."""
    labels: dict[str, dict[str, None]] = {}
    bounds: dict[str, dict[str, float]] = {}
    for (arm, _, tested), one in found.items():
        if one.ran:
            labels.setdefault(one.ran, {})[tested] = None
        if one.bias is not None:  # of several nets of an arm the largest
            own = bounds.setdefault(tested, {})
            own[arm] = max(one.bias, own.get(arm, 0.0))
    lines = [f"{', '.join(several)}: {said}." for said, several in labels.items()]
    for tested, own in bounds.items():
        each = [f"{bound:.3f}".removeprefix("0") + f" ({DEFENSES[arm].label})" for arm, bound in own.items()]
        lines.append(f"{tested} is too high, for that choice, by at most {', '.join(each)}.")
    return lines


def learned(config: dict[str, Any]) -> str:
    """What a cell learned from: its sources with their levels, and the trace; "" for none of both."""
    sources = " + ".join(f"{source['name']}@{source['level']:g}" for source in config["sources"])
    trace = config.get("trace", config["sources"][0]["trace"] if sources else None)
    return sources if trace is None else f"{sources} trace {trace:g}".strip()
