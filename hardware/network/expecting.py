"""Learn what repairs of a network in integers are worth, from what the integers decide."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from torch import Tensor

from localnoise.errors import ArgumentError
from localnoise.hardware.network.calibrated import calibrated_again
from localnoise.hardware.network.defense import ChipDefense
from localnoise.hardware.quantiser.repaired import worth_words
from localnoise.hardware.repair import ChipRepair
from localnoise.hardware.repair_deciding import Members
from localnoise.hardware.repair_words import fraction_of
from localnoise.nn.outcomes import gain, gathered
from localnoise.repair.thresholds import asked_about, worths
from localnoise.repair.worth import LEAST, Worth, by_source
from localnoise.validate import as_share

_AT_ONCE = 64


def expecting_again(
    defense: ChipDefense, pairs: Iterable[tuple[Any, Any]], least: float = LEAST, most: float = 0.005
) -> ChipDefense:
    """Return a network whose repairs make what pays in integers: `localnoise.nn.expect_worth` of what these decide.

    Layers in integers add errors, and loud innovations saturate, so that laws expect other densities than in floating
    point: worth that was learned there is off by what each source's own activations differ in the mean, and by more of
    others, such as milder ones. Margins grow last where integers need it (`calibrated_again`). Cost: three passes of
    the network in integers for the altered inputs, and some more of the first 2,000 unaltered ones.

    Parameters
    ----------
    defense : ChipDefense
        With repairs that ask for worth; left as it is.
    pairs : iterable of (T, ...), (T, ...)
        Batches of inputs altered and unaltered, as `localnoise.nn.expect_worth` takes them.
    least : float
        Share of decisions that a repair must be expected to put right.
    most : float
        Share of unaltered inputs that may be decided otherwise than by the integer network without repairs.

    Returns
    -------
    ChipDefense
        The same program, with repairs of another worth and no smaller margins.

    Raises
    ------
    ArgumentError
        No repairs that ask for worth, no pairs, pairs of unlike shapes or not finite, or a share outside [0, 1).
    """
    least, most = as_share("least", least), as_share("most", most)
    deciding = [chip for place, chip in enumerate(defense.repairs) if not place or len(chip.field.among)]
    if not deciding or not all(len(chip.field.worth) for chip in deciding):
        kind = "repairs that do not ask for worth" if deciding else type(defense.chip).__name__
        raise ArgumentError(
            f"defense holds {kind}: expected repairs that do; call localnoise.nn.expect_worth before they are quantised"
        )
    open_ones = [Listening(chip) if chip in deciding else chip for chip in defense.repairs]
    heard = [one for one in open_ones if isinstance(one, Listening)]
    examples, unharmed, clean = gathered(pairs, partial(_decide, _with(defense, open_ones), heard))
    among = [[name for name, own in zip(one.sources, one.field.among, strict=False) if own] for one in heard]
    found = worths(examples, unharmed, asked_about(heard[0].sources, among), least, most)
    chips = [*defense.repairs]
    for chip, worth in zip(deciding, found, strict=True):
        chips[chips.index(chip)] = _asking(chip, worth)
    return calibrated_again(_with(defense, chips), clean, most)


class Listening(ChipRepair):
    """A chip's repair that makes every repair, and keeps what its laws and its gate said of the last activations."""

    def __init__(self, chip: ChipRepair) -> None:
        field, count = chip.field, len(chip.field.worth)
        changed: dict[str, Any] = {"worth": np.zeros((count, count), np.int32), "worth_bias": np.ones(count, np.int64)}
        super().__init__(chip.config, chip.formats, replace(field, **changed), chip.member_sources)
        self.provenance = chip.provenance
        self.said: tuple[Any, Any] = None, None

    def likeliest(self, h: Any, source: Any = None, squares: Members | None = None) -> Members:
        """Return the member that repairs each activation, and keep what was said of them."""
        Q = self.squares(h) if squares is None else squares
        member = super().likeliest(h, source, Q)
        unit = 2 * 4.0 ** fraction_of(self.formats) * self.config.neurons
        members = [np.flatnonzero(self.source_of == s) for s in range(len(self.sources))]
        self.said = by_source((self.field.log - Q) / unit, members), self.verdict(member)
        return member


def _decide(opened: ChipDefense, heard: Sequence[Listening], altered: Tensor, unaltered: Tensor) -> list[Any]:
    """Return what open repairs made of a pair, as `localnoise.nn.outcomes.gathered` takes it."""
    program, parts = opened.program, list[list[Any]]()
    for own in zip(altered.split(_AT_ONCE), unaltered.split(_AT_ONCE), strict=True):
        x, u = (program.input_words(part.cpu().float().numpy()) for part in own)
        classes = [_classes(words) for words in (program.words(u), program.words(x), opened.decided(x)[0])]
        parts.append([*(part for one in heard for part in one.said), gain(*classes)])
    return [np.concatenate(column) for column in zip(*parts, strict=True)]


def _classes(words: Any) -> Any:
    return words.reshape(len(words), -1).argmax(axis=1)


def _asking(chip: ChipRepair, worth: Worth) -> ChipRepair:
    """Return a chip's repair that asks for this worth."""
    field = replace(chip.field, **worth_words(worth, chip, chip.field.log))
    made = ChipRepair(chip.config, chip.formats, field, chip.member_sources)
    made.provenance = dict(chip.provenance)
    return made


def _with(defense: ChipDefense, chips: Sequence[ChipRepair]) -> ChipDefense:
    """Return a network with other repairs of the same layers."""
    made = ChipDefense(defense.program, chips[0], defense.draws, vote=defense.vote, seed=defense.seed, later=chips[1:])
    made.provenance = dict(defense.provenance)
    return made
