"""A small Fashion-MNIST in IDX files, cut from the embedded images, for whole runs in seconds."""

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dask
import numpy as np
import pytest
import torch
from idx_folder import raw, synthetic
from own_tasks import FILE
from torch import Tensor, nn

from localnoise.sims.data import Dataset, load
from localnoise.sims.data.idx import encode
from localnoise.sims.data.tensors import to_tensor
from localnoise.sims.experiments.chosen import Chosen
from localnoise.sims.experiments.presets import Preset
from localnoise.sims.experiments.settings import Settings

TRAIN, TEST = 400, 100


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def threads_as_workers() -> Iterator[Any]:
    """A Dask cluster whose one worker is a thread of this process: nothing is started, and torch is there already."""
    from distributed import Client, LocalCluster

    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 0}),
        LocalCluster(n_workers=1, threads_per_worker=2, processes=False, dashboard_address=":0") as cluster,
        Client(cluster) as client,
    ):
        yield client


@pytest.fixture
def in_threads(threads_as_workers: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run experiments on threads of this process; those that need processes of their own do without this fixture."""

    @contextmanager
    def connected(scheduler: str, workers: int, threads: int) -> Iterator[Any]:
        yield threads_as_workers

    monkeypatch.setattr("localnoise.sims.experiments.networks.connected", connected)


@pytest.fixture
def small_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Presets whose network has 128 neurons where the paper's has 3,136: a dense covariance of these takes seconds."""
    own = Preset.settings

    def settings(preset: Preset, data_dir: Path | None, task: Chosen | None = None) -> Settings:
        return own(preset, data_dir, task if task is not None and task.task.name != "v2" else Chosen.of("v1"))

    monkeypatch.setattr(Preset, "settings", settings)


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


@pytest.fixture
def folder(tmp_path) -> Path:
    """Four good files: two compressed, two not."""
    for i, (name, array) in enumerate(synthetic().items()):
        if i % 2:
            (tmp_path / name).write_bytes(raw(array))
        else:
            (tmp_path / f"{name}.gz").write_bytes(gzip.compress(raw(array)))
    return tmp_path


@pytest.fixture(scope="module")
def embedded() -> Dataset:
    return load()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(FILE)
    return path
