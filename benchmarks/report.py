"""The table of ratios, its record, and the guard against getting slower."""

import os
import platform
from pathlib import Path

import numba
import numpy as np

from benchmarks.row import Result
from localnoise.sims.results.records import Record, RecordFile

PUBLISHED = Path(__file__).parent / "published" / "speed.sqlite"
_SLACK = 1.2
_ALONE = "simulation alone"


def table(results: list[Result]) -> str:
    """Aligned text: ratio, target, aim, times; `!` where the target is missed."""
    head = ("what", "against", "ratio", "target", "aim", "ours", "peer", "first call")
    lines = [head]
    for one in results:
        sign = ">=" if one.faster else "<="
        lines.append((
            one.name, one.peer_name, f"{one.ratio:.2f}{'' if one.met else ' !'}", f"{sign} {one.bound:g}",
            f"{sign} {one.aim:g}", _size(one.ours, one.unit), _size(one.peer, one.unit),
            "" if one.first is None else _size(one.first, "s"),
        ))  # fmt: skip
    wide = [max(len(line[i]) for line in lines) for i in range(len(head))]
    text = [
        "  ".join(cell.ljust(w) if i < 2 else cell.rjust(w) for i, (cell, w) in enumerate(zip(line, wide, strict=True)))
        for line in lines
    ]
    return "\n".join([text[0], "-" * len(text[0]), *text[1:], "", _machine()])


def keep(results: list[Result], out: str, *, check: bool) -> int:
    """Append the ratios to OUT/speed.sqlite; with `check`, return 1 if one is unpublished or 20 % worse."""
    file, known = RecordFile(Path(out) / "speed.sqlite"), _published()
    status = 0
    unknown = [one.name for one in results if (one.name, one.peer_name) not in known]
    if check and unknown:
        print(f"no ratio is published in {PUBLISHED} for: {', '.join(unknown)}; copy a run's speed.sqlite there")
        status = 1
    for one in results:
        values = {"ratio": one.ratio, "ours": one.ours, "peer": one.peer, "unit": one.unit, "repeats": one.repeats,
                  "first": one.first or 0.0, "checked": one.checked}  # fmt: skip
        file.append({"row": one.name, "peer": one.peer_name, "machine": _machine()}, values, one.first or 0.0)
        before = known.get((one.name, one.peer_name))
        if not check or before is None:
            continue
        worse = before / one.ratio if one.faster else one.ratio / before
        if worse > _SLACK:
            print(f"worse: {one.name}: ratio {one.ratio:.2f}, published {before:.2f}")
            status = 1
    return status


def published() -> str:
    """The recorded ratios as Markdown: times as fast as the peer, or its time or memory in multiples of the peer's.

    The latest record of a row and peer counts. A second table holds those against Brian2's simulation alone, by target
    and size. Exponents have a figure.
    """
    latest = {_row(record): record for record in RecordFile(PUBLISHED) if record.results["unit"] != "exponent"}.values()
    parts: tuple[list[Record], list[Record]] = ([], [])
    for record in latest:
        parts[record.config["peer"].endswith(_ALONE)].append(record)
    return "\n\n".join(map(_markdown, parts))


def _markdown(records: list[Record]) -> str:
    lines = ["| what | against | ratio |", "|---|---|---:|"]
    for record in records:
        found = record.results
        ratio = float(found["ratio"])
        faster = abs(ratio * float(found["ours"]) / float(found["peer"]) - 1) < 1e-6
        what = "as fast" if faster else ("its bytes" if found["unit"] == "B" else "its time")
        number = f"{ratio:,.0f}" if ratio >= 100 else f"{ratio:.2g}" if ratio < 1 else f"{ratio:.1f}"
        lines.append(f"| {record.config['row']} | {record.config['peer']} | {number} × {what} |")
    return "\n".join(lines)


def _published() -> dict[tuple[str, str], float]:
    return {_row(record): float(record.results["ratio"]) for record in RecordFile(PUBLISHED)}


def _row(record: Record) -> tuple[str, str]:
    return str(record.config["row"]), str(record.config["peer"])


def _size(value: float, unit: str) -> str:
    if unit == "B":
        return f"{value / 2**20:,.0f} MiB"
    if unit == "exponent":
        return f"{value:.2f}"
    return f"{value * 1e3:.1f} ms" if value < 1 else f"{value:.2f} s"


def _machine() -> str:
    versions = f"Python {platform.python_version()}, NumPy {np.__version__}, Numba {numba.__version__}"
    return f"{os.cpu_count()} cores, {platform.machine()}, {versions}"
