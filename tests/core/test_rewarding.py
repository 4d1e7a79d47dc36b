"""Noise that learns from rewards of the later layers: the rewards, what makes their estimate quiet, the loop."""

import numpy as np
import pytest
import torch
from torch import nn

import localnoise as ln
from localnoise import nn as lnn
from localnoise.errors import ArgumentError
from localnoise.nn.rating import Draws
from localnoise.nn.rewarding import stepped
from localnoise.nn.rewards import REWARDS, lesson
from localnoise.rules import ThreeFactor

COUNT = 400


@pytest.fixture
def later() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(8, 6), nn.Tanh(), nn.Linear(6, 3)).double()


@pytest.fixture
def case() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(1)
    h = torch.randn(COUNT, 2, 2, 2, dtype=torch.float64)
    return h, h + 0.3, torch.randint(3, (COUNT,))


@pytest.fixture
def grid() -> ln.UnitGrid:
    return ln.UnitGrid((2, 2), 2, order="raster", dtype="float64")


def cross_entropies(later: nn.Module, z: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return nn.functional.cross_entropy(later(z), y, reduction="none")


def test_rewards_are_what_they_say(later: nn.Module, case: tuple[torch.Tensor, ...]) -> None:
    h, moved, y = case
    eta = 0.5 * torch.randn_like(h)
    noisy = cross_entropies(later, moved + eta, y)
    torch.testing.assert_close(REWARDS["loss"](later, h, moved, eta, y), -noisy)
    torch.testing.assert_close(REWARDS["change"](later, h, moved, eta, y), cross_entropies(later, moved, y) - noisy)
    agreed = REWARDS["agreement"](later, h, moved, eta, y)
    assert torch.equal(agreed, REWARDS["agreement"](later, h, moved, eta, (y + 1) % 3))  # no label is read
    assert (agreed <= 0).all()


def test_a_lesson_is_how_much_a_step_of_fixed_length_lowers_the_loss(
    later: nn.Module, case: tuple[torch.Tensor, ...]
) -> None:
    """Against central differences of the loss that matters, along the gradient of one draw's loss at a time."""
    h, moved, y = (part[:5] for part in case)
    eta = 0.5 * torch.randn_like(h)
    found = REWARDS["lesson"](later, h, moved, eta, y)
    assert (found.abs() <= 1).all()
    weights = list(later.parameters())
    wanted = torch.autograd.grad(cross_entropies(later, moved + eta.roll(1, 0), y).mean(), weights)
    steepest = float(torch.cat([one.flatten() for one in wanted]).norm())
    for i in range(5):
        step = torch.autograd.grad(cross_entropies(later, h[i : i + 1] + eta[i : i + 1], y[i : i + 1]).sum(), weights)
        length = torch.cat([one.flatten() for one in step]).norm()
        step, losses = [one / length for one in step], []
        with torch.no_grad():
            for sign in (1, -2):  # there and back
                for weight, own in zip(weights, step, strict=True):
                    weight += sign * 1e-5 * own
                losses.append(float(cross_entropies(later, moved + eta.roll(1, 0), y).mean()))
            for weight, own in zip(weights, step, strict=True):
                weight += 1e-5 * own
        assert float(found[i]) == pytest.approx((losses[0] - losses[1]) / 2e-5 / steepest, rel=1e-4, abs=1e-6)


def step(
    grid: ln.UnitGrid, rater: lnn.Rater, later: nn.Module, case: tuple[torch.Tensor, ...], seed: int
) -> np.ndarray:
    """The step of the weights that one set of draws asks for, without the scale of the rewards."""
    draws, _ = rater.rated(grid, later, *case, seed=seed)
    other = grid.blank()
    stepped(other, draws, ThreeFactor(rate=1.0))
    return other.field.weights.ravel() * draws.rewards.std()


def test_pairs_and_baselines_leave_the_mean_and_take_variance_away(
    later: nn.Module, case: tuple[torch.Tensor, ...], grid: ln.UnitGrid
) -> None:
    """At equal draws; the mean over many repetitions is the same within its own error."""
    raters = {
        "plain": lnn.Rater(reward="loss", pairs=False, baseline="none"),
        "own baseline": lnn.Rater(reward="change", pairs=False, baseline="none"),
        "pairs too": lnn.Rater(reward="change", pairs=True, baseline="class"),
    }
    found = {
        name: np.array([step(grid, rater, later, case, seed) for seed in range(60)]) for name, rater in raters.items()
    }
    spread = {name: float(one.var(axis=0).sum()) for name, one in found.items()}
    assert spread["plain"] > 1.5 * spread["own baseline"] > 3 * spread["pairs too"]
    error = np.sqrt(found["plain"].var(axis=0) / 60 + found["pairs too"].var(axis=0) / 60)
    gap = np.abs(found["plain"].mean(axis=0) - found["pairs too"].mean(axis=0))
    some = error > 0
    assert (gap[some] < 4.5 * error[some]).all()


def test_inputs_may_share_a_draw(later: nn.Module, case: tuple[torch.Tensor, ...], grid: ln.UnitGrid) -> None:
    draws, mean = lnn.Rater(common=8, baseline="none").rated(grid, later, *case, seed=3)
    assert draws.eta.shape == (COUNT // 8, 2, 2, 2)
    assert draws.rewards.shape == (COUNT // 8,)
    assert draws.rewards.mean() == pytest.approx(mean)
    signal = ln.UnitGrid((2, 2), 2, signal="local", dtype="float64")
    with pytest.raises(ArgumentError, match="common=8: expected 1 with signal='local'"):
        lnn.Rater(common=8).rated(signal, later, *case, seed=3)


@pytest.fixture
def signal() -> ln.UnitGrid:
    rng = np.random.default_rng(0)
    d, h = rng.normal(size=(2, COUNT, 2, 2, 2))
    return ln.UnitGrid((2, 2), 2, signal="local", dtype="float64").learn(d + 0.5 * h, h)


def test_pairs_of_noise_with_a_signal_lie_side_by_side_less_the_mean_of_their_class(
    later: nn.Module, case: tuple[torch.Tensor, ...], signal: ln.UnitGrid
) -> None:
    """So that two halves of the draws are of different inputs, and neither keeps what its class alone says."""
    y = case[2].numpy()

    def reward(
        later: nn.Module, h: torch.Tensor, moved: torch.Tensor, eta: torch.Tensor, y: torch.Tensor
    ) -> torch.Tensor:
        return 10.0 * y + eta.flatten(1).sum(1)

    draws, mean = lnn.Rater(reward=reward).rated(signal, later, *case, seed=3)
    assert draws.h is not None
    assert np.array_equal(draws.h[::2], draws.h[1::2])
    np.testing.assert_allclose(draws.eta[::2] + draws.eta[1::2], 2 * signal.mean(draws.h[::2]))
    own = draws.eta.sum(axis=(1, 2, 3))
    middles = [own.reshape(-1, 2)[y == which].mean() for which in range(3)]
    np.testing.assert_allclose(draws.rewards, own - np.repeat([middles[which] for which in y], 2), atol=1e-12)
    assert mean == pytest.approx((10.0 * np.repeat(y, 2) + own).mean())


def test_agreement_of_noise_with_a_signal_is_that_of_steps_from_other_draws(
    later: nn.Module, case: tuple[torch.Tensor, ...], signal: ln.UnitGrid
) -> None:
    def asked(seed: int) -> tuple[np.ndarray, float]:
        draws, _ = lnn.Rater(reward="agreement").rated(signal, later, *case, seed=seed)
        other = signal.blank()
        other.field = signal.field.copy()
        said = stepped(other, draws, ThreeFactor(rate=1.0))
        return (other.field.weights - signal.field.weights).ravel(), said

    steps, said = zip(*(asked(seed) for seed in range(12)), strict=True)
    between = np.corrcoef(np.array(steps))[np.triu_indices(12, 1)].mean()
    halves = 2 * np.mean(said) / (1 + np.mean(said))  # of a whole step, from those of its halves (Spearman and Brown)
    assert between > 0.3, "most of a step is signal"
    assert halves == pytest.approx(between, abs=0.2)


def test_a_lesson_of_inputs_that_share_a_draw_is_for_the_draws_of_others(
    later: nn.Module, case: tuple[torch.Tensor, ...], grid: ln.UnitGrid
) -> None:
    rater = lnn.Rater(reward="lesson", common=8, pairs=False, baseline="none")
    draws, _ = rater.rated(grid, later, *case, seed=3)
    eta = torch.from_numpy(draws.eta)
    each, before = (one.repeat_interleave(8, 0) for one in (eta, eta.roll(1, 0)))
    h, moved, y = case
    weights = list(later.parameters())
    wanted = torch.autograd.grad(cross_entropies(later, moved + before, y).mean(), weights)
    first = torch.autograd.grad(cross_entropies(later, h[:1] + each[:1], y[:1]).sum(), weights)
    flat = [torch.cat([one.flatten() for one in part]) for part in (first, wanted)]
    found = lesson(later, h, moved, each, y, apart=8)
    assert float(found[0]) == pytest.approx(float(torch.cosine_similarity(*flat, dim=0)))
    np.testing.assert_allclose(draws.rewards, found.reshape(-1, 8).mean(1).numpy())


def test_two_halves_agree_where_the_reward_is_about_the_weights(grid: ln.UnitGrid) -> None:
    eta = grid.sample(20_000, 0)
    together = -np.square(np.diff(eta, axis=3)).sum((1, 2, 3))
    told = Draws(eta=eta, h=None, rewards=together)
    assert stepped(grid.blank(), told, ThreeFactor(rate=1.0)) > 0.9
    nothing = Draws(eta=eta, h=None, rewards=np.random.default_rng(0).normal(size=len(eta)))
    assert abs(stepped(grid.blank(), nothing, ThreeFactor(rate=1.0))) < 0.6


@pytest.fixture
def network() -> tuple[nn.Module, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    y = torch.arange(600) % 2
    x = torch.randn(600, 8)
    x[:, :2] += 1.5 * (2.0 * y[:, None] - 1)
    return nn.Sequential(nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 2)), x, y


def test_noise_leaves_the_directions_that_the_later_layers_read(
    network: tuple[nn.Module, torch.Tensor, torch.Tensor],
) -> None:
    """Their loss under the noise falls, at the same variance, from rewards alone; the network is left as it is."""
    model, x, y = network
    nn.init.eye_(model[0].weight)
    with torch.no_grad():
        model[2].weight.zero_()
        model[2].weight[1, :2], model[2].weight[0, :2] = 2.0, -2.0
    before = {name: value.clone() for name, value in model.state_dict().items()}
    grid, told = ln.UnitGrid((1, 8), 1, order="raster").normalise(1.0), []
    turns = lnn.reward_noise(
        model, "1", grid, (x, y), turns=40, rate=2.0, spread=1.0, progress=lambda done, of: told.append((done, of))
    )
    assert turns[-1].reward > turns[0].reward + 0.3
    assert told[-1] == (40, 40)
    variance = grid.variance().ravel()
    assert variance.mean() == pytest.approx(1.0, rel=1e-3)
    assert variance[:2].max() < 0.7 * variance[2:].min()
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    again = ln.UnitGrid((1, 8), 1, order="raster").normalise(1.0)
    lnn.reward_noise(model, "1", again, (x, y), turns=40, rate=2.0, spread=1.0)
    assert np.array_equal(again.field.B, grid.field.B)


def test_noise_that_is_attached_draws_what_it_has_learned(
    network: tuple[nn.Module, torch.Tensor, torch.Tensor],
) -> None:
    model, x, y = network
    grid = lnn.grid_like(model, "1", x[:2])
    noisy = lnn.attach(model, "1", lnn.NoiseLayer(grid, seed=0))
    before = noisy(x)
    noisy[1].noise.reseed(0)
    found = lnn.reward_noise(noisy, "1", grid, (x, y), attack=lambda x, y: x + 0.1, turns=1, reward="agreement")
    assert len(found) == 1
    assert -1 <= found[0].agreement <= 1
    assert not torch.equal(noisy(x), before)


def test_bad_arguments(network: tuple[nn.Module, torch.Tensor, torch.Tensor]) -> None:
    model, x, y = network
    grid = ln.UnitGrid((1, 8))

    def constant(later: nn.Module, h: torch.Tensor, moved: torch.Tensor, eta: torch.Tensor, y: torch.Tensor):
        return torch.ones(len(h))

    for options, said in (
        ({"reward": "los"}, "did you mean 'loss'"),
        ({"reward": constant}, "a constant reward says nothing"),
        ({"reward": lambda later, h, moved, eta, y: eta}, r"reward gave shape .* one number for each input"),
        ({"corrupt": torch.neg, "attack": torch.add}, "corrupt and attack were given"),
        ({"turns": 0}, "turns=0"),
        ({"variance": -1.0}, "variance=-1"),
        ({"baseline": "mean"}, "baseline='mean'"),
    ):
        with pytest.raises(ArgumentError, match=said):
            lnn.reward_noise(model, "1", grid, (x, y), **options)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="labels of batch 0 are none"):
        lnn.reward_noise(model, "1", grid, x)
    with pytest.raises(ArgumentError, match=r"grid has layout \(1, 1, 9\), the layer \(1, 1, 8\)"):
        lnn.reward_noise(model, "1", ln.UnitGrid((1, 9)), (x, y))


def test_reparametrised_weights_are_the_field(grid: ln.UnitGrid) -> None:
    """The module's draws have the grid's covariance, its weights come back, and its gradient is that of the loss."""
    rng = np.random.default_rng(0)
    grid.learn(rng.normal(size=(500, 2, 2, 2)).cumsum(3)).normalise(0.5)
    module = lnn.Reparametrised(grid, 0.5)
    torch.manual_seed(0)
    eta = module.drawn(40_000).detach().flatten(1).numpy()
    np.testing.assert_allclose(np.cov(eta.T), grid.covariance(), atol=0.03)
    np.testing.assert_allclose(module.stored().covariance(), grid.covariance(), rtol=1e-4, atol=1e-5)

    def loss(seed: int = 1) -> torch.Tensor:
        return (module.drawn(50, torch.Generator().manual_seed(seed))[:, 0, 0, 0] - 1).square().mean()

    for parameter in (module.B, module.below, module.scale, module.gain):
        (gradient,) = torch.autograd.grad(loss(), parameter)
        at = np.unravel_index(int(gradient.abs().argmax()), gradient.shape)
        values = []
        with torch.no_grad():
            for change in (1e-2, -2e-2):
                parameter[at] += change
                values.append(float(loss()))
            parameter[at] += 1e-2
        assert float(gradient[at]) == pytest.approx((values[0] - values[1]) / 2e-2, rel=0.05, abs=1e-3)


def test_reparametrised_refuses_other_grids(grid: ln.UnitGrid) -> None:
    with pytest.raises(ArgumentError, match="expected one without signal dependence"):
        lnn.Reparametrised(ln.UnitGrid((2, 2), signal="local"), 1.0)
    with pytest.raises(ArgumentError, match="variance=0"):
        lnn.Reparametrised(grid, 0)


def test_a_network_in_training_mode_is_rated_as_in_evaluation() -> None:
    """Statistics of a norm are not those of the two inputs by which the layer's layout is found."""
    x, y = torch.randn(200, 6, generator=torch.Generator().manual_seed(0)), torch.arange(200) % 2
    found = []
    for training in (False, True):
        torch.manual_seed(0)
        net = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, 2)).train(training)
        grid = ln.UnitGrid((1, 8)).normalise(0.5)
        first = [(x[:1], y[:1]), (x[1:], y[1:])]
        found.append([turn.reward for turn in lnn.reward_noise(net, "2", grid, first, turns=2)])
        assert net.training == training
    assert found[0] == found[1]


def test_noise_learns_behind_layers_that_have_noise_of_their_own(
    network: tuple[nn.Module, torch.Tensor, torch.Tensor],
) -> None:
    model, x, y = network
    noisy = lnn.attach(model, "0", lnn.NoiseLayer(lnn.grid_like(model, "0", x[:2]).normalise(0.1), when="train"))
    grid = ln.UnitGrid((1, 8)).normalise(0.5)
    assert len(lnn.reward_noise(noisy, "1", grid, (x, y), turns=1)) == 1
