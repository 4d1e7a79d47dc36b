"""Networks as users bring them: convolutions with residuals, tokens, sensors, dense layers."""

import copy
from collections import OrderedDict

import torch
from torch import nn

from localnoise import nn as lnn


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


def dark(x):
    return 0.4 * x
