"""Learners of a chip: from displacements, or from what its own draws were worth."""

from dataclasses import asdict, fields
from typing import Any

from localnoise.errors import choose
from localnoise.hardware.learning import RULES as TAUGHT
from localnoise.hardware.learning import OnChip
from localnoise.hardware.rewarding import THREE_FACTOR, OnChipReward

Learner = OnChip | OnChipReward
RULES = (*TAUGHT, THREE_FACTOR)  # all by which a chip learns


def learner_of(rule: str, **options: Any) -> Learner:
    """Return the learner of a rule, with its options; raises an ArgumentError of one that it has not."""
    choose("rule", rule, RULES)
    kind = OnChipReward if rule == THREE_FACTOR else OnChip
    for option in options:
        choose(f"option of rule {rule!r}", option, [field.name for field in fields(kind) if field.name != "rule"])
    return OnChipReward(**options) if rule == THREE_FACTOR else OnChip(rule=rule, **options)


def said_of(learner: Learner | None) -> dict[str, Any] | None:
    """Return what files say of a learner: its rule and its options; None: of none."""
    return None if learner is None else {"rule": learner.rule} | asdict(learner)
