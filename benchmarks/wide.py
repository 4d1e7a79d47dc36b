"""`python -m benchmarks.wide`: what shared and low-rank weights keep at 64 x 16 x 16 neurons, and in how much memory.

A small network (5x5 convolution of 16 channels, pool 2, 3x3 convolution of 64 channels, tanh; the noise; three more
layers) learns the embedded Fashion-MNIST images. Fields learn from 2,000 displacements of training images; those
that are stored narrow are rounded to 8 bits. Measured for each: the log density of 1,000 displacements of test
images; how alike its covariance is to theirs (the cosine of the two matrices, from draws); and the accuracy on 2,000
test images so displaced of later layers that are trained anew with the noise. Shares are of what the field of most
memory, K=8 untied, gains over no structure (independent neurons, and no noise).
"""

import argparse
import math
import re
import time
from dataclasses import dataclass
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
from localnoise.sims.results.records import RecordFile, key

LEARNED, TRAINED, SCORED, DRAWS, RATE, RIDGE = 2_000, 4_000, 1_000, 5, 1e-3, 1e-3
SOURCES = "gaussian_noise@5,motion_blur@3,brightness@3,rotate@3"
PUBLISHED = Path(__file__).parent / "published" / "wide.sqlite"
MOST = "untied K=8"  # what others are compared with
ARMS: dict[str, dict[str, Any]] = {
    "untied K=8": {"parents": 8},
    "places r=24 K=4": {"parents": 4, "share": "places", "rank": 24},
    "rank 8 K=8": {"parents": 8, "rank": 8},
    "places raster": {"order": "raster", "share": "places"},
    "untied K=4 signal": {"parents": 4, "signal": "local"},
    "places r=12 K=4 signal": {"parents": 4, "share": "places", "rank": 12, "signal": "local"},
}

LABELS = {
    "places r=24 K=4": "places, rank 24, K=4",
    "places r=12 K=4 signal": "places, rank 12, K=4, signal-dependent",
    "rank 8 K=8": "rank 8, K=8",
    "places raster": "places, raster radius 1",
}


@dataclass(frozen=True, kw_only=True)
class Layers:
    """The network up to the noise, and what its images give there."""

    first: nn.Sequential
    x: Tensor
    y: Tensor
    h: Tensor
    test: Tensor
    right: Tensor
    clean: Tensor


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


def measured(
    noise: str, source: str, level: float, layers: Layers, epochs: int, variance: float, seed: int
) -> dict[str, float]:
    """Return what a field, by its name in `ARMS`, or "none" gives under a corruption: the values of a record."""
    began = time.perf_counter()
    moved = through(layers.first, apply(source, layers.test, level, 1))
    seen = {"clean": layers.clean, "moved": moved}
    shown = layers.h, layers.y, seen, layers.right, epochs, seed
    if noise == "none":
        return {"bytes": 0, "density": 0.0, "likeness": math.nan} | retrained(None, *shown)
    scored = (moved - layers.clean)[:SCORED].numpy()
    d = (through(layers.first, apply(source, layers.x[:LEARNED], level, 1)) - layers.h[:LEARNED]).numpy()
    grid = ln.UnitGrid((16, 16), 64, **ARMS[noise])
    signal = grid.field.signal
    grid.learn(d, layers.h[:LEARNED].numpy() if signal else None, ridge=RIDGE)
    grid.state = None
    grid, size = rounded(grid)
    reached = grid.log_density(scored, layers.clean[:SCORED].numpy() if signal else None).mean()
    drawn = grid.perturb(layers.clean[SCORED:].numpy(), seed=1)
    alike = likeness(drawn.reshape(len(drawn), -1), scored.reshape(len(scored), -1))
    found = retrained(grid if signal else grid.normalise(variance), *shown)
    density = float(reached - diagonal(d, scored)) / grid.config.neurons
    return {"bytes": size, "density": density, "likeness": alike, "seconds": time.perf_counter() - began} | found


def prepared(kept: str) -> Layers:
    """Train the network once, or read its layers up to the noise from a file."""
    torch.manual_seed(0)
    data = load("embedded")
    x, y = to_tensor(data.train_images), torch.from_numpy(data.train_labels.astype(np.int64))
    test, right = to_tensor(data.test_images), torch.from_numpy(data.test_labels.astype(np.int64))
    first = front()
    if Path(kept).is_file():
        first.load_state_dict(torch.load(kept, weights_only=True))
    else:
        fit(nn.Sequential(first, back()), lambda epoch: x, y, 4, seed=0)
        if kept:
            torch.save(first.state_dict(), kept)
    h, clean = through(first, x[:TRAINED]), through(first, test)
    return Layers(first=first, x=x, y=y[:TRAINED], h=h, test=test, right=right, clean=clean)


def published() -> str:
    """Return the table of docs/wide-layers.md, of the published records of seed 0."""
    records = [record for record in RecordFile(PUBLISHED) if record.config["seed"] == 0]
    found = {(f"{r.config['source']}@{r.config['level']:g}", r.config["field"]): r.results for r in records}
    lines = ["| corruption | field | kB | density kept | likeness | accuracy | gain kept |"]
    lines += ["|---|---|---:|---:|---:|---:|---:|"]
    for source in SOURCES.split(","):
        most, none = found[source, MOST], found[source, "none"]["moved"]
        for name in (name for name in ("none", MOST, *LABELS) if (source, name) in found):
            one = found[source, name]
            gain = (one["moved"] - none) / (most["moved"] - none)
            density = "" if ARMS.get(name, {}).get("signal") else _short(one["density"] / most["density"])
            alike = "" if math.isnan(one["likeness"]) else f"{one['likeness']:.2f}".removeprefix("0")
            label = source.replace("_", " ").replace("@", " ") if name == "none" else ""
            numbers = f"{one['bytes'] / 1024:,.0f} | {density} | {alike} | {_short(one['moved'], 3)} | {_short(gain)} |"
            lines.append(f"| {label} | {LABELS.get(name, name)} | {numbers}")
    return "\n".join(lines)


def _short(value: float, digits: int = 2) -> str:
    """0 and 1 as such, other numbers without a leading zero."""
    return f"{value:g}" if value in (0, 1) else re.sub(r"^(-?)0", r"\1", f"{value:.{digits}f}")


def main() -> None:
    """Measure what the record lacks; or print the table of what is published."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.wide", description=__doc__)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--variance", type=float, default=0.5, help="per neuron, of the noise that is trained with")
    parser.add_argument("--arms", default=",".join(ARMS), help="fields; that of most memory and none come first")
    parser.add_argument("--sources", default=SOURCES, help="corruptions, NAME@LEVEL, levels 1 to 5")
    parser.add_argument("--seed", type=int, default=0, help="of the later layers' training")
    parser.add_argument("--front", default="", help="a file of the layers up to the noise, to keep or to read")
    parser.add_argument("--out", default="results/bench", help="folder for the record, wide.sqlite")
    parser.add_argument("--published", action="store_true", help="print the recorded table as Markdown, run nothing")
    chosen = parser.parse_args()
    if chosen.published:
        print(published())
        return
    torch.set_num_threads(1)
    layers, record = prepared(chosen.front), RecordFile(Path(chosen.out) / "wide.sqlite")
    for source in chosen.sources.split(","):
        name, _, level = source.partition("@")
        for noise in dict.fromkeys(["none", MOST, *chosen.arms.split(",")]):
            spent = {"epochs": chosen.epochs, "variance": chosen.variance, "seed": chosen.seed}
            config = {"field": noise, "source": name, "level": float(level), **spent}
            if key(config) in record.done():
                continue
            values = measured(noise, name, float(level), layers, **spent)
            record.append(config, values, values.get("seconds", 0.0))
            print(noise, source, {what: round(value, 3) for what, value in values.items()}, flush=True)


if __name__ == "__main__":
    main()
