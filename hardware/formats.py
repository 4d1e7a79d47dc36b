"""The number formats of a grid on a chip: frozen, validated once, written into every file and artefact."""

from dataclasses import dataclass

from localnoise.errors import ArgumentError, choose
from localnoise.validate import whole

ROUNDINGS = ("half-up", "half-even", "stochastic")
OVERFLOWS = ("saturate", "wrap")
GENERATORS = ("xorshift32", "lfsr32", "lfsr24", "lfsr16")
NORMALS = ("sum", "popcount")


@dataclass(frozen=True, kw_only=True)
class Formats:
    """Widths in bits, rounding, overflow, and the source of randomness; the arithmetic is `hardware.fixedpoint`'s.

    Parameters
    ----------
    weight_bits : int
        Of each weight (B, L, G, s), 2 to 16, two's complement.
    word_bits : int
        Of the noise and of displacements, 4 to 16.
    activation_bits : int
        Of the activation that a signal-dependent unit reads, 2 to 16.
    accumulator_bits : int
        16 to 64. The quantiser sees to it that no accumulator can overflow.
    rounding : str
        "half-up", "half-even" or "stochastic", of an accumulator to a word.
    overflow : str
        "saturate" or "wrap", of a word.
    generator : str
        "xorshift32", "lfsr32", "lfsr24" or "lfsr16": one a unit.
    normal : str
        "sum" of uniform bytes, or their "popcount".
    normal_bytes : int
        Random bytes per Gaussian word, 1 to 16.
    """

    weight_bits: int = 8
    word_bits: int = 12
    activation_bits: int = 8
    accumulator_bits: int = 32
    rounding: str = "half-up"
    overflow: str = "saturate"
    generator: str = "xorshift32"
    normal: str = "sum"
    normal_bytes: int = 8

    def __post_init__(self) -> None:
        ranges = {"weight_bits": (2, 16), "word_bits": (4, 16), "activation_bits": (2, 16)}
        for name, (least, most) in (ranges | {"accumulator_bits": (16, 64), "normal_bytes": (1, 16)}).items():
            value = getattr(self, name)
            count = whole(value)
            if count is None or not least <= count <= most:
                raise ArgumentError(f"{name}={value!r}: expected a whole number of {least} to {most}")
            object.__setattr__(self, name, count)
        for name, allowed in (("rounding", ROUNDINGS), ("overflow", OVERFLOWS), ("generator", GENERATORS)):
            choose(name, getattr(self, name), allowed)
        choose("normal", self.normal, NORMALS)

    @property
    def weight_limit(self) -> int:
        """Largest weight; the least is its negative, so that negation never overflows."""
        return int(2 ** (self.weight_bits - 1) - 1)

    @property
    def word_limit(self) -> int:
        """Largest word, 2^(w-1) - 1; the least is -2^(w-1)."""
        return int(2 ** (self.word_bits - 1) - 1)

    @property
    def activation_limit(self) -> int:
        """Largest activation word."""
        return int(2 ** (self.activation_bits - 1) - 1)

    @property
    def wide(self) -> bool:
        """Return whether accumulators need 64-bit arithmetic on a computer."""
        return self.accumulator_bits > 32

    @property
    def normal_limit(self) -> int:
        """Largest magnitude of a Gaussian word."""
        return self.normal_bytes * (255 if self.normal == "sum" else 8)

    @property
    def normal_deviation(self) -> float:
        """Exact standard deviation of a Gaussian word: of 2 sum - 255 k, or of 2 popcount - 8 k."""
        variance = 4 * (256**2 - 1) / 12 if self.normal == "sum" else 8
        return float((self.normal_bytes * variance) ** 0.5)

    @property
    def random_bytes(self) -> int:
        """Random bytes that one channel uses per draw."""
        return self.normal_bytes + (4 if self.rounding == "stochastic" else 0)
