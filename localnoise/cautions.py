"""Warnings of learning: it goes on, but what it learned says less of the displacements than one would think."""

import math
import warnings
from typing import Any

from localnoise.errors import FewDisplacementsWarning, FewInputsWarning, ForgottenWarning, RidgeWarning

_ENOUGH = 8  # displacements a regressor
_SMALL = 0.1  # of the displacements' mean square
_FAR = 400.0  # times their variance that activations' mean square may be


def warn_of_few(field: Any, seen: int, *, stacklevel: int) -> None:
    """Warn where a unit learned from fewer than 8 displacements a regressor; the field may be a chip's.

    Least squares with p regressors on T samples fits their chance, too: a held-out norm of the whitened innovations is
    about T^2 / (T - p)^2 where 1 is right, 1.3 at T = 8 p, and without bound as T falls to p.
    """
    m = field.channels
    read = (field.parents >= 0).sum(axis=1) + (field.readers >= 0).sum(axis=1)
    regressors = getattr(field, "hardest", max(int(read.max()) * m + field.signal, m))
    wanted = _ENOUGH * regressors
    if seen < wanted:
        fewer = "fewer parents" if (field.parents >= 0).any() else "a smaller radius"
        warnings.warn(
            f"d has {seen:,} displacements for up to {regressors:,} regressors a unit, so that weights fit chance: "
            f"expected at least {wanted:,}, {_ENOUGH} a regressor; give {wanted - seen:,} more, or {fewer}",
            FewDisplacementsWarning,
            stacklevel=stacklevel,
        )


def warn_of_forgotten(rule: str, *, stacklevel: int) -> None:
    """Warn where a rule solves from statistics alone, and those of what was learned before are not there."""
    warnings.warn(
        f"this grid has learned, and has no statistics of it, so that rule {rule!r} begins anew and forgets it: "
        "expected a file that was saved with its state (not state=False); use grid.blank() to begin anew on purpose",
        ForgottenWarning,
        stacklevel=stacklevel,
    )


def warn_of_other_rule(before: str, rule: str, *, solves: bool, stacklevel: int) -> None:
    """Warn where another rule drops statistics; one that solves from its own alone forgets the weights, too."""
    what = "begins anew and forgets it" if solves else "begins with its weights and forgets its statistics"
    warnings.warn(
        f"this grid has learned by rule {before!r}, and rule {rule!r} {what}: expected the same one to go on; use "
        f"rule={before!r}, or grid.blank() to begin anew on purpose",
        ForgottenWarning,
        stacklevel=stacklevel,
    )


def warn_of_singular(seen: int, neurons: int, *, stacklevel: int) -> None:
    """Warn where a dense covariance has fewer displacements than neurons: many directions are the ridge alone."""
    if seen < neurons:
        warnings.warn(
            f"d has {seen:,} displacements of {neurons:,} neurons, so that their covariance is only the ridge in "
            f"{neurons - seen:,} directions: expected at least {neurons:,}; give {neurons - seen:,} more, or use a "
            "grid, whose units have few parents each",
            FewDisplacementsWarning,
            stacklevel=stacklevel,
        )


def warn_of_share(argument: str, count: int, most: float, *, stacklevel: int) -> None:
    """Warn where margins are to change at most a share of inputs of which there are not even 1 / share."""
    if 0 < count * most < 1:
        warnings.warn(
            f"{argument} has {count:,}, of which a share of most={most:g} is less than one, so that margins found on "
            f"them say little of others: expected at least {math.ceil(1 / most):,}; give more, or a larger share",
            FewInputsWarning,
            stacklevel=stacklevel,
        )


def warn_of_ridge(power: float, ridge: float, *, stacklevel: int) -> None:
    """Warn where the ridge is more than a tenth of the displacements' mean square: it is then noise of its own."""
    if ridge > _SMALL * power:
        smaller = f"ridge={1e-3 * power:.1g}, or " if power > 0 else ""
        warnings.warn(
            f"ridge={ridge:g} is more than a tenth of the displacements' mean square, {power:.2g}, and is added to the "
            f"noise: expected a smaller one; use {smaller}displacements in other units",
            RidgeWarning,
            stacklevel=stacklevel,
        )


def warn_of_offset(source: str, square: float, variance: float, *, stacklevel: int) -> None:
    """Warn where activations lie far from 0 for how they vary: the ridge is a share of their mean square.

    Of an affine displacement 1.7 % stay where the mean is 38 standard deviations, 39 % where it is 128; sums in float32
    lose small differences, too.
    """
    if square > _FAR * variance > 0:
        off = math.sqrt(square / variance)
        warnings.warn(
            f"activations of source {source!r} lie {off:.0f} of their standard deviations from 0, so that ways back "
            f"undo too little: expected {math.sqrt(_FAR):.0f} at most; subtract their mean before they are repaired",
            RidgeWarning,
            stacklevel=stacklevel,
        )
