"""Quantise a grid: scales first, then unit by unit in sweep order, each compensating what its parents became."""

from typing import Any, overload

import numpy as np

from localnoise import Bank, Repair, UnitGrid
from localnoise.errors import ArgumentError
from localnoise.field import Field
from localnoise.gain import marginal_variance
from localnoise.hardware.bank import ChipBank
from localnoise.hardware.emulator import ChipGrid
from localnoise.hardware.fixedpoint import to_words
from localnoise.hardware.formats import Formats
from localnoise.hardware.quantiser.narrow import narrow_words
from localnoise.hardware.quantiser.realised import Covariance, Means, Unfed
from localnoise.hardware.quantiser.repaired import quantise_repair
from localnoise.hardware.quantiser.scales import fractions
from localnoise.hardware.quantiser.target import Floats, Target, target
from localnoise.hardware.repair import ChipRepair
from localnoise.hardware.words import NEAR, OWN, READ, IntegerField
from localnoise.streams import Progress
from localnoise.validate import as_activity

FEEDBACK_NEURONS = 8192  # the realised covariance of more is not kept: 512 MB


@overload
def quantise(
    grid: UnitGrid, formats: Formats | None = None, *, h: Any = None, d: Any = None, feedback: bool = True,
    progress: Progress | None = None,
) -> ChipGrid: ...  # fmt: skip


@overload
def quantise(
    grid: Bank, formats: Formats | None = None, *, h: Any = None, d: Any = None, feedback: bool = True,
    progress: Progress | None = None,
) -> ChipBank: ...  # fmt: skip


@overload
def quantise(
    grid: Repair, formats: Formats | None = None, *, h: Any = None, d: Any = None, feedback: bool = True,
    progress: Progress | None = None,
) -> ChipRepair: ...  # fmt: skip


def quantise(
    grid: UnitGrid | Bank | Repair,
    formats: Formats | None = None,
    *,
    h: Any = None,
    d: Any = None,
    feedback: bool = True,
    progress: Progress | None = None,
) -> ChipGrid | ChipBank | ChipRepair:
    """Return a grid, a bank or a repair in integers, to be emulated, fitted onto a chip and exported.

    With feedback, unit by unit in sweep order: the best weights for the parents *as they were realised* are
    w = Sigma_uP C_PP^-1 (Sigma: the grid's covariance, C: the realised one, rounding noise included); they are rounded
    with feedback among themselves, and the private noise supplies the variance that is then missing, at least half of
    its own. The mean of a signal-dependent field is fitted likewise, on the calibration activations. This is offline
    and central: it holds the covariance of all units, O(n^2) memory, O(n^2 m K) time. Without feedback, or with more
    than 8,192 neurons, weights are rounded to the nearest.

    A grid with `share` or `rank` stays as compact as it is (`hardware.narrow`); its gains must be equal. Its rows are
    rounded class by class, with feedback on the second moments of draws; nothing else is refitted.

    The members of a bank become words of the same scales, each unit's those of its loudest member. A repair is
    quantised by `quantise_repair`, which calibrates it on the activations that it holds.

    Parameters
    ----------
    grid : UnitGrid, Bank of them, or Repair
        Learned and normalised; a repair learned and calibrated.
    formats : Formats or None
        None: 8-bit weights, 12-bit words.
    h : (T, C, H, W)
        Activations to calibrate on; needed by grids with signal dependence, and only there. A thousand or more.
    d : (T, C, H, W)
        Displacements that the chip is to learn from: words are then scaled to hold them, too.
    feedback : bool
        Compensate each weight's rounding in the weights that are rounded after it; False: to the nearest.
    progress : callable
        Told (units quantised, all units).

    Returns
    -------
    ChipGrid, ChipBank or ChipRepair
        Of what was given.

    Raises
    ------
    ArgumentError
        A unit without variance, or formats too narrow for one: named in the message.
    """
    _refuse_others(grid, formats)
    if isinstance(grid, Repair):
        if h is not None or d is not None:
            raise ArgumentError(
                f"{'h' if h is not None else 'd'} was given with a repair, which holds what it is calibrated on: "
                "expected none"
            )
        return quantise_repair(grid, formats, feedback=feedback, progress=progress)
    formats = Formats() if formats is None else formats
    if isinstance(grid, Bank):
        return _bank(grid, formats, h, d, feedback, progress)
    h3, d3 = _calibration(grid, h, d)
    return _quantised(grid, formats, h3, d3, _power_of(grid, h3, d3), feedback, progress)


def _refuse_others(grid: Any, formats: Any) -> None:
    if not isinstance(grid, (UnitGrid, Bank, Repair)):
        raise ArgumentError(f"grid is {type(grid).__name__}: expected a UnitGrid, a Bank of them, or a Repair")
    if formats is not None and not isinstance(formats, Formats):
        raise ArgumentError(f"formats={formats!r}: expected Formats, as Formats(weight_bits=8), or None")


def _bank(bank: Bank, formats: Formats, h: Any, d: Any, feedback: bool, progress: Progress | None) -> ChipBank:
    if d is not None:
        raise ArgumentError("d was given with a bank, which does not learn on a chip: expected none; quantise a grid")
    for index, one in enumerate(bank.members):
        if not isinstance(one, UnitGrid):
            raise ArgumentError(f"members[{index}] is {type(one).__name__}: expected grids, whose units a chip has")
    h3 = [_calibration(one, h, None)[0] for one in bank.members]
    powers = [_power_of(one, read, None) for one, read in zip(bank.members, h3, strict=True)]
    power, units = np.maximum.reduce(powers), bank.members[0].config.units
    made: list[ChipGrid] = []

    def told(done: int, total: int | None) -> None:
        if progress is not None:
            progress(len(made) * units + done, len(bank.members) * units)

    for one, read in zip(bank.members, h3, strict=True):
        made.append(_quantised(one, formats, read, None, power, feedback, told))
    return ChipBank.of(bank, made)


def _calibration(grid: UnitGrid, h: Any, d: Any) -> tuple[Any, Any]:
    """Activations and displacements, (T, m, N) each, checked, or None."""
    layout = (grid.config.channels, grid.config.shape, np.float32)
    grid.config.refuse_second("grid")
    if grid.field.signal == (h is None):
        raise ArgumentError(
            f"h is {'missing' if h is None else 'given'}, but the grid has signal={grid.config.signal!r}: expected "
            f"{'the activations to calibrate on' if h is None else 'none'}; use quantise(grid{', h=h' * (h is None)})"
        )
    given = [None if one is None else as_activity(name, one, *layout) for name, one in (("h", h), ("d", d))]
    for name, one in zip("hd", given, strict=True):
        if one is not None and not len(one):
            raise ArgumentError(f"{name} has 0 presentations: expected some to calibrate on, a thousand or more")
    return given[0], given[1]


def _quantised(
    grid: UnitGrid, formats: Formats, h3: Any, d3: Any, power: Floats, feedback: bool, progress: Progress | None
) -> ChipGrid:
    """Quantise a grid whose words are to hold `power`, (N, m) mean squares."""
    if grid.config.narrow:
        if d3 is not None:
            raise ArgumentError(
                "d was given with a grid that has share or rank, which does not learn on a chip: expected none"
            )
        return narrow_words(grid, formats, h3, power, feedback, progress)
    t = _target(grid, formats, h3, power)
    bits = fractions(t, formats, learning=d3 is not None)
    neurons = grid.config.neurons
    units: Any = Covariance(grid.field, t, formats) if feedback and neurons <= FEEDBACK_NEURONS else Unfed(t, formats)
    means = None if h3 is None else Means(grid, t, to_words(h3, t.activation_scale, formats.activation_bits))
    words = _empty(grid.field, t, bits)
    for done, u in enumerate(grid.field.order, 1):
        words.B[u], words.L[u], words.s[u] = units.round(u, bits[u])
        if means is not None:
            realised = (words.B[u] * 0.5 ** bits[u, NEAR], words.L[u] * 0.5 ** bits[u, NEAR])
            words.G[u], bias = means.round(u, *realised, int(bits[u, READ]), formats.weight_limit, feedback)
            words.bias[u] = np.floor(np.ldexp(bias, int(words.fraction[u])) + 0.5)
        if progress is not None and (done % 16 == 0 or done == len(t.scale)):
            progress(done, len(t.scale))
    chip = ChipGrid(grid.config, formats, words)
    chip.provenance = dict(grid.provenance)
    return chip


def _power_of(grid: UnitGrid, h: Any, d: Any) -> Floats:
    """Mean square that the words of each neuron are to hold, (N, m)."""
    power = marginal_variance(grid.field)
    if h is not None:
        shaped = h.reshape(len(h), grid.config.channels, *grid.config.shape)
        power = power + _power(grid.mean(shaped).reshape(h.shape))
    if d is not None:
        power = np.maximum(power, _power(d))
    return np.asarray(power, np.float64)


def _target(grid: UnitGrid, formats: Formats, h: Any, power: Floats) -> Target:
    loudest = 0.0 if h is None else max(float(np.abs(h).max()), float(np.finfo(np.float32).tiny))
    return target(grid.field, formats, np.sqrt(power.max(axis=1)), loudest, grid.config.shape[1])


def _power(activity: Any) -> Floats:
    """Mean square of each neuron, (N, m), from (T, m, N)."""
    return np.asarray(np.square(activity, dtype=np.float64).mean(axis=0).T)


def _empty(field: Field, t: Target, bits: Any) -> IntegerField:
    fraction = bits.max(axis=1, initial=0)
    m = t.s.shape[1]
    return IntegerField(
        order=field.order,
        parents=field.parents,
        readers=field.readers,
        bias=np.zeros(t.a.shape, np.int64),
        G=np.zeros(t.G.shape, np.int32),
        B=np.zeros(t.B.shape, np.int32),
        L=np.zeros((len(t.scale), m, m), np.int32),
        s=np.zeros(t.s.shape, np.int32),
        lift=(fraction[:, None] - bits[:, [READ, NEAR, OWN]]).astype(np.int32),
        fraction=fraction.astype(np.int32),
        scale=t.scale,
        activation_scale=t.activation_scale,
    )
