"""Arms spelled out, so that any grid can be compared: `grid:order=raster:rule=lms:parents=4`."""

from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any, Self

from localnoise import GridConfig, UnitGrid
from localnoise.errors import ArgumentError, choose
from localnoise.hardware import Formats, quantise, report
from localnoise.rules import make_rule
from localnoise.sims.defenses.defense import Array, Defense
from localnoise.sims.defenses.facts import reported
from localnoise.sims.defenses.parameters import parameters, text_of
from localnoise.sims.defenses.reward_plan import ISOTROPIC, THREE_FACTOR, Rewarding
from localnoise.validate import as_count, check_positive

PREFIX = "grid:"
_WORDS = ("rule", "order", "signal", "share", "scope", "reward", "baseline")  # parameters that are no number
_REWARDED = ("turns", "draws", "spread", "reward", "baseline", "decorrelate")  # of rule three-factor alone
_CALIBRATION = 2048  # activations that a signal-dependent grid is calibrated on


@dataclass(frozen=True, kw_only=True)
class Spelled:
    """A local field by its hyperparameters; None: the default of `UnitGrid`, of the rule, or of the source.

    Attributes
    ----------
    rule, rate : str, float
        "moments", "lms", "sign-lms", or "three-factor": isotropic at first, it learns from rewards as
        `localnoise.sims.defenses.rewarded` does; the step of all but the first.
    order, parents, far, radius : str, int
        Of `UnitGrid`.
    signal, signal_radius : str, int
        Signal dependence: learned at its natural scale, tested without noise, with a fifth of clean presentations.
    share, rank : str, int
        Of `UnitGrid`, for wide layers; not on a chip.
    scope, trace : str, float
        "global" or "local" gain; noise variance per neuron.
    turns, draws, spread, reward, baseline, decorrelate : int, float, str, bool
        Of rule "three-factor", as in `localnoise.sims.defenses.Rewarding`.
    weight_bits, word_bits : int
        On a chip: integers, at training and at test. One of them implies the other's default (8, 12).
    """

    rule: str = "moments"
    rate: float | None = None
    order: str = "multiscale"
    parents: int | None = None
    far: int | None = None
    radius: int | None = None
    signal: str = "none"
    signal_radius: int | None = None
    share: str | None = None
    rank: int | None = None
    scope: str | None = None
    trace: float | None = None
    turns: int | None = None
    draws: int | None = None
    spread: float | None = None
    reward: str | None = None
    baseline: str | None = None
    decorrelate: bool | None = None
    weight_bits: int | None = None
    word_bits: int | None = None

    def __post_init__(self) -> None:
        """Check the hyperparameters, also those that would change nothing."""
        _check_rule(self.rule, **self._options)
        _check_wiring(**self._wiring)
        choose("scope", "global" if self.scope is None else self.scope, ("global", "local"))
        if self.trace is not None:
            check_positive("trace", self.trace, what=", the mean noise variance per neuron")
        if self.signal == "none" and self.signal_radius is not None:
            raise ArgumentError(f"signal_radius={self.signal_radius!r}: expected none with signal='none'; drop it")
        if self.signal == "local" and self.scope is not None and self.trace is None:
            raise ArgumentError(f"scope={self.scope!r}: expected a trace with signal='local', or no scope")
        if self.rule == THREE_FACTOR:
            refused = ("signal_radius", "share", "rank", "scope", "weight_bits", "word_bits")
            wrong = next((name for name in refused if getattr(self, name) is not None), None)
            if self.signal == "local" or wrong is not None:
                said = "signal='local'" if wrong is None else f"{wrong}={getattr(self, wrong)!r}"
                raise ArgumentError(f"{said}: expected none with rule='three-factor'; drop it")
            _ = self._rewarding
        elif given := self._rewards:
            name, value = next(iter(given.items()))
            raise ArgumentError(
                f"{name}={value!r}: expected none with rule={self.rule!r}, which reads no rewards; drop it"
            )
        narrow = next((name for name in ("share", "rank") if getattr(self, name) is not None), None)
        if self.formats is not None and narrow is not None:  # the widths that a chip may have
            raise ArgumentError(f"{narrow}={getattr(self, narrow)!r}: expected none on a chip; drop it, or the widths")

    @property
    def formats(self) -> Formats | None:
        """Widths on a chip; None: floating point."""
        bits = {name: getattr(self, name) for name in ("weight_bits", "word_bits")}
        given = {name: value for name, value in bits.items() if value is not None}
        wide = max(given.values(), default=0) > 12
        return _formats(**given, accumulator_bits=48 if wide else 32) if given else None

    @property
    def _options(self) -> dict[str, Any]:
        return {} if self.rate is None else {"rate": self.rate}

    @property
    def _rewards(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in _REWARDED if getattr(self, name) is not None}

    @property
    def _wiring(self) -> dict[str, Any]:
        names = ("order", "parents", "far", "radius", "signal", "signal_radius", "share", "rank")
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}

    @property
    def name(self) -> str:
        """The name that `parse` takes: everything that is not the default, in a fixed order."""
        said = [
            f"{f.name}={text_of(getattr(self, f.name))}" for f in fields(self) if getattr(self, f.name) != f.default
        ]
        return PREFIX + ":".join(said)

    @property
    def label(self) -> str:
        """Short words for tables."""
        if self.rule == THREE_FACTOR:
            return self._rewarding.label
        words = [self.order, self.rule]
        for name, sign in (
            ("parents", "K"),
            ("far", "hubs"),
            ("radius", "r"),
            ("rate", "rate"),
            ("trace", "trace"),
            ("rank", "rank"),
        ):
            if getattr(self, name) is not None:
                words.append(f"{sign}={getattr(self, name):g}")
        if self.signal == "local":
            words.append("signal-dependent" if self.signal_radius is None else f"signal r={self.signal_radius}")
        if self.share == "places":
            words.append("shared by places")
        if self.scope == "local":
            words.append("local gain")
        if (formats := self.formats) is not None:
            words.append(f"{formats.weight_bits}-bit weights, {formats.word_bits}-bit words")
        return " ".join(words)

    @property
    def _rewarding(self) -> Rewarding:
        """The plan of a grid that learns from rewards."""
        own = {name: value for name, value in self._wiring.items() if value != getattr(type(self), name)}
        parents = own.pop("parents", Rewarding.parents)
        wiring = tuple(own.items())
        how = self._options | self._rewards
        return Rewarding(start=ISOTROPIC, variance=self.trace, parents=parents, wiring=wiring, **how)

    @property
    def arm(self) -> Defense:
        """The arm."""
        signal = self.signal == "local"
        if self.rule == THREE_FACTOR:
            return Defense.of_rewards(self._rewarding, self.name)
        return Defense(
            name=self.name,
            label=self.label,
            build=self.build,
            central=False,
            when="train" if signal else "both",
            clean=0.2 if signal else 0.0,
        )

    def build(self, d: Array, h: Array, trace: float) -> Any:
        """Noise learned from displacements d of activations h."""
        signal = self.signal == "local"
        grid = UnitGrid(shape=d.shape[2:], channels=d.shape[1], **self._wiring)
        grid.learn(d, h if signal else None, rule=self.rule, **self._options)
        if not signal or self.trace is not None:
            grid.normalise(trace if self.trace is None else self.trace, self.scope or "global")
        if self.formats is None:
            return grid
        calibration = h[:_CALIBRATION] if signal else None
        chip = quantise(grid, self.formats, h=calibration)
        return reported(chip, report(grid, chip, h=calibration))

    @classmethod
    def parse(cls, name: str) -> Self:
        """Read "grid:NAME=VALUE:...".

        Raises
        ------
        ArgumentError
            An unknown name, a value of another kind, or values that do not go together.
        """
        kinds: dict[str, type] = {one.name: int for one in fields(cls)} | dict.fromkeys(_WORDS, str)
        kinds |= dict.fromkeys(("rate", "trace", "spread"), float) | {"decorrelate": bool}
        given = parameters(name, PREFIX, kinds)
        return cls(**given)


# A study asks for the same few choices in thousands of combinations.


@lru_cache(maxsize=4096, typed=True)
def _check_rule(rule: str, **options: Any) -> None:
    make_rule(rule, **options)


@lru_cache(maxsize=4096, typed=True)
def _check_wiring(**wiring: Any) -> None:
    GridConfig(shape=(2, 2), channels=as_count("rank", wiring.get("rank", 1), 1), **wiring)


@lru_cache(maxsize=4096, typed=True)
def _formats(**bits: Any) -> Formats:
    return Formats(**bits)
