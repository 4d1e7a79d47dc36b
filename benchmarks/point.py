"""One size in a process of its own, so that its peak memory is its own: `python -m benchmarks.point local 1024 32`.

Prints one line of JSON: seconds of building, learning and drawing, bytes of parameters, of the batch, and at the peak.
"""

import json
import sys
from contextlib import suppress
from ctypes import CDLL
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

import localnoise as ln

_WIRING = {"local": {"order": "raster", "radius": 1}, "multiscale": {"order": "multiscale", "parents": 4}}
_LEARNED = 64  # displacements


def local(kind: str, side: int, count: int) -> dict[str, Any]:
    """A grid of side x side units with one channel and four parents; displacements come from an iterator."""
    warm = ln.UnitGrid((8, 8), **_WIRING[kind])
    warm.learn(iter([warm.sample(20)])).sample(1)  # compile
    warm.sample(64)
    before = _resident()
    seconds = {}
    grid, seconds["build"] = _timed(lambda: ln.UnitGrid((side, side), **_WIRING[kind]))
    _reset_peak()
    _, seconds["learn"] = _timed(lambda: grid.learn(_moving(side)))
    peak = {"learn": _peak() - before}
    grid.state = None
    grid.field.wires.__dict__.pop("pairs", None)
    memory = np.empty((count, 1, side, side), np.float32)
    grid.sample(count, seed=1, out=memory)
    _reset_peak()
    _, seconds["draw"] = _timed(lambda: grid.sample(count, seed=1, out=memory))
    peak["draw"] = _peak() - before
    return {"seconds": seconds, "peak": peak, "parameters": grid.parameters * 4, "batch": memory.nbytes}


def dense(kind: str, side: int, count: int) -> dict[str, Any]:
    """The same field as a dense lower factor, drawn by torch: the factor is random, what it costs is not."""
    import torch

    before, n = _resident(), side * side
    L, seconds = _timed(lambda: torch.randn(n, n).tril_())
    white, mixed = torch.empty(count, n), torch.empty(count, n)

    def draw() -> None:
        torch.mm(torch.randn(count, n, out=white), L.T, out=mixed)

    draw()
    took = min(_timed(draw)[1] for _ in range(3))
    return {"seconds": {"build": seconds, "draw": took}, "peak": {"draw": _peak() - before},
            "parameters": L.nbytes, "batch": mixed.nbytes}  # fmt: skip


def _moving(side: int) -> Any:
    """Displacements of neighbors that move together, a few at a time."""
    rng = np.random.default_rng(0)
    for _ in range(_LEARNED // 8):
        d = rng.standard_normal((8, 1, side, side), np.float32)
        d[..., 1:] += 0.5 * d[..., :-1]
        d[..., 1:, :] += 0.5 * d[..., :-1, :]
        yield d


def _timed(job: Any) -> tuple[Any, float]:
    began = perf_counter()
    result = job()
    return result, perf_counter() - began


def _status(field: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return 1024 * int(line.split()[1])
    raise OSError(f"/proc/self/status has no {field}: expected Linux")


def _resident() -> int:
    return _status("VmRSS")


def _peak() -> int:
    return _status("VmHWM")


def _reset_peak() -> None:
    """Measure from here on; what the allocator only keeps for later goes back to the system first, where it can."""
    with suppress(OSError, AttributeError):
        CDLL("libc.so.6").malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")


if __name__ == "__main__":
    kind, side, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    print(json.dumps((dense if kind == "dense" else local)(kind, side, count)))
