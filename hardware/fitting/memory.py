"""Where the bits of a grid go: weights, biases, shifts, topology, generators, words, learner; and of a dense form.

Per unit with l links, m channels, K parent and R reader slots, weights of b bits, accumulators of A bits:

    weights     (l m^2 + m (m - 1) / 2 + m) b      existing links, own earlier channels, private noise
    biases      m A with signal dependence         zero without, and not stored
    shifts      4 ceil(log2 A)                     `lift` and `fraction`
    topology    (K + R) ceil(log2(N + 1))          an address or "none" a slot; and ceil(log2 N): its place in the order
    generator   its state
    words       m (word bits), and m (activation bits) with signal dependence
    learner     none; or, of "lms" and "sign-lms" as `hardware.learning` keeps them with 8 further bits, a master of
                b + 8 and a mean of b + 16 bits for each weight but the noise's, m powers of 2 (word bits) + 8 bits,
                and with signal dependence m means of biases of A + 8 bits; of "three-factor" as `hardware.rewarding`
                keeps it with 12 further bits, a master of b + 12 bits for each link's weight

Of a grid with `share` or `rank` (`hardware.narrow`), with r directions, q = r or m, C classes and F factors:

    weights     m b; with share="none" l q^2 b more
    biases      m 16 with signal dependence
    shifts      ceil(log2 A)                       `own`
    topology    ceil(log2 C) + ceil(log2 F) more   which class and which factor
    words       r (word bits) more, twice with signal dependence: what links carry
    shared      once, for all units: the classes' l q^2 b, directions r m b (of the activation as well), factors
                m (m + 1) / 2 b; and ceil(log2 A) for each of the 3 q shifts of a class, m of a factor, 2 r or 3 r of
                the directions, and 2. It may lie in read-only memory. Every core that holds units needs it.

Of a bank, weights, biases and shifts of every member, and all else once; `shared` is then also of every member, with a
threshold of 32 bits each, and the generators have 64 bits more, from which the turn follows.

A microcontroller keeps what the exported C does (`hardware.export`): widths of C types (of a grid that does not learn,
two weights of up to 4 bits in a byte), 16 or 32 bits an address and 64 more a unit, for where its weights begin and its
seed (32 for its seed and 32 a class, with `share` or `rank`); of the learner 96 bits a weight, 192 a neuron and a
generator a unit; of "three-factor" 32 bits a link's weight, 16 a neuron and a generator a unit. Programs, scratch and
stack are not counted.
"""

from dataclasses import dataclass
from typing import final

import numpy as np

from localnoise.errors import ArgumentError, choose
from localnoise.hardware.fitting.wiring import BankOnChip, Chip, Ints, Wiring
from localnoise.hardware.formats import Formats
from localnoise.hardware.generators import GENERATORS
from localnoise.hardware.learners import RULES
from localnoise.hardware.narrow import BIAS_BITS
from localnoise.hardware.rewarding import THREE_FACTOR

LEARNERS = ("none", *RULES)
EXTRA, MEAN, POWER = 8, 8, 8  # further bits of masters, means and powers
REWARD_EXTRA = 12  # of the masters of "three-factor"
C_WORD, C_STATE, C_MASTER, C_POINTER = 16, 32, 32, 32  # bits of what a C program on a microcontroller keeps
REGIONS = ("weights", "biases", "shifts", "topology", "generator", "words", "learner")
TURN_BITS, THRESHOLD_BITS = 64, 32  # of a bank: from which turns follow, and one a member
SHARED = "shared"  # a region of grids that have some


@final
@dataclass(frozen=True, kw_only=True)
class MemoryMap:
    """Bits by region, of all units together.

    Attributes
    ----------
    weights, biases, shifts, topology, generator, words, learner : int
        Bits.
    start : int
        Bits from which the learner starts; of "three-factor" its generators, and its masters, unless they start
        from the weights.
    largest_unit : int
        Bits of the unit that takes most.
    shared : int
        Bits that are stored once for all units, of grids with `share` or `rank`.
    """

    weights: int
    biases: int
    shifts: int
    topology: int
    generator: int
    words: int
    learner: int
    start: int
    largest_unit: int
    shared: int = 0

    @property
    def regions(self) -> dict[str, int]:
        """Bits by region, in order."""
        return {name: getattr(self, name) for name in (*REGIONS, *([SHARED] if self.shared else []))}

    @property
    def bits(self) -> int:
        """Sum over the regions."""
        return sum(self.regions.values())

    @property
    def bytes(self) -> int:
        """Bits in bytes, rounded up."""
        return -(-self.bits // 8)

    @property
    def ram(self) -> int:
        """Bytes that change: generators, words, and, where the grid learns, the learner and its weights and biases."""
        changing = self.generator + self.words + self.learner
        learned = self.weights + self.biases if self.learner else 0
        return -(-(changing + learned) // 8)

    @property
    def flash(self) -> int:
        """Bytes that do not change, and the values from which a learning grid's weights and learner start."""
        own = self.weights + self.biases + self.shifts + self.topology + self.start
        return -(-(own + self.shared) // 8)


def memory_map(chip: Chip | BankOnChip, learner: str = "none", *, whole_bytes: bool = False) -> MemoryMap:
    """Return the map of a grid on a chip, or of all members of a bank. Cost O(N K).

    whole_bytes : as a C program stores it.
    """
    return map_of(Wiring.of(chip), chip.formats, learner=learner, whole_bytes=whole_bytes)


def map_of(wiring: Wiring, formats: Formats, *, learner: str = "none", whole_bytes: bool = False) -> MemoryMap:
    """As `memory_map`, of a wiring in some formats."""
    regions = _regions(wiring, formats, learner, whole_bytes)
    sums = {name: int(bits.sum()) for name, bits in regions.items()}
    sums["generator"] += TURN_BITS if wiring.members else 0
    if whole_bytes and wiring.narrow is None:  # which weights and biases are in use; of a bank shifts, too
        sums["generator"] += C_POINTER * (4 if wiring.members else 2)
    shared = shared_bits(wiring, formats, whole_bytes=whole_bytes)
    generators = wiring.units * (C_STATE if whole_bytes else GENERATORS[formats.generator].width)
    start = sums["learner"]
    if learner == THREE_FACTOR:  # masters begin from the weights, which are there
        masters = C_MASTER if whole_bytes else formats.weight_bits + REWARD_EXTRA
        start = generators + (int(wiring.linked.sum()) * masters if wiring.rewarded else 0)
    return MemoryMap(**sums, start=start, largest_unit=int(np.add.reduce(list(regions.values())).max()), shared=shared)


def unit_bits(wiring: Wiring, formats: Formats, *, learner: str = "none", whole_bytes: bool = False) -> Ints:
    """Bits that each unit takes by itself, (N,)."""
    return np.asarray(np.add.reduce(list(_regions(wiring, formats, learner, whole_bytes).values())))


def shared_bits(wiring: Wiring, formats: Formats, *, whole_bytes: bool = False) -> int:
    """Bits that are stored once for all units: with `share` or `rank`, and thresholds of a bank; else 0."""
    n = wiring.narrow
    sets = max(wiring.members, 1)
    thresholds = THRESHOLD_BITS * wiring.members
    if n is None:
        return thresholds
    classes, r = len(wiring.classes), n.rank
    numbers = (3 if r else 2) * classes * wiring.carried + n.factors * wiring.channels + (2 + wiring.signal) * r
    fixed = 0 if whole_bytes else 2 * (formats.accumulator_bits - 1).bit_length()  # C has them as constants
    pointers = 32 * classes if whole_bytes else 0
    shifts = numbers * stored_width((formats.accumulator_bits - 1).bit_length(), whole_bytes)
    weights = wiring.shared_weights * stored_width(formats.weight_bits, whole_bytes)
    return sets * (weights + shifts + fixed + pointers) + thresholds


def dense_bits(neurons: int, weight_bits: int, *, square: bool = False) -> int:
    """Bits of a dense factor of the covariance: n (n + 1) / 2 weights, or n^2 as full matrices are stored."""
    return (neurons * neurons if square else neurons * (neurons + 1) // 2) * weight_bits


def stored_width(bits: int, whole_bytes: bool) -> int:
    """Width of a stored number: as it is, or the C type that holds it."""
    return next((width for width in (8, 16, 32, 64) if width >= bits), bits) if whole_bytes else bits


def _regions(wiring: Wiring, formats: Formats, learner: str, whole_bytes: bool) -> dict[str, Ints]:
    choose("learner", learner, LEARNERS)
    m, units, narrow = wiring.channels, wiring.units, wiring.narrow
    if wiring.members and learner != "none":
        raise ArgumentError(f"learner={learner!r}: a bank does not learn on a chip; expected 'none'")
    if narrow is not None and learner != "none":
        raise ArgumentError(
            f"learner={learner!r}: it writes weights for every unit alone, and this grid shares or reduces them "
            "(share=, rank=): expected 'none'"
        )

    def each(count: int, bits: int) -> Ints:
        return np.full(units, count * stored_width(bits, whole_bytes), np.int64)

    A, master = formats.accumulator_bits, formats.weight_bits + EXTRA
    numbers = 2 * master + MEAN
    learned: Ints = (wiring.weights - m) * numbers + each(m, 2 * formats.word_bits + POWER)
    learned = learned + each(m if wiring.signal else 0, A + MEAN)
    slots = wiring.parents.shape[1] + wiring.readers.shape[1]
    address, place = units.bit_length(), max((units - 1).bit_length(), 1)
    linked = wiring.linked
    if learner == THREE_FACTOR:
        learned = np.asarray(linked * (formats.weight_bits + REWARD_EXTRA))
    if whole_bytes:  # int32 masters, int64 means; biases, their means and powers int64
        three = learner == THREE_FACTOR
        rewarded = linked * C_MASTER + m * C_WORD + C_STATE
        learned = np.asarray(rewarded if three else wiring.weights * (C_MASTER + 64) + m * 192 + C_STATE)
        address = 16 if units < 2**16 else 32
        place = address + (64 if narrow is None else 32)
    bias, carried = A, 0
    if narrow is not None:
        bias, carried = BIAS_BITS, narrow.rank * (1 + wiring.signal)
        sizes = (len(wiring.classes), narrow.factors)
        if whole_bytes:
            place += 2 * (8 if max(sizes) <= 2**8 else 32)
        else:
            place += sum((size - 1).bit_length() for size in sizes)
    sets = max(wiring.members, 1)
    width = stored_width(formats.weight_bits, whole_bytes)
    if whole_bytes and formats.weight_bits <= 4 and learner == "none" and not wiring.members and narrow is None:
        width = 4  # two of them in a byte
    generator, word, activation = GENERATORS[formats.generator].width, formats.word_bits, formats.activation_bits
    if whole_bytes:  # uint32_t and int16_t, whatever fits in them
        generator, word, activation = C_STATE, C_WORD, C_WORD
    return {
        "weights": sets * wiring.weights * width,
        "biases": sets * each(m if wiring.signal else 0, bias),
        "shifts": sets * each(4 if narrow is None else 1, (A - 1).bit_length()),
        "topology": each(slots, address) + place,
        "generator": each(1, generator),
        "words": each(m + carried, word) + each(m if wiring.signal else 0, activation),
        "learner": learned if learner != "none" else each(0, A),
    }
