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


torch.manual_seed(0)
y = torch.arange(1200) % 5  # in place of your windows: six channels, 50 steps, five movements
phase, time = torch.rand(1200, 1, 1) * 6.3, torch.arange(50) / 50
x = torch.sin(6.3 * (1 + y[:, None, None]) * time + phase + torch.arange(6)[:, None] * y[:, None, None])
x = x + 1.5 * torch.randn(1200, 6, 50)
train_set, test = (x[:1000], y[:1000]), (x[1000:], y[1000:])


def train(model, steps=300, still=()):
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    for rows in torch.randint(1000, (steps, 50)):
        optimizer.zero_grad()
        model.train()
        for part in still:
            part.eval()
        nn.functional.cross_entropy(model(x[rows]), y[rows]).backward()
        optimizer.step()


def lost(x):
    x[:, 2] = 3
    return x


model = nn.Sequential(
    nn.Conv1d(6, 12, 9, padding=4), nn.BatchNorm1d(12), nn.ReLU(), nn.MaxPool1d(5),
    nn.Conv1d(12, 16, 3), nn.ReLU(), nn.AdaptiveMaxPool1d(1), nn.Flatten(), nn.Linear(16, 5),
)  # fmt: skip
train(model)
h = activations(model, model[3], train_set[0])
d = activations(model, model[3], lost(train_set[0].clone())) - h
d, h = d[:, :, None].numpy(), h[:, :, None].numpy()
grid = ln.UnitGrid((1, 10), 12, parents=2, signal="local").learn(d, h)
noisy = copy.deepcopy(model)
noisy[3] = Followed(noisy[3], NoiseLayer(ln.Bank([grid], clean=0.3), when="train"))
for part in noisy[:4]:
    part.requires_grad_(False)
train(noisy, still=(*noisy[:3], noisy[3].layer))
for net in (model, noisy):
    evaluate(net, *test, "axis at its end", lost, 0.1)
