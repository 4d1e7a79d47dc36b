"""Energy of counted operations, pJ: from the profile's own figures where it has them, else from the 45 nm table.

    arithmetic   synapse x weights + update x neurons; else multiplies, additions, shifts by the table
    memory       access x neurons (a synapse includes its weight's read); else bits read and written by the table
    random       random x bytes (a published draw's width is not stated: a byte each); else the generator's shifts and
                 exclusive ors, and an addition a byte, by the table
    messages     message x words + hop x hops; the table has no figure: unknown, and the total is without them

Multiplications are as wide as the wider of weight and word, additions and shifts as the accumulator. The memory whose
size sets a read's price is a core's share where the placement is known, else one memory of everything.

The table prices operations alone. Fetching instructions, control, clocks and leakage come on top, on a processor many
times over: compare forms of noise by it, not chips.
"""

from dataclasses import dataclass
from typing import final

from localnoise.hardware.chips.profile import Profile
from localnoise.hardware.fitting import table_45nm
from localnoise.hardware.fitting.cost import Operations
from localnoise.hardware.formats import Formats
from localnoise.hardware.generators import GENERATORS

OWN, TABLE, UNKNOWN, NONE = "profile", "45 nm table", "not published", "none sent"


@final
@dataclass(frozen=True, kw_only=True)
class Energy:
    """Energy in pJ by what it is spent on, and where each price comes from.

    Attributes
    ----------
    arithmetic, memory, random : float
    messages : float or None
        None where no figure is published.
    sources : dict of str
        "profile", "45 nm table", "not published" or "none sent", by name.
    """

    arithmetic: float
    memory: float
    random: float
    messages: float | None
    sources: dict[str, str]

    @property
    def total(self) -> float:
        """Sum of what is known; `complete` tells whether that is all."""
        return self.arithmetic + self.memory + self.random + (self.messages or 0.0)

    @property
    def complete(self) -> bool:
        """Return whether messages have a price, or none is sent."""
        return self.messages is not None


def energy_of(operations: Operations, formats: Formats, profile: Profile, memory_bytes: int) -> Energy:
    """Price the operations, as the module states. `memory_bytes`: of the memory that each read goes to."""
    own = {name: figure.number for name, figure in profile.energy.items() if figure.number is not None}
    sources = dict.fromkeys(("arithmetic", "memory", "random"), TABLE)
    if "synapse" in own:
        arithmetic = own["synapse"] * operations.multiplies + own.get("update", 0.0) * operations.neurons
        memory = own.get("access", 0.0) * operations.neurons
        sources |= {"arithmetic": OWN, "memory": OWN}
    else:
        width = max(formats.weight_bits, formats.word_bits)
        sums = operations.adds + operations.shifts
        arithmetic = operations.multiplies * table_45nm.multiply(width)
        arithmetic += sums * table_45nm.add(formats.accumulator_bits)
        memory = table_45nm.access(operations.read_bits + operations.write_bits, memory_bytes)
    if "random" in own:
        random, sources["random"] = own["random"] * operations.random_bytes, OWN
    else:
        generator = GENERATORS[formats.generator]
        each = 2 if generator.kind else 6  # an LFSR's tick, a xorshift's step: as many shifts as exclusive ors
        random = operations.generator_steps * each * table_45nm.add(generator.width)
        random += operations.random_bytes * table_45nm.add(16)
    messages, sources["messages"] = _messages(operations, own)
    return Energy(arithmetic=arithmetic, memory=memory, random=random, messages=messages, sources=sources)


def _messages(operations: Operations, own: dict[str, float]) -> tuple[float | None, str]:
    if operations.messages == 0:
        return 0.0, NONE
    if operations.messages is None or operations.hops is None or "message" not in own or "hop" not in own:
        return None, UNKNOWN
    return own["message"] * operations.messages + own["hop"] * operations.hops, OWN
