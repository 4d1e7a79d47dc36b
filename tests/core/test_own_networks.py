"""Networks of a user's: displacements, grids, attaching, freezing and evaluating, by the name of a layer."""

import copy
import pickle
from collections import OrderedDict

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import localnoise as ln
from localnoise import nn as lnn
from localnoise.errors import ArgumentError


class Block(nn.Module):
    def __init__(self, ins, outs):
        super().__init__()
        self.conv, self.norm, self.skip = (
            nn.Conv2d(ins, outs, 3, 2, 1),
            nn.BatchNorm2d(outs),
            nn.Conv2d(ins, outs, 1, 2),
        )
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        return self.relu(self.relu(self.norm(self.conv(x))) + self.skip(x))


class ViT(nn.Module):
    def __init__(self):
        super().__init__()
        self.patches, self.token = nn.Conv2d(3, 8, 4, 4), nn.Parameter(torch.randn(1, 1, 8))
        layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.5, batch_first=True)
        self.encoder, self.head = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False), nn.Linear(8, 3)

    def forward(self, x):
        patches = self.patches(x).flatten(2).transpose(1, 2)
        return self.head(self.encoder(torch.cat([self.token.expand(x.shape[0], -1, -1), patches], 1))[:, 0])


def resnet():
    return nn.Sequential(
        OrderedDict(
            layer1=Block(3, 4), layer2=nn.Sequential(Block(4, 6)), drop=nn.Dropout(), flat=nn.Flatten(),
            head=nn.Linear(54, 3),
        )
    )  # fmt: skip


def sensors():
    return nn.Sequential(nn.Conv1d(3, 4, 5), nn.BatchNorm1d(4), nn.Tanh(), nn.Flatten(), nn.Linear(48, 3))


def dense():
    return nn.Sequential(nn.Linear(12, 10), nn.Tanh(), nn.Dropout(), nn.Linear(10, 3))


# Each network with a layer of it, the shape of its inputs, how the layer's output lies on a grid, and what follows it.
NETWORKS = {
    "residual": (resnet, "layer2", (3, 12, 12), ("channels-first", (6, 3, 3), 0), "head"),
    "convolution": (sensors, "2", (3, 16), ("channels-first", (4, 1, 12), 0), "4"),
    "dense": (dense, "1", (12,), ("dense", (1, 1, 10), 0), "3"),
    "transformer": (ViT, "encoder.layers.0", (3, 16, 16), ("tokens", (8, 4, 4), 1), ("encoder.layers.1", "head")),
}


class Own:
    """A network, a layer of it, inputs, and the layer's output by hand."""

    def __init__(self, name):
        make, self.name, shape, expected, self.later = NETWORKS[name]
        torch.manual_seed(0)
        self.model, self.x, self.y = make().train(), torch.rand(300, *shape), torch.arange(300) % 3
        self.arrangement = lnn.Arrangement(kind=expected[0], layout=expected[1], skipped=expected[2])

    def output(self, x, model=None):
        """Return the layer's output in evaluation mode, without a hook of ours."""
        model, seen = copy.deepcopy(model or self.model).eval(), []
        model.get_submodule(self.name).register_forward_hook(lambda module, inputs, out: seen.append(out.clone()))
        with torch.no_grad():
            model(x)
        return seen[0]

    def learned(self, signal="none"):
        grid = lnn.grid_like(self.model, self.name, self.x[:2], parents=2, signal=signal)
        return grid.learn(lnn.displacements(self.model, self.name, self.x, dark))

    def state(self):
        """Everything of the network that a call could have changed."""
        tensors = {name: value.clone() for name, value in self.model.state_dict().items()}
        flags = [(module.training, len(module._forward_hooks), len(module._forward_pre_hooks), sorted(vars(module)))
                 for module in self.model.modules()]  # fmt: skip
        return tensors, flags, [parameter.requires_grad for parameter in self.model.parameters()]

    def is_as(self, before):
        now = self.state()
        assert now[1:] == before[1:]
        assert all(torch.equal(now[0][name], value) for name, value in before[0].items())
        assert all(parameter.grad is None for parameter in self.model.parameters())


@pytest.fixture(params=NETWORKS)
def own(request):
    return Own(request.param)


@pytest.fixture
def residual():
    return Own("residual")


def dark(x):
    return 0.4 * x


# Displacements


def test_they_are_the_difference_that_one_makes_by_hand(own):
    before, h = own.state(), own.output(own.x)
    pairs = lnn.displacements(own.model, own.name, own.x, dark)
    for _ in range(2):
        blocks = list(pairs)
        assert [d.shape for d, _ in blocks] == [(t, *own.arrangement.layout) for t in (128, 128, 44)]
        assert all(part.dtype == np.float32 and part.flags.c_contiguous for block in blocks for part in block)
        d, found = (np.concatenate(parts) for parts in zip(*blocks, strict=True))
        expected = own.arrangement.folded(own.output(dark(own.x)) - h).numpy()
        np.testing.assert_allclose(d, expected, atol=2e-5)
        np.testing.assert_allclose(found, own.arrangement.folded(h).numpy(), atol=2e-5)
    own.is_as(before)


def test_every_loader_gives_the_same(residual):
    x, y, name = residual.x, residual.y, residual.name
    found = []
    for loader in (
        x,
        x.numpy(),
        (x, y),
        TensorDataset(x, y),
        DataLoader(TensorDataset(x, y), 70),
        DataLoader(x, 70),
        [x[:100], x[100:]],
        [(x[:100], y[:100]), (x[100:], y[100:])],
        list(zip(x, y, strict=True)),
    ):
        found.append(np.concatenate([d for d, _ in lnn.displacements(residual.model, name, loader, dark)]))
        np.testing.assert_allclose(found[-1], found[0], atol=1e-6)


@pytest.mark.parametrize("signal", ["none", "local"])
def test_a_grid_learns_from_them_as_from_arrays(residual, signal):
    pairs = lnn.displacements(residual.model, residual.name, residual.x, dark)
    d, h = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
    expected = ln.UnitGrid((3, 3), 6, parents=2, signal=signal).learn(d, h if signal == "local" else None)
    np.testing.assert_allclose(residual.learned(signal).field.S, expected.field.S, atol=1e-5)


def test_the_network_is_as_it_was_after_an_error_and_where_one_stops_early(own):
    before, calls = own.state(), []

    def failing(x):
        calls.append(len(x))
        if len(calls) > 1:
            raise RuntimeError("mine")
        return dark(x)

    with pytest.raises(RuntimeError, match="mine"):
        list(lnn.displacements(own.model, own.name, own.x, failing))
    own.is_as(before)
    blocks = iter(lnn.displacements(own.model, own.name, own.x, dark))
    next(blocks)
    own.is_as(before)


def test_later_layers_run_for_the_first_batch_alone(residual):
    calls = []
    residual.model.head.register_forward_hook(lambda *_: calls.append(1))
    assert len(list(lnn.displacements(residual.model, "layer1", residual.x, dark))) == 3
    assert len(calls) == 1


def test_a_corruption_in_place_and_a_first_layer_in_place_leave_the_data(residual):
    model, x = nn.Sequential(nn.ReLU(inplace=True), nn.Conv2d(3, 2, 1)), residual.x - 0.5
    before = x.clone()
    (d, _), *_ = lnn.displacements(model, "1", x, lambda x: x.mul_(0.4))
    assert torch.equal(x, before)
    with torch.no_grad():
        np.testing.assert_allclose(d, model[1](0.4 * x[:128].relu()) - model[1](x[:128].relu()), atol=1e-5)


def test_noise_in_the_network_is_silent_and_its_stream_stands(residual):
    noisy = lnn.attach(residual.model, residual.name, lnn.NoiseLayer(residual.learned(), seed=1))
    expected = list(lnn.displacements(residual.model, residual.name, residual.x, dark))
    found = list(lnn.displacements(noisy, residual.name, residual.x, dark))
    np.testing.assert_allclose(found[1][0], expected[1][0], atol=1e-6)
    assert (noisy.layer2.noise.position, noisy.layer2.noise.when) == (0, "both")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"name": "layer3"}, r"name='layer3': expected one of 'layer1', .*; did you mean 'layer"),
        ({"name": "layer1.relu"}, r"'layer1\.relu' runs 2 times in a forward: expected a layer that runs once"),
        ({"corrupt": lambda x: x}, "gave the first batch back as it was"),
        ({"corrupt": lambda x: 1 * x}, "gave the first batch back as it was"),
        (
            {"corrupt": lambda x: x[..., 1:]},
            r"shape \(128, 3, 12, 11\) of a batch \(128, 3, 12, 12\): expected the same",
        ),
        ({"corrupt": lambda x: x.to("meta")}, r"on meta, the batch is on cpu: .* end it with \.to\(x\.device\)"),
        ({"corrupt": lambda x: x.double()}, r"torch\.float64 of a batch of torch\.float32"),
        ({"corrupt": lambda x: x.numpy()}, r"corrupt\(\) gave ndarray: expected a tensor"),
        ({"corrupt": 0.5}, "corrupt is float: expected a function"),
        (
            {"loader": iter([torch.zeros(2, 3, 12, 12)])},
            "a list_iterator, which can be read only once: expected a Data",
        ),
        ({"loader": [{"x": 1}]}, "batch 0 of the loader is dict: expected a tensor of inputs"),
        ({"loader": []}, "loader has no inputs"),
        ({"loader": "data"}, "loader is str: expected a DataLoader"),
        ({"device": "cuda"}, r"device='cuda', the network is on cpu: expected the same; use model\.to"),
        ({"model": resnet}, "model is function: expected a torch"),
    ],
)
def test_bad_input_is_one_sentence(residual, change, sentence):
    given = {"model": residual.model, "name": "layer2", "loader": residual.x, "corrupt": dark} | change
    before = residual.state()
    with pytest.raises(ArgumentError, match=sentence):
        list(lnn.displacements(**given))
    residual.is_as(before)


def test_a_layer_that_gives_a_tuple_never_runs_or_mixes_presentations_is_refused():
    lstm = nn.Sequential(OrderedDict(rnn=nn.LSTM(3, 4)))
    with pytest.raises(ArgumentError, match="name='rnn' gives a tuple: expected one tensor"):
        lnn.grid_like(lstm, "rnn", torch.zeros(2, 5, 3))
    with pytest.raises(ArgumentError, match=r"out_proj' runs 0 times in a forward: .* that the forward calls"):
        lnn.grid_like(ViT(), "encoder.layers.0.self_attn.out_proj", torch.zeros(2, 3, 16, 16))
    with pytest.raises(ArgumentError, match=r"shape \(30, 4\) for 6 inputs: expected the batch as first axis"):
        lnn.grid_like(nn.Sequential(nn.Flatten(0, 1), nn.Linear(3, 4)), "1", torch.zeros(6, 5, 3))


def test_learn_sends_a_loader_of_inputs_here_and_takes_bfloat16(residual):
    grid = ln.UnitGrid((3, 3), 6, parents=2)
    for data in (TensorDataset(residual.x, residual.y), residual.x):
        with pytest.raises(
            ArgumentError, match=r"d is a DataLoader whose .*\(16, 3, 12, 12\): .* localnoise\.nn\.displacements\("
        ):
            grid.learn(DataLoader(data, 16))
    d = torch.randn(200, 6, 3, 3)
    found, expected = grid.blank().learn(d.bfloat16()), grid.blank().learn(d.bfloat16().float())
    np.testing.assert_array_equal(found.field.S, expected.field.S)


# Layout


def test_the_layout_is_found_and_stays_with_the_grid(own, tmp_path):
    before = own.state()
    assert lnn.arrangement_of(own.model, own.name, (own.x[:4], own.y[:4])) == own.arrangement
    grid = own.learned().normalise(0.1)
    own.is_as(before)
    channels, *shape = own.arrangement.layout
    assert (grid.config.channels, grid.config.shape) == (channels, tuple(shape))
    for one in (grid, ln.load(grid.save(tmp_path / "grid.h5")), grid.blank(), ln.Bank([grid])):
        layer, h = lnn.NoiseLayer(one, seed=1), own.output(own.x[:4])
        assert layer(h).shape == h.shape
        assert lnn.Arrangement.remembered(one) == own.arrangement


@pytest.mark.parametrize(
    ("net", "name", "shape", "expected"),
    [
        (nn.Sequential(nn.Linear(8, 6), nn.GELU()), "1", (16, 8), ("channels-last", (6, 1, 16), 0)),
        (nn.Sequential(nn.Linear(8, 6), nn.GELU()), "1", (5, 4, 8), ("channels-last", (6, 5, 4), 0)),
        (nn.Sequential(nn.Tanh()), "0", (3, 5, 4), ("channels-first", (3, 5, 4), 0)),
        (nn.Sequential(nn.Conv2d(1, 6, 1), nn.Flatten(2)), "1", (1, 4, 4), ("channels-first", (6, 1, 16), 0)),
    ],
)
def test_layers_are_judged_by_the_weights_that_they_or_the_network_have(net, name, shape, expected):
    found = lnn.arrangement_of(net, name, torch.zeros(2, *shape))
    assert (found.kind, found.layout, found.skipped) == expected


def test_what_cannot_be_told_is_asked_for():
    with pytest.raises(ArgumentError, match=r"shape \(2, 3, 5\), whose channels may be axis 1 or the last.*kind='chan"):
        lnn.grid_like(nn.Sequential(nn.Tanh()), "0", torch.zeros(2, 3, 5))
    net, x = ViT(), torch.zeros(2, 3, 12, 16)
    with pytest.raises(ArgumentError, match=r"13 tokens, which are no square, with a class token or.*skipped=0"):
        lnn.grid_like(net, "encoder.layers.0", x)
    assert lnn.grid_like(net, "encoder.layers.0", x, skipped=1).config.shape == (1, 12)
    assert lnn.grid_like(nn.Sequential(nn.Tanh()), "0", x[:, 0], kind="channels-last").config.channels == 16


# Attaching


def test_the_output_is_the_layer_s_and_the_grid_s_own_draw(own):
    before, grid = own.state(), own.learned("local")
    noisy = lnn.attach(own.model, own.name, lnn.NoiseLayer(grid, seed=4))
    h, found = own.output(own.x[:20]), own.output(own.x[:20], noisy)
    drawn = torch.from_numpy(grid.perturb(own.arrangement.folded(h).numpy(), seed=4))
    torch.testing.assert_close(found, own.arrangement.added(h, drawn), rtol=1e-4, atol=1e-4)
    own.is_as(before)
    back = lnn.detach(noisy, own.name)
    assert list(back.state_dict()) == list(own.model.state_dict())
    with torch.no_grad():
        assert torch.equal(back.eval()(own.x), copy.deepcopy(own.model).eval()(own.x))
    assert isinstance(noisy.get_submodule(own.name), lnn.Followed), "a copy is detached"


def test_keys_of_a_state_are_the_network_s_and_the_noise_s(own):
    noisy = lnn.attach(own.model, own.name, lnn.NoiseLayer(own.learned(), seed=3))
    key = f"{own.name}.noise._extra_state"
    assert set(noisy.state_dict()) == {*own.model.state_dict(), key}
    assert noisy.load_state_dict(own.model.state_dict(), strict=False) == ([key], [])
    for one in (copy.deepcopy(noisy), pickle.loads(pickle.dumps(noisy))):
        one.load_state_dict(noisy.state_dict())
        assert torch.equal(own.output(own.x[:9], one), own.output(own.x[:9], noisy))


@pytest.mark.slow
def test_it_compiles_whole(own):
    noisy = lnn.attach(own.model, own.name, lnn.NoiseLayer(own.learned("local"), seed=4)).eval()
    compiled, found = torch.compile(noisy, fullgraph=True, backend="aot_eager"), []
    for run in (noisy, compiled):
        noisy.get_submodule(own.name).noise.reseed(4)
        found.append(run(own.x[:9]))
    torch.testing.assert_close(*found, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("encoder.layer.0", r"expected one of .* did you mean 'encoder\.layers\.0'"),
        ("encoder.layers", r"is a ModuleList, which is never called: .* such as 'encoder\.layers\.0'"),
        ("encoder.layers.0.linear2", r"part of a TransformerEncoderLayer, .* the whole of it, 'encoder\.layers\.0'"),
        ("twice.0", r"'twice\.0' is the same module as 'twice\.1'"),
        ("named", "has a part of its own that is called 'noise'"),
    ],
)
def test_places_where_nothing_can_be_attached(name, sentence):
    net, one = ViT(), nn.Tanh()
    net.twice, net.named = nn.Sequential(one, one), nn.Sequential(OrderedDict(noise=nn.Tanh()))
    with pytest.raises(ArgumentError, match=sentence):
        lnn.attach(net, name, nn.Identity())


def test_a_layer_with_a_part_called_module_keeps_its_state():
    """Torch's own wrappers have one: DataParallel, AveragedModel."""

    class Wrapped(nn.Module):
        def __init__(self):
            super().__init__()
            self.module = nn.Linear(4, 4)

        def forward(self, x):
            return self.module(x)

    net = nn.Sequential(Wrapped(), nn.Tanh())
    noisy = lnn.attach(net, "0", nn.Dropout())
    assert list(noisy.state_dict()) == list(net.state_dict()) == ["0.module.weight", "0.module.bias"]
    for weight in noisy.parameters():
        weight.data.zero_()
    assert not any(noisy.load_state_dict(net.state_dict()))
    assert torch.equal(noisy[0].module.module.weight, net[0].module.weight)


def test_what_is_no_module_or_attached_already_or_not_or_a_tuple(residual):
    grid, model = residual.learned(), residual.model
    with pytest.raises(ArgumentError, match=r"module is UnitGrid.*: expected a torch module; .* NoiseLayer\(noise\)"):
        lnn.attach(model, "layer2", grid)
    noisy = lnn.attach(model, "layer2", lnn.NoiseLayer(grid))
    with pytest.raises(ArgumentError, match="name='layer2' has noise already"):
        lnn.attach(noisy, "layer2", lnn.NoiseLayer(grid))
    with pytest.raises(ArgumentError, match=r"name='layer1' has nothing attached: .* here 'layer2'"):
        lnn.detach(noisy, "layer1")
    lstm = lnn.attach(nn.Sequential(nn.LSTM(3, 4)), "0", nn.Identity())
    with pytest.raises(ArgumentError, match="layer '0' gives a tuple: expected one tensor"):
        lstm(torch.zeros(2, 5, 3))


def test_attributes_of_the_layer_are_found_and_its_weights_are_not(residual):
    followed = lnn.attach(residual.model, "layer1.conv", nn.Identity()).layer1.conv
    assert followed.out_channels == 4
    for name in ("weight", "of_nobody"):
        with pytest.raises(AttributeError, match=name):
            getattr(followed, name)


# Freezing


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


# Evaluating


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
