"""Networks of one's own: displacements of a layer, how it lies on a grid, and where noise is attached."""

import copy
import pickle
from collections import OrderedDict

import numpy as np
import pytest
import torch
from own_networks import ViT, dark, resnet
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import localnoise as ln
from localnoise import nn as lnn
from localnoise.errors import ArgumentError


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
