"""The torch path of devices without our kernels, run on the CPU: the same law, exact gradients, the present weights."""

from typing import Any

import numpy as np
import pytest
import torch

from localnoise import Bank, UnitGrid, central
from localnoise.nn import NoiseLayer, levels, operators

SHAPE, CHANNELS, COUNT = (4, 5), 2, 40_000


def taught(**options: Any) -> UnitGrid:
    rng = np.random.default_rng(0)
    mixed = rng.normal(size=(40, 40)) / 6
    h = rng.normal(size=(600, 40))
    d = (h @ mixed + rng.normal(size=(600, 40)) @ mixed.T).reshape(600, CHANNELS, *SHAPE)
    grid = UnitGrid(SHAPE, CHANNELS, **options)
    grid.learn(d, h.reshape(d.shape) if grid.field.signal else None)
    return grid.normalise(0.7, "local")


GRIDS: dict[str, dict[str, Any]] = {
    "raster": {"order": "raster", "radius": 1},
    "multiscale": {"parents": 4},
    "signal": {"parents": 3, "signal": "local"},
    "periodic": {"order": "raster", "radius": 1, "boundary": "periodic", "signal": "local"},
    "one parent": {"parents": 1, "signal": "local", "signal_radius": 2},
}


@pytest.fixture(params=GRIDS)
def grid(request: pytest.FixtureRequest) -> UnitGrid:
    return taught(**GRIDS[request.param])


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every tensor counts as one of another device."""
    monkeypatch.setattr(operators, "off_cpu", lambda h: True)


def covariance(eta: torch.Tensor) -> np.ndarray:
    flat = eta.flatten(1).double().numpy()
    return np.asarray(flat.T @ flat / len(flat))


def test_draws_have_the_grids_covariance_and_mean(grid: UnitGrid) -> None:
    """Entries of an estimate from T draws are off by at most 6 standard errors, sqrt((s_ii s_jj + s_ij^2) / T)."""
    h = torch.randn(1, CHANNELS, *SHAPE, dtype=torch.float64).expand(COUNT, -1, -1, -1)
    eta = levels.drawn(grid, h, 1, 0, reads=True)
    assert eta is not None
    mean = grid.mean(h[:1].numpy())
    true = grid.covariance()
    spread = np.sqrt((np.outer(np.diag(true), np.diag(true)) + true**2) / COUNT)
    assert (np.abs(covariance(eta - torch.from_numpy(mean)) - true) < 6 * spread).all()
    wrong = np.abs(eta.mean(0).numpy() - mean[0]).ravel()
    assert (wrong < 6 * np.sqrt(np.diag(true) / COUNT)).all()


def test_without_noise_it_is_the_mean_to_rounding(grid: UnitGrid) -> None:
    h = torch.randn(7, CHANNELS, *SHAPE, dtype=torch.float64)
    own = levels.Levels(grid.field, torch.device("cpu"), torch.float64)
    if grid.field.signal:
        mean = levels._as_layout(own.draw(None, levels._as_units(h)), h)
        np.testing.assert_allclose(mean.numpy(), grid.mean(h.numpy()), atol=2e-5)
    xi = torch.randn(20, 7, CHANNELS, dtype=torch.float64)
    eta = levels._as_layout(own.draw(xi, None), h)
    e = grid.innovations(eta.numpy(), None if not grid.field.signal else np.zeros(eta.shape))
    zero = 0 if not grid.field.signal else grid.innovations(np.zeros(eta.shape), np.zeros(eta.shape))
    np.testing.assert_allclose(levels._as_units(torch.from_numpy(e - zero)).numpy(), xi.numpy(), atol=2e-4)


def test_the_gradient_is_that_of_the_kernels_and_exact(grid: UnitGrid, elsewhere: None) -> None:
    g = torch.randn(3, CHANNELS, *SHAPE, dtype=torch.float64)
    found = levels.pulled(grid, g, 0, 0)
    assert found is not None
    np.testing.assert_allclose(found.numpy(), grid.pull_back(g.numpy()), atol=2e-5)
    layer = NoiseLayer(grid, seed=3)

    def again(h: torch.Tensor) -> torch.Tensor:
        layer.reseed(3)
        return layer(h)  # type: ignore[no-any-return]

    h = torch.randn(2, CHANNELS, *SHAPE, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(again, (h,))


def test_a_seed_fixes_the_stream_and_its_places_differ(grid: UnitGrid, elsewhere: None) -> None:
    layer, h = NoiseLayer(grid, seed=5), torch.zeros(6, CHANNELS, *SHAPE)
    first, second = layer(h), layer(h)
    assert not torch.equal(first, second)
    layer.reseed(5)
    assert torch.equal(layer(h), first)
    assert torch.equal(layer(h), second)
    assert layer.position == 12


def test_what_is_written_into_a_unit_or_learned_reaches_the_device() -> None:
    grid = taught(parents=2)
    h = torch.zeros(500, CHANNELS, *SHAPE)
    before = levels.drawn(grid, h, 1, 0, reads=True)
    grid[1, 1].gain *= 10
    after = levels.drawn(grid, h, 1, 0, reads=True)
    assert before is not None
    assert after is not None
    torch.testing.assert_close(after[:, :, 1, 1], 10 * before[:, :, 1, 1])
    assert torch.equal(after[:, :, 0], before[:, :, 0])
    grid.normalise(1.0)
    assert not torch.equal(levels.drawn(grid, h, 1, 0, reads=True), after)


@pytest.mark.parametrize("kind", ["full", "diagonal", "identity", "none"])
def test_central_noises(kind: str) -> None:
    d = np.random.default_rng(1).normal(size=(300, CHANNELS, *SHAPE)).cumsum(2)
    noise = getattr(central, kind)(d)
    eta = levels.drawn(noise, torch.zeros(COUNT, CHANNELS, *SHAPE), 2, 0, reads=False)
    assert eta is not None
    true = noise.covariance()
    spread = np.sqrt((np.outer(np.diag(true), np.diag(true)) + true**2) / COUNT)
    assert (np.abs(covariance(eta) - true) <= 6 * spread + 1e-12).all()
    assert not levels.pulled(noise, torch.ones(2, CHANNELS, *SHAPE), 0, 0).any()  # type: ignore[union-attr]


def test_a_bank_takes_the_same_turns_there(elsewhere: None) -> None:
    quiet, loud = taught(parents=2).normalise(0.01), taught(parents=2).normalise(100.0)
    bank = Bank([quiet, loud], clean=0.3)
    h = torch.zeros(200, CHANNELS, *SHAPE)
    size = NoiseLayer(bank, seed=4)(h).flatten(1).square().mean(1)
    turn = bank.turns(200, 4, 0)
    assert (size[turn == -1] == 0).all()
    assert (size[turn == 0] < 1).all()
    assert (size[turn == 1] > 1).all()


def test_members_of_a_bank_share_no_numbers(elsewhere: None) -> None:
    bank, h = Bank([taught(parents=2), taught(parents=2)]), torch.zeros(400, CHANNELS, *SHAPE)
    eta, turn = NoiseLayer(bank, seed=4)(h), bank.turns(400, 4, 0)
    first, second = eta[turn == 0], eta[turn == 1]
    count = min(len(first), len(second))
    assert abs(float((first[:count] * second[:count]).mean() / eta.square().mean())) < 0.1


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_any_precision_keeps_its_own(dtype: torch.dtype, elsewhere: None) -> None:
    grid = taught(parents=3, signal="local")
    h = torch.randn(50, CHANNELS, *SHAPE).to(dtype).requires_grad_()
    y = NoiseLayer(grid, seed=1)(h)
    assert y.dtype == dtype
    y.float().sum().backward()
    assert h.grad is not None
    assert h.grad.dtype == dtype
