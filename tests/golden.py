"""Write the golden vectors in `hardware/golden/`, by the oracles in Python's integers: python tests/golden.py.

`grid.json` is the configuration of a small signal-dependent grid that learns; `words.json` what it must do, words by
draw, channel and unit: first draws, draws for activations, what it learns from displacements, draws after learning.
"""

import json
from pathlib import Path

import numpy as np
from naive_chip import learned, words
from naive_chip_learning import learn_unit

from localnoise.hardware import Formats, OnChip, quantise
from localnoise.hardware.configuration import configure, read_json, write_json
from localnoise.hardware.learning import settle, start

HERE = Path(__file__).parent / "hardware" / "golden"
SEED, DRAWS = 2024, 56
RULE = OnChip(rule="lms", stochastic=True)


def vectors(chip):
    """Everything that `words.json` holds, of the chip grid."""
    f, formats = chip.field, chip.formats
    rng = np.random.default_rng(0)
    shape = (DRAWS, f.channels, f.units)
    h = rng.integers(-formats.activation_limit - 1, formats.activation_limit + 1, shape)
    d = rng.integers(-formats.word_limit // 4, formats.word_limit // 4, shape)
    drawn = words(chip, DRAWS, SEED)
    state = start(f, formats, RULE)
    parts = [learn_unit(f, formats, RULE, state, u, d, h) for u in range(f.units)]
    names = ("V", "bias", "mean", "mean_bias", "power", "states")
    after = {name: np.array([part[k] for part in parts]) for k, name in enumerate(names)} | {"seen": DRAWS}
    taught = settle(f, formats, RULE, after)
    return {
        "seed": SEED,
        "draws": drawn.tolist(),
        "activations": h.tolist(),
        "displacements": d.tolist(),
        "masters": after["V"].tolist(),
        "learned": {name: taught.arrays[name].tolist() for name in ("G", "B", "L", "s", "bias")},
    }


def main():
    grid, h = learned(shape=(3, 3), channels=2, signal="local")
    d = np.random.default_rng(1).normal(size=(200, 2, 3, 3))
    chip = quantise(grid, Formats(rounding="stochastic"), h=h, d=d)
    chip.provenance = {}
    write_json(configure(chip, seed=SEED, learner=RULE), HERE / "grid.json")
    said = vectors(read_json(HERE / "grid.json").chip)
    text = ",\n".join(f'"{key}": {json.dumps(value, separators=(",", ":"))}' for key, value in said.items())
    (HERE / "words.json").write_text("{\n" + text + "\n}\n", encoding="ascii")


if __name__ == "__main__":
    main()
