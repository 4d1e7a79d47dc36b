"""Networks of one's own with noise attached: what is frozen, and how they are evaluated."""

import copy
import pickle

import pytest
import torch
from own_networks import dark
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import localnoise as ln
from localnoise import nn as lnn
from localnoise.errors import ArgumentError


@pytest.mark.parametrize("stated", [False, True])
def test_everything_up_to_the_layer_is_frozen_but_the_noise(own, stated):
    noisy = lnn.attach(own.model, own.name, lnn.NoiseLayer(own.learned(), when="train"))
    frozen = lnn.freeze_before(noisy, own.name, own.x[:3] if stated else None)
    for one in (noisy, copy.deepcopy(noisy), pickle.loads(pickle.dumps(noisy))):
        before = {name: value.clone() for name, value in one.state_dict().items() if isinstance(value, torch.Tensor)}
        optimizer = torch.optim.SGD(one.parameters(), 0.1)
        nn.functional.cross_entropy(one.train()(own.x[:50]), own.y[:50]).backward()
        optimizer.step()
        changed = {name for name, value in before.items() if not torch.equal(one.state_dict()[name], value)}
        assert changed
        assert all(name.startswith(own.later) for name in changed)
        assert one.get_submodule(own.name).noise.training
    frozen.undo()
    assert all(module.training for module in noisy.modules())
    assert all(parameter.requires_grad for parameter in noisy.parameters())
    assert not any("train" in vars(module) for module in noisy.modules())


def test_a_batch_shows_the_order_in_which_modules_run():
    class Backwards(nn.Module):
        def __init__(self):
            super().__init__()
            self.last, self.dropout, self.first = nn.Linear(4, 2), nn.Dropout(), nn.Linear(3, 4)

        def forward(self, x):
            return self.last(self.dropout(self.first(x)))

    net = Backwards()
    with lnn.freeze_before(net, "first", torch.zeros(2, 3)):
        assert [name for name, p in net.named_parameters() if p.requires_grad] == ["last.weight", "last.bias"]
        assert net.train().dropout.training
        assert not net.first.training
    with lnn.freeze_before(net, "first"):
        assert not any(p.requires_grad for p in net.parameters()), "by the order in which they were made"
    assert net.dropout.training


def noisy_of(own, **options):
    return lnn.attach(own.model, own.name, lnn.NoiseLayer(own.learned("local").normalise(0.5), **options))


def test_clean_accuracy_is_the_plain_one_where_the_noise_is_off(own):
    before = own.state()
    with torch.no_grad():
        expected = (copy.deepcopy(own.model).eval()(own.x).argmax(1) == own.y).double().mean().item()
    for model in (own.model, noisy_of(own, when="train")):
        (row,) = lnn.evaluate(model, (own.x, own.y)).to_dict("records")
        assert row["accuracy"] == pytest.approx(expected)
        assert (row["perturbation"], row["n"], row["draws"]) == ("clean", 300, 1)
        assert row["low"] < expected < row["high"]
    own.is_as(before)


def noise(x):
    return x + 0.1 * torch.randn_like(x)


@pytest.mark.parametrize("seed", [None, 3])
def test_a_table_repeats_and_streams_stand_where_they_stood(residual, seed):
    noisy = noisy_of(residual, seed=seed)
    noisy.layer2.noise.position, data = 5, DataLoader(TensorDataset(residual.x[:60], residual.y[:60]), 30, shuffle=True)
    options = {"draws": 2, "attacks": ["pgd@0.05"], "bounds": (0, 1)}
    torch.manual_seed(8)
    before = torch.get_rng_state()
    tables = [lnn.evaluate(noisy, data, {"dark": dark, "noise": noise}, **options) for _ in range(2)]
    assert tables[0].equals(tables[1])
    assert torch.equal(torch.get_rng_state(), before)
    assert (noisy.layer2.noise.seed, noisy.layer2.noise.position) == (seed, 5)
    assert tables[0].perturbation.tolist() == ["clean", "dark", "noise", "pgd@0.05"]
    assert (tables[0].draws == 2).all()
    assert tables[0].accuracy[3] <= tables[0].accuracy[0]
    assert all(module.training for module in noisy.modules())
    assert all(parameter.grad is None for parameter in noisy.parameters())


def test_the_deployed_answer_is_the_mean_of_the_logits(residual):
    from localnoise.sims.evaluation.evaluate import Deployed

    noisy, x = noisy_of(residual, seed=2).eval(), residual.x[:7]
    with torch.no_grad():
        expected = torch.stack([noisy(x) for _ in range(4)]).mean(0)
        noisy.layer2.noise.reseed(2)
        torch.testing.assert_close(Deployed(noisy, 4)(x), expected)


def test_a_predictor_averages_by_itself(residual):
    grid = residual.learned()
    parts = residual.model[:2], lnn.NoiseLayer(grid.normalise(0.5), seed=1), residual.model[2:]
    predictor = lnn.Predictor(*parts, draws=2)
    table = lnn.evaluate(predictor, (residual.x, residual.y), draws=6)
    assert table.draws.tolist() == [6]
    assert predictor.draws == 2


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"loader": torch.rand(9, 3, 12, 12)}, r"labels of batch 0 are none: .* give a loader of pairs \(x, y\)"),
        ({"loader": [(torch.rand(9, 3, 12, 12), torch.rand(9))]}, r"labels of batch 0 are torch\.float32"),
        ({"loader": (torch.rand(9, 3, 12, 12), torch.arange(9))}, "labels of batch 0 run from 0 to 8: expected 0 to 2"),
        ({"perturbations": {"clean": dark}}, "perturbation 'clean': expected a name of its own"),
        ({"perturbations": {"cut": lambda x: x[..., 1:]}}, r"perturbation 'cut' gave shape \(128, 3, 12, 11\)"),
        ({"perturbations": {"pgd": "pgd@0.1"}}, r"perturbations\['pgd'\] is str: .* goes into attacks="),
        ({"perturbations": [dark]}, "expected a dict of names to functions"),
        ({"attacks": "pdg@0.1"}, "attack='pdg': expected one of 'pgd', .*; did you mean 'pgd'"),
        ({"attacks": "pgd", "bounds": (0, 0.5)}, r"out of bounds=\(0, 0\.5\)"),
        ({"model": nn.Conv2d(3, 2, 1)}, r"model gave shape \(128, 2, 12, 12\) for 128 inputs: expected logits"),
        ({"device": "cuda"}, "device='cuda', the network is on cpu"),
        ({"draws": 0}, "draws=0: expected a whole number >= 1"),
    ],
)
def test_bad_input_of_a_table_is_one_sentence(residual, change, sentence):
    given = {"model": residual.model, "loader": (residual.x, residual.y), "perturbations": {"dark": dark}} | change
    before = residual.state()
    with pytest.raises(ArgumentError, match=sentence):
        lnn.evaluate(**given)
    residual.is_as(before)


def test_layers_before_the_noise_run_once_for_all_draws_where_nothing_passes_it_by(residual):
    from localnoise.sims.evaluation.evaluate import Deployed, _in_two

    noisy, x, calls = noisy_of(residual, seed=2).eval(), residual.x[:7], []
    keys = list(noisy.state_dict())
    split = _in_two(noisy, x[:2])
    assert isinstance(split, lnn.Predictor)
    noisy.layer1.conv.register_forward_hook(lambda *_: calls.append(1))
    with torch.no_grad():
        noisy.layer2.noise.reseed(2)
        found = Deployed(split, 3)(x)
        assert len(calls) == 1
        noisy.layer2.noise.reseed(2)
        expected = noisy(x.repeat_interleave(3, 0)).unflatten(0, (7, 3)).mean(1)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    assert list(noisy.state_dict()) == keys
    inside = lnn.attach(residual.model, "layer1.conv", lnn.NoiseLayer(ln.UnitGrid((6, 6), 4))).eval()
    assert _in_two(inside, x[:2]) is inside
    assert lnn.evaluate(inside, (x, residual.y[:7]), draws=2).draws.tolist() == [2]
