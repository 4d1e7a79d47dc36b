"""The effect of quantisation on a grid: per unit, in numbers that a table or a figure shows.

No covariance is held: its rows are made and compared a block of units at a time. Of more than 8,192 neurons only those
of units that are sampled.
"""

from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from localnoise import UnitGrid
from localnoise.field import Field
from localnoise.hardware.emulator import ChipGrid
from localnoise.hardware.quantiser.target import Floats
from localnoise.hardware.realised import realised as real
from localnoise.narrow import NarrowField
from localnoise.validate import as_activity, as_count

EVERY_NEURONS = 8192  # the rows of a covariance of more take minutes: units are sampled
_SAMPLED_NEURONS = 2048  # neurons of the units that are sampled then
_BYTES = 2**26  # of a block of rows, or of words
Units = npt.NDArray[np.integer[Any]]


@dataclass(frozen=True, kw_only=True)
class Report:
    """Errors of a chip grid against the grid that it was quantised from.

    Attributes
    ----------
    units : int
        Units behind `divergence` and `covariance_error`: all N, or those that were sampled; NaN at the others.
    weight_error : (N,)
        |W_chip - W| / |W| of each unit's weights [G B] in the float field's units.
    divergence : (N,)
        Each unit's share of KL(N(0, Sigma) || N(0, Sigma_chip)), in nats; of all units it sums to the whole.
    covariance_error : (N,)
        |Sigma_chip - Sigma| / |Sigma|, Frobenius, of each unit's rows.
    whole_error : float
        The same of the whole matrix, or, from a sample of units, of their rows together.
    saturated : (N,)
        Share of emulated words at either end of their range.
    draws : int
        Emulated draws behind `saturated`.
    mean_error : float or None
        Root mean square of mean_chip(h) - mean(h) over that of mean(h), on the activations given.
    """

    units: int
    weight_error: Floats
    divergence: Floats
    covariance_error: Floats
    whole_error: float
    saturated: Floats
    draws: int
    mean_error: float | None

    def worst(self, width: int) -> list[tuple[str, str, str]]:
        """Return the worst unit by each measure, as rows for a table.

        Parameters
        ----------
        width : int
            W, of the grid.

        Returns
        -------
        list of (str, str, str)
            What, its value, and the unit (y, x).
        """
        named = {"weight error": self.weight_error, "divergence, nats": self.divergence}
        named |= {"covariance error": self.covariance_error, "saturated words": self.saturated}
        return [
            (name, f"{np.nanmax(values):.3g}", str(divmod(int(np.nanargmax(values)), width)))
            for name, values in named.items()
        ]

    def summary(self) -> list[tuple[str, str]]:
        """Return the measures over the grid, as rows for a table.

        Returns
        -------
        list of (str, str)
            What, and its value.
        """
        every = self.units == len(self.divergence)
        rows = [
            (
                "units whose covariance and divergence are compared",
                f"all {self.units:,}" if every else f"{self.units:,} sampled of {len(self.divergence):,}",
            ),
            ("covariance error, relative Frobenius", f"{self.whole_error:.3%}"),
            ("KL divergence, nats per unit", f"{np.nanmean(self.divergence):.3g}"),
            ("weight error, median over units", f"{np.median(self.weight_error):.3%}"),
            (f"saturated words, of {self.draws:,} draws", f"{self.saturated.mean():.2g}"),
        ]
        return rows + ([] if self.mean_error is None else [("mean error, relative", f"{self.mean_error:.3%}")])


def report(
    grid: UnitGrid, chip: ChipGrid, h: Any = None, draws: int = 2048, seed: int = 0, units: int | None = None
) -> Report:
    """Compare a chip grid with the grid that it came from. Time O(n m^2 K) a unit; memory O(n), and blocks of 64 MiB.

    Parameters
    ----------
    grid : UnitGrid
        In floating point.
    chip : ChipGrid
        Quantised from it.
    h : (T, C, H, W), with signal dependence
        Activations on which the two means are compared, other than those calibrated on.
    draws, seed : int
        Emulated draws in which saturated words are counted.
    units : int or None
        Units, sampled with `seed`, whose rows of the covariance and whose divergence are compared. None: all of up
        to 8,192 neurons; of more, as many as have 2,048 neurons.

    Returns
    -------
    Report
        Unit by unit, and of the whole.
    """
    grid = grid.widened() if grid.config.narrow else grid
    N, m = grid.config.units, grid.config.channels
    if units is None:
        units = N if grid.config.neurons <= EVERY_NEURONS else max(_SAMPLED_NEURONS // m, 1)
    count = min(as_count("units", units, 1), N)
    chosen = np.sort(np.random.default_rng(seed).choice(N, count, replace=False)).astype(np.int32)
    target, got_field = grid.field.astype(np.float64), real(chip.field, chip.formats)
    if isinstance(got_field, NarrowField):
        got_field = got_field.widened()
    wanted, got = _factored(grid, target), _factored(grid, got_field)
    divergence, error, scale = (np.full(N, np.nan) for _ in range(3))
    for block in np.array_split(chosen, max(1, -(-8 * count * m * grid.config.neurons // _BYTES))):
        divergence[block] = _divergence(target, got_field, wanted, block)
        rows = _rows(wanted, block)
        scale[block] = np.square(rows).reshape(len(block), -1).sum(axis=1)
        error[block] = np.square(_rows(got, block) - rows).reshape(len(block), -1).sum(axis=1)
    return Report(
        units=count,
        weight_error=_weight_error(target, got_field),
        divergence=divergence,
        covariance_error=np.sqrt(error / scale),
        whole_error=float(np.sqrt(np.nansum(error) / np.nansum(scale))),
        saturated=_saturated(chip, as_count("draws", draws, 1), seed),
        draws=draws,
        mean_error=None if h is None else _mean_error(grid, chip, h),
    )


def _factored(grid: UnitGrid, field: Field) -> UnitGrid:
    """A grid, float64, whose mean of x is L x and whose pull_back of y is L' y, with Sigma = L L' that of `field`.

    Its units read their own "activation" alone, by the private factor S, and are never at an offset.
    """
    own = np.arange(len(field.order), dtype=np.int32)[:, None]
    other = copy(grid)
    other.config = replace(grid.config, dtype="float64")
    other.field = replace(field, readers=own, a=np.zeros_like(field.a), G=field.S)
    return other


def _rows(factored: UnitGrid, units: Units) -> Floats:
    """Rows of Sigma that belong to `units`, (units m, C, H, W)."""
    m, N = factored.config.channels, factored.config.units
    picked = np.zeros((len(units), m, m, N))
    for i in range(m):
        picked[np.arange(len(units)), i, i, units] = 1
    shaped = picked.reshape(-1, m, *factored.config.shape)
    return np.asarray(factored.mean(factored.pull_back(shaped)))


def _cuts(count: int, each: int) -> Iterator[slice]:
    """Slices of `count` presentations of `each` bytes, a block at a time."""
    step = max(1, _BYTES // each)
    yield from (slice(first, min(first + step, count)) for first in range(0, count, step))


def _saturated(chip: ChipGrid, draws: int, seed: int) -> Floats:
    """Share of each unit's words at either end of their range."""
    limit, m, N = chip.formats.word_limit, chip.config.channels, chip.config.units
    found = np.zeros(N, np.int64)
    for cut in _cuts(draws, 4 * chip.config.neurons):
        words = chip.words(cut.stop - cut.start, seed, cut.start).reshape(-1, m, N)
        found += ((words == limit) | (words == -limit - 1)).sum(axis=(0, 1))
    return np.asarray(found / (draws * m))


def _mean_error(grid: UnitGrid, chip: ChipGrid, h: Any) -> float:
    m, shape = grid.config.channels, grid.config.shape
    shaped = as_activity("h", h, m, shape, np.float32).reshape(-1, m, *shape)
    error, scale = 0.0, 0.0
    for cut in _cuts(len(shaped), 4 * grid.config.neurons):
        mean = grid.mean(shaped[cut])
        error += float(np.square(chip.mean(shaped[cut]) - mean, dtype=np.float64).sum())
        scale += float(np.square(mean, dtype=np.float64).sum())
    return float(np.sqrt(error / scale))


def _weight_error(target: Field, realised: Field) -> Floats:
    wanted, got = (_outputs(field) for field in (target, realised))
    return np.asarray(np.linalg.norm(got - wanted, axis=1) / np.linalg.norm(wanted, axis=1))


def _outputs(field: Field) -> Floats:
    """Weights between outputs, gains included: one row a unit."""
    from_parent = np.where(field.parents >= 0, 1 / field.gain[field.parents], 0)
    B = field.B * field.gain[:, None, None] * np.repeat(from_parent, field.channels, axis=1)[:, None, :]
    S = field.S * field.gain[:, None, None]
    return np.concatenate([w.reshape(len(w), -1) for w in (field.G * field.gain[:, None, None], B, S)], axis=1)


def _divergence(target: Field, realised: Field, wanted: UnitGrid, chosen: Units) -> Floats:
    """1/2 (log |S_chip S_chip'| / |S S'| + tr((S_chip S_chip')^-1 V) - m), V the chip's innovation under the target.

    The innovation of unit u is S_chip (R eta) for rows R over its parents and itself, so the trace is |R L|^2.
    """
    N, m = target.a.shape
    rows = np.zeros((len(chosen), m, m, N))
    logs = np.empty(len(chosen))
    for at, u in enumerate(chosen):
        above = realised.parents[u][realised.parents[u] >= 0]
        gains = np.repeat(realised.gain[np.append(above, u)], m)
        white = np.linalg.solve(realised.S[u], np.hstack([-realised.B[u][:, : len(above) * m], np.eye(m)]) / gains)
        rows[at][:, :, np.append(above, u)] = white.reshape(m, -1, m).transpose(0, 2, 1)
        chip, true = (np.log(np.diag(f.S[u])).sum() + m * np.log(f.gain[u]) for f in (realised, target))
        logs[at] = chip - true
    spread = np.square(wanted.pull_back(rows.reshape(-1, m, *wanted.config.shape))).reshape(len(chosen), -1).sum(axis=1)
    return np.asarray(logs + (spread - m) / 2)
