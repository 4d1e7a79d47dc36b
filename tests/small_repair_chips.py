"""Formats, activation words and held-out activations of small repairs on chips."""

import numpy as np
from naive_repair_chip import activations, blurred, dimmed

from localnoise.hardware import Formats
from localnoise.hardware.export.repair_parts import plausible

FORMATS = {
    "usual": Formats(),
    "few bits": Formats(weight_bits=4, word_bits=8, activation_bits=5),
    "many bits": Formats(weight_bits=16, word_bits=16, activation_bits=14, accumulator_bits=56),
    "least": Formats(weight_bits=2, word_bits=4, activation_bits=2),
}


def sample(chip, count=9, seed=0):
    """Activation words (2 count, m, N): some as each member expects them, and any."""
    rng, top = np.random.default_rng(seed), chip.formats.activation_limit + 1
    near = plausible(chip, count, rng)
    return np.concatenate([near, rng.integers(-top, top, near.shape)])


def held():
    h = activations(300, 1)
    return {"clean": h, "blur": blurred(h), "dim": np.concatenate([dimmed(h[:150]), 0.5 * h[150:]])}


def changed(name, change):
    def act(file):
        array = file[name][()]
        del file[name]
        file[name] = change(array)

    return act
