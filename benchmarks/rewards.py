"""Rewarded noise in numbers, the tables of docs/results/rewarded-noise.md again: `python -m benchmarks.rewards`.

The first asks how much of a step is signal: the cosine of the steps that two halves of the held-out images ask for,
beside what rewards that were dealt out to the draws anew, and so say nothing, give for the very same draws; it is kept
in a record, which the page shows. The second is the pilot: clean and attacked accuracy of held-out training images. No
test image is used.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch

from localnoise.errors import ArgumentError, choose
from localnoise.nn import NoiseLayer, Predictor, Rater
from localnoise.nn.rating import Draws
from localnoise.nn.rewarding import stepped
from localnoise.rules import ThreeFactor
from localnoise.sims.attacks import PGD
from localnoise.sims.defenses import Lesson, Rewarding, rewarded
from localnoise.sims.defenses.reward_training import HELD, SHARE, begun, moved_by, several
from localnoise.sims.evaluation.source import Source
from localnoise.sims.experiments.cell import Cell
from localnoise.sims.experiments.chosen import Chosen
from localnoise.sims.experiments.lessons import lesson
from localnoise.sims.experiments.presets import preset
from localnoise.sims.experiments.runner import Runner
from localnoise.sims.experiments.worker import held_out
from localnoise.sims.models import training
from localnoise.sims.reports.figures import DOUBLE, drawn, legend
from localnoise.sims.reports.table import sentence
from localnoise.sims.results.records import Record, RecordFile
from localnoise.validate import Array, as_count, as_seed

JUDGED, ATTACKED, EPOCHS = 2_000, 300, 2
NAME = "rewards.sqlite"
PUBLISHED = Path(__file__).parent / "published" / NAME
_LOOKS = (("o", "#0072B2"), ("D", "#D55E00"), ("s", "#009E73"))
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


def chosen_rows(text: str) -> list[str]:
    """Return the rows of `ROWS` that a text names, separated by semicolons; all of an empty one.

    Raises
    ------
    ArgumentError
        A row that there is not.
    """
    names = [name for name, _, _ in ROWS]
    return [choose("row", one.strip(), names) for one in text.split(";") if one.strip()] or names


@dataclass(frozen=True, kw_only=True)
class Signal:
    """The cosine of a row, with `each` draws of each held-out image, and those of shuffled rewards."""

    row: str
    each: int
    draws: int
    cosine: float
    shuffled: Array


def cosines(own: Lesson, rows: Sequence[str], draws: Sequence[int], shuffles: int) -> Iterator[Signal]:
    """Yield what each of the rows gives, with each of several numbers of draws of a held-out image."""
    held = min(HELD, len(own.images) // SHARE)
    grid = begun(own, Rewarding())
    layer, later = NoiseLayer(grid, seed=own.seed).train(), own.back(own.seed)
    h = training.activations(own.front, own.images)
    training.fit(later, h[:-held], own.labels[:-held], epochs=EPOCHS, seed=own.seed, ahead=layer)
    later.requires_grad_(False)
    moved = moved_by(own, Predictor(own.front, layer.eval(), later, 1), 0, held)
    for each, (name, how, options) in product(draws, (row for row in ROWS if row[0] in rows)):
        rng, rule = np.random.default_rng(own.seed), ThreeFactor(rate=1.0, **options)
        rated, _ = several(Rater(**how), grid, later, h[-held:], moved, own.labels[-held:], draws=each, seed=own.seed)

        def cosine(rewards: Any, rated: Draws = rated, rule: ThreeFactor = rule) -> float:
            other = grid.blank()
            other.field = grid.field.copy()
            return stepped(other, replace(rated, rewards=rewards), rule)

        null = np.array([cosine(rng.permutation(rated.rewards)) for _ in range(shuffles)])
        yield Signal(row=name, each=each, draws=len(rated.eta), cosine=cosine(rated.rewards), shuffled=null)


def tables(records: Sequence[Record]) -> list[str]:
    """Return the table of signals in Markdown: cosines, of several seeds one after the other, and the null's rms."""
    lines = ["| reward | draws | cosine | of shuffled rewards, rms |", "|---|---:|---:|---:|"]
    for (name, count), of_seeds in _by_row(records).items():
        said = ", ".join(f"{record.results['cosine']:+.3f}" for record in of_seeds)
        lines.append(f"| {name} | {count:,} | {said} | {_chance(of_seeds):.3f} |")
    return ["\n".join(lines)]


def figure(records: Sequence[Record], path: Path) -> None:
    """Cosines of each row and number of draws; behind them twice the root mean square of what shuffled rewards give."""
    found = _by_row(records)
    names = [name for name, _, _ in ROWS if any(name == row for row, _ in found)]
    each = sorted({record.config["each"] for record in records})
    with drawn(path, (DOUBLE, 0.9 + 0.27 * len(names))) as page:
        axes = page.subplots()
        axes.axvline(0, color="#555555", lw=0.8, ls="--", zorder=1)
        shift = np.linspace(-0.18, 0.18, len(each)) if len(each) > 1 else np.zeros(1)
        for (name, _), own in found.items():
            place = each.index(own[0].config["each"])
            y, wide = names.index(name) + shift[place], 2 * _chance(own)
            axes.plot([-wide, wide], [y, y], color="#BBBBBB", lw=4, solid_capstyle="butt", zorder=2)
            mark, colour = _LOOKS[place % len(_LOOKS)]
            style: Any = {"marker": mark, "color": colour, "ls": "none", "mec": "#333333", "mew": 0.4, "zorder": 3}
            said = f"{each[place]} draw{'s' * (each[place] > 1)} an input"
            axes.plot([one.results["cosine"] for one in own], [y] * len(own), label=said, **style)
        axes.plot([], [], color="#BBBBBB", lw=4, label="Shuffled rewards, ± 2 rms")
        axes.set_yticks(range(len(names)), [sentence(name) for name in names])
        axes.tick_params(axis="y", length=0)
        axes.grid(visible=False, axis="y")
        axes.set(ylim=(len(names) - 0.4, -0.6), xlabel="Cosine of the steps that two halves of the images ask for")
        legend(page)


def _by_row(records: Sequence[Record]) -> dict[tuple[str, int], list[Record]]:
    """Return records by row and number of draws, few draws first, rows in their order, seeds in theirs."""
    order = {name: place for place, (name, _, _) in enumerate(ROWS)}
    found: dict[tuple[str, int], list[Record]] = {}
    for record in sorted(records, key=lambda r: (r.config["each"], order[r.config["row"]], r.config["seed"])):
        found.setdefault((record.config["row"], int(record.results["draws"])), []).append(record)
    return found


def _chance(records: Sequence[Record]) -> float:
    """Return the root mean square of the cosines of shuffled rewards."""
    return float(np.sqrt(np.mean([np.square(record.results["shuffled"]) for record in records])))


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


def signal(own: Lesson, rows: Sequence[str], draws: Sequence[int], shuffles: int, spend: str, out: Path) -> None:
    """Print the table of signals as it is found, and keep it in OUT/rewards.sqlite."""
    record = RecordFile(out / NAME)
    print("| reward | draws | cosine | of shuffled rewards, rms |\n|---|---:|---:|---:|")
    for one in cosines(own, rows, draws, shuffles):
        config = {"row": one.row, "each": one.each, "seed": own.seed, "shuffles": shuffles, "preset": spend}
        record.append(config, {"draws": one.draws, "cosine": one.cosine, "shuffled": one.shuffled}, 0.0)
        chance = np.sqrt(np.mean(np.square(one.shuffled)))
        print(f"| {one.row} | {one.draws:,} | {one.cosine:+.4f} | {chance:.4f} |", flush=True)


def main() -> None:
    """Print the tables asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rewards", description=__doc__)
    parser.add_argument("tables", nargs="*", help="signal, pilot; default: both")
    parser.add_argument("--rows", default="", help="rows of signal, separated by semicolons; default: all")
    parser.add_argument("--preset", default="standard", help="quick: the images that ship; standard: the full set")
    parser.add_argument("--data-dir", type=Path, help="folder of the full set")
    parser.add_argument("--draws", default="2", help="of each held-out image: 2, or several numbers: 2,8")
    parser.add_argument("--shuffles", type=int, default=20, help="of the rewards, for the null")
    parser.add_argument("--out", type=Path, default=Path("results/rewards"), help="folder of network and record")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--published", action="store_true", help="print the recorded table of signals, run nothing")
    chosen = parser.parse_args()
    if chosen.published:
        print(*tables(list(RecordFile(PUBLISHED))))
        return
    wanted = chosen.tables or ["signal", "pilot"]
    try:
        for name in wanted:
            choose("table", name, ("signal", "pilot"))
        rows, shuffles = chosen_rows(chosen.rows), as_count("shuffles", chosen.shuffles, 1)
        draws = [as_count("draws", int(one) if one.strip().isdecimal() else one, 1) for one in chosen.draws.split(",")]
        if len(wanted) == 1 == wanted.count("pilot") and chosen.rows:
            raise ArgumentError(f"rows={chosen.rows!r}: expected none with the pilot alone; drop it, or ask for signal")
        torch.set_num_threads(1)
        own = given(chosen.preset, chosen.data_dir, chosen.out, int(as_seed(chosen.seed)))
    except ArgumentError as error:
        parser.error(str(error))
    if "signal" in wanted:
        signal(own, rows, draws, shuffles, chosen.preset, chosen.out)
    if "pilot" in wanted:
        few = min(JUDGED, len(own.images) // SHARE)
        print("| noise | clean | PGD, eps .1 |\n|---|---:|---:|")
        for name, clean, attacked in pilot(own, few, min(ATTACKED, few)):
            print(f"| {name} | {clean:.3f} | {attacked:.3f} |", flush=True)


if __name__ == "__main__":
    main()
