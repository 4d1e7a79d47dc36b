"""A whole network in integers: as stated, close to the float network, saved; what cannot be one says so."""

import pickle

import h5py
import numpy as np
import pytest
import torch
from naive_network import run
from small_networks import SHAPES, Residual, Series, Vector, network
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from localnoise.errors import ArgumentError, FileFormatError
from localnoise.hardware import load_chips
from localnoise.hardware.network import Program, quantise
from localnoise.hardware.network.fusing import fused
from localnoise.hardware.network.layers import ConvolutionWords, Finish, MeanWords
from localnoise.hardware.network.memory import planned
from localnoise.hardware.network.reading import read
from localnoise.hardware.network.scales import index_of, table
from localnoise.hardware.network.windows import Window


@pytest.fixture(scope="module", params=SHAPES, ids=lambda kind: kind.__name__)
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def made(kind):
    model, x = network(kind)
    return model, x, quantise(model, x, bounds=(-0.7, 1.3))


def any_words(program, count, seed=0):
    rng, top = np.random.default_rng(seed), 2 ** (program.bits - 1)
    words = rng.integers(-top, top, (count, *program.shape))
    return np.concatenate([words, np.where(words < 0, -top, top - 1)[:2], np.full_like(words[:1], -top)])


def convolution(weights, bits=8, fraction=0, **more):
    count = len(weights)
    return ConvolutionWords(
        place="one conv2d", inputs=(0,), shape=(count, 1, 1), bits=bits, scale=0, weights=np.asarray(weights, np.int8),
        bias=np.zeros(count, np.int32), fraction=np.full(count, fraction, np.uint8), window=Window(),
        finish=Finish(low=-(2 ** (bits - 1)), high=2 ** (bits - 1) - 1), **more,
    )  # fmt: skip


def test_integers_are_those_of_the_oracle(made):
    program = made[2].program
    words = any_words(program, 3)
    found = program.words(words)
    for image, own in zip(words, found, strict=True):
        expected, most = run(program, image)
        assert own.tolist() == expected
        assert most <= program.bound < 2**31


@pytest.mark.parametrize(("weight_bits", "activation_bits"), [(2, 4), (4, 8), (8, 12)])
def test_widths_are_kept(weight_bits, activation_bits):
    model, x = network(Vector)
    program = quantise(model, x, weight_bits, activation_bits).program
    words = any_words(program, 2)
    assert [run(program, image)[0] for image in words] == program.words(words).tolist()
    for layer in program.layers:
        assert layer.bits == (16 if layer is program.layers[-1] else activation_bits)
        if isinstance(layer, ConvolutionWords):
            assert np.abs(layer.weights.astype(int)).max() <= 2 ** (weight_bits - 1) - 1


def test_logits_are_the_words_and_close_to_the_float_networks(made):
    model, x, chip = made
    logits = chip(x)
    assert logits.dtype == torch.float32
    scale = chip.program.layouts[-1][2]
    assert np.array_equal(chip.words(x) * 0.5**scale, logits.numpy())
    with torch.no_grad():
        expected = model(x)
    assert (logits - expected).square().mean() < 0.01 * expected.var()
    assert torch.equal(pickle.loads(pickle.dumps(chip))(x), logits)


def test_what_was_read_computes_what_torch_does(kind):
    model, x = network(kind)
    graph = read(model, x[:2])
    values = x.numpy().reshape(len(x), *graph.shape)
    with torch.no_grad():
        expected = model(x).numpy()
    for one in (graph, fused(graph)):
        assert np.allclose(one(values).reshape(len(x), -1), expected, atol=1e-4)
    assert not any(layer.kind == "norm" for layer in fused(graph).layers)


def test_bits_lessen_the_error_and_feedback_pays():
    model, x = network(Series)
    with torch.no_grad():
        expected = model(x)

    def error(bits, **more):
        return float((quantise(model, x, bits, **more)(x) - expected).square().mean())

    assert error(8) < error(4) < error(2)
    assert error(4) < error(4, feedback=False)


def test_a_mean_is_kept(made):
    model, x, chip = made
    with torch.no_grad():
        gap = (chip(x) - model(x)).mean(dim=0).abs().max()
    assert gap < 3 * 0.5 ** chip.program.layouts[-1][2] + 1e-3  # the last layer's biases are fitted to it


@pytest.mark.parametrize("function", ["tanh", "sigmoid"])
@pytest.mark.parametrize("bits", [4, 8, 12])
def test_a_tables_error_is_half_a_step_and_what_the_index_steps_over(function, bits):
    index_bits, step = index_of(function, bits - 1)
    finish = table(function, index_bits, step, bits, bits - 1)
    x = np.linspace(-20, 20, 4001)
    words = finish(np.floor(np.ldexp(x, step) + 0.5).astype(int))
    exact = np.tanh(x) if function == "tanh" else 1 / (1 + np.exp(-x))
    # half a step of the word, half a step of the index, and the largest word, which is a step short of 1
    assert np.abs(np.ldexp(words.astype(float), 1 - bits) - exact).max() <= 1.01 * 0.5 ** (bits - 1)


def test_a_value_never_lies_on_another_that_is_still_read(made):
    program = made[2].program
    at, memory = planned(program)
    last = {value: k for k, layer in enumerate(program.layers) for value in layer.inputs}
    for k in range(len(program.layers)):
        alive = [v for v in range(1, len(program.layers)) if v - 1 <= k <= last[v]]
        taken = [place for v in alive for place in range(at[v], at[v] + int(np.prod(program.layouts[v][0])))]
        assert len(set(taken)) == len(taken)
        assert all(0 <= place < memory for place in taken)


def test_a_program_comes_back_to_the_bit(made, tmp_path):
    program = made[2].program
    found = load_chips(program.save(tmp_path / "network.h5"))
    assert isinstance(found, Program)
    assert repr(found) == repr(program)
    words = any_words(program, 5)
    assert np.array_equal(found.words(words), program.words(words))
    assert np.array_equal(found.golden, program.golden)


def edited(path, name, change):
    with h5py.File(path, "r+") as file:
        value = file[name][()]
        del file[name]
        file[name] = change(value)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("layers", lambda text: np.frombuffer(text.tobytes().replace(b'"inputs": [0]', b'"inputs": [9]'), np.uint8)),
        ("layers", lambda text: np.frombuffer(text.tobytes().replace(b'"convolution"', b'"nobody"'), np.uint8)),
        ("layers", lambda text: text[:-9]),
        ("input", lambda text: np.frombuffer(text.tobytes().replace(b"[9, 1, 1]", b"[8, 1, 1]"), np.uint8)),
        ("0/weights", lambda w: w[:, :-1]),
        ("0/weights", lambda w: w.astype(np.float32)),
        ("0/fraction", lambda f: f + np.uint8(200)),
        ("0/bias", lambda b: b + np.int32(2**31 - 1 - b.max())),
        ("golden", lambda words: words.astype(np.int32) + 1000),
    ],
)
def test_damage_is_one_sentence(tmp_path, name, change):
    model, x = network(Vector)
    path = quantise(model, x).program.save(tmp_path / "network.h5")
    edited(path, name, change)
    with pytest.raises(FileFormatError, match=r"network\.h5: .*(damaged|edited)") as raised:
        load_chips(path)
    assert "\n" not in str(raised.value)


def test_no_program_whose_accumulator_could_overflow():
    with pytest.raises(ArgumentError, match="beyond 32 bits"):
        Program((70_000, 1, 1), 16, 0, [convolution(np.full((1, 70_000, 1, 1), 127))])
    Program((132_000, 1, 1), 8, 0, [convolution(np.full((1, 132_000, 1, 1), 127))])
    with pytest.raises(ArgumentError, match="4 bits"):
        Program((1, 1, 1), 8, 0, [convolution(np.full((1, 1, 1, 1), 8))], weight_bits=4)
    far = MeanWords(
        place="far", inputs=(0,), shape=(1, 1, 1), bits=8, scale=24, window=Window(kernel=(9, 9)), padded=True, lift=24
    )
    with pytest.raises(ArgumentError, match="far: its accumulator could reach"):
        Program((1, 9, 9), 8, 0, [far])


def test_a_calibration_that_says_too_little_is_refused():
    model, x = network(Vector)
    for given, more, match in (
        (x[:1], {}, "holds 1 input: expected 16 or more"),
        (DataLoader(TensorDataset(x)), {}, "calibration is DataLoader: expected an array or a tensor of inputs"),
        (x[0], {}, "holds 1 input"),
        (torch.zeros(32, 9), {}, "nothing but 0"),
        (x * float("nan"), {}, "not finite"),
        (x * 255, {"bounds": (-0.7, 1.3)}, "expected inputs within bounds"),
        (x / 255, {"bounds": (-0.7, 1.3)}, "at least an eighth"),
        (x, {"scales": {"input": 12}}, "input: .*% of its calibration values lie beyond words of 8 bits"),
        (x, {"scales": {"two": 12}}, "two linear.*% of its calibration values lie beyond"),
        (x, {"scales": {"tow": 5}}, "did you mean 'two'"),
        (x, {"weight_bits": 9}, "weight_bits=9: expected a whole number of 2 to 8"),
        (x, {"activation_bits": 3}, "activation_bits=3"),
        (x, {"activation_bits": 8.5}, "activation_bits=8.5"),
        (x, {"bounds": (0,)}, r"bounds=\(0,\): expected the lowest and the highest value"),
        (x, {"bounds": 5}, "bounds=5: expected the lowest"),
        (x, {"bounds": ("a", "b")}, "expected the lowest"),
        (x, {"bounds": (0, float("nan"))}, "expected the lowest"),
        (x, {"bounds": (1, 0)}, "expected the lowest"),
        (x, {"scales": {"two": 1.5}}, r"scales\['two'\]=1.5: expected"),
        (x, {"scales": {"two": "a"}}, r"scales\['two'\]='a': expected"),
        (x, {"scales": 5}, "scales=5: expected a dict"),
    ):
        with pytest.raises(ArgumentError, match=match):
            quantise(model, given, **more)
    with pytest.raises(ArgumentError, match="model is NoneType: expected a torch module"):
        quantise(None, x)
    assert quantise(model, x, 8.0, np.int64(8)).program.bits == 8


class Added(nn.Module):
    """A sum, whose words may be coarser than what it reads and no finer."""

    def __init__(self):
        super().__init__()
        self.one, self.two, self.act = nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1), nn.ReLU()
        self.last = nn.Linear(4 * 64, 3)

    def forward(self, x):
        h = self.one(x)
        return self.last(self.act(h + self.two(h)).flatten(1))


def test_a_scale_is_given_or_refused():
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.ReLU6(), nn.AvgPool2d(2), nn.Flatten(),
        nn.Linear(16, 3),
    )  # fmt: skip
    x = torch.rand(64, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    free = quantise(net, x).program
    own = {layer.place.rpartition(", ")[2].rpartition(" ")[0]: layer.scale for layer in free.layers}
    again = quantise(net, x, scales=own | {"input": free.scale}).program
    assert [layer.scale for layer in again.layers] == [layer.scale for layer in free.layers]
    for name, scale in own.items():
        coarser = {"scales": {name: scale - 1}}
        if name in ("1", "6"):
            found = quantise(net, x, **coarser).program
            assert [layer.scale for layer in found.layers if f"{name} " in layer.place][-1] == scale - 1
        else:
            with pytest.raises(
                ArgumentError, match=rf"scales\['{name}'\]={scale - 1}: the words of {name} .* have scale"
            ):
                quantise(net, x, **coarser)
    scales = {layer.place: layer.scale for layer in quantise(Added(), x, scales={"act": 2}).program.layers}
    assert scales["add, act relu"] == 2
    with pytest.raises(ArgumentError, match=r"scales\['act'\]=6: the words of add, act relu have scale 3"):
        quantise(Added(), x, scales={"one": 3, "two": 3, "act": 6})


def test_inputs_of_any_kind_give_the_same_program():
    model, x = network(Vector)
    x = x.bfloat16().float()
    expected = quantise(model, x)
    for given in (x.numpy(), x.bfloat16(), x.clone().requires_grad_()):
        found = quantise(model, given)
        assert torch.equal(found(x), expected(x))
    assert torch.equal(expected(x.numpy()), expected(x))


class Branches(nn.Module):
    def __init__(self, forward):
        super().__init__()
        self.layer, self.how = nn.Linear(9, 9), forward

    def forward(self, x):
        return self.how(self.layer, x)


def overwritten(layer, x):
    h = layer(x)
    view = h.view(-1, 3, 3)
    torch.relu_(view)
    return layer(h)


@pytest.mark.parametrize(
    ("forward", "match"),
    [
        (lambda layer, x: torch.softmax(layer(x), 1), "softmax has no integer form here; expected leave it out"),
        (lambda layer, x: nn.functional.gelu(layer(x)), "gelu has no integer form here; expected relu"),
        (lambda layer, x: layer(x) * layer(x), "mul has no integer form"),
        (lambda layer, x: layer(x) + 1, "add adds something else than two layers' outputs"),
        (lambda layer, x: layer(x)[x[:, 0] > 0], "dynamic shape|no integer form|cannot follow"),
        (lambda layer, x: layer(x) if x.sum() > 0 else x, "cannot follow its forward"),
        (lambda layer, x: (layer(x), x), "1 inputs and 2 outputs|inputs and 2 outputs"),
        (lambda layer, x: layer(x.view(-1, 1, 9)), "linear runs over an axis of places"),
        (overwritten, "overwrites a value that is read again"),
    ],
)
def test_what_has_no_integers_is_named(forward, match):
    with pytest.raises(ArgumentError, match=match) as raised:
        quantise(Branches(forward), torch.randn(32, 9))
    assert "\n" not in str(raised.value)


def test_the_place_of_what_is_refused_is_the_modules():
    model = nn.Sequential(nn.Linear(9, 9), nn.Sequential(nn.Linear(9, 9), nn.Softplus()))
    with pytest.raises(ArgumentError, match=r"model: 1\.1 softplus has no integer form here"):
        quantise(model, torch.randn(32, 9))


def test_the_model_is_left_as_it_was():
    model, x = network(Residual)
    model.train()
    norm = next(part for part in model.modules() if isinstance(part, nn.BatchNorm2d))
    norm.eval()  # frozen, as in fine-tuning
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    quantise(model, x)
    assert model.training
    assert not norm.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_words_that_no_input_has_are_refused(made):
    program = made[2].program
    for given, match in (
        (np.full((1, *program.shape), 128), "expected words of -128 to 127"),
        (np.zeros((1, *program.shape)), "whole numbers"),
        (np.zeros((1, 7), int), "expected words"),
    ):
        with pytest.raises(ArgumentError, match=match):
            program.words(given)
    with pytest.raises(ArgumentError, match="x has shape"):
        made[2](torch.zeros(2, 1))
    twice = np.zeros((1, 2 * program.shape[0], *program.shape[1:]))
    with pytest.raises(ArgumentError, match="x has shape"):  # it is not taken for two inputs
        made[2](twice)
    with pytest.raises(ArgumentError, match="expected words"):
        program.words(twice.astype(int))
    last = np.moveaxis(np.zeros((1, *program.shape), int), 1, 3)  # channels last
    if last.size > max(program.shape):
        for call in (program.words, program.input_words):
            with pytest.raises(ArgumentError, match="expected"):
                call(last)
    else:
        program.words(last)
    assert program.words(last.reshape(1, -1)).shape == program.words(np.zeros((1, *program.shape), int)).shape
    with pytest.raises(ArgumentError, match="x is float64 and holds NaN"):
        program.input_words(np.full((1, *program.shape), np.nan))


F = nn.functional
OPERATORS = {
    "mean over places": lambda c, x: c(x).mean((2, 3)),
    "mean that keeps axes": lambda c, x: c(x).mean((-1, -2), keepdim=True).flatten(1),
    "parts of unequal sides": lambda c, x: F.adaptive_avg_pool2d(c(x), (2, 3)).flatten(1),
    "series": lambda c, x: F.max_pool1d(F.avg_pool1d(torch.tanh(c(x)).flatten(2), 3, 2, 1), 2, padding=1).flatten(1),
    "an even kernel, the same size": lambda c, x: F.conv2d(x, c.weight[:, :, :2, :2], c.bias, padding="same").flatten(
        1
    ),
    "clamps": lambda c, x: (c(x).clamp(min=-0.2).clamp(max=0.5) + F.hardtanh(c(x))).clamp(-0.1, 0.4).flatten(1),
    "a value twice": lambda c, x: (lambda h: (h + h).flatten(1))(torch.tanh(c(x))),
    "the input again": lambda c, x: torch.sigmoid(c(x) + x).flatten(1),
    "a table by itself": lambda c, x: torch.tanh(F.max_pool2d(c(x), 2)).flatten(1).unsqueeze(1).flatten(1),
    "pieces put back": lambda c, x: c(c(x).flatten(1).unflatten(1, (3, 6, 6)).relu()).view(x.shape[0], -1),
    "strides and gaps": lambda c, x: F.conv2d(x, c.weight, c.bias, (2, 1), (2, 1), (1, 2)).relu_().flatten(1),
}


class Single(nn.Module):
    def __init__(self, how):
        super().__init__()
        self.layer, self.how = nn.Conv2d(3, 3, 3, padding=1), how

    def forward(self, x):
        return self.how(self.layer, x)


@pytest.mark.parametrize("name", OPERATORS)
def test_each_operator_is_torchs_and_the_oracles(name):
    torch.manual_seed(0)
    model, x = Single(OPERATORS[name]).eval(), torch.randn(64, 3, 6, 6)
    chip = quantise(model, x)
    with torch.no_grad():
        expected = model(x).reshape(len(x), -1)
    assert (chip(x).reshape(len(x), -1) - expected).square().mean() < 0.01 * expected.var()
    words = chip.program.input_words(x[:2].numpy())
    assert [run(chip.program, image)[0] for image in words] == chip.program.words(words).tolist()
