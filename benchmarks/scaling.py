"""From two hundred units to four million: time and memory, local against dense, until dense no longer fits."""

import json
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib

from benchmarks.row import Result

matplotlib.use("Agg")

SIDES = {
    "local": (14, 28, 56, 112, 224, 512, 1024, 2048),
    "multiscale": (14, 56, 224, 1024),
    "dense": (14, 28, 56, 112),
}
LABELS = {"local": "raster r=1", "multiscale": "multiscale K=4", "dense": "dense factor (torch)"}
_LOOK = {"local": ("#0072B2", "o"), "multiscale": ("#009E73", "s"), "dense": ("#D55E00", "^")}  # Okabe and Ito 2008


@cache
def point(kind: str, side: int) -> dict[str, Any]:
    """Return what `benchmarks.point` measures, in a process of its own; 256 MiB of draws, at most 4,096."""
    count = max(16, min(4096, 2**26 // side**2)) if kind != "dense" else 1024
    command = [sys.executable, "-m", "benchmarks.point", kind, str(side), str(count)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[1])
    return json.loads(done.stdout) | {"count": count}


def rows() -> Iterator[Result]:
    """Memory of a million units while drawing, and of four million while learning and drawing."""
    for kind in ("local", "multiscale"):
        million = point(kind, 1024)
        yield Result(
            name=f"memory of a draw less the batch, 1,048,576 units, {LABELS[kind]}", peer_name="the parameters' own",
            ours=million["peak"]["draw"] - million["batch"], peer=million["parameters"], faster=False, bound=3, aim=3,
            unit="B",
        )  # fmt: skip
    four = point("local", 2048)
    yield Result(
        name="4,194,304 units fit, learn and draw", peer_name="8 GB", ours=max(four["peak"].values()), peer=8e9,
        faster=False, bound=1, aim=1, unit="B",
    )  # fmt: skip


def figure(path: Path) -> None:
    """Time a sample and peak memory by number of units, both axes logarithmic."""
    from localnoise.sims.reports.figures import DOUBLE, drawn, legend, lettered

    memory = 1024 * int(Path("/proc/meminfo").read_text().split()[1])
    found = {kind: [point(kind, side) for side in sides] for kind, sides in SIDES.items()}
    with drawn(path, (DOUBLE, 3.2)) as page:
        left, right = page.subplots(1, 2)
        for kind, several in found.items():
            units, (colour, mark) = [side**2 for side in SIDES[kind]], _LOOK[kind]
            times = [one["seconds"]["draw"] / one["count"] * 1e6 for one in several]
            left.loglog(units, times, color=colour, marker=mark, label=LABELS[kind])
            bytes_ = [(max(one["peak"].values()) - one["batch"]) / 2**20 for one in several]
            right.loglog(units, bytes_, color=colour, marker=mark, label=LABELS[kind])
        edge = (memory / 4) ** 0.5
        wide = [SIDES["dense"][-1] ** 2, edge]
        factor = [4 * n**2 / 2**20 for n in wide]
        right.loglog(wide, factor, color=_LOOK["dense"][0], ls="--", label="its factor alone, 4 n²")
        right.axhline(memory / 2**20, color="#555555", lw=0.8)
        right.annotate(f"memory of this machine; dense ends at {edge:,.0f} units", (200, memory / 2**20), va="bottom",
                       fontsize=6, xytext=(0, 2), textcoords="offset points")  # fmt: skip
        left.set(xlabel="Units (one channel)", ylabel="Time of one sample / µs")
        right.set(xlabel="Units (one channel)", ylabel="Peak memory less the batch / MiB")
        lettered((left, right))
        legend(page, columns=4)
