"""Trials and goals of a sweep's page, and a page with the grids that it was made of."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import localnoise as ln
from localnoise.hardware import ChipGrid, quantise
from localnoise.sims.sweeps.page import Content, Goal, PageTrial, write_page

GOALS = (
    Goal(name="robust", label="robust accuracy", unit="", best="high"),
    Goal(name="bytes", label="memory a unit", unit="B", best="low"),
    Goal(name="energy", label="energy a draw", unit="pJ", best="low"),
)
HOSTILE = 'ValueError: </script><script>window.hacked = 1</script> & "quoted"\nsecond line'


def trial(number: int) -> PageTrial:
    state = {3: "failed", 7: "pruned"}.get(number, "complete")
    parameters: dict[str, Any] = {"order": ("raster", "multiscale")[number % 2], "parents": 1 + number}
    parameters |= {"weight_bits": 3 + number % 5, "word_bits": 12, "rule": "moments"}
    if number % 3 == 0:
        parameters |= {"rule": "lms", "rate": 10.0 ** -(1 + number % 4)}
    values = {"robust": 0.5 + 0.03 * number, "bytes": 100.0 * (12 - number) ** 2, "energy": 50.0 * (1 + number % 4)}
    values |= {"links": 20.0 * number, "retention": 0.1 * number}
    return PageTrial(
        number=number,
        state=state,
        parameters=parameters,
        values={} if state == "failed" else values,
        seeds=3,
        seconds=100.0 / (1 + number),
        peak_bytes=10**8 + number,
        command=f"localnoise sweep --only {number} --name 'it''s <b>'",
        error=HOSTILE if state == "failed" else "",
    )


@dataclass(frozen=True)
class Shown:
    """A page, and the grids that it was made of: by trial."""

    path: Path
    content: Content
    grids: dict[int, ln.UnitGrid]
    chip: ChipGrid
    files: dict[int, Path]


def page_of_grids(folder: Path) -> Shown:
    """Write a page of two grids and a chip into a folder."""
    rng = np.random.default_rng(5)
    grids, files = {}, {}
    wirings: dict[int, tuple[tuple[int, int], int, dict[str, Any]]] = {
        0: ((5, 7), 2, {"order": "raster", "boundary": "periodic"}),
        1: ((6, 6), 3, {"order": "multiscale", "parents": 4}),
    }
    for number, (shape, channels, wiring) in wirings.items():
        d = rng.normal(size=(600, channels, *shape))
        d = (d + 0.7 * np.roll(d, 1, axis=3) - 0.5 * np.roll(d, 1, axis=2)).astype("float32")
        grids[number] = ln.UnitGrid(shape=shape, channels=channels, **wiring).learn(d).normalise(0.5)
        files[number] = grids[number].save(folder / f"grid{number}.h5")
    chip = quantise(grids[1])
    chip.provenance["grid"] = "grid1.h5"
    files[2] = chip.save(folder / "chip.h5")
    content = Content(
        title="Sweep <i>of</i> grids",
        facts={"data": "embedded <b>images</b>", "sampler": "NSGA-II"},
        goals=GOALS,
        trials=tuple(map(trial, range(12))),
        front=(4, 8, 11),
        importance={"robust": {"parents": 0.75, "order": 0.25}, "bytes": {"weight_bits": 1.0}},
        grids=files | {5: folder / "missing.h5"},
    )
    return Shown(write_page(content, folder / "page.html"), content, grids, chip, files)
