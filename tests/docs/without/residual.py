"""The script of docs/your-network.md for this network, written with `UnitGrid` and `NoiseLayer` alone."""

import copy
import math

import torch
from torch import nn

import localnoise as ln
from localnoise.nn import NoiseLayer


class Followed(nn.Module):
    def __init__(self, layer, noise):
        super().__init__()
        self.layer, self.noise = layer, noise

    def forward(self, h):
        return self.noise(self.layer(h))


def activations(model, layer, inputs):
    found = []
    handle = layer.register_forward_hook(lambda module, given, output: found.append(output))
    training = [module.training for module in model.modules()]
    model.eval()
    try:
        with torch.no_grad():
            for part in inputs.split(128):
                model(part)
    finally:
        handle.remove()
        for module, mode in zip(model.modules(), training, strict=True):
            module.training = mode
    return torch.cat(found)


def pgd(model, inputs, labels, eps, low, high, steps=20):
    start = inputs + eps * (2 * torch.rand_like(inputs) - 1)
    moved = start.clamp(low, high)
    for _ in range(steps):
        moved = moved.detach().requires_grad_()
        nn.functional.cross_entropy(model(moved), labels).backward()
        with torch.no_grad():
            step = moved + eps / 4 * moved.grad.sign()
            moved = torch.minimum(torch.maximum(step, inputs - eps), inputs + eps).clamp(low, high)
    return moved.detach()


def accuracy(model, inputs, labels):
    with torch.no_grad():
        right = torch.cat([model(part) for part in inputs.split(128)]).argmax(1) == labels
    n, p, z = len(right), right.double().mean().item(), 1.96
    center, half = (p + z * z / (2 * n)) / (1 + z * z / n), z / (1 + z * z / n)
    half *= math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return f"{p:.3f} [{center - half:.3f}, {center + half:.3f}]"


def evaluate(model, inputs, labels, name, change, eps, low=-math.inf, high=math.inf):
    model.eval()
    print("clean", accuracy(model, inputs, labels))
    print(name, accuracy(model, change(inputs.clone()), labels))
    print("pgd", accuracy(model, pgd(model, inputs, labels, eps, low, high), labels))


class Block(nn.Module):
    def __init__(self, ins, outs):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(ins, outs, 3, 2, 1), nn.BatchNorm2d(outs)
        self.skip = nn.Conv2d(ins, outs, 1, 2)

    def forward(self, x):
        return torch.relu(self.norm(self.conv(x)) + self.skip(x))


def train(model, steps=80, still=()):
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    for rows in torch.randint(1000, (steps, 50)):
        optimizer.zero_grad()
        model.train()
        for part in still:
            part.eval()
        nn.functional.cross_entropy(model(x[rows]), y[rows]).backward()
        optimizer.step()


torch.manual_seed(0)
y = torch.arange(1200) % 10  # in place of your data: ten patterns of color, with noise
x = (nn.functional.interpolate(torch.rand(10, 3, 4, 4), 32)[y] + 0.3 * torch.randn(1200, 3, 32, 32)).clamp(0, 1)
model = nn.Sequential(Block(3, 8), Block(8, 8), Block(8, 16), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10))
train(model)
h = activations(model, model[1], x[:1000])
d = activations(model, model[1], 0.4 * x[:1000]) - h
grid = ln.UnitGrid((8, 8), 8, parents=3, signal="local", signal_radius=0).learn(d.numpy(), h.numpy())
noisy = copy.deepcopy(model)
noisy[1] = Followed(noisy[1], NoiseLayer(ln.Bank([grid], clean=0.3), when="train"))
for part in noisy[:2]:
    part.requires_grad_(False)
train(noisy, still=(noisy[0], noisy[1].layer))
for net in (model, noisy):
    evaluate(net, x[1000:], y[1000:], "dark", lambda x: 0.4 * x, 0.03, 0, 1)
