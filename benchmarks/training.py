"""Training the layers after the noise, and deploying the network, with and without it."""

import copy
from collections.abc import Iterator

import torch
from torch import nn

import localnoise as ln
from benchmarks import fields
from benchmarks.row import Row
from localnoise import central
from localnoise.nn import NoiseLayer
from localnoise.sims import models
from localnoise.sims.models import training

_IMAGES, _TOGETHER = 6_400, 250


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

    def check() -> str:
        still = torch.zeros(2048, *network.layout)
        drawn = NoiseLayer(grid, seed=0)(still).detach().numpy()
        return fields.same_law(fields.unit_major(drawn), fields.lower(grid), "the layer's noise")

    yield Row(
        name="train with local noise, K=8", ours=lambda: retrain(grid), peer=lambda: retrain(quiet),
        peer_name="train without noise", faster=False, bound=1.15, aim=1.05, check=check, seconds=15, least=3,
    )  # fmt: skip
    yield from _deployed(network, grid, torch.rand(_TOGETHER, 1, 28, 28, generator=generator))


def _deployed(network: models.Network, grid: ln.UnitGrid, images: torch.Tensor) -> Iterator[Row]:
    """One noisy pass of a network that is compiled as a whole: against the network without noise, and not compiled."""
    plain = nn.Sequential(network.front, network.back).eval().requires_grad_(False)
    noisy = nn.Sequential(network.front, NoiseLayer(grid, seed=0), network.back).eval().requires_grad_(False)
    fast, quiet = (torch.compile(net, fullgraph=True, dynamic=False) for net in (noisy, plain))

    def check() -> str:
        one, other = copy.deepcopy(noisy), torch.compile(copy.deepcopy(noisy), fullgraph=True, dynamic=False)
        with torch.no_grad():
            differs = float((one(images) - other(images)).abs().max())
            moved = float((noisy(images) - plain(images)).abs().max())
        if differs > 1e-4 or moved < 1e-2:
            raise AssertionError(f"compiled and not, logits differ by {differs:.1e}; noise moves them by {moved:.1e}")
        return f"logits equal to {differs:.0e}, moved by {moved:.1f}"

    yield Row(
        name=f"deploy, compiled, {len(images)} images, K=1", ours=lambda: fast(images), peer=lambda: quiet(images),
        peer_name="the same without noise, compiled", faster=False, bound=1.3, aim=1.1, seconds=10,
    )  # fmt: skip
    yield Row(
        name=f"deploy, compiled, {len(images)} images, K=1", ours=lambda: fast(images), peer=lambda: noisy(images),
        peer_name="the same, not compiled", bound=1.0, aim=1.2, check=check, seconds=10,
    )  # fmt: skip
