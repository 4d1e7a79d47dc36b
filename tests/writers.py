"""Everything in localnoise that writes files, small: name -> what writes at a path, a file or a folder."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

import localnoise as ln
from localnoise.files import hdf5, write_text
from localnoise.hardware import OnChip, quantise
from localnoise.hardware.configuration import configure, write_hdf5, write_json
from localnoise.hardware.configuration.bank import configure_bank, write_bank_json
from localnoise.hardware.configuration.graph import write_nir
from localnoise.hardware.export import export
from localnoise.hardware.generators import GENERATORS
from localnoise.hardware.generators.figure import draw_seeding
from localnoise.hardware.network import defend
from localnoise.sims.auditing.reported import Audit
from localnoise.sims.data import contact_sheet, load
from localnoise.sims.experiments.testbed import Testbed
from localnoise.sims.reports.figures import drawn
from localnoise.sims.results.experiment import keep
from localnoise.sims.results.records import RecordFile
from localnoise.sims.tools.audit import audit
from localnoise.sims.tools.sample import sample

Writer = Callable[[Path], Any]
FOLDERS = ("c99", "verilog", "network", "network-c99", "repair-c99", "report")  # what writes a folder
SLOW = ("figure.png", "figure.pdf", "seeding.png", "sheet.png", "network", "audit.png", "report")


def writers(place: Path) -> dict[str, Writer]:
    """Return all writers; what they read lies in `place`."""
    rng = np.random.default_rng(0)
    h = np.tanh(rng.normal(size=(300, 2, 4, 5))).astype(np.float32)
    grid = ln.UnitGrid((4, 5), 2, parents=3, signal="local").learn(rng.normal(size=h.shape) + h, h)
    chip = quantise(grid, h=h)
    plain_grid = ln.UnitGrid((3, 3), 2, parents=3).learn(rng.normal(size=(300, 2, 3, 3)))
    field = ln.UnitGrid((2, 2), 2, parents=2).learn(rng.normal(size=(300, 2, 2, 2)))
    plain = quantise(plain_grid)
    configuration = configure(plain, learner=OnChip())
    grid.save(place / "grid.h5")
    plain.save(place / "plain.h5")
    np.save(place / "words.npy", plain.words(300, seed=7))
    repair = ln.Repair((4, 5), 2, radius=1).learn("dim", 0.3 * h, h)
    surprise = ln.UnitGrid((4, 5), 2, parents=2).surprise(np.tanh(rng.normal(size=(1200, 2, 4, 5))))
    bank = ln.Bank([grid, ln.central.full(h), ln.central.affine(rng.normal(size=h.shape), h)])
    chips_repair, chips_bank = quantise(repair), quantise(ln.Bank([plain_grid, plain_grid]))
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 2), torch.nn.Flatten(), torch.nn.Linear(8, 3))
    defended = defend(net, torch.rand(32, 1, 3, 3), quantise(field), "0", draws=2)
    data = load("embedded")
    few = {
        f"{part}_{kind}": getattr(data, f"{part}_{kind}")[:64]
        for part in ("train", "test")
        for kind in ("images", "labels")
    }

    def records(path: Path) -> None:
        RecordFile(path).append({"seed": 0}, {"x": 1.0, "hits": rng.normal(size=800)}, 0.1)

    def kept(path: Path) -> None:
        with hdf5(path) as file:
            file.create_dataset("d", data=h, compression="gzip", compression_opts=1, shuffle=True)

    def seeding(path: Path) -> None:
        with drawn(path, (3.4, 2), alone=True) as page:
            draw_seeding(page, GENERATORS["lfsr16"], "lfsr16", units=9, draws=99)

    def figure(path: Path) -> None:
        with drawn(path, (2.0, 1.5)) as page:
            page.subplots().plot([0, 1])

    def network(folder: Path) -> None:
        Testbed(replace(data, **few), 0, 1, None, 10, folder).train_base()

    def audited(**where: Path) -> None:
        audit(str(place / "words.npy"), place / "plain.h5", seed=7, **where)

    def report(folder: Path) -> None:
        configs = [{"experiment": "audit", "seed": 0}]
        keep(Audit(title="none"), configs, folder)
        Audit(title="none").write([], folder)

    return {
        "repair.h5": repair.save,
        "surprise.h5": surprise.save,
        "bank.h5": bank.save,
        "chip-repair.h5": chips_repair.save,
        "chip-bank.h5": chips_bank.save,
        "chip-network.h5": defended.program.save,
        "chip-defense.h5": defended.save,
        "bank.json": lambda path: write_bank_json(configure_bank(chips_bank), path),
        "noise.npy": lambda path: sample(place / "grid.h5", path, count=3000, force=True),
        "verdict.json": lambda path: audited(output=path),
        "audit.png": lambda path: audited(figure=path),
        "network-c99": lambda folder: export(defended, folder, "c99", force=True),
        "repair-c99": lambda folder: export(chips_repair, folder, "c99", force=True),
        "report": report,
        "grid.h5": grid.save,
        "weights.h5": lambda path: grid.save(path, state=False),
        "chip.h5": chip.save,
        "records.sqlite": records,
        "configuration.json": lambda path: write_json(configuration, path),
        "configuration.h5": lambda path: write_hdf5(configuration, path),
        "graph.nir": lambda path: write_nir(configuration, path),
        "noise.h5": lambda path: sample(place / "grid.h5", path, count=3000),
        "kept.h5": kept,
        "figure.png": figure,
        "figure.pdf": figure,
        "seeding.png": seeding,
        "sheet.png": lambda path: contact_sheet(data, path, 2),
        "table.md": lambda path: write_text(path, "| table |\n" * 900),
        "network": network,
        "c99": lambda folder: export(chip, folder, "c99", force=True),
        "verilog": lambda folder: export(chip, folder, "verilog", force=True),
    }
