"""Prices of operations in a 45 nm process: Horowitz, ISSCC 2014, as the file `energy_45nm.toml` quotes it, in pJ.

A width or a memory between two that are listed takes the next larger one's price; an accumulator beyond 32 bits is
that many additions of 32. A static memory beyond 1 MB counts as DRAM, at its *lower* figure: what is charged to a form
that needs DRAM is the least that it can be. The table lists no shift and no write: a shift is priced as an addition
of the same width, a write as a read.
"""

import tomllib
from functools import cache
from pathlib import Path

from localnoise.hardware.chips.profile_schema import Figure, read_figure

FILE = Path(__file__).parent / "energy_45nm.toml"


@cache
def figures() -> dict[str, dict[str, Figure]]:
    """Every figure of the table, by operation and width or size."""
    raw = tomllib.loads(FILE.read_text(encoding="utf-8"))
    return {
        operation: {key: read_figure(FILE, f"{operation}.{key}", value, "pJ") for key, value in listed.items()}
        for operation, listed in raw.items()
    }


def add(bits: int) -> float:
    """One addition of two numbers of `bits`, pJ."""
    whole, rest = divmod(bits, 32)
    return whole * _next("add", 32) + (_next("add", rest) if rest else 0.0)


def multiply(bits: int) -> float:
    """One multiplication, `bits` the wider factor's, at most 32, pJ."""
    return _next("multiply", bits)


def access(bits: float, memory_bytes: int) -> float:
    """Read or write `bits` of a memory of this size, 64 at a time, pJ."""
    sizes = [int(size) for size in figures()["read"]]
    price = _next("read", memory_bytes) if memory_bytes <= max(sizes) else _number(figures()["dram"]["least"])
    return bits / 64 * price


def _next(operation: str, size: int) -> float:
    listed = figures()[operation]
    return _number(listed[str(min(width for width in map(int, listed) if width >= size))])


def _number(figure: Figure) -> float:
    value = figure.number
    return 0.0 if value is None else value
