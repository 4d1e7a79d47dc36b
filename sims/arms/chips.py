"""Arms on a chip: the local field in integers, emulated to the bit, at training and at test."""

from localnoise import UnitGrid
from localnoise.hardware import ChipGrid, Formats, quantise
from localnoise.sims.arms.arm import Arm, Array, Build

_CALIBRATION = 2048  # activations that a signal-dependent grid is calibrated on
WEIGHT_BITS, WORD_BITS = (2, 3, 4, 5, 6, 8, 12), (4, 6, 8, 10, 16)


def _chip(signal: str = "none", parents: int = 8, **formats: object) -> Build:
    def build(d: Array, h: Array, trace: float) -> ChipGrid:
        grid = UnitGrid(shape=d.shape[2:], channels=d.shape[1], parents=parents, signal=signal)
        if signal == "none":
            return quantise(grid.learn(d).normalise(trace), Formats(**formats))  # type: ignore[arg-type]
        return quantise(grid.learn(d, h), Formats(**formats), h=h[:_CALIBRATION])  # type: ignore[arg-type]

    return build


def _bits(weight_bits: int, word_bits: int, **more: object) -> Arm:
    """Return K=8 at these widths: `chip-w8-d12` has 8-bit weights and 12-bit words."""
    build = _chip(weight_bits=weight_bits, word_bits=word_bits, accumulator_bits=48 if word_bits > 12 else 32)
    label = f"K=8 on chip, {weight_bits}-bit weights, {word_bits}-bit words"
    return Arm(name=f"chip-w{weight_bits}-d{word_bits}", label=label, build=build, central=False)


CHIPS = (
    *(_bits(bits, 12) for bits in WEIGHT_BITS),
    *(_bits(8, bits) for bits in WORD_BITS),
    Arm(name="chip-4", label="K=4 on chip, 8-bit weights, 12-bit words", build=_chip(parents=4), central=False),
    Arm(
        name="chip-signal-8",
        label="signal-dependent K=8 on chip, 8-bit weights, 12-bit words",
        build=_chip(signal="local"),
        central=False,
        clean=0.2,
        when="train",
    ),
    Arm(name="chip-lfsr16", label="K=8 on chip, 16-bit LFSRs", build=_chip(generator="lfsr16"), central=False),
    Arm(
        name="chip-popcount",
        label="K=8 on chip, popcount of 16 bytes",
        build=_chip(normal="popcount", normal_bytes=16),
        central=False,
    ),
)
