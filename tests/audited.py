"""A network of some hundred neurons to audit, and what happens to its inputs."""

import copy
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from localnoise.sims import perturbations
from localnoise.sims.data import load
from localnoise.sims.data.tensors import to_tensor
from localnoise.sims.evaluation.source import Source

BRIGHT = Source.default("brightness", 5)
THREATS = (("brightness", 5.0), ("rotate", 2.0))


@dataclass
class SmallNetwork:
    front: nn.Module
    back: nn.Module
    arrangement: None = None

    def __call__(self, x: Tensor) -> Tensor:
        out: Tensor = self.back(self.front(x))
        return out

    def fresh_back(self, seed: int) -> nn.Module:
        return copy.deepcopy(self.back)


class SmallBench:
    """A testbed of some hundred neurons, trained for a second."""

    seed, layer, task = 0, 1, SimpleNamespace(images=True, bounds=(0.0, 1.0))
    by = "backprop"

    def __init__(self, layer: nn.Module) -> None:
        torch.manual_seed(0)
        data = load()
        x, y = to_tensor(data.train_images[:2600]), torch.from_numpy(data.train_labels[:2600].astype(np.int64))
        self.train, self.test = (x[:2400], y[:2400]), (x[2400:], y[2400:])
        front = nn.Sequential(layer, nn.Tanh())
        width = front(x[:1]).numel()
        back = nn.Sequential(nn.Flatten(), nn.Linear(width, 12), nn.Tanh(), nn.Linear(12, 10))
        model = nn.Sequential(front, back)
        optimiser = torch.optim.Adam(model.parameters(), 2e-2)
        for _ in range(5):
            for rows in torch.randperm(2400).split(100):
                optimiser.zero_grad()
                nn.functional.cross_entropy(model(x[rows]), y[rows]).backward()
                optimiser.step()
        self.network = SmallNetwork(front.requires_grad_(False).eval(), back.requires_grad_(False).eval())

    def altered(self, source: Source, count: int = 0, rows: Any = None) -> Tensor:
        few = self.train[0][:count] if rows is None else self.train[0][torch.from_numpy(rows)]
        return perturbations.apply(source.name, few, source.level, 1, rows=rows)

    def modified_test(self, name: str, level: float, count: int) -> Tensor:
        return perturbations.apply(name, self.test[0][:count], level, 2)
