"""The table of ratios, its record, and the guard against getting slower."""

import os
import platform
from pathlib import Path

import numba
import numpy as np

from benchmarks.row import Result
from localnoise.sims.reports.records import RecordFile

PUBLISHED = Path(__file__).parent / "published" / "speed.h5"
_SLACK = 1.2


def table(results: list[Result]) -> str:
    """Aligned text: ratio, target, aim, times; `!` where the target is missed."""
    head = ("what", "against", "ratio", "target", "aim", "ours", "peer", "first call")
    lines = [head]
    for result in results:
        row, sign = result.row, ">=" if result.row.faster else "<="
        lines.append((
            row.name, row.peer_name, f"{result.ratio:.2f}{'' if result.met else ' !'}", f"{sign} {row.bound:g}",
            f"{sign} {row.aim:g}", _time(result.ours.steady), _time(result.peer.steady), _time(result.ours.first),
        ))  # fmt: skip
    wide = [max(len(line[i]) for line in lines) for i in range(len(head))]
    text = [
        "  ".join(cell.ljust(w) if i < 2 else cell.rjust(w) for i, (cell, w) in enumerate(zip(line, wide, strict=True)))
        for line in lines
    ]
    return "\n".join([text[0], "-" * len(text[0]), *text[1:], "", _machine()])


def keep(results: list[Result], out: str, *, check: bool) -> int:
    """Append the ratios to OUT/speed.h5; with `check`, return 1 if one is unpublished or 20 % worse."""
    file, known = RecordFile(Path(out) / "speed.h5"), _published()
    status = 0
    unknown = [result.row.name for result in results if result.row.name not in known]
    if check and unknown:
        print(f"no ratio is published in {PUBLISHED} for: {', '.join(unknown)}; copy a run's speed.h5 there")
        status = 1
    for result in results:
        row = result.row
        values = {"ratio": result.ratio, "ours": result.ours.steady, "peer": result.peer.steady,
                  "first": result.ours.first, "repeats": result.ours.repeats, "checked": result.checked}  # fmt: skip
        file.append({"row": row.name, "peer": row.peer_name, "machine": _machine()}, values, result.ours.first)
        before = known.get(row.name)
        if not check or before is None:
            continue
        worse = before / result.ratio if row.faster else result.ratio / before
        if worse > _SLACK:
            print(f"slower: {row.name}: ratio {result.ratio:.2f}, published {before:.2f}")
            status = 1
    return status


def _published() -> dict[str, float]:
    return {str(record.config["row"]): float(record.results["ratio"]) for record in RecordFile(PUBLISHED)}


def _time(seconds: float) -> str:
    return f"{seconds * 1e3:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"


def _machine() -> str:
    versions = f"Python {platform.python_version()}, NumPy {np.__version__}, Numba {numba.__version__}"
    return f"{os.cpu_count()} cores, {platform.machine()}, {versions}"
