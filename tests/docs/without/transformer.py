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

    def forward(self, h, **masks):
        h = self.layer(h, **masks)
        return torch.cat([h[:, :1], unfolded(self.noise(folded(h)))], 1)

    def __getattr__(self, name):  # the encoder reads its first layer's attributes
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(self.layer, name)


def folded(h):
    return h[:, 1:].transpose(1, 2).unflatten(2, (4, 4))


def unfolded(h):
    return h.flatten(2).transpose(1, 2)


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


class ViT(nn.Module):
    def __init__(self, width=16):
        super().__init__()
        self.patches, self.token = nn.Conv2d(3, width, 8, 8), nn.Parameter(torch.zeros(1, 1, width))
        self.place = nn.Parameter(0.02 * torch.randn(1, 17, width))
        layer = nn.TransformerEncoderLayer(width, 4, 2 * width, batch_first=True, norm_first=True)
        self.encoder, self.head = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False), nn.Linear(width, 10)

    def forward(self, x):
        patches, token = self.patches(x).flatten(2).transpose(1, 2), self.token.expand(x.shape[0], -1, -1)
        return self.head(self.encoder(torch.cat([token, patches], 1) + self.place)[:, 0])


def train(model, steps=160, still=()):
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
model = ViT()
train(model)
h = activations(model, model.encoder.layers[0], x[:1000])
d = activations(model, model.encoder.layers[0], 0.4 * x[:1000]) - h
d, h = folded(d).numpy(), folded(h).numpy()
grid = ln.UnitGrid((4, 4), 16, parents=3, signal="local", signal_radius=0).learn(d, h)
noisy = copy.deepcopy(model)
layers = noisy.encoder.layers
layers[0] = Followed(layers[0], NoiseLayer(ln.Bank([grid], clean=0.3), when="train"))
noisy.token.requires_grad_(False)
noisy.place.requires_grad_(False)
for part in (noisy.patches, layers[0]):
    part.requires_grad_(False)
train(noisy, still=(layers[0].layer,))
for net in (model, noisy):
    evaluate(net, x[1000:], y[1000:], "dark", lambda x: 0.4 * x, 0.03, 0, 1)
