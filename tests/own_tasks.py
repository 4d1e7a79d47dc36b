"""A task of three channels in a file, and its parts."""

from typing import Any

import torch
from torch import Tensor, nn

from localnoise import Task
from localnoise.sims.tasks.own import OwnTask

COMMON: dict[str, Any] = {"data_dir": None, "jobs": 1, "mix": False}


SPENT = COMMON | {"spend": "quick", "seeds": 1, "epochs": 1}


FILE = '''
import torch
from torch import nn
import localnoise as ln

def data(count, seed):
    g = torch.Generator().manual_seed(seed)
    y = torch.arange(count) % 3
    centers = torch.randn(3, 2, 16, generator=torch.Generator().manual_seed(9))
    return centers[y] + torch.randn(count, 2, 16, generator=g), y

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.act = nn.Conv1d(2, 4, 3, padding=1), nn.BatchNorm1d(4), nn.Tanh()
        self.rest = nn.Sequential(nn.Dropout(0.1), nn.Flatten(), nn.Linear(64, 3))

    def forward(self, x):
        return self.rest(self.act(self.norm(self.conv(x))))

def dark(x, level=0.5):
    """Everything is weaker."""
    return x * level

def hiss(x, level=1.0, generator=None):
    return x + level * torch.randn(x.shape, generator=generator)

task = ln.Task(model=Net, layer="act", train=data(120, 0), test=data(60, 1), perturbations={"dark": dark, "hiss": hiss})
'''


def net() -> nn.Module:
    return nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 3))


def some(count: int = 12) -> tuple[Tensor, Tensor]:
    g = torch.Generator().manual_seed(count)
    return torch.rand(count, 6, generator=g), torch.arange(count) % 3


def own(**changes: Any) -> OwnTask:
    given: dict[str, Any] = {"model": net, "layer": "1", "train": some(), "test": some(6), "bounds": (0, 1)}
    return OwnTask(Task(**(given | changes)), "own")
