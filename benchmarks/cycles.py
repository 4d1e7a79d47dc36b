"""Instructions of the exported C on an emulated Cortex-M4, kernel by kernel: what `fitting.cycles` is fitted to.

    python -m benchmarks.cycles

prints the constants, and how far the fitted counts lie from the counted ones.
"""

import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

import localnoise as ln
from localnoise.hardware import Formats, quantise
from localnoise.hardware.export import export
from localnoise.hardware.export.cortex import CortexM
from localnoise.hardware.export.network_machines import NetworkCortexM
from localnoise.hardware.export.repair_machines import RepairCortexM
from localnoise.hardware.fitting import cycles
from localnoise.hardware.fitting.wiring import Wiring
from localnoise.hardware.network.layers import (
    ApplyWords,
    ConvolutionWords,
    Finish,
    MaximumWords,
    MeanWords,
    ReshapeWords,
    SumWords,
)
from localnoise.hardware.network.program import Program
from localnoise.hardware.network.windows import Window

Samples = dict[str, list[tuple[dict[str, float], int]]]
_CLAMP = Finish(low=-128, high=127)
_TABLE = Finish(low=-127, high=127, table=np.tanh(np.arange(-512, 512) / 128).astype(np.int16))


def network() -> Program:
    """Return layers of every kind and of several sizes, one behind the other."""
    rng, layers, shape = np.random.default_rng(0), list[Any](), (2, 12, 12)

    def put(kind: Any, out: tuple[int, int, int], *inputs: int, **more: Any) -> None:
        nonlocal shape
        given = inputs or (len(layers),)
        layers.append(kind(place=str(len(layers)), inputs=given, shape=out, bits=8, scale=5, **more))
        shape = out

    def convolution(channels: int, kernel: int, padding: int, finish: Finish, groups: int = 1) -> None:
        side = shape[1] + 2 * padding - kernel + 1
        size = (channels, shape[0] // groups, kernel, kernel)
        put(
            ConvolutionWords, (channels, side, side), weights=rng.integers(-9, 10, size).astype(np.int8),
            bias=rng.integers(-9, 10, channels).astype(np.int32), fraction=np.full(channels, 5, np.uint8),
            window=Window(kernel=(kernel, kernel), padding=(padding, padding)), finish=finish,
        )  # fmt: skip

    convolution(6, 5, 2, _TABLE)
    convolution(12, 3, 1, _CLAMP)
    convolution(12, 3, 1, _CLAMP, groups=12)
    convolution(12, 3, 1, _TABLE, groups=3)
    convolution(8, 1, 0, _TABLE)
    put(SumWords, shape, len(layers), len(layers), lift=(0, 1), fraction=1, finish=_CLAMP)
    put(ApplyWords, shape, finish=_CLAMP)
    put(
        ApplyWords,
        shape,
        finish=Finish(low=-127, high=127, table=np.clip(np.arange(-128, 128), -127, 127).astype(np.int16)),
    )
    put(MaximumWords, (8, 6, 6), window=Window(kernel=(2, 2), stride=(2, 2)))
    convolution(16, 3, 0, _CLAMP)
    convolution(16, 3, 1, _TABLE)
    convolution(16, 3, 1, _CLAMP, groups=16)
    put(SumWords, shape, len(layers), len(layers), lift=(1, 1), fraction=2, finish=_CLAMP)
    put(MaximumWords, shape, window=Window(kernel=(3, 3), padding=(1, 1)))
    put(MeanWords, (16, 2, 2), window=Window(kernel=(2, 2), stride=(2, 2)), padded=False, lift=0)
    put(ReshapeWords, (64, 1, 1))
    convolution(40, 1, 0, _TABLE)
    convolution(10, 1, 0, _CLAMP)
    return Program((2, 12, 12), 8, 5, layers)


def grids() -> list[Any]:
    """Return grids of several fan-ins and channels, some that read activations, some of 4-bit weights."""
    rng, found = np.random.default_rng(1), []
    sizes = [(2, 6, 2, 0), (4, 5, 8, 0), (8, 4, 4, 0), (16, 3, 8, 0), (16, 6, 4, 0), (24, 4, 3, 0), (12, 6, 8, 0)]
    for channels, side, parents, signal in [*sizes, (4, 5, 4, 1), (8, 4, 2, 1)]:
        h = rng.normal(size=(1200, channels, side, side)).astype(np.float32)
        d = 0.3 * np.roll(h, 1, 3) + 0.3 * rng.normal(size=h.shape).astype(np.float32)
        how = {"signal": "local"} if signal else {}
        grid = ln.UnitGrid(shape=(side, side), channels=channels, parents=parents, **how)
        grid = grid.learn(d, h) if signal else grid.learn(d)
        for bits in (8, 4)[: 1 + (channels == 4)]:
            found.append(quantise(grid, Formats(weight_bits=bits), h=h if signal else None, feedback=False))
    return found


def repairs() -> list[Any]:
    """Return repairs of several radii and channels."""
    rng, found = np.random.default_rng(2), []
    sizes = [(2, 5, 1, 2, None), (4, 4, 2, 4, None), (8, 4, 1, 2, None), (16, 4, 1, 1, None)]
    sizes += [(2, 5, 1, 2, 1), (4, 4, 2, 2, 1), (16, 4, 1, 1, 0), (8, 5, 1, 1, 1)]
    for channels, side, radius, parents, bends in sizes:
        h = rng.normal(size=(600, channels, side, side)).astype(np.float32)
        made = ln.Repair((side, side), channels, radius=radius, bends=bends, parents=parents)
        made.learn("dark", 0.3 * h, h)
        found.append(quantise(made, Formats(), feedback=False))
        some = made.log_densities(h[:60])
        made.expect_worth(some, np.arange(60) % 2, np.arange(60) % 2)
        found.append(quantise(made, Formats(), feedback=False))
    return found


def counted(kinds: list[str]) -> Samples:
    """Return features and instructions of each kernel of each example; kinds: networks, draws, repairs."""
    found: Samples = {}
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)

        def machine(kind: Any, chip: Any) -> Any:
            folder = export(chip, place / "c", force=True)
            return kind(folder, place, chip)

        program = network()
        emulated = machine(NetworkCortexM, program)
        for k, layer in enumerate(program.layers if "networks" in kinds else ()):
            kernel, features = cycles.of_layer(program, layer)
            found.setdefault(kernel, []).append((features, emulated.layer(k)))
        for chip in grids() if "draws" in kinds else ():
            emulated = machine(CortexM, chip)
            reads = chip.field.signal
            emulated.call("perturb" if reads else "draw", *_words(emulated, reads), counted=True)
            features = cycles.of_draw(Wiring.of(chip), chip.formats)
            found.setdefault("draw", []).append((features, emulated.instructions))
        for chip in repairs() if "repairs" in kinds else ():
            emulated = machine(RepairCortexM, chip)
            emulated.call("decide", emulated._h, emulated._eta, counted=True)
            found.setdefault("decide", []).append((cycles.of_decision(chip), emulated.instructions))
            emulated.call("undo", 1, emulated._h, emulated._eta, counted=True)
            found.setdefault("undo", []).append((cycles.of_undoing(chip), emulated.instructions))
    return found


def _words(machine: Any, reads: bool) -> tuple[int, ...]:
    return (machine._noise, machine._h, machine._eta) if reads else (machine._noise, machine._eta)


def fitted(samples: list[tuple[dict[str, float], int]]) -> dict[str, float]:
    """Return instructions per feature, none negative, by the least squared relative error."""
    from scipy.optimize import nnls

    names = list(samples[0][0])
    counts = np.array([count for _, count in samples], float)
    A = np.array([[features[name] for name in names] for features, _ in samples]) / counts[:, None]
    found, _ = nnls(A, np.ones(len(counts)))
    return {name: round(float(value), 2) for name, value in zip(names, found, strict=True)}


if __name__ == "__main__":
    for kernel, samples in counted(sys.argv[1:] or ["networks", "draws", "repairs"]).items():
        constants = fitted(samples)
        errors = [
            sum(constants[name] * value for name, value in features.items()) / count - 1 for features, count in samples
        ]
        print(f'    "{kernel}": {constants},  # {len(samples)} examples, {min(errors):+.1%} to {max(errors):+.1%}')
