"""Repairs, surprises and a user's arrays, as files that localnoise reads; `subjects` has the others."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import naive
import naive_repair_chip
import numpy as np

import localnoise as ln
from localnoise.errors import ArgumentError
from localnoise.hardware import load_chips, quantise
from localnoise.local import LocalLayer
from localnoise.sims.tools import inputs

SHAPE, CHANNELS = (2, 3), 2


def of_repair(repair: Any, of_grid: Callable[[Any], Any]) -> Any:
    """Members, gates, worth and margins."""
    members = [
        (one.source, of_grid(one.law), one.centre.tobytes(), None if one.back is None else of_grid(one.back),
         one.kept.tobytes())
        for one in repair.members
    ]  # fmt: skip
    gates = [[part.tobytes() for part in (one.bias, one.low, one.high)] + [one.scale] for one in [repair.gate]]
    worth = None if repair.worth is None else (repair.worth.offset.tobytes(), repair.worth.slope.tobytes())
    return members, gates, worth, repair.margin, repair.margins, repair.among


def check_repair(repair: Any, path: Path) -> None:
    """Weights are shares, what is repaired is what the ways back say, and it comes back from a file of its own."""
    h = naive_repair_chip.activations(6, 3, repair.config.shape, repair.config.channels)
    if not repair.members:
        return
    fixed, posterior = repair(h)
    w = repair.weights(h.reshape(6, *h.shape[1:]))
    sound = np.isfinite(w).all(axis=1)
    assert (w[sound] >= 0).all()
    assert (w[sound].sum(axis=1) < 1 + 1e-9).all()
    with np.errstate(all="ignore"):
        expected = h.astype(np.float64)
        for share, member in zip(w.T, repair.members, strict=True):
            if member.back is not None:
                expected = expected + share[:, None, None, None] * member.missing(h)
    near = np.isfinite(expected) & (np.abs(expected) < 1e6)
    assert np.allclose(fixed[near], expected[near], rtol=1e-3, atol=1e-3)
    assert posterior.shape == (6, len(repair.sources))
    again = ln.load(repair.save(path.with_name("again.h5")))
    assert [one.source for one in again.members] == [one.source for one in repair.members]
    np.testing.assert_array_equal(again(h)[0], fixed)


def of_surprise(surprise: Any, of_grid: Callable[[Any], Any]) -> Any:
    """Law and calibration."""
    arrays = [*vars(surprise.units).values(), *vars(surprise.image).values(), surprise.centre]
    kept = [part.tobytes() for part in arrays if isinstance(part, np.ndarray)]
    return of_grid(surprise.law), kept, surprise.neighbors, surprise.regions


def check_surprise(surprise: Any, path: Path) -> None:
    """Its p-values are shares of what was held out, and it comes back from a file of its own."""
    h = naive_repair_chip.activations(6, 3, surprise.config.shape, surprise.config.channels)
    with np.errstate(all="ignore"):
        found = surprise(h)
    for p in (found.image_p, found.units_p):
        assert ((p > 0) & (p <= 1)).all()
    again = ln.load(surprise.save(path.with_name("again.h5")))
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(again(h).units_p, found.units_p)


def of_chip_repair(chip: Any) -> Any:
    """Words and numbers."""
    numbers = [getattr(chip.field, name) for name in ("multiplier", "shift", "activation_scale")]
    arrays = {name: (array.shape, array.tobytes()) for name, array in chip.field.arrays.items()}
    return repr(chip.config), repr(chip.formats), arrays, numbers, chip.member_sources


def check_chip_repair(chip: Any, path: Path) -> None:
    """It repairs as Python's integers say, none of them beyond its bits, and comes back from a file of its own."""
    top = 2 ** (chip.formats.activation_bits - 1)
    words = np.random.default_rng(0).integers(-top, top, (3, chip.config.channels, chip.config.units))
    fixed, member = chip.words(words.reshape(3, chip.config.channels, *chip.config.shape))
    expected, members = naive_repair_chip.repaired(chip, words)
    assert member.tolist() == members
    assert fixed.reshape(expected.shape).tolist() == expected.tolist()
    assert of_chip_repair(load_chips(chip.save(path.with_name("again.h5")))) == of_chip_repair(chip)


def of_units(layer: Any) -> Any:
    """Configuration, weights, rule and what it keeps."""
    kept = {name: value.tobytes() if isinstance(value, np.ndarray) else value for name, value in layer.state.items()}
    return layer.config, layer.W.tobytes(), layer.rule.name, vars(layer.rule), kept


def check_units(layer: Any, path: Path) -> None:
    """Units answer as plain NumPy says, go on learning, and come back from a file of their own."""
    x = np.random.default_rng(0).normal(size=(3, *layer.inputs)).astype(layer.W.dtype)
    flat, bend = x.reshape(3, layer.inputs[0], -1), ("tanh", "relu")[layer.units.bend]
    with np.errstate(all="ignore"):
        h = layer.forward(x).reshape(3, layer.channels, -1)
        for u in range(h.shape[2]):
            z = naive.window(flat[1].astype(float), layer.units.readers[u])
            expected = naive.answer(layer.W[u].astype(float), z, bend)[0]
            bound = 1e-4 * (np.abs(layer.W[u].astype(float)).T @ np.abs(z)) + 1e-5
            sound = np.isfinite(expected) & (bound < 1e30)
            assert (np.abs(h[1, :, u] - expected) <= bound)[sound].all()
        with suppress(ArgumentError):  # of weights so large that a step makes them infinite
            layer.learn(x, np.zeros(3, np.int64))
    assert of_units(ln.load(layer.save(path.with_name("again.h5")))) == of_units(layer)


def npy_of(path: Path) -> Any:
    """Return a .npy file's displacements as `localnoise learn` reads them, all of them."""
    with inputs.opened(path, "d") as stored:
        layout = inputs.layout_of(path.name, stored)
        d = inputs.Laid(stored, layout)
        return ln.UnitGrid(layout[1:], layout[0], parents=1) if len(d) < 2 else _learned(d, layout)


def _learned(d: Any, layout: Any) -> Any:
    if np.prod(layout) * len(d) > 10**6:
        raise ArgumentError("more than this test learns")
    return ln.UnitGrid(layout[1:], layout[0], parents=1).learn(d)


def made() -> dict[str, Any]:
    """Return a repair, a surprise and a chip's repair, small ones, and displacements."""
    h = naive_repair_chip.activations(120, 0, SHAPE, CHANNELS)
    repair = ln.Repair(SHAPE, CHANNELS, radius=1, bends=0, parents=2)
    repair.learn("blur", naive_repair_chip.blurred(h), h).learn("dim", 0.3 * h, h)
    wide = naive_repair_chip.activations(1200, 1, SHAPE, CHANNELS)
    return {
        "repair": repair,
        "surprise": ln.UnitGrid(SHAPE, CHANNELS, parents=2).surprise(wide),
        "chip-repair": quantise(repair),
        "npy": h[:40],
        "units": LocalLayer(SHAPE, 3, (CHANNELS, 4, 6), classes=3).learn(
            np.random.default_rng(2).normal(size=(9, CHANNELS, 4, 6)).astype(np.float32), np.arange(9) % 3
        ),
    }
