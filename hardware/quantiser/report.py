"""What quantisation did to a grid: per unit, in numbers that a table or a figure shows."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from localnoise import UnitGrid
from localnoise.dense import refuse_if_larger
from localnoise.field import Field
from localnoise.gain import factor
from localnoise.hardware.emulator import ChipGrid
from localnoise.hardware.quantiser.target import Floats
from localnoise.hardware.realised import realised as real
from localnoise.validate import as_activity, as_count


@dataclass(frozen=True, kw_only=True)
class Report:
    """Errors of a chip grid against the grid that it was quantised from.

    Attributes
    ----------
    weight_error : (N,)
        |W_chip - W| / |W| of each unit's weights [G B] in the float field's units.
    divergence : (N,)
        Each unit's share of KL(N(0, Sigma) || N(0, Sigma_chip)), in nats; it sums to the whole.
    covariance_error : (N,)
        |Sigma_chip - Sigma| / |Sigma|, Frobenius, of each unit's rows.
    whole_error : float
        The same of the whole matrix.
    saturated : (N,)
        Share of emulated words at either end of their range.
    draws : int
        Emulated draws behind `saturated`.
    mean_error : float or None
        Root mean square of mean_chip(h) - mean(h) over that of mean(h), on the activations given.
    """

    weight_error: Floats
    divergence: Floats
    covariance_error: Floats
    whole_error: float
    saturated: Floats
    draws: int
    mean_error: float | None

    def worst(self, width: int) -> list[tuple[str, str, str]]:
        """Rows (what, value, unit (y, x)) of the worst unit by each measure, for a grid `width` units wide."""
        named = {"weight error": self.weight_error, "divergence, nats": self.divergence}
        named |= {"covariance error": self.covariance_error, "saturated words": self.saturated}
        return [
            (name, f"{values.max():.3g}", str(divmod(int(values.argmax()), width))) for name, values in named.items()
        ]

    def summary(self) -> list[tuple[str, str]]:
        """Rows (what, value) over the grid."""
        rows = [
            ("covariance error, relative Frobenius", f"{self.whole_error:.3%}"),
            ("KL divergence, nats per unit", f"{self.divergence.mean():.3g}"),
            ("weight error, median over units", f"{np.median(self.weight_error):.3%}"),
            (f"saturated words, of {self.draws:,} draws", f"{self.saturated.mean():.2g}"),
        ]
        return rows + ([] if self.mean_error is None else [("mean error, relative", f"{self.mean_error:.3%}")])


def report(grid: UnitGrid, chip: ChipGrid, h: Any = None, draws: int = 2048, seed: int = 0) -> Report:
    """Compare `chip` with the grid that it came from. Dense: O(n^2) memory, O(n^2 m K) time.

    Parameters
    ----------
    h : (T, C, H, W), with signal dependence
        Activations on which the two means are compared, other than those calibrated on.
    """
    refuse_if_larger("report()", 3 * 8 * grid.config.neurons**2, 4 * 2**30, "a smaller grid")
    target, got_field = grid.field.astype(np.float64), real(chip.field, chip.formats)
    wanted, got = (root @ root.T for root in (factor(target), factor(got_field)))
    units, m = target.a.shape
    rows = (got - wanted).reshape(units, -1)
    scale = wanted.reshape(units, -1)
    limit, words = chip.formats.word_limit, chip.words(as_count("draws", draws, 1), seed)
    ends = (words == limit) | (words == -limit - 1)
    mean_error = None
    if h is not None:
        shaped = as_activity("h", h, m, grid.config.shape, np.float32).reshape(-1, m, *grid.config.shape)
        mean = grid.mean(shaped)
        mean_error = float(np.linalg.norm(chip.mean(shaped) - mean) / np.linalg.norm(mean))
    return Report(
        weight_error=_weight_error(target, got_field),
        divergence=_divergence(target, got_field, wanted),
        covariance_error=np.linalg.norm(rows, axis=1) / np.linalg.norm(scale, axis=1),
        whole_error=float(np.linalg.norm(rows) / np.linalg.norm(scale)),
        saturated=ends.reshape(draws, m, units).mean(axis=(0, 1)),
        draws=draws,
        mean_error=mean_error,
    )


def _weight_error(target: Field, realised: Field) -> Floats:
    wanted, got = (_outputs(field) for field in (target, realised))
    return np.asarray(np.linalg.norm(got - wanted, axis=1) / np.linalg.norm(wanted, axis=1))


def _outputs(field: Field) -> Floats:
    """Weights between outputs, gains included: one row a unit."""
    from_parent = np.where(field.parents >= 0, 1 / field.gain[field.parents], 0)
    B = field.B * field.gain[:, None, None] * np.repeat(from_parent, field.channels, axis=1)[:, None, :]
    S = field.S * field.gain[:, None, None]
    return np.concatenate([w.reshape(len(w), -1) for w in (field.G * field.gain[:, None, None], B, S)], axis=1)


def _divergence(target: Field, realised: Field, wanted: Floats) -> Floats:
    """1/2 (log |S_chip S_chip'| / |S S'| + tr((S_chip S_chip')^-1 V) - m), V the chip's innovation under the target."""
    units, m = target.a.shape
    out = np.empty(units)
    for u in range(units):
        above = realised.parents[u][realised.parents[u] >= 0]
        z = (np.append(above, u)[:, None] * m + np.arange(m)).reshape(-1)
        gains = np.repeat(realised.gain[np.append(above, u)], m)
        rows = np.hstack([-realised.B[u][:, : len(above) * m], np.eye(m)]) / gains
        white = np.linalg.solve(realised.S[u], rows)
        spread = np.square(white @ np.linalg.cholesky(wanted[np.ix_(z, z)])).sum()
        logs = (np.log(np.diag(f.S[u])).sum() + m * np.log(f.gain[u]) for f in (realised, target))
        chip, true = logs
        out[u] = chip - true + (spread - m) / 2
    return out
