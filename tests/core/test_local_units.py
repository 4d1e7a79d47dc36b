"""Units in torch: the layer's answers, their gradients, one matrix, noise and repair behind them, and a chip."""

import numpy as np
import pytest
import torch
from torch import nn

from localnoise import nn as lnn
from localnoise.errors import ArgumentError
from localnoise.hardware import network
from localnoise.local import LocalLayer


def learned(activation="relu", dtype="float32"):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 2, 4, 6)).astype(dtype)
    return LocalLayer((2, 3), 5, (2, 4, 6), activation=activation, classes=3, dtype=dtype).learn(
        x, np.arange(40) % 3
    ), x


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_the_module_answers_as_the_layer(activation):
    layer, x = learned(activation)
    units = lnn.LocalUnits(layer)
    given = torch.from_numpy(x)
    np.testing.assert_allclose(units(given).numpy(), layer.forward(x), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(units.dense()(given), units(given), rtol=1e-5, atol=1e-6)
    assert not list(units.parameters())
    assert not any(one.requires_grad for one in units.dense().parameters())
    layer.learn(x, np.arange(40) % 3)
    assert not np.allclose(units(given).numpy(), layer.forward(x)), "a copy: the layer goes on alone"


def test_its_gradients_are_exact():
    layer, x = learned("tanh", "float64")
    torch.autograd.gradcheck(lnn.LocalUnits(layer), torch.from_numpy(x[:2]).requires_grad_())


def test_noise_and_repair_behind_units(tmp_path):
    layer, x = learned()
    net = nn.Sequential(lnn.LocalUnits(layer), nn.Flatten(), nn.Linear(30, 3)).eval()
    given, changed = torch.from_numpy(x), torch.from_numpy(0.5 * x)
    found = lnn.displacements(net, "0", given, lambda x: 0.5 * x)
    grid = lnn.grid_like(net, "0", given[:2], parents=2).learn(found)
    noisy = lnn.attach(net, "0", lnn.NoiseLayer(grid))
    assert not torch.equal(noisy(given), net(given))
    repair = lnn.repair_like(net, "0", given[:2], radius=1, parents=2)
    with torch.no_grad():
        repair.learn("dim", net[0](changed).numpy(), net[0](given).numpy())
    assert repair(net[0](changed).numpy())[0].shape == (40, 5, 2, 3)


def test_units_go_to_the_chip_as_one_matrix():
    layer, x = learned()
    net = nn.Sequential(*lnn.LocalUnits(layer).dense(), nn.Flatten(), nn.Linear(30, 3)).eval()
    given = torch.from_numpy(x)
    chip = network.quantise(net, given)
    with torch.no_grad():
        agree = (chip(given).argmax(1) == net(given).argmax(1)).float().mean()
    assert agree > 0.9


def test_what_is_no_layer_is_refused():
    layer, x = learned()
    with pytest.raises(ArgumentError, match=r"layer is Linear: expected a localnoise\.local\.LocalLayer"):
        lnn.LocalUnits(nn.Linear(2, 2))
    with pytest.raises(ArgumentError, match=r"x has shape \(40, 2, 24\): expected \(T, 2, 4, 6\)"):
        lnn.LocalUnits(layer)(torch.from_numpy(x).flatten(2))


def test_a_network_is_cut_behind_units_that_learn():
    layer, x = learned()
    net = nn.Sequential(lnn.LocalUnits(layer), nn.Flatten(), nn.Linear(30, 3))
    given = torch.from_numpy(x)
    front, back = lnn.cut(net, "1", given)
    torch.testing.assert_close(back(front(given)), net(given))
    torch.testing.assert_close(front(given), lnn.LocalUnits(layer)(given).flatten(1))
