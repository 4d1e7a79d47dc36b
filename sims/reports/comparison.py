"""From records of comparisons to estimates: one entry for each arm, what it learned from, and what it was tested on."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from localnoise.sims.defenses import DEFENSES
from localnoise.sims.evaluation.names import name_and_level
from localnoise.sims.evaluation.source import Source
from localnoise.sims.evaluation.threat import Threat
from localnoise.sims.perturbations.modification import parts_of
from localnoise.sims.reports.protocols import ran
from localnoise.sims.reports.table import words
from localnoise.sims.results.records import Record
from localnoise.sims.results.statistics import Estimate, difference, over_seeds


class Level(NamedTuple):
    """A perturbation at a level."""

    name: str
    level: float

    @property
    def label(self) -> str:
        """Name and level, as a table's column says it."""
        return self.name if self.name in _ALONE else f"{self.name}@{self.level:g}"

    @property
    def words(self) -> str:
        """Name and level as a reader writes them."""
        return self.name if self.name in _ALONE else _read(self.label)

    @classmethod
    def of(cls, one: Source | Threat) -> Self:
        """Return the level of a source or threat."""
        return cls(one.name, one.level)

    @classmethod
    def named(cls, text: str) -> Self:
        """Return the level that NAME@LEVEL says."""
        name, level = name_and_level(text)
        return cls(name, level or 0.0)


def _read(label: str) -> str:
    """Return a label in words: the parts of a mixture are joined by a plus."""
    parts = [part.partition("@") for part in parts_of(label)]
    return " + ".join(f"{words(name)} {level}" for name, _, level in parts)


_ALONE = ("clean", "own")  # names without a level
CLEAN, OWN = (Level(name, 0.0) for name in _ALONE)  # unmodified images; what each source does itself


class Place(NamedTuple):
    """The subject of a cell of a table, but for its seeds.

    Attributes
    ----------
    defense : str
        Its name.
    train : tuple of Level
        Perturbations that the noise was learned from; empty where it learns from none.
    variance : float or None
        Noise variance per neuron; None where there is none to set.
    test : Level
        The perturbation that it was tested on, or "clean".
    """

    defense: str
    train: tuple[Level, ...]
    variance: float | None
    test: Level

    @classmethod
    def of(cls, config: dict[str, Any]) -> Self:
        """Return the place of a record's configuration, which has one test perturbation."""
        (test,) = config["threats"]
        train = tuple(Level(source["name"], source["level"]) for source in config["sources"])
        variance = config.get("trace", config["sources"][0]["trace"] if train else None)
        return cls(config["arm"], train, variance, Level(test["name"], test["level"]))


_KEPT = ("adaptive.", "noise.", "gate.", "decided.", "repair.", "trained.")  # what else of a record's results is of use


@dataclass
class Outcome:
    """The outcome of the seeds of one place.

    Attributes
    ----------
    correct : dict of int to ndarray of uint8, (T,)
        Images that were right, by seed.
    parameters : int
        Numbers that the defense needs.
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
        place = Place.of(config)
        size = (int(results["parameters"]), float(results["bytes_per_unit"]))
        outcome = found.setdefault(place, Outcome(*size, ran=ran(config["threats"][0], config)))
        seed = config["seed"]
        outcome.correct[seed] = results[f"correct.{place.test.label}"]
        if reason := results.get("adaptive.unreliable"):
            outcome.unreliable[seed] = reason
        outcome.extra[seed] = {k: v for k, v in results.items() if k.startswith(_KEPT)}
    return found


def attacks_run(found: Mapping[Place, Outcome]) -> list[str]:
    """Lines on the attacks that were run: what each label stands for, and what is left of each verdict's bias."""
    labels: dict[str, dict[str, None]] = {}
    bounds: dict[str, dict[str, float]] = {}
    for place, one in found.items():
        tested = place.test.label
        if one.ran:
            labels.setdefault(one.ran, {})[tested] = None
        if one.bias is not None:  # of several nets of a defense the largest
            own = bounds.setdefault(tested, {})
            own[place.defense] = max(one.bias, own.get(place.defense, 0.0))
    lines = [f"{', '.join(several)}: {said}." for said, several in labels.items()]
    for tested, own in bounds.items():
        each = [f"{bound:.3f}".removeprefix("0") + f" ({DEFENSES[arm].label})" for arm, bound in own.items()]
        lines.append(f"{tested} is too high, for that choice, by at most {', '.join(each)}.")
    return lines
