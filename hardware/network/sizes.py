"""Bytes that a network takes in C: flash by part, and RAM."""

import numpy as np

from localnoise.hardware.network.layers import ApplyWords, ConvolutionWords, MixWords, SumWords
from localnoise.hardware.network.memory import planned
from localnoise.hardware.network.program import Program

NUMBERS = 28  # a layer's, as the C names them
FINISHED = (ConvolutionWords, SumWords, ApplyWords, MixWords)


def word_bytes(program: Program) -> int:
    """Bytes of a word between layers, in C."""
    inner = [program.bits, *(bits for _, bits, _ in program.layouts[1:-1])]
    return 1 if max(inner) <= 8 else 2


def network_bytes(program: Program) -> tuple[dict[str, int], dict[str, int]]:
    """Return bytes of flash by part, and of RAM, that the exported C takes; less the program, noise, and the stack."""
    size, outputs = word_bytes(program), program.layers[-1].shape
    convolutions = [one for one in program.layers if isinstance(one, ConvolutionWords)]
    tables = {one.finish.table.tobytes() for one in program.layers if isinstance(one, FINISHED)}
    flash = {
        "weights": sum(one.weights.size for one in convolutions),
        "biases and shifts": sum(5 * one.bias.size for one in convolutions),
        "tables of functions": sum(len(one) // 2 * size for one in tables),
        "layers": 4 * NUMBERS * len(program.layers),
    }
    ram = {
        "working memory": (planned(program)[1] + patch_words(program)) * size,
        "image and logits": int(np.prod(program.shape)) * size + 2 * int(np.prod(outputs)),
    }
    return flash, ram


def patch_words(program: Program) -> int:
    """Words that a place of a convolution multiplies, at most, of those that gather them."""
    every = [
        one.weights[0].size
        for one in program.layers
        if isinstance(one, ConvolutionWords) and one.weights.shape[1] == program.layouts[one.inputs[0]][0][0]
    ]
    return max(every, default=1)
