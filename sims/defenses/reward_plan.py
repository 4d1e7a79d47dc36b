"""How noise learns what it is good for, as a plan, and spelled out: `rewarded:reward=lesson:turns=6`."""

from dataclasses import dataclass
from typing import Any, Self

from localnoise.errors import ArgumentError, choose
from localnoise.nn.rating import BASELINES
from localnoise.nn.rewards import REWARDS
from localnoise.rules import ThreeFactor
from localnoise.sims.defenses.parameters import parameters, text_of
from localnoise.validate import as_count, check_positive

PREFIX = "rewarded:"
THREE_FACTOR, REPARAMETRISED, NOTHING = "three-factor", "reparametrised", "none"
LEARNED, ISOTROPIC = "moments", "isotropic"
CROSSING = "lesson"  # the reward that crosses the later layers backward
_KINDS: dict[str, Any] = {
    "by": str, "start": str, "reward": str, "turns": int, "rate": float, "spread": float, "draws": int,
    "baseline": str, "decorrelate": bool, "variance": float, "adversarial": float, "penalty": float, "parents": int,
}  # fmt: skip
_LOCAL = ("spread", "baseline", "decorrelate")  # of a noise that learns by three factors
_LEARNING = ("reward", "turns", "rate", "draws", *_LOCAL)  # of a noise that learns from rewards
_RATES, _SPREAD = {THREE_FACTOR: 20.0, REPARAMETRISED: 0.003, NOTHING: 1.0}, 0.3
"""Those of the pilot on v2, one seed (docs/results/rewarded-noise.md). 20 is not in the units of a small layer: rule
three-factor divides its step by |z|^2, to which each of a unit's 128 regressors there adds its share."""
_DECORRELATED = 0.16  # 20 / 128: the same step where these regressors are independent and of equal variance


@dataclass(frozen=True, kw_only=True)
class Rewarding:
    """A noise that learns from rewards, and the training of the layers after it.

    Attributes
    ----------
    by : str
        "three-factor" (local), "reparametrised" (central: backpropagation through the draw), or "none".
    start : str
        "moments": learned from the first source's displacements; "isotropic".
    reward : str or None
        Of `localnoise.nn.rewards`; None: "lesson", which crosses the later layers backward to find its number, or
        "change" where they learn by a local rule.
    turns : int
        Steps of the noise; before each the held-out images are attacked anew, or modified.
    rate : float or None
        Of rule "three-factor", None: 20, about a sixth of the regressors that a unit of v2 has (its docstring says why
        that many), decorrelated .16; of "reparametrised" Adam's, None: .003.
    spread : float or None
        Of rule "three-factor" alone; None: .3.
    draws : int
        Draws of each held-out image in a turn.
    baseline : str
        Of the rewards, "class" or "none", as in `localnoise.nn.Rater`; of "three-factor" alone.
    decorrelate : bool
        Of rule "three-factor".
    variance : float or None
        Per neuron; None: the source's own.
    adversarial : float
        Share of each batch that is attacked while the layers after the noise are trained.
    penalty : float
        Weight of tr(J Sigma J') in their loss (`CovariancePenalty`).
    parents : int
        Of a unit of the grid.
    wiring : tuple of (str, value)
        Further options of the grid.
    """

    by: str = THREE_FACTOR
    start: str = LEARNED
    reward: str | None = None
    turns: int = 6
    rate: float | None = None
    spread: float | None = None
    draws: int = 2
    baseline: str = "class"
    decorrelate: bool = False
    variance: float | None = None
    adversarial: float = 0.0
    penalty: float = 0.0
    parents: int = 8
    wiring: tuple[tuple[str, Any], ...] = ()

    def __post_init__(self) -> None:
        choose("by", self.by, (THREE_FACTOR, REPARAMETRISED, NOTHING))
        choose("start", self.start, (LEARNED, ISOTROPIC))
        if self.reward is not None:
            choose("reward", self.reward, REWARDS)
        as_count("turns", self.turns, 1)
        as_count("draws", self.draws, 1)
        as_count("parents", self.parents, 1)
        choose("baseline", self.baseline, BASELINES)
        own = {THREE_FACTOR: _LEARNING, REPARAMETRISED: set(_LEARNING) - set(_LOCAL), NOTHING: set[str]()}[self.by]
        for key in set(_LEARNING) - set(own):
            if getattr(self, key) != getattr(type(self), key):
                raise ArgumentError(f"{key}={getattr(self, key)!r}: expected none with by={self.by!r}; drop it")
        check_positive("rate", self.step, zero=self.by == THREE_FACTOR)
        if self.by == THREE_FACTOR:
            _ = self.rule
        if self.variance is not None:
            check_positive("variance", self.variance, what=", the mean noise variance per neuron")
        check_positive("penalty", self.penalty, zero=True)
        if not 0 <= self.adversarial <= 1:
            raise ArgumentError(f"adversarial={self.adversarial!r}: expected a share of each batch in [0, 1]")

    @property
    def name(self) -> str:
        """The name that `parse` takes: everything that is not the default, in a fixed order."""
        said = [
            f"{key}={text_of(getattr(self, key))}" for key in _KINDS if getattr(self, key) != getattr(type(self), key)
        ]
        return PREFIX + ":".join(said)

    @property
    def label(self) -> str:
        """Short words for tables: the same plan has the same label, whatever it was called."""
        words = [f"K={self.parents}" if self.start == LEARNED else f"isotropic K={self.parents}"]
        words += [f"{key} {value}" for key, value in self.wiring]
        if self.by != NOTHING:
            words.append(self.by if self.reward is None else f"{self.by} by {self.reward}")
        for key in ("turns", "draws", "rate", "spread"):
            if getattr(self, key) != getattr(type(self), key):
                words.append(f"{key} {getattr(self, key):g}")
        words += [f"baseline {self.baseline}"] if self.baseline != type(self).baseline else []
        words += ["decorrelated"] if self.decorrelate else []
        words += [f"covariance penalty {self.penalty:g}"] if self.penalty else []
        words += [f"{self.adversarial:.0%} adversarial".replace("%", " %")] if self.adversarial else []
        words += [f"variance {self.variance:g}"] if self.variance is not None else []
        return ", ".join(words)

    @classmethod
    def parse(cls, name: str) -> Self:
        """Read "rewarded:KEY=VALUE:...".

        Parameters
        ----------
        name : str
            As `name` spells it.

        Returns
        -------
        Rewarding
            The plan.

        Raises
        ------
        ArgumentError
            An unknown key, a value of another kind, or out of its range.
        """
        given = parameters(name, PREFIX, _KINDS)
        return cls(**given)

    @property
    def step(self) -> float:
        """The rate."""
        if self.rate is not None:
            return self.rate
        return _DECORRELATED if self.decorrelate else _RATES[self.by]

    @property
    def rule(self) -> ThreeFactor:
        """The local rule."""
        spread = _SPREAD if self.spread is None else self.spread
        return ThreeFactor(rate=self.step, spread=spread, decorrelate=self.decorrelate)

    @property
    def crosses(self) -> bool:
        """True where noise or the layers after it learn from gradients that cross these, whatever their training."""
        return self.by == REPARAMETRISED or self.penalty > 0 or self.reward == CROSSING

    @property
    def central(self) -> bool:
        """True if anything in it needs more than a unit, its neighbors and broadcast numbers.

        "lesson", the reward that is taken where none is named, is a number that later layers find by backpropagation.
        """
        return self.central_locally or (self.by == THREE_FACTOR and self.reward is None)

    @property
    def central_locally(self) -> bool:
        """The same where the layers learn by a local rule, and the reward that is taken is "change"."""
        return self.crosses or self.adversarial > 0
