"""A device's private noise against the stream that its seed makes: which unit draws what another should.

Without a seed any stream is right: two units that exchanged theirs draw the same law, and no test can tell.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from localnoise.hardware.audit.residuals import Residuals
from localnoise.hardware.emulator import ChipGrid
from localnoise.hardware.generators import GENERATORS, draw, states
from localnoise.hardware.generators.seeding import leaps

COMPARED = 64  # draws
_ALIKE = 0.9


def expected(chip: ChipGrid, seed: int, start: int, count: int) -> npt.NDArray[np.int32]:
    """Return the Gaussian words of draws start ... start + count - 1, (count, m, N)."""
    formats, generator, channels = chip.formats, GENERATORS[chip.formats.generator], chip.config.channels
    first = states(generator, chip.config.units, seed)
    begin = leaps(generator, first, start * chip.steps_per_draw, chip.steps_per_draw, count)
    out = np.zeros((count, channels, chip.config.units), np.int32)
    for t, row in enumerate(begin):
        state = np.ascontiguousarray(row)
        out[t] = draw(generator, state, 1, channels, k=formats.normal_bytes, method=formats.normal)[0]
    return out


def owners(residuals: Residuals, kept: Any, seed: int, start: int) -> npt.NDArray[np.int64]:
    """Return whose stream each unit draws, (N,): its own number, another's, or -1 if no unit's.

    kept : (k, m, N), e of the first k draws.
    """
    few = np.asarray(kept[:COMPARED], np.float64)
    xi = expected(residuals.chip, seed, start, len(few)).astype(np.float64)
    units = few.shape[2]
    a, b = (_unit(part.transpose(2, 0, 1).reshape(units, -1)) for part in (few, xi))
    own = (a * b).sum(axis=1)
    out = np.where(own > _ALIKE, np.arange(units), -1)
    for unit in np.flatnonzero(out < 0):
        r = b @ a[unit]
        if r.max() > _ALIKE:
            out[unit] = int(r.argmax())
    return out


def _unit(rows: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    size = np.sqrt(np.square(rows).sum(axis=1, keepdims=True))
    return np.asarray(rows / np.where(size > 0, size, 1.0))
