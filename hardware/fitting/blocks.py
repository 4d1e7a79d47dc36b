"""The memories of one engine of an FPGA, as `hardware.export.verilog` lays them out, and the blocks of RAM they fill.

In block RAM each memory fills whole blocks: at least ceil(width depth / bits of a block). Fields that turn out constant
and memories of a few words may take less once synthesised. Weights go to single-port RAM, where the chip has it and
block RAM has no room for them: several to a word of 16 bits, each in 2, 4, 8 or 16.
"""

from localnoise.hardware.chips.profile import Profile
from localnoise.hardware.fitting.memory import map_of
from localnoise.hardware.fitting.wiring import Wiring
from localnoise.hardware.formats import Formats
from localnoise.hardware.generators import GENERATORS

_NORMAL, _RANDOM, _WORD = 14, 32, 16  # bits of a Gaussian word, of what stochastic rounding takes, of single-port RAM


def memories(wiring: Wiring, formats: Formats) -> dict[str, tuple[int, int]]:
    """(width in bits, depth) of each memory of one engine, its weights among them; of a bank all members'. O(N K)."""
    m, units, links = wiring.channels, wiring.units, wiring.links
    state, shift = GENERATORS[formats.generator].width, (formats.accumulator_bits - 1).bit_length()
    sets = max(wiring.members, 1)
    index = max((wiring.neurons - 1).bit_length(), (m - 1).bit_length() + 1)
    count = max(2, int(links.max()).bit_length())
    found = {
        "units": (2 + 2 * count + 4 * shift + index, sets * units),
        "links": (index, int(links.sum())),
        "weights": (formats.weight_bits, sets * int(wiring.weights.sum())),
        "seeds": (state, units),
        "generators": (state, units),
        "words": (formats.word_bits, wiring.neurons),
        "normals": (_NORMAL, m),
    }
    if formats.rounding == "stochastic":
        found["randoms"] = (_RANDOM, m)
    if wiring.signal:
        found["activations"] = (formats.activation_bits, wiring.neurons)
        found["biases"] = (formats.accumulator_bits, sets * wiring.neurons)
    return found


def stored_bits(weights: int, weight_bits: int) -> int:
    """Bits that weights take in single-port RAM."""
    together = _WORD >> (weight_bits - 1).bit_length()
    return -(-weights // together) * _WORD


def bits_in_blocks(wiring: Wiring, formats: Formats, profile: Profile, learner: str = "none") -> tuple[int, int]:
    """Bits of (single-port RAM, block RAM) that one engine takes, whole blocks where their size is published.

    A learner's state counts as one memory of block RAM.
    """
    size = int(profile.block.number or 1)
    found = memories(wiring, formats)
    blocks = {name: -(-width * depth // size) * size for name, (width, depth) in found.items()}
    state = map_of(wiring, formats, learner=learner).learner
    everything = sum(blocks.values()) + -(-state // size) * size
    loadable = profile.limit("single_port_ram") and not wiring.members  # a bank's weights are part of the design
    if everything <= (profile.limit("block_ram") or 0) or not loadable:
        return 0, everything
    return stored_bits(found["weights"][1], formats.weight_bits), everything - blocks["weights"]
