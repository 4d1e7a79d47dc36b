"""Learning of a chip grid: from displacements, or from what its own draws were worth."""

from copy import copy
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from localnoise.config import GridConfig
from localnoise.errors import ArgumentError
from localnoise.hardware.fixedpoint import to_words
from localnoise.hardware.learners import learner_of
from localnoise.hardware.learning import OnChip, State, observe, refuse_overflow, settle, start
from localnoise.hardware.narrow import NarrowWords
from localnoise.hardware.ranges import refuse_out_of_range
from localnoise.hardware.rewarding import (
    OnChipReward,
    Rewarded,
    observe_rewards,
    reward_words,
    rewarded,
    rewarded_so_far,
)
from localnoise.validate import as_activity

Words = npt.NDArray[np.int32]


class Learning(Rewarded, Protocol):
    """The part of a `ChipGrid` that learning reads."""

    config: GridConfig
    rule: OnChip | None
    state: State | None


def taught(
    chip: Learning, d: Any, h: Any, rule: str, rewards: Any, options: dict[str, Any]
) -> tuple[dict[str, Any], bool]:
    """Return the attributes that a chip grid has after `ChipGrid.learn`, and whether learning began anew.

    Cost: of `observe` or `observe_rewards`. The chip itself stays as it is.

    Raises
    ------
    ArgumentError
        As `ChipGrid.learn`.
    """
    learner = learner_of(rule, **options)
    told = isinstance(learner, OnChipReward)
    if rewards is not None and not told:
        raise ArgumentError(
            f"rewards were given with rule={rule!r}, which reads none: expected rule='three-factor', or no rewards"
        )
    if isinstance(chip.field, NarrowWords):
        raise ArgumentError(
            f"rule={rule!r}: it writes weights for every unit alone, and this grid shares or reduces them (share=, "
            "rank=): expected a grid without; learn before quantising, or quantise grid.widened()"
        )
    if not told:
        refuse_overflow(chip.field, chip.formats, chip.config.shape[1])
    d_words, h_words = _words(chip, d, h)
    if isinstance(learner, OnChipReward):
        return _by_rewards(chip, learner, d_words, h_words, rewards), False
    return _by_displacements(chip, learner, d_words, h_words)


def _words(chip: Learning, d: Any, h: Any) -> tuple[Words, Words]:
    """Return displacements and activations as words (T, m, N); without signal dependence those of no unit."""
    c, formats = chip.config, chip.formats
    layout = c.channels, c.shape, "float32"
    d3 = as_activity("d", d, *layout)
    if not len(d3):
        raise ArgumentError("d has 0 samples: expected at least 1 displacement")
    if chip.field.signal == (h is None):
        raise ArgumentError(
            f"h is {'missing' if h is None else 'given'}, but the chip grid has signal={c.signal!r}: "
            f"expected {'the activations that were displaced' if h is None else 'displacements alone'}"
        )
    h3 = d3[:, :, :0] if h is None else as_activity("h", h, *layout)
    read = to_words(h3, chip.field.activation_scale, formats.activation_bits)
    return to_words(d3, chip.field.scale, formats.word_bits), read


def _by_displacements(chip: Learning, rule: OnChip, d: Words, h: Words) -> tuple[dict[str, Any], bool]:
    f, formats, before = chip.field, chip.formats, chip.state
    anew = before is None or chip.rule != rule
    state = start(f, formats, rule) if before is None or anew else {k: copy(v) for k, v in before.items()}
    observe(f, formats, rule, state, d, h)
    return {"field": settle(f, formats, rule, state), "rule": rule, "state": state}, anew


def _by_rewards(chip: Learning, rule: OnChipReward, d: Words, h: Words, rewards: Any) -> dict[str, Any]:
    words = reward_words(rewards, len(d))
    state = rewarded_so_far(chip, rule)
    observe_rewards(chip.field, chip.formats, rule, state, d, h, words)
    field = rewarded(chip.field, chip.formats, rule, state)
    refuse_out_of_range(chip.config, chip.formats, field)
    return {"field": field, "rule": None, "state": None, "_rewarded": (rule, state, field)}
