"""The effect of quantisation, and of a hard decision, on a repair: in numbers that a table shows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from localnoise import Repair
from localnoise.errors import ArgumentError
from localnoise.hardware.fixedpoint import to_values
from localnoise.hardware.repair import ChipRepair


@dataclass(frozen=True, kw_only=True)
class SourceReport:
    """Of the activations of one source.

    Attributes
    ----------
    source : str
    activations : int
    equal : float
        Share for which the chip decides for the member that is the likeliest in floating point, or, as that does, for
        none, where no repair is expected to pay.
    source_equal : float
        Share for which it decides for a member of the same source, or for none likewise.
    error : float
        Mean square of chip's - float's repaired activations, over the mean square of the activations themselves.
    hard : float
        The same of a float repair by the likeliest member alone: what is lost without any rounding.
    """

    source: str
    activations: int
    equal: float
    source_equal: float
    error: float
    hard: float


@dataclass(frozen=True, kw_only=True)
class RepairReport:
    """Errors of a chip's repair against the float one.

    Attributes
    ----------
    parts : list of SourceReport
        One a source.
    flash, ram : int
        Bytes of the exported C's tables; of activation words in and out.
    decides, repairs : int
        Multiplications an image: of the gate, and of a way back, where one is gone.
    """

    parts: list[SourceReport]
    flash: int
    ram: int
    decides: int
    repairs: int

    @property
    def equal(self) -> float:
        """Share of equal decisions, mean over the sources."""
        return float(np.mean([part.equal for part in self.parts]))

    @property
    def error(self) -> float:
        """Relative mean-square error against the float repair, mean over the sources."""
        return float(np.mean([part.error for part in self.parts]))

    @property
    def hard(self) -> float:
        """The same by the hard decision alone, mean over the sources."""
        return float(np.mean([part.hard for part in self.parts]))

    def summary(self) -> list[tuple[str, str]]:
        """Return the report as rows for a table.

        Returns
        -------
        list of (str, str)
            What, and its value.
        """
        count = sum(part.activations for part in self.parts)
        return [
            (f"equal decisions, of {count:,} activations", f"{self.equal:.2%}"),
            ("repaired activations, relative mean-square error", f"{self.error:.3%}"),
            ("of it by the hard decision, without rounding", f"{self.hard:.3%}"),
            ("tables, bytes of flash", f"{self.flash:,}"),
            ("activation words, and what bends are read from, bytes of RAM", f"{self.ram:,}"),
            ("multiplications an image, to decide", f"{self.decides:,}"),
            ("multiplications an image, to repair", f"{self.repairs:,}"),
        ]


def repair_report(repair: Repair, chip: ChipRepair, h: Mapping[str, Any] | None = None) -> RepairReport:
    """Compare a repair in integers with the one that it came from.

    Parameters
    ----------
    repair : Repair
        In floating point.
    chip : ChipRepair
        Quantised from it.
    h : dict of (T, C, H, W)
        Activations by the name of their source, "clean" among them; others than were learned may be there, too. None:
        those that the repair holds out, on which the chip was calibrated.

    Returns
    -------
    RepairReport
        By source, and in the mean.

    Raises
    ------
    ArgumentError
        Another layout, or a source without activations.
    """
    c = chip.config
    if (repair.config.channels, repair.config.shape) != (c.channels, c.shape):
        raise ArgumentError(
            f"repair is of {repair.config.channels} x {repair.config.shape}: expected the chip's layout"
        )
    if h is None:
        h = {
            name: np.concatenate([one.kept for one in repair.members if one.source == name]) for name in repair.sources
        }
    decides, repairs = chip.multiplications
    parts = [_part(repair, chip, name, repair._activity("h", part)) for name, part in h.items()]
    return RepairReport(parts=parts, flash=chip.flash, ram=chip.ram, decides=decides, repairs=repairs)


def _part(repair: Repair, chip: ChipRepair, name: str, x: Any) -> SourceReport:
    if not len(x):
        raise ArgumentError(f"h has 0 activations of {name!r}: expected at least one")
    weights = repair.weights(x)
    likeliest = np.where(weights.any(axis=1), weights.argmax(axis=1), -1)  # -1: no repair is expected to pay
    soft = repair._estimate(x, weights)
    hard = repair._estimate(x, (np.arange(weights.shape[1]) == likeliest[:, None]).astype(float))
    words, member = chip.words(chip.activation_words(x))
    fixed = to_values(words, chip.field.activation_scale)
    power = max(float(np.square(x, dtype=np.float64).mean()), 1e-300)
    return SourceReport(
        source=name,
        activations=len(x),
        equal=float((member == likeliest).mean()),
        source_equal=float((chip.verdict(member) == chip.verdict(likeliest)).mean()),
        error=float(np.square(fixed - soft, dtype=np.float64).mean()) / power,
        hard=float(np.square(hard - soft, dtype=np.float64).mean()) / power,
    )
