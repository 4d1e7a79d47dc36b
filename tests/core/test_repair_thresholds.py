"""Ask sources for more than the least worth: clean inputs are spared at the least loss."""

import itertools
from dataclasses import replace

import h5py
import numpy as np
import pytest
import torch

import localnoise as ln
from localnoise import nn as lnn
from localnoise.errors import ArgumentError, FileFormatError
from localnoise.repair.thresholds import asked_about, least_loss
from localnoise.repair.worth import Worth


def tried(harm, examples, voices, most):
    """Every combination of thresholds: the most that can be gained, and the fewest that are harmed then."""
    expected, voice = harm
    choices = [[0.0, *expected[(voice == v) & (expected > 0)]] for v in range(voices)]
    found = []
    for thresholds in itertools.product(*choices):
        asked = np.array(thresholds)
        harmed = int((expected > np.maximum(asked[voice], 0)).sum())
        if harmed <= most:
            found.append((examples[2][examples[0] > asked[examples[1]]].sum(), -harmed))
    return max(found)


@pytest.mark.parametrize("seed", range(12))
def test_thresholds_are_the_best_of_all(seed):
    rng = np.random.default_rng(seed)
    voices, most = 4, int(rng.integers(0, 5))
    harm = rng.normal(0.1, 0.3, 14).round(seed % 2 + 1), rng.integers(0, voices, 14)
    examples = rng.normal(0.2, 0.3, 60), rng.integers(0, voices, 60), rng.integers(-1, 2, 60).astype(float)
    found = least_loss(harm, examples, voices, most)
    assert (found >= 0).all()
    harmed = int((harm[0] > found[harm[1]]).sum())
    assert harmed <= most
    gained = examples[2][examples[0] > found[examples[1]]].sum()
    assert (gained, -harmed) == pytest.approx(tried(harm, examples, voices, most))


def test_where_nothing_is_harmed_nothing_more_is_asked():
    nobody = np.zeros(0), np.zeros(0, int)
    examples = np.array([0.2, 0.3]), np.array([0, 1]), np.array([1.0, -1.0])
    assert not least_loss(nobody, examples, 3, 0).any()
    assert not least_loss((np.array([-0.1, -np.inf]), np.array([1, 1])), examples, 3, 0).any()  # left alone as it is


def test_the_source_that_gains_least_for_its_harm_is_asked_for_more():
    """Two sources harm two clean inputs each, of which two may be: the one that gains more keeps its repairs."""
    harm = np.array([0.1, 0.2, 0.1, 0.2]), np.array([1, 1, 2, 2])
    examples = np.full(12, 0.05), np.repeat([1, 2], 6), np.repeat([1.0, 0.5], 6)
    assert least_loss(harm, examples, 3, 2) == pytest.approx([0, 0, 0.21])


def test_what_a_source_is_asked_for_decides_about_it_alone():
    worth = Worth(offset=np.full(3, 0.3), slope=np.zeros((3, 3)), least=0.1, more=np.zeros(3))
    density, own = np.zeros((3, 3)), [np.array([j]) for j in range(3)]
    weights = np.eye(3)
    assert np.array_equal(worth.kept(weights, density, own), weights)
    assert np.array_equal(worth.asking(np.array([0, 0.1, 0.3])).kept(weights, density, own), np.diag([1.0, 1, 0]))


def test_others_have_no_say_where_the_likeliest_is_asked_about_elsewhere():
    """Clean is asked about elsewhere: what it takes with it is not repaired unasked."""
    worth = Worth(offset=np.array([1, 0.5, 0.5]), slope=np.zeros((3, 3)), least=0.1, more=np.zeros(3))
    assert worth.passed.tolist() == [True, False, False]
    own = [np.array([0]), np.array([1]), np.array([2, 3])]
    weights = np.array([[0.5, 0.4, 0.1, 0.0], [0.3, 0.6, 0.1, 0.0], [0.4, 0.0, 0.3, 0.3]])
    kept = worth.kept(weights, np.zeros((3, 4)), own)
    assert np.array_equal(kept, [[0.5, 0, 0, 0], *weights[1:].tolist()])


@pytest.fixture(scope="module")
def network():
    """A network of two layers that decide, and pairs; `dark` and `turned` look like clean inputs."""
    torch.manual_seed(0)
    layers = [torch.nn.Linear(6, 12), torch.nn.Tanh(), torch.nn.Linear(12, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3)]
    net = torch.nn.Sequential(*layers)
    x = torch.randn(2600, 6)
    kinds = {"dark": lambda x: 0.6 * x, "turned": lambda x: x.flip(1)}
    repairs = lnn.learn_repairs(net, ["1", "3"], x[:600], kinds)
    first = repairs["1"].members
    first[2] = replace(first[2], back=None)  # as `way_back=False`: left alone until the second layer has looked
    repairs["3"].decide_among("turned")
    held = x[600:]
    pairs = [(change(held), held) for change in (lambda x: x, lambda x: 0.9 * x, *kinds.values())]
    return net, repairs, pairs, held


def changed(net, repairs, x):
    with torch.no_grad():
        return (lnn.attach_repairs(net, repairs)(x).argmax(1) != net(x).argmax(1)).double().mean().item()


def test_clean_inputs_are_spared_by_thresholds_and_margins_ask_for_nothing(network):
    net, repairs, pairs, held = network
    lnn.expect_worth(net, repairs, pairs, least=0.0, most=0.999)
    assert changed(net, repairs, held) > 0.005
    for most in (0.004, 0.001):
        lnn.expect_worth(net, repairs, pairs, least=0.0, most=most)
        first, second = (repairs[name].worth.more for name in ("1", "3"))
        assert first.any() or second.any()
        assert not first[[0, 2]].any(), "asked about by the second layer"
        assert not second[1]
        assert changed(net, repairs, held) <= most
        assert not any(repairs["1"].margins.values())


def test_a_network_decides_as_its_repairs_do(network):
    """The layers' tensors and the arrays of `Repair` leave the same alone, the first layer's passed sources too."""
    net, repairs, pairs, _ = network
    lnn.expect_worth(net, repairs, pairs, most=0.002)
    mended = lnn.attach_repairs(net, repairs).eval()
    layers = [part for part in mended.modules() if isinstance(part, lnn.RepairLayer)]
    x = torch.cat([x[:300] for x, _ in pairs])
    with torch.no_grad():
        mended(x)
        h = net[:2](x)
    said = repairs["1"].posterior(h[:, :, None, None].numpy())
    np.testing.assert_allclose(layers[0].posterior, said, atol=1e-4)
    lost = (said.sum(axis=1) > 0.01) & (said.sum(axis=1) < 0.99)
    assert lost.any(), "of some the likeliest source passes, and others had a say"


def test_files_hold_what_sources_are_asked_for(network, tmp_path):
    net, repairs, pairs, _ = network
    lnn.expect_worth(net, repairs, pairs, least=0.0, most=0.002)
    repair = max(repairs.values(), key=lambda repair: repair.worth.more.sum())
    path = repair.save(tmp_path / "r.h5")
    assert np.array_equal(ln.load(path).worth.more, repair.worth.more)
    with h5py.File(path, "r+") as file:  # as schema 3 had it
        numbers, names = file["worth"][:], len(repair.sources)
        del file["worth"]
        file["worth"] = np.append(numbers[: names * (names + 1)], numbers[-1])
        file.attrs["schema"] = 3
    old = ln.load(path).worth
    assert np.array_equal(old.slope, repair.worth.slope)
    assert (old.least, old.more.any()) == (0.0, False)
    path = repair.save(tmp_path / "r.h5")
    with h5py.File(path, "r+") as file:
        file["worth"][-2] = -0.1
    with pytest.raises(FileFormatError, match="worth"):
        ln.load(path)


def test_the_first_layer_asks_about_all_that_no_later_one_decides_about():
    """Whatever it would look at again behind another: it decides about all."""
    names = ["clean", "dark", "turned", "near"]
    assert asked_about(names, [()]) == asked_about(names, [("clean", "turned")]) == [{0, 1, 2, 3}]
    assert asked_about(names, [(), ("clean", "turned")]) == [{1, 3}, {0, 2}]
    assert asked_about(names, [(), ("clean", "turned"), ("clean", "near")]) == [{1}, {2}, {0, 3}]


def test_a_repair_that_would_look_again_learns_worth_alone(network):
    net, repairs, pairs, held = network
    lnn.expect_worth(net, {"3": repairs["3"]}, pairs, most=0.002)
    assert repairs["3"].worth.slope[1:].any(axis=1).all(), "dark, too"
    assert changed(net, {"3": repairs["3"]}, held) <= 0.002


class Backwards(torch.nn.Module):
    """The same network, its layers named in another order than they run."""

    def __init__(self, net):
        super().__init__()
        self.e, self.d, self.c, self.b, self.a = reversed(net)

    def forward(self, x):
        return self.e(self.d(self.c(self.b(self.a(x)))))


def test_layers_learn_worth_in_the_order_in_which_they_run(network):
    net, repairs, pairs, _ = network
    lnn.expect_worth(net, repairs, pairs, most=0.002)
    expected = [repair.worth for repair in repairs.values()]
    named = {"b": repairs["1"], "d": repairs["3"]}
    lnn.expect_worth(Backwards(net), named, pairs, most=0.002)
    for found, worth in zip((repair.worth for repair in named.values()), expected, strict=True):
        np.testing.assert_allclose(found.slope, worth.slope)
        np.testing.assert_allclose(found.more, worth.more)


def test_inputs_that_overflow_are_named(network):
    net, _, pairs, _ = network
    loud = torch.nn.Sequential(*[torch.nn.ReLU() if isinstance(part, torch.nn.Tanh) else part for part in net])
    again = lnn.learn_repairs(loud, "1", pairs[0][0][:600], {"dark": lambda x: 0.6 * x})
    x = pairs[0][0][:200].clone()
    x[3] *= 1e30
    with pytest.raises(ArgumentError, match="pairs: the laws' log densities of some inputs are not finite"):
        lnn.expect_worth(loud, again, [(x, pairs[0][0][:200])])
    assert again["1"].worth is None
