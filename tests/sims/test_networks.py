"""The paper's networks against hand-written ones, and that where a network is cut changes nothing but the cut."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from localnoise import UnitGrid, central
from localnoise.errors import ArgumentError
from localnoise.nn import NoiseLayer, Predictor
from localnoise.sims import data
from localnoise.sims.attacks import PGD
from localnoise.sims.experiments import testbed
from localnoise.sims.models import ACTIVATIONS, NETWORKS, build, training

CUTS = [(name, layer) for name, hidden in NETWORKS.items() for layer in range(1, hidden + 1)]


def written_out(name: str, f: type[nn.Module]) -> nn.Sequential:
    """Write each network out as the paper states it."""
    five = [nn.Conv2d(1, 6, 5, padding=2), f(), nn.MaxPool2d(2)]
    pooled = [f(), nn.MaxPool2d(2), nn.Flatten()]
    small = [nn.Linear(400, 32), f(), nn.Linear(32, 16), f()]
    wide = [nn.Linear(32 * 14 * 14, 128), f(), nn.Linear(128, 64), f(), nn.Linear(64, 32), f(), nn.Linear(32, 16), f()]
    layers: dict[str, list[nn.Module]] = {
        "v1": [nn.Conv2d(1, 32, 3, padding=1), *pooled, *wide],
        "v2": [*five, nn.Conv2d(6, 16, 3, padding=1), f(), nn.Conv2d(16, 16, 5), *pooled, *small],
        "v3": [*five, nn.Conv2d(6, 16, 5), *pooled, *small],
    }
    return nn.Sequential(*layers[name], nn.Linear(16, 10))


def images(count: int = 5) -> torch.Tensor:
    return torch.rand(count, 1, 28, 28, generator=torch.Generator().manual_seed(0))


def equal(first: list[torch.Tensor], second: list[torch.Tensor]) -> bool:
    return len(first) == len(second) and all(map(torch.equal, first, second))


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize(("name", "layer"), CUTS)
def test_every_cut_is_the_network_of_the_paper(name: str, layer: int, activation: str) -> None:
    network = build(name, activation, layer, seed=1)
    whole = written_out(name, ACTIVATIONS[activation])
    with torch.no_grad():
        for own, given in zip(whole.parameters(), network.weights(), strict=True):
            own.copy_(given)
        # float32 sums in another order: the network lies channels last in memory, the one written out does not
        torch.testing.assert_close(network(images()), whole(images()), rtol=1e-5, atol=1e-6)
        h = network.front(images())
        position = [i for i, module in enumerate(whole) if isinstance(module, ACTIVATIONS[activation])][layer - 1]
        before_pooling = whole[: position + 1](images())
    assert h.shape == (5, *network.layout)
    torch.testing.assert_close(h.flatten(1), before_pooling.flatten(1), rtol=1e-5, atol=1e-6)
    if before_pooling.ndim == 4:
        torch.testing.assert_close(h, before_pooling, rtol=1e-5, atol=1e-6)


def test_v2_is_drawn_as_its_records_were() -> None:
    """Front and back each from a generator of the seed, after torch's own initialisation."""
    for seed in (0, 3):
        network = build("v2", "tanh", 2, seed)
        torch.manual_seed(seed)
        front = nn.Sequential(
            nn.Conv2d(1, 6, 5, padding=2), nn.Tanh(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 3, padding=1), nn.Tanh()
        )
        torch.manual_seed(seed)
        back = nn.Sequential(
            nn.Conv2d(16, 16, 5), nn.Tanh(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(16 * 5 * 5, 32), nn.Tanh(),
            nn.Linear(32, 16), nn.Tanh(), nn.Linear(16, 10),
        )  # fmt: skip
        assert repr(network.front) == repr(front)
        for own, expected in ((network.front, front), (network.back, back), (network.fresh_back(seed), back)):
            assert list(own.state_dict()) == list(expected.state_dict())
            assert equal(list(own.parameters()), list(expected.parameters()))


@pytest.mark.parametrize("name", NETWORKS)
def test_weights_do_not_depend_on_the_cut(name: str) -> None:
    first, *others = [build(name, "relu", layer, seed=4) for layer in range(1, NETWORKS[name] + 1)]
    assert all(equal(first.weights(), other.weights()) for other in others)
    assert not equal(first.weights(), build(name, "relu", 1, seed=5).weights())
    for network in (first, *others):
        assert equal(list(network.fresh_back(4).parameters()), list(network.back.parameters()))
        fresh = list(network.fresh_back(6).parameters())
        assert all((a != b).any() for a, b in zip(fresh, network.back.parameters(), strict=True))


def test_the_global_generator_is_left_alone() -> None:
    torch.manual_seed(8)
    state = torch.get_rng_state()
    build("v3", "relu", 1, seed=1).fresh_back(2)
    assert torch.equal(torch.get_rng_state(), state)


def test_training_does_not_depend_on_the_cut(small_dir: Path, tmp_path: Path) -> None:
    """A network trained and kept at one cut serves every other: same weights bit for bit, same file."""
    small = data.load("full", small_dir)

    def bench(layer: int, folder: Path) -> testbed.Testbed:
        return testbed.Testbed(small, 1, 1, PGD(), 1, folder, name="v3", activation="relu", layer=layer)

    benches = [bench(1, tmp_path), bench(3, tmp_path), bench(3, tmp_path / "anew")]
    weights = [each.network.weights() for each in benches]
    assert equal(weights[0], weights[1])
    assert equal(weights[0], weights[2])
    assert len(list(tmp_path.glob("*.pt"))) == 1
    assert testbed.Testbed(small, 1, 1, PGD(), 1, tmp_path).base_path.name.startswith("v2-")
    assert benches[0].base_path.name.startswith("v3-relu-")


@pytest.mark.parametrize("local", [True, False], ids=["grid", "central"])
def test_noise_enters_a_dense_layer(local: bool, small_dir: Path) -> None:
    """Learn, retrain and predict at a dense layer, whose units are a row: as for a convolution."""
    small = data.load("full", small_dir)
    x = torch.from_numpy(small.train_images[:200] / np.float32(255))[:, None]
    y = torch.from_numpy(small.train_labels[:200].astype(np.int64))
    network = build("v1", "tanh", 3)
    h = training.activations(network.front, x)
    d = training.activations(network.front, (x + 0.1).clamp(0, 1)) - h
    noise = UnitGrid((1, 64)).learn(d.numpy()) if local else central.full(d.numpy())
    layer = NoiseLayer(noise, seed=2)
    flat, shaped = layer(h.flatten(1)), NoiseLayer(noise, seed=2)(h)
    assert flat.shape == (200, 64)
    assert torch.equal(flat, shaped.flatten(1))
    predictor = training.retrain(network, layer, h, y, epochs=1, seed=3, draws=2)
    assert predictor(x[:4]).shape == (4, 10)
    assert equal(list(network.back.parameters()), build("v1", "tanh", 3).weights()[6:]), "the network itself is kept"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (
            {"name": "v22"},
            r"name='v22': expected one of 'v1', .* 'conv3'; did you mean 'v2'\?",
        ),
        ({"activation": "relo"}, r"activation='relo': expected one of 'tanh', 'relu'; did you mean 'relu'\?"),
        ({"layer": 0}, r"layer=0: expected one of 1, 2, 3, 4, 5, the hidden layers of 'v2'"),
        ({"layer": 6}, r"layer=6: expected one of 1, 2, 3, 4, 5"),
        ({"name": "v3", "layer": 5}, r"layer=5: expected one of 1, 2, 3, 4, the hidden layers of 'v3'"),
        ({"layer": "conv2"}, r"layer='conv2': expected one of 1, 2"),
        ({"layer": True}, r"layer=True: expected one of 1, 2"),
        ({"seed": -1}, r"seed=-1: expected a whole number >= 0"),
    ],
)
def test_bad_input_is_named(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        build(**wrong)  # type: ignore[arg-type]


def test_weights_of_another_network_are_refused() -> None:
    with pytest.raises(ArgumentError, match=r"weights: 10 tensors that do not fit 'v2', expected its 12 in order"):
        build("v2").load(build("v3").weights())
    with pytest.raises(ArgumentError, match=r"weights: 12 tensors that do not fit 'v1'"):
        build("v1").load(build("v2").weights())


def test_a_network_that_answers_nan_is_right_about_nothing() -> None:
    """The first class is what argmax makes of NaN: its images once counted as right."""

    class Broken(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.full((len(x), 10), torch.nan)

    predictor = Predictor(nn.Identity(), NoiseLayer(UnitGrid(shape=(2, 2)), when="never"), Broken())
    images, labels = torch.zeros(6, 1, 2, 2), torch.arange(6) % 2
    assert not training.accuracy_per_image(predictor, images, labels).any()
