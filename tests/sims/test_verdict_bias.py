"""The verdict on a noisy predictor where the truth is known: what attacks cost that do nothing, and that break."""

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from localnoise.sims.evaluation import Verdict, WorstCase
from localnoise.sims.evaluation.worst_case import NOT_RUN

COUNT = 5_000  # one batch: an image meets the same coins, whichever others are attacked
ATTACKS = 7


class Coins:
    """Wrong about an image (q, its number) with probability q: class 1 instead of 0. Fresh coins in every call."""

    def __init__(self) -> None:
        self.noise = self
        self.reseed(0)

    def reseed(self, seed: int) -> None:
        self.seed, self.calls = seed, 0

    def __call__(self, x: Tensor) -> Tensor:
        self.calls += 1
        coins = torch.rand(COUNT, generator=torch.Generator().manual_seed(self.seed % 2**62 + self.calls))
        wrong = coins[x[:, 1].long()] < x[:, 0]
        return nn.functional.one_hot(wrong.long(), 2).float()


@dataclass(frozen=True)
class Sets:
    """An attack that sets how often the predictor is wrong: one probability for all images, or one for each."""

    q: float | Tensor
    eps: float = 1.0

    def __call__(self, predictor: Any, images: Tensor, labels: Tensor, **_: Any) -> Tensor:
        q = self.q if isinstance(self.q, float) else self.q[images[:, 1].long()]
        return torch.stack([torch.as_tensor(q).expand(len(images)), images[:, 1]], 1)


def judged(clean: float, qs: list[float | Tensor], votes: int = 5, cascade: bool = True) -> Verdict:
    attacks = {f"attack {i}": Sets(q) for i, q in enumerate(qs)}
    images = torch.stack([torch.full((COUNT,), clean), torch.arange(COUNT).float()], 1)
    labels = torch.zeros(COUNT, dtype=torch.int64)
    return WorstCase(attacks=attacks, votes=votes, cascade=cascade)(
        Coins(), images, labels, bounds=None, seed=1, batch=COUNT
    )


def error(p: float) -> float:
    """Five standard errors of a share p of the images."""
    return 5 * math.sqrt(p * (1 - p) / COUNT)


def highest_share(q: float, votes: int, examples: int) -> float:
    """E max of that many independent Bin(votes, q) / votes: the sum of P(max > k)."""
    mass = [math.comb(votes, k) * q**k * (1 - q) ** (votes - k) for k in range(votes)]
    return sum(1 - p**examples for p in np.cumsum(mass)) / votes


def test_attacks_that_do_nothing_cost_nothing() -> None:
    """In revision 1 an image was lost as soon as most of one example's votes were wrong: .32 of accuracy here."""
    found = judged(0.2, [0.2] * ATTACKS, cascade=False)
    assert abs(found.robust_accuracy - 0.8) <= error(0.8)
    before = found.right
    for name in found.wrong:
        before = before & found.survives(name)
    lost = sum(math.comb(5, k) * 0.2**k * 0.8 ** (5 - k) for k in (3, 4, 5))
    cost = (1 - lost) - (1 - lost) ** (ATTACKS + 1)
    assert 0.32 < cost < 0.33
    assert abs((found.right.double() - before.double()).mean().item() - cost) <= error(cost)
    floor = 1 - highest_share(0.2, 5, ATTACKS + 1)
    assert abs(found.floor - floor) <= error(0.5)
    assert abs(found.bias - (0.8 - floor)) <= error(0.5)


@pytest.mark.parametrize("q", [0.9, 1.0])
def test_an_attack_that_breaks_is_chosen_wherever_it_stands(q: float) -> None:
    """One attack among six that do nothing: the verdict is its own, but for the few images that it is not chosen on."""
    for place in (0, 3, 6):
        qs: list[float | Tensor] = [0.2] * ATTACKS
        qs[place] = q
        found = judged(0.2, qs)
        assert 1 - q - error(0.1) <= found.robust_accuracy <= 1 - q + 0.04 + error(0.1)
        assert found.floor <= 1 - q + error(0.1)
        assert (found.worst == place + 1).double().mean() > 0.9
    assert judged(0.0, [1.0]).robust_accuracy == 0.0


@pytest.mark.parametrize("spread", [0.1, 0.3, 0.6])
def test_floor_and_verdict_hold_the_truth_between_them_whatever_the_attacks_do(spread: float) -> None:
    """Each attack has an image-wise success of its own; more votes draw floor and verdict together."""
    generator = torch.Generator().manual_seed(0)
    several = 0.2 + spread * torch.rand(ATTACKS, COUNT, generator=generator)
    truth = 1 - several.max(0).values.double().mean().item()
    gaps = []
    for votes in (3, 9, 81):
        found = judged(0.2, list(several), votes=votes)
        assert found.floor <= truth + error(0.5)
        assert found.robust_accuracy >= truth - error(0.5)
        most = math.sqrt(math.log(ATTACKS + 1) / (2 * votes))
        assert found.robust_accuracy - truth <= most + error(0.5)
        assert truth - found.floor <= most + error(0.5)
        assert found.robust_accuracy - truth <= found.bias + error(0.5)
        gaps.append(found.bias)
    assert all(later < earlier for earlier, later in pairwise(gaps))


def test_the_cascade_changes_no_verdict_on_a_noisy_predictor() -> None:
    generator = torch.Generator().manual_seed(0)
    several = torch.rand(ATTACKS, COUNT, generator=generator) ** 0.3
    every, cascade = (judged(0.2, list(several), cascade=way) for way in (False, True))
    assert torch.equal(every.robust, cascade.robust)
    assert torch.equal(every.worst, cascade.worst)
    assert every.floor == cascade.floor
    assert (cascade.wrong["attack 6"] == NOT_RUN).double().mean() > 0.5


def test_without_noise_nothing_is_left_to_correct() -> None:
    generator = torch.Generator().manual_seed(0)
    several = (torch.rand(ATTACKS, COUNT, generator=generator) < 0.1).float()
    found = judged(0.0, list(several), votes=1)
    assert torch.equal(found.robust, several.max(0).values == 0)
    assert found.bias == 0
