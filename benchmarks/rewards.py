"""Rewarded noise in numbers, the tables of docs/results/rewarded-noise.md again: `python -m benchmarks.rewards`.

The first asks how much of a step is signal: the cosine of the steps that two halves of the held-out images ask for,
beside what rewards that were dealt out to the draws anew, and so say nothing, give for the very same draws. The second
is the pilot: clean and attacked accuracy of held-out training images. No test image is used.
"""

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from localnoise.nn import NoiseLayer, Predictor, Rater
from localnoise.nn.rating import Draws
from localnoise.nn.rewarding import stepped
from localnoise.rules import ThreeFactor
from localnoise.sims.attacks import PGD
from localnoise.sims.defenses import Lesson, Rewarding, rewarded
from localnoise.sims.defenses.rewarded import HELD, SHARE, begun, moved_by, several
from localnoise.sims.evaluation.source import Source
from localnoise.sims.experiments.cell import Cell
from localnoise.sims.experiments.chosen import Chosen
from localnoise.sims.experiments.lessons import lesson
from localnoise.sims.experiments.presets import preset
from localnoise.sims.experiments.runner import Runner
from localnoise.sims.experiments.worker import held_out
from localnoise.sims.models import training

JUDGED, ATTACKED, EPOCHS = 2_000, 300, 2
ROWS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("change, pairs, baseline of the class", {"reward": "change"}, {}),
    ("change, no pairs", {"reward": "change", "pairs": False}, {}),
    ("change, no baseline of the class", {"reward": "change", "baseline": "none"}, {}),
    ("change, 8 inputs a draw", {"reward": "change", "common": 8}, {}),
    ("change, decorrelated", {"reward": "change"}, {"decorrelate": True}),
    ("loss, pairs, baseline of the class", {"reward": "loss"}, {}),
    ("loss, no pairs, no baseline", {"reward": "loss", "pairs": False, "baseline": "none"}, {}),
    ("agreement, pairs, baseline of the class", {"reward": "agreement"}, {}),
    ("lesson, pairs, baseline of the class", {"reward": "lesson"}, {}),
    ("lesson, decorrelated", {"reward": "lesson"}, {"decorrelate": True}),
    ("lesson, no pairs", {"reward": "lesson", "pairs": False}, {}),
]
PLANS = {
    "K=8, from displacements": Rewarding(by="none"),
    "then by lesson, three-factor": Rewarding(reward="lesson"),
    "then by lesson, backpropagation": Rewarding(by="reparametrised", reward="lesson"),
    "then by change, backpropagation": Rewarding(by="reparametrised", reward="change"),
    "K=8, covariance penalty .01": Rewarding(by="none", penalty=0.01),
}


def given(spend: str, data_dir: Path | None, folder: Path, seed: int) -> Lesson:
    """Return the lesson of noise that learns from PGD at eps .1, at a preset's cost; later layers learn two epochs."""
    settings = preset(spend).settings(data_dir, Chosen.of("v2"))
    runner = Runner(settings, held_out(settings, 0, data_dir), folder)
    bench = runner.bench(seed)
    cell = Cell(seed=seed, sources=(Source.default("pgd", 0.1),), arm="three-factor-8")
    return lesson(cell, bench, EPOCHS, lambda n: None, displaced=bench.displacement)


def cosines(own: Lesson, rows: list[str], draws: int, shuffles: int) -> Iterator[tuple[str, int, float, float]]:
    """Yield a row's name, its draws, its cosine, and the root mean square of those of shuffled rewards."""
    held = min(HELD, len(own.images) // SHARE)
    grid = begun(own, Rewarding())
    layer, later = NoiseLayer(grid, seed=own.seed).train(), own.back(own.seed)
    h = training.activations(own.front, own.images)
    training.fit(later, h[:-held], own.labels[:-held], epochs=EPOCHS, seed=own.seed, ahead=layer)
    later.requires_grad_(False)
    moved = moved_by(own, Predictor(own.front, layer.eval(), later, 1), 0, held)
    rng = np.random.default_rng(own.seed)
    for name, how, options in ROWS:
        if rows and name not in rows:
            continue
        rule = ThreeFactor(rate=1.0, **options)
        rated, _ = several(Rater(**how), grid, later, h[-held:], moved, own.labels[-held:], draws=draws, seed=own.seed)

        def cosine(rewards: Any, rated: Draws = rated, rule: ThreeFactor = rule) -> float:
            other = grid.blank()
            other.field = grid.field.copy()
            return stepped(other, replace(rated, rewards=rewards), rule)

        null = [cosine(rng.permutation(rated.rewards)) for _ in range(shuffles)]
        yield name, len(rated.eta), cosine(rated.rewards), float(np.sqrt(np.mean(np.square(null))))


def pilot(own: Lesson, judged: int, attacked: int) -> Iterator[tuple[str, float, float]]:
    """Yield a noise's name, and its accuracy on the last training images, clean and under PGD at eps .1."""
    learned = own.only(np.arange(len(own.images) - judged))
    x, y = own.images[-judged:], own.labels[-judged:]
    for name, plan in PLANS.items():
        predictor = rewarded(replace(learned, facts={}), plan)
        clean = training.accuracy_per_image(predictor, x, y).double().mean().item()
        attack = PGD(eps=0.1, steps=20, draws=8)
        moved = attack(predictor, x[:attacked], y[:attacked], bounds=own.bounds, seed=own.seed)
        yield name, clean, training.accuracy_per_image(predictor, moved, y[:attacked]).double().mean().item()


def main() -> None:
    """Print the tables asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rewards", description=__doc__)
    parser.add_argument("tables", nargs="*", help="signal, pilot; default: both")
    parser.add_argument("--rows", default="", help="rows of signal, separated by semicolons; default: all")
    parser.add_argument("--preset", default="standard", help="quick: the images that ship; standard: the full set")
    parser.add_argument("--data-dir", type=Path, help="folder of the full set")
    parser.add_argument("--draws", type=int, default=2, help="of each held-out image")
    parser.add_argument("--shuffles", type=int, default=5, help="of the rewards, for the null")
    parser.add_argument("--out", type=Path, default=Path("results/rewards"), help="folder of the trained network")
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    tables = chosen.tables or ["signal", "pilot"]
    if unknown := set(tables) - {"signal", "pilot"}:
        parser.error(f"table {unknown.pop()!r}: expected signal, pilot")
    torch.set_num_threads(1)
    own = given(chosen.preset, chosen.data_dir, chosen.out, chosen.seed)
    if "signal" in tables:
        rows = [one.strip() for one in chosen.rows.split(";") if one.strip()]
        print("| reward | draws | cosine | of shuffled rewards |\n|---|---:|---:|---:|")
        for name, count, cosine, null in cosines(own, rows, chosen.draws, chosen.shuffles):
            print(f"| {name} | {count:,} | {cosine:+.4f} | ±{null:.4f} |", flush=True)
    if "pilot" in tables:
        few = min(JUDGED, len(own.images) // SHARE)
        print("| noise | clean | PGD, eps .1 |\n|---|---:|---:|")
        for name, clean, attacked in pilot(own, few, min(ATTACKED, few)):
            print(f"| {name} | {clean:.3f} | {attacked:.3f} |", flush=True)


if __name__ == "__main__":
    main()
