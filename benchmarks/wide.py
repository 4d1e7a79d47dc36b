"""`python -m benchmarks.wide`: what shared and low-rank weights keep at 64 x 16 x 16 neurons, and how much memory they take.

A small network (5x5 convolution of 16 channels, pool 2, 3x3 convolution of 64 channels, tanh; the noise; two more
layers) learns the embedded Fashion-MNIST images. Fields learn from 2,000 displacements of training images, severity 3.
Two things are measured for each: the log density of 1,000 displacements of test images, and the accuracy of later
layers that are trained anew with the noise, on 2,000 test images so displaced. Both as shares of what the field of most
memory, K=8 untied, gains over no structure (independent neurons, and no noise). One seed.
"""

import argparse
import time
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import localnoise as ln
from localnoise.narrow import NarrowField
from localnoise.sims.data import Dataset, load
from localnoise.sims.data.tensors import to_tensor
from localnoise.sims.perturbations.applied import apply

LEARNED, TRAINED, SCORED, DRAWS, RATE = 2_000, 4_000, 1_000, 5, 1e-3
SOURCES = ("gaussian_noise", "motion_blur", "brightness", "rotate")
RASTER: dict[str, Any] = {"order": "raster", "radius": 1}
ARMS: dict[str, dict[str, Any]] = {
    "untied, K=8": {"parents": 8},
    "untied, raster": RASTER,
    "rank 8, K=8": {"parents": 8, "rank": 8},
    "rank 16, raster": RASTER | {"rank": 16},
    "places": RASTER | {"share": "places"},
    "places + rank 8": RASTER | {"share": "places", "rank": 8},
    "places + rank 12": RASTER | {"share": "places", "rank": 12},
    "untied, raster, signal": RASTER | {"signal": "local"},
    "places, signal": RASTER | {"share": "places", "signal": "local"},
}


def front() -> nn.Sequential:
    """Layers up to the noise: 28 x 28 images, padded to 32 x 32."""
    first = [nn.ZeroPad2d(2), nn.Conv2d(1, 16, 5, padding=2), nn.Tanh(), nn.MaxPool2d(2)]
    return nn.Sequential(*first, nn.Conv2d(16, 64, 3, padding=1), nn.Tanh())


def back() -> nn.Sequential:
    """Layers after the noise."""
    last = [nn.Flatten(), nn.Linear(288, 32), nn.Tanh(), nn.Linear(32, 10)]
    return nn.Sequential(nn.MaxPool2d(2), nn.Conv2d(64, 32, 3), nn.Tanh(), nn.MaxPool2d(2), *last)


def fit(model: nn.Module, x: Any, y: Tensor, epochs: int, seed: int) -> None:
    """Minimize the cross-entropy; x gives the inputs of an epoch."""
    optimizer, generator = torch.optim.Adam(model.parameters(), RATE), torch.Generator().manual_seed(seed)
    for epoch in range(epochs):
        inputs = x(epoch)
        for batch in torch.randperm(len(y), generator=generator).split(64):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(inputs[batch]), y[batch]).backward()
            optimizer.step()


@torch.no_grad()
def through(model: nn.Module, x: Tensor) -> Tensor:
    """Outputs, some images at a time."""
    return torch.cat([model(part) for part in x.split(250)])


def rounded(grid: ln.UnitGrid, bits: int = 8) -> tuple[ln.UnitGrid, int]:
    """Return a narrow grid with each row of weights rounded to `bits`, under a power of two; and its bytes.

    A row is a channel's weights in what places share, and all of a unit's own. Gains stay: they are 2 bytes here.
    """
    field = grid.field
    if not isinstance(field, NarrowField):
        return grid, int(grid.parameters * bits / 8)
    limit, exponents, new = 2 ** (bits - 1) - 1, 0, {}
    for name in (
        "a",
        "scale",
        "L",
        "common_past",
        "common_read",
        "inward",
        "reading",
        "outward",
        "own_past",
        "own_read",
    ):
        value = getattr(field, name)
        rows = (
            value.reshape(value.shape[0], -1) if name.startswith("own") else value.reshape(-1, max(value.shape[-1], 1))
        )
        largest = np.abs(rows).max(axis=1, keepdims=True, initial=0) + 1e-30
        unit = 2.0 ** np.ceil(np.log2(largest / limit))
        words = np.rint(rows / unit)
        positive = words.reshape(value.shape)
        if name == "scale":
            positive[:] = np.maximum(positive, 1)
        if name == "L":
            i = np.arange(value.shape[-1])
            positive[:, i, i] = np.maximum(positive[:, i, i], 1)
        new[name] = (positive.reshape(rows.shape) * unit).reshape(value.shape).astype(value.dtype)
        exponents += len(rows)
    return (
        ln.UnitGrid.of_field(grid.config, NarrowField(**vars(field) | new), grid.implied),
        int(grid.parameters * bits / 8) + exponents + len(field.gain),
    )


def diagonal(d: Any) -> Any:
    """Log density of held-out displacements under independent neurons, learned from others: the point zero."""
    variance = np.square(d[:LEARNED]).mean(axis=0) + 1e-4
    terms = np.square(d[LEARNED:]) / variance + np.log(2 * np.pi * variance)
    return -0.5 * terms.sum(axis=(1, 2, 3)).mean()


def retrained(
    noise: Any, h: Tensor, y: Tensor, seen: dict[str, Tensor], variance: float, epochs: int
) -> dict[str, Any]:
    """Train later layers anew with the noise and return their outputs on activations `seen`, by name."""
    torch.manual_seed(1)
    model = back()

    def inputs(epoch: int) -> Tensor:
        if noise is None:
            return h
        drawn = torch.from_numpy(
            noise.perturb(h.numpy(), seed=epoch) if noise.field.signal else noise.sample(len(h), epoch)
        )
        if noise.field.signal:
            drawn[torch.rand(len(h)) < 0.2] = 0
        return drawn.add_(h)

    fit(model, inputs, y, epochs, seed=2)
    if noise is None or noise.field.signal:  # the signal-dependent noise is for training alone
        return {name: through(model, x).softmax(1) for name, x in seen.items()}
    out = {name: torch.zeros(len(x), 10) for name, x in seen.items()}
    for draw in range(DRAWS):
        eta = torch.from_numpy(noise.sample(len(next(iter(seen.values()))), 10**6 + draw))
        for name, x in seen.items():
            out[name] += through(model, x + eta) / DRAWS
    return out


def main() -> None:
    """Measure, print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.wide", description=__doc__)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--variance", type=float, default=0.5, help="per neuron, of the noise that is trained with")
    parser.add_argument("--arms", default=",".join(ARMS).replace(", ", ";"))
    parser.add_argument("--sources", default=",".join(SOURCES))
    parser.add_argument("--front", help="a file of the network's layers up to the noise, to keep or to read")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    data: Dataset = load("embedded")
    x, y = to_tensor(data.train_images), torch.from_numpy(data.train_labels.astype(np.int64))
    test, right = to_tensor(data.test_images), torch.from_numpy(data.test_labels.astype(np.int64))
    first = front()
    try:
        first.load_state_dict(torch.load(chosen.front or "", weights_only=True))
    except OSError:
        fit(nn.Sequential(first, back()), lambda epoch: x, y, 4, seed=0)
        if chosen.front:
            torch.save(first.state_dict(), chosen.front)
    h, clean = through(first, x[:TRAINED]), through(first, test)
    labels = y[:TRAINED]
    print(
        "| source | field | kB at 8 bits | nats a neuron over independent | kept | accuracy | kept | clean | s |",
        flush=True,
    )
    print("|---|---|---:|---:|---:|---:|---:|---:|---:|", flush=True)
    quiet = None
    for source in chosen.sources.split(","):
        moved = through(first, apply(source, test, 3, 1))
        seen = {"clean": clean, "moved": moved}
        d = torch.cat(
            [through(first, apply(source, x[:LEARNED], 3, 1)) - h[:LEARNED], (moved - clean)[:SCORED]]
        ).numpy()
        quiet = retrained(None, h, labels, {"clean": clean}, 0, chosen.epochs) if quiet is None else quiet
        none = retrained(None, h, labels, seen, 0, chosen.epochs)
        scores = {name: (out.argmax(1) == right).double().mean().item() for name, out in none.items()}
        print(f"| {source} | none |  |  |  | {scores['moved']:.3f} |  | {scores['clean']:.3f} |  |", flush=True)
        floor, base, most, best = diagonal(d), scores["moved"], 0.0, 0.0
        hs = torch.cat([h[:LEARNED], clean[:SCORED]]).numpy()
        for name in chosen.arms.split(","):
            name = name.replace(";", ", ")  # noqa: PLW2901
            began = time.perf_counter()
            grid = ln.UnitGrid((16, 16), 64, **ARMS[name])
            signal = (hs,) if grid.field.signal else ()
            grid.learn(d[:LEARNED], *(part[:LEARNED] for part in signal))
            grid.state = None
            grid, size = rounded(grid)
            over = (
                grid.log_density(d[LEARNED:], *(part[LEARNED:] for part in signal)).mean() - floor
            ) / grid.config.neurons
            noise = grid if grid.field.signal else grid.normalise(chosen.variance)
            made = retrained(noise, h, labels, seen, chosen.variance, chosen.epochs)
            got = {key: (out.argmax(1) == right).double().mean().item() for key, out in made.items()}
            most, best = most or over, best or got["moved"] - base
            print(
                f"| {source} | {name} | {size / 1024:,.0f} | {over:.3f} | {over / most:.2f} | {got['moved']:.3f} | "
                f"{(got['moved'] - base) / best:.2f} | {got['clean']:.3f} | {time.perf_counter() - began:.0f} |", flush=True
            )  # fmt: skip


if __name__ == "__main__":
    main()
