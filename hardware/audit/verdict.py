"""Findings and verdict of an audit, in sentences that name the unit and the link."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One fault, by the likeliest cause of what stands out.

    Attributes
    ----------
    kind : str
        "stuck", "shared", "gain", "noise", "link", "offset", "past", "replay", "saturation", "stream" or "grid".
    unit : (int, int) or None
        Row and column; None of the whole device.
    channel : int or None
        Of the unit; None of all its channels.
    said : str
        The sentence.
    size : float or None
        Of the fault, in the unit that the sentence names.
    p : float
        Of the test that it rests on.
    other : (int, int) or None
        The unit whose generator is shared.
    """

    kind: str
    unit: tuple[int, int] | None
    channel: int | None
    said: str
    size: float | None = None
    p: float = 0.0
    other: tuple[int, int] | None = None

    def as_plain(self) -> dict[str, Any]:
        """Return it as JSON holds it.

        Returns
        -------
        dict
            By attribute.
        """
        places = {name: None if at is None else list(at) for name, at in (("unit", self.unit), ("other", self.other))}
        return {**vars(self), **places}


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The faults that were found in a device, and those that would have been seen.

    Attributes
    ----------
    draws : int
        That were judged.
    level : float
        Chance that a sound device is called unsound, at most.
    findings : list of Finding
        Weightiest first; empty for a sound device.
    power : dict
        What these draws would show nine times of ten: see `localnoise.hardware.audit.power`.
    untested : int
        Neurons whose private noise is finer than a word's step, so that its spread is not judged.
    seed : int or None
        Whose stream the device was held against; None: any stream is right.
    """

    draws: int
    level: float
    findings: list[Finding] = field(default_factory=list)
    power: dict[str, float] = field(default_factory=dict)
    untested: int = 0
    seed: int | None = None

    @property
    def sound(self) -> bool:
        """Return whether nothing was found."""
        return not self.findings

    @property
    def sentence(self) -> str:
        """The verdict in one sentence."""
        if self.sound:
            found = "no fault found"
            if self.power:
                found += (
                    f"; {self.draws:,} draws show a unit's gain that is off by {self.power['gain']:.1%} and "
                    f"{self.power['links']:.0%} of dead links nine times of ten"
                )
            return found
        first, more = self.findings[0].said, len(self.findings) - 1
        rest = f"; and {more} more" if more else ""
        return f"{first} ({self.draws:,} draws, p = {max(self.findings[0].p, 1e-300):.1g}){rest}"

    def as_plain(self) -> dict[str, Any]:
        """Return it as JSON holds it.

        Returns
        -------
        dict
            By attribute, with `sound` and `sentence`.
        """
        return {
            "sound": self.sound,
            "sentence": self.sentence,
            "draws": self.draws,
            "level": self.level,
            "seed": self.seed,
            "untested": self.untested,
            "power": self.power,
            "findings": [one.as_plain() for one in self.findings],
        }
