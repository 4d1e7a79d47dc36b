"""Training the layers after the noise, with and without it."""

from collections.abc import Iterator

import torch

from benchmarks import fields
from benchmarks.row import Row
from localnoise import central
from localnoise.nn import NoiseLayer
from localnoise.sims import models
from localnoise.sims.models import training

_IMAGES = 6_400


def rows() -> Iterator[Row]:
    """Rows of the table."""
    network = models.build("v2", "tanh", 2, seed=0)
    generator = torch.Generator().manual_seed(0)
    h = 0.5 * torch.randn(_IMAGES, *network.layout, generator=generator)
    labels = torch.randint(0, 10, (_IMAGES,), generator=generator)
    grid = fields.grid((14, 14), 16, order="multiscale", parents=8)

    def retrain(noise: object) -> None:
        own = {"epochs": 1, "seed": 0, "draws": 10}
        training.retrain(network, NoiseLayer(noise), h, labels, **own)

    quiet = central.none(h[:1].numpy())
    yield Row(
        name="train with local noise, K=8", ours=lambda: retrain(grid), peer=lambda: retrain(quiet),
        peer_name="train without noise", faster=False, bound=1.3, aim=1.1, seconds=15, least=3,
    )  # fmt: skip
