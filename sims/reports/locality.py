"""Which rows of networks that learned by a local rule are central nevertheless."""

from collections.abc import Iterable

from localnoise.sims.defenses import DEFENSES
from localnoise.sims.models.training import BACKPROP
from localnoise.sims.results.records import Record


def central_arms(records: Iterable[Record]) -> list[str]:
    """Return a line for each arm that is central, of networks whose layers learned by a local rule; often none."""
    found: dict[str, dict[str, None]] = {}
    for record in records:
        by = str(record.config.get("training", BACKPROP))
        arm = DEFENSES[record.config["arm"]]
        if by != BACKPROP and arm.is_central(by):
            found.setdefault(by, {})[arm.label] = None
    return [
        f"! Central, though the layers learn by {by}: {label}, by more than units, neighbors and broadcasts."
        for by, labels in found.items()
        for label in labels
    ]
