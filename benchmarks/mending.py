"""A whole network repaired in all layers, told nothing, beside its own forward: what a repair costs in time.

Of the ratio 1 is the forward itself; aims are 1.5 for the repair and 3 for the gate.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor, nn

from benchmarks.row import Row
from localnoise.sims.data import load
from localnoise.sims.evaluation.source import Source
from localnoise.sims.experiments.cell import Cell
from localnoise.sims.experiments.chosen import Chosen
from localnoise.sims.experiments.runner import Runner
from localnoise.sims.experiments.settings import Settings
from localnoise.sims.perturbations import PAPER
from localnoise.sims.perturbations.applied import apply

_EACH = 91  # images of each of the ten, and clean ones


def rows() -> Iterator[Row]:
    """Rows of the table."""
    settings = Settings(**Chosen.of("v2").settings("embedded", None), base_epochs=2)
    with TemporaryDirectory() as folder:
        runner = Runner(settings, load("embedded"), Path(folder))
        ten = tuple(Source.default(name).of(1000) for name in PAPER)
        network, images = runner.bench(0).network, runner.bench(0).test[0]
        own = images[: 11 * _EACH].split(_EACH)
        x = torch.cat([own[0], *(apply(one.name, part, one.level, 0) for one, part in zip(ten, own[1:], strict=True))])
        plain = nn.Sequential(network.front, network.back).eval()
        for options, said in (("", ""), ("asks=3:", ", asks every 3"), ("bends=1:", ", bends")):
            arm = f"repair:{options}causes=16:gate=no-margin"  # what margins are costs no time
            repaired, _ = runner.trained(Cell(seed=0, sources=ten, arm=arm))
            yield Row(
                name=f"v2 repaired, 16 causes{said}, {len(x):,} images",
                ours=partial(_forward, repaired, x), peer=partial(_forward, plain, x), peer_name="its forward",
                faster=False, bound=5.5, aim=5.5, check=partial(_differs, repaired, plain, x), seconds=10,
            )  # fmt: skip


def _forward(model: nn.Module, x: Tensor) -> Tensor:
    with torch.no_grad():
        out: Tensor = model(x)
    return out


def _differs(repaired: nn.Module, plain: nn.Module, x: Tensor) -> str:
    """Say how many answers the repair changes: one that does nothing would cost little."""
    changed = float((_forward(repaired, x).argmax(1) != _forward(plain, x).argmax(1)).double().mean())
    if changed < 0.2:
        raise AssertionError(f"the repair changes {changed:.0%} of the answers: expected a fifth at least")
    return f"changes {changed:.0%} of the answers"
