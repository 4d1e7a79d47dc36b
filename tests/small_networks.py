"""Small networks that together hold every operator which a chip runs, and images for them."""

import torch
from torch import nn
from torch.nn import functional


class Residual(nn.Module):
    """A stem, a depthwise and a pointwise convolution around a connection, every kind of pooling, a table by itself."""

    def __init__(self):
        super().__init__()
        self.stem, self.norm = nn.Conv2d(2, 4, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(4)
        self.depth = nn.Conv2d(4, 4, 3, padding=2, dilation=2, groups=4)
        self.point, self.later = nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4)
        self.pool, self.smooth = nn.MaxPool2d(3, 2, 1, ceil_mode=True), nn.AvgPool2d(3, 1, 1, count_include_pad=False)
        self.curve, self.drop, self.whole = nn.Sigmoid(), nn.Dropout(0.5), nn.AdaptiveAvgPool2d(1)
        self.dense, self.out = nn.Linear(4, 6), nn.Linear(6, 3)
        for norm in (self.norm, self.later):
            nn.init.uniform_(norm.weight, 0.5, 1.5)
            norm.running_mean.uniform_(-0.5, 0.5)
            norm.running_var.uniform_(0.5, 1.5)

    def forward(self, x):
        h = torch.relu(self.norm(self.stem(x)))
        h = torch.tanh(h + self.point(functional.relu6(self.depth(h))))
        h = self.later(self.smooth(self.pool(h)))
        h = self.whole(self.curve(self.pool(h)))
        return self.out(functional.hardtanh(self.dense(self.drop(h).view(x.shape[0], -1)), -0.5, 0.75))


class Series(nn.Module):
    """One-dimensional: padding "same", dilation, groups, pooling, flattening."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv1d(3, 6, 5, padding="same"), nn.Conv1d(6, 4, 3, dilation=2, groups=2)
        self.layers = nn.Sequential(
            self.first, nn.Tanh(), nn.MaxPool1d(2), self.second, nn.ReLU(inplace=True), nn.AvgPool1d(2, padding=1),
            nn.Flatten(), nn.Linear(16, 5),
        )  # fmt: skip

    def forward(self, x):
        return self.layers(x)


class Vector(nn.Module):
    """Dense layers alone."""

    def __init__(self):
        super().__init__()
        self.one, self.two, self.out = nn.Linear(9, 8), nn.Linear(8, 8), nn.Linear(8, 4)

    def forward(self, x):
        h = torch.sigmoid(self.one(x))
        return self.out(torch.clamp(self.two(h) + h, min=-0.25))


SHAPES = {Residual: (2, 11, 9), Series: (3, 20), Vector: (9,)}


def network(kind, seed=0):
    """A network in evaluation, and inputs (200, ...) for it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = kind().eval()
        return model, torch.rand(200, *SHAPES[kind]) * 2 - 0.7
