"""A small Fashion-MNIST in IDX files, cut from the embedded images, for whole runs in seconds."""

from pathlib import Path

import pytest
import torch

from localnoise.sims.data import load
from localnoise.sims.data.idx import encode

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
