"""A repair in integers that is calibrated on what the integer layers before it give."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import nn

from localnoise import Repair
from localnoise.errors import ArgumentError
from localnoise.hardware.formats import Formats
from localnoise.hardware.network.defense import ChipDefense
from localnoise.hardware.network.fronts import Fronts, by_member, joined
from localnoise.hardware.quantiser.repaired import SCORE_BITS, quantise_repair
from localnoise.hardware.repair import ChipRepair
from localnoise.repair.calibration import FINE, least_margins
from localnoise.streams import Progress
from localnoise.validate import as_share

_AT_ONCE = 64


def repair_behind(
    model: nn.Module,
    calibration: Any,
    repair: Repair,
    place: str,
    held: Mapping[str, Any],
    formats: Formats | None = None,
    *,
    weight_bits: int = 8,
    activation_bits: int = 8,
    bounds: tuple[float, float] | None = None,
    feedback: bool = True,
    progress: Progress | None = None,
) -> ChipRepair:
    """Return a repair in integers whose gate is fitted to the words of the integer layers before it.

    Those layers add errors of their own. Where a perturbation leaves little of an image, as less contrast does, they
    are large beside what the repair's laws expect, and activations that it has learned are no longer recognised.
    Cost: that of the front's quantisation, one pass of `held` through it, and `quantise_repair`.

    Parameters
    ----------
    model, calibration, place, weight_bits, activation_bits, bounds, feedback
        As `defend` takes them, which is called with the result.
    repair : Repair
        Learned, and calibrated, behind the float network's layers.
    held : dict of str to (T, ...)
        For each of its sources, "clean" too, inputs that it has not learned from, as that source changes them; some
        hundreds. Where a source has several members, a list with one array for each.
    formats : Formats
        Of the repair; default: 8-bit weights, and words of `activation_bits`.
    progress : callable
        Told (members quantised, all of them).

    Returns
    -------
    ChipRepair
        For `defend`.

    Raises
    ------
    ArgumentError
        A source without inputs, other names, or what `defend` and `quantise_repair` refuse.

    Examples
    --------
    >>> chip = repair_behind(model, images, repair, "1", {"clean": held, "dark": 0.3 * held})  # doctest: +SKIP
    >>> defense = defend(model, images, chip, "1")  # doctest: +SKIP
    """
    fronts = Fronts(model, calibration, weight_bits, activation_bits, bounds, feedback)
    behind = fronts.heard(repair, place, by_member(repair, held), formats)
    return _quantised(repair, *behind, feedback=feedback, progress=progress)


def repairs_behind(
    model: nn.Module,
    calibration: Any,
    repairs: Mapping[str, Repair],
    held: Mapping[str, Sequence[Any]],
    formats: Formats | None = None,
    *,
    weight_bits: int = 8,
    activation_bits: int = 8,
    bounds: tuple[float, float] | None = None,
    feedback: bool = True,
    progress: Progress | None = None,
) -> dict[str, ChipRepair]:
    """Return repairs of several layers in integers, each calibrated on what integer layers and repairs before it give.

    As `repair_behind` does of one. Held inputs reach a later layer behind the repairs of earlier ones that know their
    source, as later layers have learned. Margins stay as they are (`calibrated_again`), worths move with laws.

    Parameters
    ----------
    model, calibration, formats, weight_bits, activation_bits, bounds, feedback, progress
        As `repair_behind` takes them.
    repairs : dict of str to Repair
        By module, in the order in which they run, as `localnoise.nn.attach_repairs` takes them.
    held : dict of str to list of (T, ...)
        For each source, "clean" too, inputs that were not learned: one array, or one for each of its causes. A layer
        that does not tell them apart takes all.

    Returns
    -------
    dict of str to ChipRepair
        The first, and `later`, for `defend`.
    """
    fronts = Fronts(model, calibration, weight_bits, activation_bits, bounds, feedback)
    made: dict[str, ChipRepair] = {}
    for place, repair in repairs.items():
        behind = fronts.heard(repair, place, by_member(repair, joined(repair, held)), formats, made)
        made[place] = _quantised(repair, *behind, feedback=feedback, progress=progress)
    return made


def _quantised(
    repair: Repair, heard: Repair, formats: Formats, scale: int, *, feedback: bool, progress: Progress | None
) -> ChipRepair:
    """Return a repair in integers, from the one that has heard what integer layers give; worths move with its laws."""
    heard.worth = repair.worth
    return quantise_repair(heard, formats, scale=scale, feedback=feedback, twin=repair, progress=progress)


def calibrated_again(defense: ChipDefense, inputs: Any, most: float = 0.005) -> ChipDefense:
    """Return a network with repairs in integers whose margins are larger, where clean inputs need it.

    Margins grow from those that its repairs have until at most a share of the integer network's decisions on clean
    inputs changes, as in `localnoise.nn.calibrate_repairs`. None becomes less: a source that integers take for clean
    less often would be repaired where its margin kept it from harm. Cost: two passes of all inputs, and a few passes of
    those that are repaired.

    Parameters
    ----------
    defense : ChipDefense
        With repairs; left as it is.
    inputs : (T, ...)
        Clean, and not learned from; some hundreds.
    most : float
        Share of inputs that may be decided otherwise than by the integer network without repairs.

    Returns
    -------
    ChipDefense
        The same program, with repairs of larger margins.

    Raises
    ------
    ArgumentError
        No repairs, no inputs, or a share outside [0, 1).
    """
    most, names = as_share("most", most), defense.repairs[0].sources if defense.repairs else []
    if not names:
        raise ArgumentError(f"defense holds {type(defense.chip).__name__}: expected one that repairs")
    x = defense.program.input_words(np.asarray(inputs, np.float32))
    if not len(x):
        raise ArgumentError("inputs has 0 inputs: expected some hundreds of clean ones")
    alone, rows = defense.program.words(x).argmax(axis=1), np.arange(0)

    def blame(asked: npt.NDArray[np.float64], whole: bool) -> npt.NDArray[np.int64]:
        nonlocal rows
        rows = np.arange(len(x)) if whole else rows
        trial, out, touched = _asking(defense, asked), np.full(len(x), FINE), []
        for part in np.split(rows, range(_AT_ONCE, len(rows), _AT_ONCE)):
            logits, word = trial.decided(x[part])
            bad = logits.argmax(axis=1) != alone[part]
            out[part[bad]] = np.maximum(word[bad], 0)
            touched.append(part[word > 0])
        rows = np.concatenate(touched)
        return out

    return _asking(defense, least_margins(blame, len(names), most))


def _asking(defense: ChipDefense, margins: npt.NDArray[np.float64]) -> ChipDefense:
    """Return a defense whose deciding repairs ask each source for so much more."""
    chips = []
    for k, chip in enumerate(defense.repairs):
        f = chip.field
        less = np.floor(margins * 2.0**SCORE_BITS + 0.5).astype(np.int64)[chip.source_of]
        changed: dict[str, Any] = {} if k else {"bias": f.bias - less}
        changed |= {"among_bias": f.among_bias - less} if len(f.among) else {}
        made = ChipRepair(chip.config, chip.formats, replace(f, **changed), chip.member_sources)
        made.provenance = dict(chip.provenance)
        chips.append(made)
    again = ChipDefense(defense.program, chips[0], defense.draws, vote=defense.vote, seed=defense.seed, later=chips[1:])
    again.provenance = dict(defense.provenance)
    return again
