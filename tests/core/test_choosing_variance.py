"""A noise at another variance, and the choice of one on held-out images."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

import localnoise as ln
from localnoise.errors import ArgumentError
from localnoise.nn import NoiseLayer, choose_variance
from localnoise.nn.choosing import _quietest
from localnoise.scaling import mean_variance, with_variance

SHAPE, CHANNELS = (2, 3), 2


def noises():
    rng = np.random.default_rng(0)
    h, d = rng.normal(size=(2, 400, CHANNELS, *SHAPE))
    d = d.cumsum(axis=3) + 0.5 * h
    plain = ln.UnitGrid(SHAPE, CHANNELS).learn(d)
    local = ln.UnitGrid(SHAPE, CHANNELS, signal="local").learn(d, h)
    made = {"grid": plain, "signal": local, "full": ln.central.full(d), "identity": ln.central.identity(d)}
    made["affine"] = ln.central.affine(d, h)
    made["bank"] = ln.Bank(list(made.values()), clean=0.2, shares=[1, 2, 3, 4, 5])
    return made


NOISES = noises()


@pytest.mark.parametrize("name", NOISES)
def test_a_scaled_noise_is_the_same_noise_louder(name):
    """By the root of the ratio of variances: draws, and with signal dependence the mean, too."""
    noise, h = NOISES[name], np.random.default_rng(1).normal(size=(30, CHANNELS, *SHAPE)).astype(np.float32)
    own, before = mean_variance(noise), noise.perturb(h, 3)
    scaled = with_variance(noise, 4 * own)
    assert mean_variance(scaled) == pytest.approx(4 * own, rel=1e-5)
    np.testing.assert_allclose(scaled.perturb(h, 3), 2 * before, atol=1e-4)
    np.testing.assert_array_equal(noise.perturb(h, 3), before)


def test_the_mean_variance_is_that_of_draws():
    for noise in NOISES.values():
        drawn = noise.sample(20_000, seed=1)
        assert np.square(drawn).mean() == pytest.approx(mean_variance(noise), rel=0.06)


def test_noise_that_has_no_variance_cannot_be_scaled():
    none = ln.central.none(np.ones((3, CHANNELS, *SHAPE)))
    assert mean_variance(none) == 0
    with pytest.raises(ArgumentError, match="has no variance: expected noise that draws something"):
        with_variance(none, 1.0)
    with pytest.raises(ArgumentError, match="noise is str: expected a grid"):
        mean_variance("grid")


# The choice


def problem(count=600):
    """Two classes that a coordinate tells apart, and a network that also listens to a second, weaker one."""
    generator = torch.Generator().manual_seed(0)
    y = torch.randint(2, (count,), generator=generator)
    x = torch.randn(count, 12, generator=generator)
    x[:, 0] += 4.0 * (2 * y - 1)
    net = nn.Sequential(nn.Flatten(), nn.Linear(12, 12), nn.Identity(), nn.Linear(12, 2))
    with torch.no_grad():
        net[1].weight.copy_(torch.eye(12))
        net[1].bias.zero_()
        net[3].weight.zero_()
        net[3].weight[1, 0], net[3].weight[0, 0] = 1.0, -1.0
        net[3].bias.zero_()
    return net, x, y


def flat_noise(variance=1.0):
    return ln.UnitGrid((1, 12)).normalise(variance)


def shifted(x):
    return x - 3.5 * torch.eye(12)[0]


def test_it_returns_the_most_robust_variance_within_the_loss():
    """Trained on noise, the copies say how robust they are through the callable; here by a network that is told."""
    net, x, y = problem()
    seen = []

    def train(network):
        layer = next((part for part in network.modules() if isinstance(part, NoiseLayer)), None)
        variance = 0.0 if layer is None else mean_variance(layer.noise)
        seen.append(variance)
        with torch.no_grad():  # what training with noise would do: the boundary moves the more, the louder it is
            network[3].bias.copy_(torch.tensor([-3.5, 3.5]) * min(variance, 4.0))

    perturbations = {"shift": shifted, "none": lambda x: x}
    choice = choose_variance(
        net, "2", flat_noise(), (x, y), perturbations, variances=[16, 1, 0.25], train=train, draws=8
    )
    assert seen == pytest.approx([0, 0.25, 1, 16])
    assert [trial.variance for trial in choice.trials] == [0, 0.25, 1, 16]
    eligible = [trial for trial in choice.trials if trial.eligible]
    best = max(trial.robust for trial in eligible)
    chosen = next(trial for trial in eligible if trial.variance == choice.variance)
    assert best - chosen.robust <= chosen.robust_error + 1e-9
    assert chosen.robust > choice.trials[0].robust, "and here noise helps"
    floor = choice.trials[0].clean - 0.03
    assert [trial.clean >= floor for trial in choice.trials] == [trial.eligible for trial in choice.trials]
    assert not choice.trials[-1].eligible, "so loud that clean accuracy is lost"
    assert list(choice.trials[1].each) == ["shift", "none"]
    if choice.variance:
        assert mean_variance(choice.noise) == pytest.approx(choice.variance)


def test_of_those_within_an_error_of_the_best_the_quietest_is_taken():
    """Of 100 images: 3 more right, of 3 that differ, is 1.7 errors; 1 more, of 7 that differ, is within one."""
    base = torch.tensor([1.0] * 60 + [0.0] * 40, dtype=torch.float64)
    better, hardly = base.clone(), base.clone()
    better[60:63] = 1
    hardly[60:64], hardly[:3] = 1, 0
    assert _quietest([base, better]) == 1
    assert _quietest([base, hardly]) == 0
    assert _quietest([base, hardly, better]) == 2
    assert _quietest([base, base]) == 0


def test_where_no_noise_helps_the_answer_is_none():
    net, x, y = problem()
    choice = choose_variance(net, "2", flat_noise(), (x, y), {"shift": lambda x: 0.5 * x}, variances=[200.0], draws=1)
    assert (choice.variance, choice.noise) == (0.0, None)
    assert choice.trials[0].variance == 0
    assert choice.trials[0].clean == pytest.approx(float((net(x).argmax(1) == y).double().mean()))


def test_candidates_are_shares_of_the_noises_own_variance():
    net, x, y = problem(60)
    choice = choose_variance(net, "2", flat_noise(2.0), (x, y), {"shift": shifted}, draws=1)
    assert [trial.variance for trial in choice.trials] == pytest.approx([0, 1 / 8, 1 / 4, 1 / 2, 1, 2, 4], rel=1e-5)
    table = choice.table
    assert list(table.columns) == ["variance", "clean", "robust", "clean_error", "robust_error", "eligible", "shift"]
    assert len(table) == 7


def test_the_network_and_the_random_numbers_are_left_as_they_were():
    net, x, y = problem(60)
    net.train()
    before = copy.deepcopy(net.state_dict())
    torch.manual_seed(4)
    expected = torch.rand(3)
    torch.manual_seed(4)
    both = [
        choose_variance(
            net, "2", flat_noise(), batches, {"random": lambda x: x + torch.randn_like(x)}, seed=5, draws=2
        ).trials
        for batches in ((x, y), [(x, y)])
    ]
    assert both[0] == both[1], "repeated by its seed"
    assert torch.equal(torch.rand(3), expected)
    assert net.training
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())
    assert not any(isinstance(part, NoiseLayer) for part in net.modules())


def test_every_trial_sees_the_same_perturbed_images_and_an_attack_sees_the_noisy_network():
    net, x, y = problem(60)
    seen, attacked = [], []

    def perturb(x):
        changed = x + torch.randn_like(x)
        seen.append(changed)
        return changed

    def attack(network, x, y):
        assert not network.training
        attacked.append(any(isinstance(part, NoiseLayer) for part in network.modules()))
        x = x.clone().requires_grad_()
        nn.functional.cross_entropy(network(x), y).backward()
        return x + 0.1 * x.grad.sign()

    choice = choose_variance(
        net, "2", flat_noise(), (x, y), {"noise": perturb}, attacks={"fgsm": attack}, variances=[0.5, 1], draws=2
    )
    assert all(torch.equal(each, seen[0]) for each in seen)
    assert attacked == [False, True, True]
    assert list(choice.trials[0].each) == ["noise", "fgsm"]


def test_noise_that_is_off_in_evaluation_is_drawn_once():
    net, x, y = problem(60)
    calls = []
    net[3].register_forward_hook(lambda *_: calls.append(1))  # copies keep it
    choose_variance(net, "2", flat_noise(), (x, y), {"a": shifted}, variances=[1.0], draws=9, when="train")
    assert len(calls) == 4, "two trials, clean and perturbed"


def test_held_images_come_from_whatever_gives_batches():
    net, x, y = problem(60)
    data = torch.utils.data.TensorDataset(x, y)
    sources = [(x, y), data, torch.utils.data.DataLoader(data, 128), (x.numpy(), y.numpy()), [(x, y)]]
    found = [choose_variance(net, "2", flat_noise(), held, {"a": shifted}, draws=1).trials for held in sources]
    assert all(each == found[0] for each in found)


CASES = {
    "a near name": (lambda n, x, y, z: (n, "lin", z, (x, y), {"a": shifted}), "name='lin': expected one of .*"),
    "no images": (lambda n, x, y, z: (n, "2", z, (x[:0], y[:0]), {"a": shifted}), "held has no inputs"),
    "no labels": (lambda n, x, y, z: (n, "2", z, [x], {"a": shifted}), "labels of batch 0 are none"),
    "fewer labels": (lambda n, x, y, z: (n, "2", z, (x, y[:5]), {"a": shifted}), "held has 60 inputs and 5 labels"),
    "nothing": (lambda n, x, y, z: (n, "2", z, (x, y), {}), "perturbations is empty"),
    "no callable": (lambda n, x, y, z: (n, "2", z, (x, y), {"a": 3}), "perturbation 'a' is int: expected a callable"),
    "another shape": (
        lambda n, x, y, z: (n, "2", z, (x, y), {"a": lambda x: x[:, :3]}),
        r"perturbation 'a' gave shape \(60, 3\) of a batch \(60, 12\)",
    ),
    "an array": (lambda n, x, y, z: (n, "2", z, (x, y), {"a": lambda x: x.numpy()}), "'a' gave ndarray"),
    "no noise": (lambda n, x, y, z: (n, "2", "rotate", (x, y), {"a": shifted}), "noise is str"),
}


@pytest.mark.parametrize("case", CASES)
def test_mistakes_get_one_sentence(case):
    arguments, message = CASES[case]
    net, x, y = problem(60)
    with pytest.raises(ArgumentError, match=message) as caught:
        choose_variance(*arguments(net, x, y, flat_noise()))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("variances", [[], [0.0], [-1.0], [float("nan")]])
def test_variances_are_positive_numbers(variances):
    net, x, y = problem(60)
    with pytest.raises(ArgumentError, match=r"varianc"):
        choose_variance(net, "2", flat_noise(), (x, y), {"a": shifted}, variances=variances)


def test_a_loader_that_shuffles_shows_every_trial_the_same_images():
    """However many random numbers training takes."""
    net, x, y = problem(60)
    seen = []

    def perturb(x):
        seen.append(x.clone())
        return 0.9 * x

    held = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, y), 20, shuffle=True)
    choose_variance(net, "2", flat_noise(), held, {"a": perturb}, variances=[0.5, 1], train=lambda net: torch.rand(7))
    assert len(seen) == 9
    for one, other in zip(seen[:3] * 2, seen[3:], strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize(
    ("perturbations", "attacks", "message"),
    [
        ({"clean": shifted}, None, "the name 'clean' is a column of the table"),
        ({"a": shifted}, {"a": lambda network, x, y: x}, "the name 'a' is of a perturbation and of an attack"),
    ],
)
def test_no_column_of_the_table_hides_another(perturbations, attacks, message):
    net, x, y = problem(60)
    with pytest.raises(ArgumentError, match=message):
        choose_variance(net, "2", flat_noise(), (x, y), perturbations, attacks=attacks)
