"""`python -m benchmarks.wide`: what shared and low-rank weights keep at 64 x 16 x 16 neurons, and in how much memory.

A small network (5x5 convolution of 16 channels, pool 2, 3x3 convolution of 64 channels, tanh; the noise; three more
layers) learns the embedded Fashion-MNIST images. Fields learn from 2,000 displacements of training images; those
that are stored narrow are rounded to 8 bits. Measured for each: the log density of 1,000 displacements of test
images; how alike its covariance is to theirs (the cosine of the two matrices, from draws); and the accuracy on 2,000
test images so displaced of later layers that are trained anew with the noise. Shares are of what the field of most
memory, K=8 untied, gains over no structure (independent neurons, and no noise).
"""

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import localnoise as ln
from localnoise.narrow import WEIGHTS, NarrowField
from localnoise.sims.data import load
from localnoise.sims.data.tensors import to_tensor
from localnoise.sims.perturbations.applied import apply

LEARNED, TRAINED, SCORED, DRAWS, RATE, RIDGE = 2_000, 4_000, 1_000, 5, 1e-3, 1e-3
SOURCES = ("gaussian_noise", "motion_blur", "brightness", "rotate")
ARMS: dict[str, dict[str, Any]] = {
    "untied K=8": {"parents": 8},
    "places r=24 K=4": {"parents": 4, "share": "places", "rank": 24},
    "rank 8 K=8": {"parents": 8, "rank": 8},
    "places raster": {"order": "raster", "share": "places"},
    "untied K=4 signal": {"parents": 4, "signal": "local"},
    "places r=12 K=4 signal": {"parents": 4, "share": "places", "rank": 12, "signal": "local"},
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
    """Return a narrow grid with each row of weights rounded to `bits` under a power of two, and its bytes.

    A byte is counted for each row's power, and two for a gain, which stays. Of other grids, the bytes alone.
    """
    field = grid.field
    if not isinstance(field, NarrowField):
        return grid, grid.parameters * bits // 8
    powers, new = 0, {}
    for name in WEIGHTS:
        value = getattr(field, name)
        if name == "gain" or not value.size:
            continue
        rows = value.reshape(-1, value.shape[-1])
        largest = np.abs(rows).max(axis=1, keepdims=True) + 1e-30
        unit = 2.0 ** np.ceil(np.log2(largest / (2 ** (bits - 1) - 1)))
        words = np.rint(rows / unit).reshape(value.shape)
        if name == "scale":
            words = np.maximum(words, 1)
        if name == "L":
            i = np.arange(value.shape[-1])
            words[:, i, i] = np.maximum(words[:, i, i], 1)
        new[name] = (words.reshape(rows.shape) * unit).reshape(value.shape).astype(value.dtype)
        powers += len(rows)
    made = NarrowField(**vars(field) | new)
    return ln.UnitGrid.of_field(grid.config, made, grid.implied), grid.parameters * bits // 8 + powers + len(field.gain)


def likeness(x: Any, y: Any) -> float:
    """Cosine of the two second moments that independent draws x, y (T, n) have, without the bias of finite T."""
    norms = []
    for z in (x, y):
        inner = np.square(z @ z.T)
        np.fill_diagonal(inner, 0)
        norms.append(inner.sum() / (len(z) * (len(z) - 1)))
    return float(np.square(x @ y.T).mean() / np.sqrt(norms[0] * norms[1]))


def diagonal(d: Any, scored: Any) -> Any:
    """Log density of held-out displacements under independent neurons, learned from d: the point zero."""
    variance = np.square(d).mean(axis=0) + RIDGE
    terms = np.square(scored) / variance + np.log(2 * np.pi * variance)
    return -0.5 * terms.sum(axis=(1, 2, 3)).mean()


def retrained(
    noise: Any, h: Tensor, y: Tensor, seen: dict[str, Tensor], right: Tensor, epochs: int, seed: int
) -> dict[str, float]:
    """Train later layers anew with the noise and return the accuracy on activations `seen`, by name."""
    torch.manual_seed(seed + 1)
    model, quiet = back(), noise is None or noise.field.signal  # signal-dependent noise is for training alone

    def inputs(epoch: int) -> Tensor:
        if noise is None:
            return h
        drawn = torch.from_numpy(noise.perturb(h.numpy(), seed=1000 * seed + epoch))
        if noise.field.signal:
            drawn[torch.rand(len(h)) < 0.2] = 0
        return drawn.add_(h)

    fit(model, inputs, y, epochs, seed + 2)
    found = {}
    for name, x in seen.items():
        out = torch.zeros(len(x), 10)
        for draw in range(1 if quiet else DRAWS):
            out += through(model, x if quiet else x + torch.from_numpy(noise.sample(len(x), 10**6 + draw)))
        found[name] = (out.argmax(1) == right).double().mean().item()
    return found


def main() -> None:
    """Measure, print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.wide", description=__doc__)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--variance", type=float, default=0.5, help="per neuron, of the noise that is trained with")
    parser.add_argument("--arms", default=",".join(ARMS))
    parser.add_argument("--sources", default=",".join(SOURCES))
    parser.add_argument("--seed", type=int, default=0, help="of the later layers' training")
    parser.add_argument("--level", type=int, default=3, help="of the corruptions, 1 to 5")
    parser.add_argument("--front", default="", help="a file of the layers up to the noise, to keep or to read")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    data = load("embedded")
    x, y = to_tensor(data.train_images), torch.from_numpy(data.train_labels.astype(np.int64))
    test, right = to_tensor(data.test_images), torch.from_numpy(data.test_labels.astype(np.int64))
    first = front()
    if Path(chosen.front).is_file():
        first.load_state_dict(torch.load(chosen.front, weights_only=True))
    else:
        fit(nn.Sequential(first, back()), lambda epoch: x, y, 4, seed=0)
        if chosen.front:
            torch.save(first.state_dict(), chosen.front)
    h, clean, y = through(first, x[:TRAINED]), through(first, test), y[:TRAINED]
    print("| source | field | kB | nats a neuron | kept | likeness | accuracy | kept | clean | s |")
    print("|---|---|---:|---:|---:|---:|---:|---:|---:|---:|", flush=True)
    for source in chosen.sources.split(","):
        moved = through(first, apply(source, test, chosen.level, 1))
        seen, scored = {"clean": clean, "moved": moved}, (moved - clean)[:SCORED].numpy()
        d = (through(first, apply(source, x[:LEARNED], chosen.level, 1)) - h[:LEARNED]).numpy()
        none, floor, most, best = (
            retrained(None, h, y, seen, right, chosen.epochs, chosen.seed),
            diagonal(d, scored),
            0.0,
            0.0,
        )
        print(f"| {source} | none |  |  |  |  | {none['moved']:.3f} |  | {none['clean']:.3f} |  |", flush=True)
        for name in chosen.arms.split(","):
            began = time.perf_counter()
            grid = ln.UnitGrid((16, 16), 64, **ARMS[name])
            signal = grid.field.signal
            grid.learn(d, h[:LEARNED].numpy() if signal else None, ridge=RIDGE)
            grid.state = None
            grid, size = rounded(grid)
            over = grid.log_density(scored, clean[:SCORED].numpy() if signal else None).mean() - floor
            drawn = grid.perturb(clean[SCORED:].numpy(), seed=1)
            alike = likeness(drawn.reshape(len(drawn), -1), scored.reshape(len(scored), -1))
            noise = grid if signal else grid.normalise(chosen.variance)
            got = retrained(noise, h, y, seen, right, chosen.epochs, chosen.seed)
            gain, over = got["moved"] - none["moved"], over / grid.config.neurons
            most, best = most or over, best or gain
            kept = f"{over:.2f} | {over / most:.2f} | {alike:.2f} | {got['moved']:.3f} | {gain / best:.2f}"
            spent = time.perf_counter() - began
            print(f"| {source} | {name} | {size / 1024:,.0f} | {kept} | {got['clean']:.3f} | {spent:.0f} |", flush=True)


if __name__ == "__main__":
    main()
