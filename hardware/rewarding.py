"""Learning from rewards on the chip, in integers: the rule `three-factor` of the float grid, draw by draw.

A unit has drawn word d_ui from its parents' words, its own earlier channels, and the activations that it reads,
z = [h_R(u), d_P(u)]. What is left is its private noise, a word:

    e_ui = saturate(d_ui - saturate(round half up((bias + G h + B d_P + L d_u) 2^-F)))

Then all units are told one word r, what the draw was worth less the mean of the others, in units of 2^-4 standard
deviations, and each keeps a master V of each weight of G and B with `extra` more fraction bits:

    V += round(r e z 2^(F_g + extra) / 2^(bits(c + |z|^2) + rate + 4))

c and F_g as in `hardware.learning`; no divider: a bit length. Steps below one unit of a master are rounded
stochastically, or half up. L and s, the private noise, stay. Weights are the masters' top bits, what one loses joining
the next neighbor's. On average a step climbs the expected reward (Williams 1992, REINFORCE; the score of a
linear-Gaussian unit is e z' / variance).
"""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from localnoise.errors import ArgumentError
from localnoise.hardware.formats import Formats
from localnoise.hardware.generators import GENERATORS, states
from localnoise.hardware.learning import rounded
from localnoise.hardware.ranges import within
from localnoise.hardware.words import IntegerField
from localnoise.rules.three_factor import broadcast
from localnoise.validate import as_count, as_seed

THREE_FACTOR = "three-factor"
REWARD_LIMIT, REWARD_FRACTION = 127, 4  # of the word that units are told: +-8 standard deviations in steps of 1/16
State = dict[str, Any]


class Rewarded(Protocol):
    """The part of a `ChipGrid` that learning from rewards reads."""

    @property
    def rewarded(self) -> "tuple[OnChipReward, State] | None":
        """Of the present weights."""

    field: Any
    formats: Formats


@dataclass(frozen=True, kw_only=True)
class OnChipReward:
    """The constants of learning from rewards, powers of two.

    Parameters
    ----------
    rate : int
        A draw moves weights by 2^-rate to 2^-(rate + 1) of r e z / (c + |z|^2): T draws together less than a float rate
        of T 2^-rate, and much less where regressors are few or quiet.
    extra : int
        Further fraction bits of the masters, 1 to 16.
    stochastic : bool
        Round steps stochastically; half up leaves a dead zone where steps are less than half a master's unit.
    seed : int
        Of the generators that round.

    Raises
    ------
    ArgumentError
        A constant out of its range.
    """

    rate: int = 8
    extra: int = 12
    stochastic: bool = True
    seed: int = 0

    @property
    def rule(self) -> str:
        """Name of the rule."""
        return THREE_FACTOR

    def __post_init__(self) -> None:
        for name, least, most in (("rate", 0, 24), ("extra", 1, 16)):
            count = as_count(name, getattr(self, name))
            if not least <= count <= most:
                raise ArgumentError(f"{name}={getattr(self, name)}: expected {least} to {most}")
            object.__setattr__(self, name, count)  # a Python number, as files hold it
        if not isinstance(self.stochastic, bool):
            raise ArgumentError(f"stochastic={self.stochastic!r}: expected True or False")
        object.__setattr__(self, "seed", int(as_seed(self.seed)))


def reward_words(rewards: Any, count: int) -> npt.NDArray[np.int64]:
    """Return the words (count,) that units are told of so many draws' rewards; as `broadcast` in floats.

    Raises
    ------
    ArgumentError
        Another shape, fewer than two, NaN, or rewards that are all the same.
    """
    if rewards is None:
        raise ArgumentError(
            "rule='three-factor' learns from rewards, and none were given: expected learn(eta, rule='three-factor', "
            "rewards=...), eta as sample() or perturb(h) of this chip drew it"
        )
    told = np.rint(broadcast(rewards, count) * 2**REWARD_FRACTION)
    words: npt.NDArray[np.int64] = np.clip(told, -REWARD_LIMIT, REWARD_LIMIT).astype(np.int64)
    return words


def begin(field: IntegerField, formats: Formats, rule: OnChipReward) -> State:
    """Masters at the weights that the units have."""
    V = np.concatenate((field.G, field.B), axis=2).astype(np.int64) << rule.extra
    drawn = states(GENERATORS[formats.generator], field.units, rule.seed, 0)
    return {"V": V, "states": drawn, "seen": np.zeros(field.units, np.int64)}


def rewarded_so_far(chip: Rewarded, rule: OnChipReward) -> State:
    """Return the state from which a chip goes on learning by `rule`, a copy; another rule begins anew."""
    before = chip.rewarded
    if before is not None and goes_on(chip, rule):
        return {name: value.copy() for name, value in before[1].items()}
    return begin(chip.field, chip.formats, rule)


def goes_on(chip: Rewarded, rule: OnChipReward) -> bool:
    """Return whether a chip's present weights were learned by this very rule."""
    return chip.rewarded is not None and chip.rewarded[0] == rule


def refuse_rewarded(field: IntegerField, formats: Formats, rule: OnChipReward, state: State, width: int) -> None:
    """Raise an ArgumentError unless a state, of the right shapes, is one that stands behind these weights."""
    most = formats.weight_limit << rule.extra
    ranges = {"V": (-most, most), "states": (1, GENERATORS[formats.generator].period), "seen": (0, 2**63 - 1)}
    for name, (low, high) in ranges.items():
        within(f"the learner's {name}", state[name], low, high, width)
    meant = rewarded(field, formats, rule, state)
    if not (np.array_equal(meant.G, field.G) and np.array_equal(meant.B, field.B)):
        raise ArgumentError("the learner's V: expected masters whose rounded values are the weights G and B")


def observe_rewards(
    field: IntegerField, formats: Formats, rule: OnChipReward, state: State, d: Any, h: Any, told: Any
) -> None:
    """Learn from draws' words d and activation words h, (T, m, N) int32, and reward words told (T,), in place."""
    from localnoise.hardware.kernels.rewarding import reward

    names = ("parents", "readers", "bias", "G", "B", "L", "lift", "fraction")
    whole = (formats.weight_limit, formats.word_limit, rule.extra, rule.rate, REWARD_FRACTION)
    numbers = (*(np.int64(number) for number in whole), np.int64(GENERATORS[formats.generator].kind), rule.stochastic)
    reward(state["V"], d, h, told, tuple(getattr(field, n) for n in names), state["states"], state["seen"], numbers)


def rewarded(field: IntegerField, formats: Formats, rule: OnChipReward, state: State) -> IntegerField:
    """Return the field with the weights that the masters stand for."""
    slots = (field.readers >= 0, field.parents >= 0)
    parts = zip(np.split(state["V"], (field.G.shape[2],), axis=2), slots, strict=True)
    G, B = (rounded(part, rule.extra, formats.weight_limit, there) for part, there in parts)
    return IntegerField(**{**field.arrays, "G": G, "B": B}, activation_scale=field.activation_scale)
