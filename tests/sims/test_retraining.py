"""Later layers trained anew on repaired activations: which layers learn, behind which repairs, and what stays."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from localnoise.sims.attacks import PGD
from localnoise.sims.defenses import Repairing
from localnoise.sims.evaluation.source import Source
from localnoise.sims.experiments import retraining, testbed
from localnoise.sims.experiments.cell import Cell
from localnoise.sims.experiments.lessons import lesson
from localnoise.sims.experiments.mender import Mender
from localnoise.sims.perturbations import MODIFICATIONS
from localnoise.sims.tasks import mounted

FILE = """
import torch
from torch import nn
import localnoise as ln

def data(count, seed):
    g = torch.Generator().manual_seed(seed)
    y = torch.arange(count) % 3
    centers = torch.randn(3, 2, 8, 8, generator=torch.Generator().manual_seed(9))
    return centers[y] + torch.randn(count, 2, 8, 8, generator=g), y

class Straight(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.act = nn.Conv2d(2, 4, 3, padding=1), nn.Tanh()
        self.deep, self.then = nn.Conv2d(4, 4, 3, padding=1), nn.Tanh()
        self.last = nn.Sequential(nn.Flatten(), nn.Linear(256, 3))

    def forward(self, x):
        return self.last(self.then(self.deep(self.act(self.conv(x)))))

class Short(Straight):
    def forward(self, x):
        return self.last(self.act(self.conv(x)))

class Residual(Straight):
    def forward(self, x):
        h = self.act(self.conv(x))
        return self.last(h + self.then(self.deep(h)))

def dark(x, level=0.3):
    return x * level

task = ln.Task(model=NET, layer="act", train=data(200, 0), test=data(60, 1), perturbations={"dark": dark})
"""


@pytest.fixture(autouse=True)
def _unmounted() -> Any:
    yield
    MODIFICATIONS.mount({})


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_num_threads(1)
    monkeypatch.setattr("localnoise.sims.defenses.augmentation_training.MOST", 3)


def made(tmp_path: Path, net: str, monkeypatch: pytest.MonkeyPatch, **options: Any) -> Any:
    """The mender of a trained network, the one of its retrained twin, its repairs, what both trainings saw, facts."""
    file = tmp_path / f"{net.lower()}.py"
    file.write_text(FILE.replace("NET", net))
    task = mounted(str(file))
    sources = (Source.default("dark"),)
    bench = testbed.Testbed(task.data("task"), 0, 1, PGD(), 10, tmp_path, task.name, layer="act")
    bench.train_base()
    mender, plan = Mender(bench, bench.displacement, lambda *_: None), Repairing(retrained=True, **options)
    cell = Cell(seed=0, sources=sources, arm=plan.name)
    seen: list[tuple[nn.Module, list[torch.Tensor]]] = []
    train = retraining.until_no_better

    def watched(given: Any, front: nn.Module, back: nn.Module, **how: Any) -> None:
        train(given, front, back, **how)
        seen.append((front, [one.clone() for one in back.state_dict().values()]))

    monkeypatch.setattr(retraining, "until_no_better", watched)
    given, learned = lesson(cell, bench, 3, lambda *_: None), mender.learned(plan, sources)
    found = retraining.retrained(mender, plan, sources, learned, given)
    return mender, *found, seen, given.facts


def test_what_follows_the_second_repaired_layer_is_trained_behind_both_repairs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mender, final, repairs, seen, facts = made(tmp_path, "Straight", monkeypatch)
    (_, first), (front, last) = seen
    names = [*final.bench.network.back.state_dict()]
    weights = [*final.bench.network.back.state_dict().values()]
    assert names == ["deep.weight", "deep.bias", "last.1.weight", "last.1.bias"]
    kept, moved = zip(first[:2], weights[:2], strict=True), zip(first[2:], weights[2:], strict=True)
    assert all(torch.equal(old, new) for old, new in kept)  # the second training leaves what it stands behind
    assert not any(torch.equal(old, new) for old, new in moved)
    assert all(torch.equal(old, new) for old, new in zip(last, weights[2:], strict=True))
    assert [*repairs.repairs] == ["0", "1.then", "1.last.1"]
    for repair in repairs.repairs.values():  # labels protect clean inputs here
        assert (repair.margin, repair.margins, repair.worth) == (0.0, {}, None)
    assert 2 <= facts["trained.epochs"] <= 6  # of both
    x = mender.bench.altered(Source.default("dark"))[:20]
    model = repairs.attached(final.model).eval()
    with torch.no_grad():
        h = model.get_submodule("1.then")(model.get_submodule("1.deep")(model[0](mender.bench.network.front(x))))
        torch.testing.assert_close(front(x), h)  # what it learned from is what it meets when it is deployed
    for one, other in zip(mender.bench.network.back.parameters(), weights, strict=True):
        assert not torch.equal(one, other)  # the network as it was stays


@pytest.mark.parametrize(("net", "layers"), [("Residual", ["0", "1.then", "1.last.1"]), ("Short", ["0", "1.last.1"])])
def test_where_nothing_can_be_trained_behind_the_next_layer_all_is_trained_once_and_calibrated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, net: str, layers: list[str]
) -> None:
    _, final, repairs, seen, facts = made(tmp_path, net, monkeypatch)
    ((_, first),) = seen
    weights = final.bench.network.back.state_dict().values()
    assert all(torch.equal(old, new) for old, new in zip(first, weights, strict=True))
    assert [*repairs.repairs] == layers
    assert repairs.repairs["0"].margins
    assert 1 <= facts["trained.epochs"] <= 3


def test_one_repaired_layer_is_what_fresh_layers_stand_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, _, repairs, seen, _ = made(tmp_path, "Straight", monkeypatch, layers="first")
    assert [*repairs.repairs] == ["0"]
    assert len(seen) == 1
    assert repairs.repairs["0"].margins == {}
