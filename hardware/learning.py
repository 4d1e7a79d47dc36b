"""Learning on the chip: integers in, integers out, with saturating weights.

A unit keeps a master V of each weight with `extra` more fraction bits, and their running mean. A presentation brings
displacement words d (at the units' scales) and activation words: z = [h_R(u), d_P(u)]. Channel by channel,

    e = saturate(d_ui - saturate(round half up((bias + W z) 2^-F)))          the innovation, a word
    lms       V += round(e z 2^(F_g + extra) / 2^(bits(c + |z|^2) + rate))   no divider: a bit length
    sign-lms  V += sign(e) sign(z) 2^(extra - rate - n)                      no multiplier
    mean     += round half up((2^8 V - mean) 2^-k)                           averaged as in Polyak and Juditsky 1992

and the innovations e' of the averaged weights predict each other by the same rule: e'_i from e'_j, j < i, with weights
L; what they leave has the running mean square `power`. k = min(memory, max(bits(seen + 1) - 2, 0)),
n = floor(log2((seen + halving) / halving)): the sign rule's step halves as presentations double.
c = 2^(2 word bits - 6), the square of a loud word, keeps steps small; F_g is the fraction of the weight's group. A step
below one unit of a master is rounded half up, or stochastically: one random word per channel and presentation, from the
unit's generator.

When learning ends, a unit's weights become W - L W, which predict its word from parents and its own earlier channels.
They are rounded half up, what one loses joining the same channel's weight of the next neighbor; s = sqrt(power) in
units of the private noise, by an integer square root.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from localnoise.errors import ArgumentError, choose
from localnoise.hardware.formats import Formats
from localnoise.hardware.generators import GENERATORS, states
from localnoise.hardware.ranges import MOST_BIAS_BITS, MOST_POWER
from localnoise.hardware.words import NEAR, OWN, IntegerField
from localnoise.validate import as_count, as_seed

State = dict[str, Any]
RULES = ("lms", "sign-lms")
POWER_BITS, MEAN_BITS, ROOT_BITS, RECIPROCAL_BITS = 8, 8, 4, 16


@dataclass(frozen=True, kw_only=True)
class OnChip:
    """A rule and its constants, all powers of two.

    Parameters
    ----------
    rule : str
        "lms" or "sign-lms".
    rate : int
        lms: the first step is 2^-rate to 2^-(rate + 1) of the normalised one; sign-lms: 2^-rate of a weight's unit, 6
        for the strongly correlated displacements of images, where larger first steps leave a field that amplifies.
    halving : int
        Presentations before the step first halves; a power of two is cheapest.
    extra : int
        Further fraction bits of the masters, 1 to 16.
    memory : int
        Means run over a quarter of the presentations so far, at most 2^memory of them.
    stochastic : bool
        Round steps stochastically; half up leaves a dead zone where steps are less than half a master's unit.
    seed : int
        Of the generators during learning.
    """

    rule: str = "lms"
    rate: int = 1
    halving: int = 1024
    extra: int = 8
    memory: int = 12
    stochastic: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        choose("rule", self.rule, RULES)
        for name, least, most in (("rate", 0, 24), ("halving", 1, 2**30), ("extra", 1, 16), ("memory", 1, 24)):
            count = as_count(name, getattr(self, name))
            if not least <= count <= most:
                raise ArgumentError(f"{name}={getattr(self, name)}: expected {least} to {most}")
            object.__setattr__(self, name, count)  # a Python number, as files hold it
        if not isinstance(self.stochastic, bool):
            raise ArgumentError(f"stochastic={self.stochastic!r}: expected True or False")
        object.__setattr__(self, "seed", int(as_seed(self.seed)))


def start(field: IntegerField, formats: Formats, rule: OnChip) -> State:
    """Masters at the weights that the units have, the residual's power at their private noise."""
    inverse = np.linalg.inv(
        np.eye(field.channels) - np.ldexp(field.L, (field.lift[:, NEAR] - field.fraction)[:, None, None])
    )
    most = formats.weight_limit << rule.extra
    parts = (*(np.rint(np.ldexp(inverse @ W, rule.extra)) for W in (field.G, field.B)), np.ldexp(field.L, rule.extra))
    V = np.clip(np.concatenate(parts, axis=2), -most, most)
    edge = np.ldexp(1.0, np.minimum(formats.word_bits + field.fraction, MOST_BIAS_BITS))[:, None]  # beyond any word
    bias = np.rint(np.clip(np.einsum("uij,uj->ui", inverse, field.bias), -edge, edge)).astype(np.int64)
    deviation = np.ldexp(field.s * formats.normal_deviation, (field.lift[:, OWN] - field.fraction)[:, None])
    power = np.minimum(np.floor(np.square(deviation) * 2**POWER_BITS), MOST_POWER // 2).astype(np.int64)
    drawn = states(GENERATORS[formats.generator], field.units, rule.seed, 0)
    return {
        "seen": 0, "V": V.astype(np.int32), "bias": bias,
        "mean": V.astype(np.int64) << MEAN_BITS, "mean_bias": bias << MEAN_BITS,
        "power": power, "states": drawn,
    }  # fmt: skip


def observe(field: IntegerField, formats: Formats, rule: OnChip, state: State, d: Any, h: Any) -> None:
    """Learn from displacement words d and activation words h, (T, m, N) int32, in order; `state` in place."""
    from localnoise.hardware.kernels.learning import learn

    numbers = (formats.weight_limit, formats.word_limit, rule.extra, GENERATORS[formats.generator].kind)
    options = (rule.rate, rule.halving, rule.memory)
    arrays: Any = tuple(state[name] for name in ("V", "bias", "mean", "mean_bias", "power", "states"))
    topology = (field.parents, field.readers, field.lift, field.fraction)
    whole = tuple(np.int64(number) for number in numbers), (*(np.int64(n) for n in options), rule.stochastic)
    everything: Any = (*arrays, d, h, *topology, np.int64(state["seen"]), RULES.index(rule.rule), *whole)
    learn(*everything)
    state["seen"] += len(d)


def settle(field: IntegerField, formats: Formats, rule: OnChip, state: State) -> IntegerField:
    """Return the field with the weights that `state` stands for."""
    limit, R, K = formats.weight_limit, field.G.shape[2], field.B.shape[2]
    low, itself = rule.extra + MEAN_BITS, np.ones((field.units, 1), bool)
    W, L = state["mean"][:, :, : R + K], np.tril(rounded(state["mean"][:, :, R + K :], low, limit, itself), -1)
    near = (field.fraction - field.lift[:, NEAR])[:, None, None]
    W = W - (np.einsum("uij,ujk->uik", L.astype(np.int64), W) >> near)
    slots = (field.readers >= 0, field.parents >= 0)
    G, B = (rounded(part, low, limit, there) for part, there in zip(np.split(W, (R,), axis=2), slots, strict=True))
    bias = state["mean_bias"] - (np.einsum("uij,uj->ui", L.astype(np.int64), state["mean_bias"]) >> near[:, 0])
    own = field.fraction - field.lift[:, OWN]
    reciprocal = round(2**RECIPROCAL_BITS / formats.normal_deviation)
    s = [
        [private(int(power), reciprocal, int(bits), limit) for power in row]
        for row, bits in zip(state["power"], own, strict=True)
    ]
    return IntegerField(
        **{
            **field.arrays,
            "bias": bias >> MEAN_BITS,
            "G": G,
            "B": B,
            "L": L,
            "s": np.array(s, np.int32),
        },
        activation_scale=field.activation_scale,
    )


def rounded(mean: Any, low: int, limit: int, there: Any) -> Any:
    """Round means (N, m, k m) by `low` bits, what is lost to be added to the next neighbor's weight of that channel.

    Neighbors move alike: their weights' sum matters most, and is kept to half a unit (error diffusion). What is lost
    passes by empty slots; there : (N, k) bool, which of the k neighbors exist.
    """
    m = mean.shape[1]
    out, lost = np.zeros(mean.shape, np.int32), np.zeros((len(mean), m, m), np.int64)
    for slot in range(there.shape[1]):
        block = slice(slot * m, (slot + 1) * m)
        wanted = mean[:, :, block] + lost
        whole = np.clip((wanted + (1 << (low - 1))) >> low, -limit, limit) * there[:, slot, None, None]
        out[:, :, block], lost = whole, wanted - (whole << low)
    return out


def private(power: int, reciprocal: int, bits: int, limit: int) -> int:
    """Weight s of the private noise: isqrt(power 2^(2 g)) reciprocal, to `bits` fraction bits, in [1, limit]."""
    product = math.isqrt(max(power, 0) << 2 * ROOT_BITS) * reciprocal
    shift = RECIPROCAL_BITS + POWER_BITS // 2 + ROOT_BITS - bits
    rounded = (product + (1 << (shift - 1))) >> shift if shift > 0 else product << -shift
    return min(max(rounded, 1), limit)


def refuse_overflow(field: IntegerField, formats: Formats, width: int) -> None:
    """Raise an ArgumentError if weights could come to overflow an accumulator, or are too coarse to learn."""
    m = field.channels
    coarse = np.flatnonzero(field.fraction < field.lift[:, NEAR])
    if coarse.size:
        raise ArgumentError(
            f"unit {divmod(int(coarse[0]), width)}: weight_bits={formats.weight_bits} hold its weights in steps "
            "larger than 1, too coarse to learn: quantise with more weight_bits"
        )
    counts = np.array([field.G.shape[2], field.B.shape[2] + m, 1], object)
    most = np.array([2 ** (formats.activation_bits - 1), 2 ** (formats.word_bits - 1), formats.normal_limit], object)
    sums = (counts * most * formats.weight_limit * (1 << field.lift.astype(object))).sum(1)  # exact
    sums = sums + (1 << field.fraction.astype(object) + formats.word_bits - (0 if field.G.shape[2] else 1))
    bad = np.flatnonzero(sums >= 2 ** (formats.accumulator_bits - 1))
    if bad.size:
        raise ArgumentError(
            f"unit {divmod(int(bad[0]), width)}: learning could bring its accumulator to "
            f"{math.log2(sums[bad[0]]) + 1:.1f} bits, accumulator_bits={formats.accumulator_bits}: quantise with "
            "d=..., which scales for learning, or with more accumulator_bits"
        )
