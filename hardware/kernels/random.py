"""Random words of 32 bits: four bytes, low byte first, whatever the generator."""

import numpy as np

from localnoise.hardware.flags import integer_kernel
from localnoise.hardware.generators.lfsr import next_byte
from localnoise.hardware.generators.xorshift import KIND, next_state


@integer_kernel
def random_word(state, kind):
    """Return (next state, 32 random bits), uint32 both. kind : `Generator.kind`."""
    if np.uint32(kind) == KIND:
        state = next_state(state)
        return state, state
    word = np.uint32(0)
    for place in range(4):
        state = next_byte(state, np.uint32(kind))
        word = np.uint32(word | np.uint32(np.uint32(state & np.uint32(255)) << np.uint32(8 * place)))
    return state, word


@integer_kernel
def random_words(out, states, kind):
    """One for every row and unit; `states` go on in place. out : (m, N) uint32."""
    for i in range(out.shape[0]):
        for u in range(states.shape[0]):
            states[u], out[i, u] = random_word(states[u], kind)
