"""Arms on a chip: the local field in integers, emulated to the bit, at training and at test; by bits, and by wires."""

from typing import Any

import numpy as np

from localnoise import UnitGrid
from localnoise.hardware import Formats, quantise, report
from localnoise.hardware.fitting.pruning import prune
from localnoise.sims.defenses.defense import Array, Build, Defense
from localnoise.sims.defenses.facts import reported
from localnoise.sims.defenses.registry import register

_CALIBRATION = 2048  # activations that a signal-dependent grid is calibrated on
WEIGHT_BITS, WORD_BITS, FAN_IN = (2, 3, 4, 5, 6, 8, 12, 16), (4, 6, 8, 10, 16), (1, 2, 3, 4, 6, 8)
ORDERS: dict[str, dict[str, Any]] = {"multiscale": {"parents": 8}, "raster": {"parents": 8, "radius": 2}}


def _chip(order: str = "multiscale", fan_in: int = 8, signal: str = "none", **formats: Any) -> Build:
    def build(d: Array, h: Array, variance: float) -> Any:
        wiring = ORDERS[order] | {"order": order, "signal": signal}
        grid = UnitGrid(shape=d.shape[2:], channels=d.shape[1], **wiring).learn(d, h if signal == "local" else None)
        if fan_in < 8:
            grid = prune(grid, fan_in=fan_in)
        calibration = None if signal == "none" else h[:_CALIBRATION]
        if signal == "none":
            grid.normalise(variance)
        chip = quantise(grid, Formats(**formats), h=calibration)
        return reported(chip, report(grid, chip, h=calibration))

    return build


def _taught(rule: str, rate: int) -> Build:
    """Return a grid that learned on the chip, in integers; its displacements are scaled, for it has no gain."""

    def build(d: Array, h: Array, variance: float) -> Any:
        scaled = d * np.sqrt(variance / np.square(d, dtype=np.float64).mean()).astype(d.dtype)
        grid = UnitGrid(shape=d.shape[2:], channels=d.shape[1], parents=8)
        chip = quantise(grid, d=scaled[:_CALIBRATION], feedback=False).learn(scaled, rule=rule, rate=rate)
        return reported(chip, report(grid.learn(scaled), chip))

    return build


def _bits(weight_bits: int, word_bits: int) -> Defense:
    """Return K=8 at these widths: `chip-w8-d12` has 8-bit weights and 12-bit words."""
    accumulator = 48 if max(weight_bits, word_bits) > 12 else 32
    build = _chip(weight_bits=weight_bits, word_bits=word_bits, accumulator_bits=accumulator)
    label = f"K=8 on chip, {weight_bits}-bit weights, {word_bits}-bit words"
    summary = f"multiscale-8 in integers, {weight_bits}-bit weights, {word_bits}-bit words."
    return Defense(name=f"chip-w{weight_bits}-d{word_bits}", label=label, summary=summary, build=build, central=False)


def _wires(order: str, fan_in: int) -> Defense:
    """Return a chip grid whose units were pruned from eight parents to their best `fan_in`."""
    label = f"{order} on chip, {fan_in} parents"
    summary = f"A chip's grid in {order} order, pruned from eight to the best {fan_in} parents."
    return Defense(
        name=f"wires-{order}-{fan_in}", label=label, summary=summary, build=_chip(order, fan_in), central=False
    )


BITS = tuple(_bits(bits, 12) for bits in WEIGHT_BITS) + tuple(_bits(8, bits) for bits in WORD_BITS)
WIRES = tuple(_wires(order, fan_in) for order in ORDERS for fan_in in FAN_IN)
OTHERS = (
    Defense(
        name="chip-signal-8",
        label="signal-dependent K=8 on chip, 8-bit weights, 12-bit words",
        summary="signal-8 in integers, 8-bit weights, 12-bit words.",
        build=_chip(signal="local"),
        central=False,
        clean=0.2,
        when="train",
    ),
    Defense(
        name="chip-lms-8",
        label="K=8, lms learned on chip",
        summary="multiscale-8 that learns on the chip, in integers, by lms.",
        build=_taught("lms", 1),
        central=False,
    ),
    Defense(
        name="chip-sign-lms-8",
        label="K=8, sign-lms learned on chip",
        summary="multiscale-8 that learns on the chip, in integers, by signs.",
        build=_taught("sign-lms", 6),
        central=False,
        revision=2,  # 1 began with steps of 2^-1, too large for displacements of images: its field amplified
    ),
    Defense(
        name="chip-lfsr32",
        label="K=8 on chip, 32-bit LFSRs",
        summary="multiscale-8 in integers, random words of 32-bit shift registers.",
        build=_chip(generator="lfsr32"),
        central=False,
    ),
    Defense(
        name="chip-lfsr16",
        label="K=8 on chip, 16-bit LFSRs",
        summary="multiscale-8 in integers, random words of 16-bit shift registers.",
        build=_chip(generator="lfsr16"),
        central=False,
    ),
    Defense(
        name="chip-popcount",
        label="K=8 on chip, popcount of 16 bytes",
        summary="multiscale-8 in integers, Gaussian words that count the bits of 16 bytes.",
        build=_chip(normal="popcount", normal_bytes=16),
        central=False,
    ),
)
CHIPS = (*BITS, *WIRES, *OTHERS)
register(*CHIPS)
