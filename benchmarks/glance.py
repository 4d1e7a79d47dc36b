"""The figure of docs/repair.md: one image under six corruptions, a layer repaired, its units' surprise.

    python -m benchmarks.glance --out docs/assets

Trains `v2` on the images that ship with localnoise, and learns from 8,000 of them; some minutes on two cores.
"""

import argparse
from pathlib import Path

from localnoise import Repair
from localnoise.sims import perturbations, tasks
from localnoise.sims.evaluation.source import Source
from localnoise.sims.experiments.chosen import Chosen
from localnoise.sims.experiments.presets import preset
from localnoise.sims.experiments.testbed import Testbed
from localnoise.sims.models.training import activations
from localnoise.sims.reports import glance

SHOWN = ("contrast", "gaussian_noise", "motion_blur", "snow", "obstruction", "rotate")
LEARNED, IMAGE = 8_000, 12


def main() -> None:
    """Learn, and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("results"), help="folder for repair.png, .pdf and .svg")
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    spent = preset("quick")
    settings = spent.settings(None, Chosen.of())
    bench = Testbed(
        data=tasks.find("v2").data("embedded"), seed=0, epochs=settings.base_epochs, attack=settings.attack,
        attacked_train=0, folder=out,
    )  # fmt: skip
    front, (images, _) = bench.network.front, bench.test
    repair = Repair(shape=(14, 14), channels=16, radius=2)
    for name in SHOWN:
        print(f"learn {name}", flush=True)
        moved = bench.altered(Source.default(name), count=LEARNED)
        repair.learn(name, activations(front, moved), bench.h_train[:LEARNED])
    image = images[IMAGE : IMAGE + 1]
    moved = {name: perturbations.apply(name, image, None, 1, IMAGE) for name in SHOWN}
    glance.figure(out / "repair.png", front, repair, image, moved)
    bench.base_path.unlink()
    print(f"==> {out / 'repair.png'}")


if __name__ == "__main__":
    main()
