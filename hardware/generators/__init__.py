"""Random numbers as a chip makes them: generators, seeds whose streams do not overlap, integer Gaussian words."""

from localnoise.errors import choose
from localnoise.hardware.generators.gaussian import draw as draw
from localnoise.hardware.generators.lfsr import Lfsr as Lfsr
from localnoise.hardware.generators.protocol import Generator as Generator
from localnoise.hardware.generators.seeding import draws_without_overlap as draws_without_overlap
from localnoise.hardware.generators.seeding import naive_states as naive_states
from localnoise.hardware.generators.seeding import states as states
from localnoise.hardware.generators.xorshift import Xorshift32 as Xorshift32

GENERATORS: dict[str, Generator] = {
    "lfsr16": Lfsr(width=16),
    "lfsr24": Lfsr(width=24),
    "lfsr32": Lfsr(width=32),
    "xorshift32": Xorshift32(),
}


def generator(name: str) -> Generator:
    """Return the generator of this name; an ArgumentError names the nearest."""
    return GENERATORS[choose("generator", name, GENERATORS)]
