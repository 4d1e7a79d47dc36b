"""`python -m benchmarks.wide_chip`: what a wide layer keeps on a chip, against the float field that it came from.

Network, data and measures are those of `benchmarks.wide`. The field of 64 x 16 x 16 neurons (weights shared by places,
rank 24, K=4) is quantised to 8 bits; later layers are trained anew with the chip's own words, and with the float field.
"""

import argparse
from types import SimpleNamespace

import numpy as np
import torch
from torch import nn

import localnoise as ln
from benchmarks.wide import ARMS, LEARNED, RIDGE, SCORED, TRAINED, back, fit, front, likeness, retrained, through
from localnoise.hardware import quantise
from localnoise.hardware.fitting.memory import memory_map
from localnoise.sims.data import load
from localnoise.sims.data.tensors import to_tensor
from localnoise.sims.perturbations.applied import apply

ARM = "places r=24 K=4"


def main() -> None:
    """Measure, print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.wide_chip", description=__doc__)
    parser.add_argument("--sources", default="motion_blur,rotate")
    parser.add_argument("--level", type=int, default=3, help="of the corruptions, 1 to 5")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0, help="of the later layers' training")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    data, first = load("embedded"), front()
    x, y = to_tensor(data.train_images), torch.from_numpy(data.train_labels.astype(np.int64))
    test, right = to_tensor(data.test_images), torch.from_numpy(data.test_labels.astype(np.int64))
    fit(nn.Sequential(first, back()), lambda epoch: x, y, 4, seed=0)
    h, clean, y = through(first, x[:TRAINED]), through(first, test), y[:TRAINED]
    print(
        "| source | noise | flash | RAM | likeness | accuracy | clean |\n|---|---|---:|---:|---:|---:|---:|", flush=True
    )
    for source in chosen.sources.split(","):
        moved = through(first, apply(source, test, chosen.level, 1))
        seen, scored = {"clean": clean, "moved": moved}, (moved - clean)[:SCORED].flatten(1).numpy()
        d = (through(first, apply(source, x[:LEARNED], chosen.level, 1)) - h[:LEARNED]).numpy()
        grid = ln.UnitGrid((16, 16), 64, **ARMS[ARM]).learn(d, ridge=RIDGE).normalise(0.5)
        grid.state = None
        chip = quantise(grid)
        words = SimpleNamespace(field=grid.field, perturb=chip.perturb, sample=chip.sample)
        stored = memory_map(chip, whole_bytes=True)
        for name, noise in (("none", None), ("float", grid), ("chip", words)):
            got = retrained(noise, h, y, seen, right, chosen.epochs, chosen.seed)
            size = f"{stored.flash:,} | {stored.ram:,}" if name == "chip" else " | "
            alike = "" if noise is None else f"{likeness(noise.sample(SCORED, 1).reshape(SCORED, -1), scored):.3f}"
            said = f"| {source} | {name} | {size} | {alike} | {got['moved']:.3f} | {got['clean']:.3f} |"
            print(said, flush=True)


if __name__ == "__main__":
    main()
