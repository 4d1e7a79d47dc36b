"""A small Fashion-MNIST in IDX files, cut from the embedded images, for whole runs in seconds."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from localnoise.sims.data import load
from localnoise.sims.data.idx import encode
from localnoise.sims.data.tensors import to_tensor

TRAIN, TEST = 400, 100


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def small_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("small")
    data = load()
    for part, count in (("train", TRAIN), ("t10k", TEST)):
        kind = "train" if part == "train" else "test"
        images, labels = getattr(data, f"{kind}_images")[:count], getattr(data, f"{kind}_labels")[:count]
        (folder / f"{part}-images-idx3-ubyte").write_bytes(encode(images))
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(encode(labels))
    return folder


@pytest.fixture(scope="session")
def trained() -> tuple[nn.Sequential, Tensor, Tensor]:
    """A small smooth classifier, trained in a second, with 300 test images and labels."""
    torch.set_num_threads(1)
    data = load()
    images, labels = to_tensor(data.train_images[:2000]), torch.from_numpy(data.train_labels[:2000].astype(np.int64))
    torch.manual_seed(0)
    net = nn.Sequential(nn.AvgPool2d(2), nn.Flatten(), nn.Linear(196, 32), nn.Tanh(), nn.Linear(32, 10))
    optimiser = torch.optim.Adam(net.parameters(), 5e-3)
    for _ in range(6):
        for rows in torch.randperm(len(labels)).split(100):
            optimiser.zero_grad()
            nn.functional.cross_entropy(net(images[rows]), labels[rows]).backward()
            optimiser.step()
    tested = torch.from_numpy(data.test_labels[:300].astype(np.int64))
    return net.requires_grad_(False).eval(), to_tensor(data.test_images[:300]), tested
