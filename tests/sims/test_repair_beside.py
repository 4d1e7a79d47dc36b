"""What stands beside a repair: augmentation to convergence, and of networks as large."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from localnoise.errors import ArgumentError
from localnoise.sims import models
from localnoise.sims.defenses import Augmenting, Lesson, Repairing
from localnoise.sims.defenses.augmentation_training import Pace, converged
from localnoise.sims.defenses.sizes import forward_products, weights
from localnoise.sims.evaluation.source import Source
from localnoise.sims.experiments import repair_beside
from localnoise.sims.experiments.chosen import Chosen


def test_training_ends_where_held_out_images_say_so() -> None:
    model, labels = nn.Linear(2, 2), torch.tensor([0, 1])
    pace = Pace(model, torch.eye(2), labels, patience=2)
    answers = iter([0.5, 0.7, 0.6, 0.6, 0.6, 0.65])
    rates = []
    for epoch, found in enumerate(answers, 1):
        with torch.no_grad():
            model.weight.fill_(epoch)
        pace._accuracy = lambda found=found: found  # type: ignore[method-assign]
        rates.append(pace(epoch))
    assert rates == pytest.approx([1e-3, 1e-3, 1e-3, 1e-4, 1e-4, 0.0])
    assert (pace.best, pace.epochs, pace.ended) == (0.7, 6, True)
    assert (model.weight == 2).all()  # the best epoch's


def lesson(width_of: Any = None) -> Lesson:
    x = torch.rand(60, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    network = models.build("v3", layer=1)
    return Lesson(
        front=network.front.requires_grad_(False),
        back=network.fresh_back,
        images=x,
        labels=torch.arange(60) % 10,
        epochs=1,
        seed=0,
        fresh_front=network.fresh_front,
        modified=lambda draw: (x + 0.001 * draw).clamp(max=1),
        widened=width_of or network.widened,
    )


def test_a_converged_network_says_what_it_took(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("localnoise.sims.defenses.augmentation_training.MOST", 3)
    given = lesson()
    made = converged(given, Augmenting(width=1.5, patience=1))
    assert given.facts["trained.epochs"] <= 3
    assert given.facts["trained.numbers"] == weights(made.front, made.back)
    assert next(iter(made.front.parameters())).shape[0] == 9  # 6 channels, once and a half
    with pytest.raises(ArgumentError, match="no width"):
        models.OwnNetwork(lambda: nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 2)), "0", torch.zeros(2, 4), 0).widened(
            2, 0
        )


def test_an_equal_network_is_the_least_wide_one_that_reaches_it() -> None:
    sources, plan, chosen = [Source.default("brighten")], Repairing(share="all", radius=1), Chosen.of("v2")
    size = repair_beside.planned(plan, chosen, sources)
    x = torch.zeros(1, 1, 28, 28)
    width, said = repair_beside.equal("equal-work", plan, chosen, sources)
    assert "equal work" in said
    own = {factor: models.build(width=factor) for factor in (1.0, width, width - 1 / 16)}
    work = {factor: forward_products(nn.Sequential(net.front, net.back), x) for factor, net in own.items()}
    assert work[1.0] == 940_416
    assert work[width - 1 / 16] < work[1.0] + size.work <= work[width]
    found = repair_beside.beside("augmentation-whole,equal-memory", plan, chosen, sources)
    assert next(iter(found)) == "augmentation-whole"
    other = SimpleNamespace(task=SimpleNamespace(name="mine"), layer="x")
    with pytest.raises(ArgumentError, match=r"task 'mine' has no width: expected one of v1, v2, v3"):
        repair_beside.beside("equal-work", plan, other, sources)  # type: ignore[arg-type]
