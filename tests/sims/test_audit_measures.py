"""What an audit measures, by what is known: areas, defects, covariances, orthogonal fronts, ratios of densities."""

from typing import Any

import numpy as np
import pytest
import torch
from audited import SmallBench
from torch import Tensor, nn

from localnoise import UnitGrid, central
from localnoise.nn import cut
from localnoise.sims.auditing.defects import SIDE, behind, blocks, with_defects
from localnoise.sims.auditing.detectors import Named
from localnoise.sims.auditing.knowing import Differentiable
from localnoise.sims.auditing.ranking import auroc, half_width
from localnoise.sims.auditing.smoothing import grid_noise, norms
from localnoise.sims.auditing.structures import best_densities, by_distance, participation
from localnoise.sims.models import build
from localnoise.sims.models.orthogonal import OrthogonalPatches, lipschitz


@pytest.fixture(scope="module")
def bench() -> Any:
    torch.manual_seed(0)
    return SmallBench(nn.Sequential(nn.AvgPool2d(4), nn.Conv2d(1, 2, 3, padding=1)))


@pytest.fixture(scope="module")
def isometric() -> Any:
    torch.manual_seed(0)
    return SmallBench(OrthogonalPatches(1, 6, 7))  # 6 x 4 x 4 neurons


def test_areas_are_shares_of_pairs() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 9, 60).astype(float), rng.integers(2, 12, 40).astype(float)
    pairs = (b[:, None] > a).mean() + 0.5 * (b[:, None] == a).mean()
    assert auroc(b, a) == pytest.approx(pairs)
    assert 0 < half_width(0.9, 100, 100) < half_width(0.6, 100, 100) < half_width(0.6, 50, 100)


def test_units_behind_a_defect_are_those_whose_pixels_it_covers() -> None:
    images, corners = with_defects(torch.zeros(20, 1, 28, 28), 3)
    assert ((images[:, 0] > 0).sum((1, 2)) <= SIDE**2).all()
    inside = behind(corners, (28, 28), (14, 14))
    np.testing.assert_array_equal(inside, (blocks(images) > 0).any(axis=1))


def test_measures_of_a_known_covariance() -> None:
    assert participation(np.diag([1.0, 1, 1, 0])) == pytest.approx(3)
    assert by_distance(np.eye(8), (2, 2, 2)) == pytest.approx([1, 0])
    d = np.random.default_rng(0).normal(size=(4000, 1, 2, 2)) * 3
    noise = central.identity(d, variance=1.0)
    assert best_densities(noise, {"d": d})["d"] == pytest.approx(-0.5 * np.log(2 * np.pi * np.e * 9), abs=0.02)


def test_what_an_orthogonal_front_moves_lies_in_the_ellipsoid(isometric: Any) -> None:
    """d' Sigma^-1 d is at most |x - x'|^2 / lambda_min, whatever was learned: also along the steepest direction."""
    front, x = isometric.network.front, isometric.test[0][:40]
    noise = grid_noise(front(isometric.train[0][:400]).numpy(), 0.5, 0.1)
    smallest = np.linalg.eigvalsh(noise.covariance())[0] ** 0.5
    delta = torch.randn(x.shape, generator=torch.Generator().manual_seed(1)) * 0.01
    for _ in range(20):  # up the norm
        delta.requires_grad_(True)
        moved = (front(x + delta) - front(x)).flatten(1)
        (moved @ torch.from_numpy(np.linalg.inv(noise.covariance())).float() * moved).sum().backward()
        step = delta.grad / delta.grad.flatten(1).norm(dim=1)[:, None, None, None]
        delta = (0.1 * step).detach()
    length = delta.flatten(1).norm(dim=1).numpy() * lipschitz(front)
    ratio = norms(noise, (front(x + delta) - front(x)).numpy()) * smallest / length
    assert ratio.max() <= 1 + 1e-4
    assert ratio.max() > 0.3  # the bound is not idle


class Tapped(nn.Module):
    """A network of one's own, in whose forward is more than its modules say."""

    def __init__(self, more: Any) -> None:
        super().__init__()
        self.patches, self.act, self.tap, self.last = nn.Flatten(), nn.Tanh(), nn.Identity(), nn.Linear(64, 3)
        self.more = more

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.last(self.tap(self.more(self.act(self.patches(x)))))
        return out


@pytest.mark.parametrize(
    ("more", "known"), [(nn.Identity(), 1.0), (lambda h: 4 * h, None), (lambda h: h + torch.tanh(h), None)]
)
def test_no_bound_is_claimed_of_what_a_forward_does_besides_its_modules(more: Any, known: float | None) -> None:
    front, _ = cut(Tapped(more), "tap", torch.randn(5, 1, 8, 8))
    assert lipschitz(front) == known
    x = torch.randn(200, 1, 8, 8) * 0.01
    stretched = (front(x[:100]) - front(x[100:])).norm(dim=1) / (x[:100] - x[100:]).flatten(1).norm(dim=1)
    assert stretched.max() <= (known or 4) + 1e-5


def test_no_bound_is_claimed_of_modules_that_run_side_by_side_or_twice() -> None:
    class Doubled(nn.Sequential):
        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = 2 * self[0](x)
            return out

    assert lipschitz(nn.Sequential(nn.Flatten(), Doubled(nn.Tanh()))) is None
    assert lipschitz(nn.Sequential(nn.Flatten(), nn.Sequential(nn.Tanh()))) == 1.0


def test_a_front_is_only_known_where_every_layer_is(bench: Any) -> None:
    assert lipschitz(bench.network.front) is None
    network = build("orthogonal")
    assert network.layout == (64, 7, 7)
    assert lipschitz(network.front) == pytest.approx(1, abs=1e-5)
    assert lipschitz(build("orthogonal", layer=3).front) is None
    x = torch.rand(8, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    patches = network.front[0](x)
    apart, before = (torch.cdist(one.flatten(1), one.flatten(1)) for one in (patches, x))
    torch.testing.assert_close(apart, before, rtol=1e-4, atol=1e-4)


def test_a_ratio_is_that_of_the_densities() -> None:
    """Of independent neurons of two variances it is known."""
    rng = np.random.default_rng(0)
    h = rng.normal(size=(6000, 1, 2, 2)).astype(np.float32)
    found = Named.of(h, [2 * h, 3 * h + 1]).image(
        np.array([0.0, 4.0], np.float32)[:, None, None, None] * np.ones((1, 2, 2), np.float32)
    )
    expected = [-np.log(2), max(16 / 2 - np.log(2) - 16 / 8, 16 / 2 - np.log(3) - 9 / 18)]
    np.testing.assert_allclose(found, expected, rtol=0.1)


def test_the_attackers_score_is_the_detectors(bench: Any) -> None:
    h = bench.network.front(bench.train[0]).numpy()
    surprise = UnitGrid((7, 7), 2, parents=4).surprise(h)
    _, statistics = surprise.measured(h[:20])
    found = Differentiable(surprise).distances(torch.from_numpy(h[:20])).numpy()
    np.testing.assert_allclose(found, surprise.image.distances(statistics), rtol=2e-2)
