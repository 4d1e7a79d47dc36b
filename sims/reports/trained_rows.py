"""Records of `localnoise train` as rows: how a network learned and for how long, its noise, what it was tested on."""

from collections.abc import Iterable
from typing import NamedTuple

from localnoise.sims.defenses import DEFENSES
from localnoise.sims.defenses.repair_arms import UNDEFENDED
from localnoise.sims.models.training import BACKPROP
from localnoise.sims.results.records import Record
from localnoise.sims.results.statistics import Estimate, difference, over_seeds

SEP, AND = "@", ", "
BySeed = dict[int, Record]
Found = dict[str, dict[str, BySeed]]  # by row, by what was tested, by seed


class Row(NamedTuple):
    """A row's name in its parts."""

    training: str
    arm: str

    @classmethod
    def read(cls, name: str) -> "Row":
        """Read a name that `row_of` made."""
        training, _, arm = name.partition(AND)
        return cls(training, arm or UNDEFENDED)

    @property
    def noise(self) -> str:
        """The arm as a reader calls it."""
        return "no noise" if self.arm == UNDEFENDED else DEFENSES[self.arm].label


def row_of(training: str, arm: str) -> str:
    """Return the row of networks that learned so, and of an arm's noise in them."""
    return training if arm == UNDEFENDED else f"{training}{AND}{arm}"


def label(record: Record, epochs: int) -> str:
    """Return the row of a record: how its network learned, for how long where that is not as the others, its noise."""
    config = record.config
    name, own, stopped = str(config.get("training", BACKPROP)), int(config["base_epochs"]), config.get("stopped")
    if stopped is not None:
        name = f"{name}{SEP}{stopped}/{own}"
    elif epochs and own != epochs:
        name = f"{name}{SEP}{own}"
    return row_of(name, str(config["arm"]))


def tested(record: Record) -> list[str]:
    """Return what a record's network was tested on."""
    return [key.removeprefix("accuracy.") for key in record.results if key.startswith("accuracy.")]


def by_row(records: Iterable[Record], epochs: int) -> Found:
    """Return records by row, by what was tested, by seed."""
    found: Found = {}
    for record in records:
        for threat in tested(record):
            found.setdefault(label(record, epochs), {}).setdefault(threat, {})[record.config["seed"]] = record
    return found


def accuracies(own: BySeed, threat: str) -> list[float]:
    """Return an accuracy for each seed, in their order."""
    return [float(own[seed].results[f"accuracy.{threat}"]) for seed in sorted(own)]


def accuracy_of(own: BySeed, threat: str) -> Estimate | None:
    """Return the mean accuracy with its interval; None of no record."""
    return over_seeds(accuracies(own, threat), _images(own, threat)) if own else None


def gaps(own: BySeed, other: BySeed, threat: str) -> list[float]:
    """Return an accuracy less that of another row, for each seed that both have."""
    shared = sorted(own.keys() & other.keys())
    return [float(own[s].results[f"accuracy.{threat}"] - other[s].results[f"accuracy.{threat}"]) for s in shared]


def less(own: BySeed, other: BySeed, threat: str) -> Estimate | None:
    """Return an accuracy less that of another row, paired; None where no seed is shared."""
    shared = sorted(own.keys() & other.keys())
    if not shared:
        return None
    if len(shared) == 1:
        first, second = (of[shared[0]].results[f"correct.{threat}"] for of in (other, own))
        return difference(first, second)
    return over_seeds(gaps(own, other, threat), _images({s: own[s] for s in shared}, threat))


def _images(own: BySeed, threat: str) -> int:
    return len(next(iter(own.values())).results[f"correct.{threat}"])
