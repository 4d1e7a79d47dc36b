"""Held-out training inputs, altered as learned and milder, on which it is seen what repairs are worth."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from localnoise.sims.defenses.repair_plan import Repairing
from localnoise.sims.evaluation.names import name_and_level
from localnoise.sims.evaluation.source import Source, milder
from localnoise.sims.experiments.repair_learning import held_out, source_name
from localnoise.sims.experiments.testbed import Testbed
from localnoise.sims.perturbations import MODIFICATIONS

MILDER = (1.0, 2.0, 3.0, 4.0)  # severities
EACH = 500  # held-out inputs at each level


def levels_of(plan: Repairing, sources: Sequence[Source]) -> list[str]:
    """Return the levels at which inputs are altered, as learned and milder; none where no milder ones are known."""
    mild = [level for source in sources for level in milder(source, MILDER)] if plan.worth else []
    return [*(source_name(source) for source in sources if source.name in MODIFICATIONS), *mild] if mild else []


def held_rows(count: int, levels: Sequence[str]) -> Iterator[tuple[str, npt.NDArray[np.int64]]]:
    """Yield "" and then each level, and which of so many training inputs are altered so: others for each in turn."""
    held, turn = held_out(count), 0
    for level in ["", *levels]:
        yield level, count - held + np.sort((turn + np.arange(min(held, EACH))) % held)
        turn += min(held, EACH)


def held_pairs(bench: Testbed, plan: Repairing, sources: Sequence[Source]) -> list[tuple[Tensor, Tensor]]:
    """Return batches of held-out inputs, altered and unaltered; none where nobody knows which levels are milder."""
    x, levels = bench.train[0], levels_of(plan, sources)
    pairs = []
    for level, rows in held_rows(len(x), levels) if levels and held_out(len(x)) else ():
        unaltered = x[torch.from_numpy(rows)]
        pairs.append((altered(bench, level, rows) if level else unaltered, unaltered))
    return pairs


def altered(bench: Testbed, level: str, rows: Any) -> Tensor:
    """Return training inputs as a perturbation NAME@LEVEL changes them."""
    return bench.altered(Source.default(*name_and_level(level)), rows=rows)
