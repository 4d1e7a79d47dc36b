"""The paper's layer on each chip, as a table: fit, memory, energy and time of a draw, beside the dense covariance."""

from collections.abc import Sequence

from localnoise import UnitGrid
from localnoise.hardware import Formats, quantise
from localnoise.hardware.fitting.cycles import draw_instructions
from localnoise.hardware.fitting.fit import Fit, fit
from localnoise.hardware.fitting.limits import EXCEEDS
from localnoise.sims.reports.table import as_markdown, texts

LAYER = {"shape": (14, 14), "channels": 16}
WIRINGS: dict[str, dict[str, object]] = {
    "K=8": {"parents": 8},
    "K=4": {"parents": 4},
    "K=2": {"parents": 2},
    "raster r=1": {"order": "raster", "radius": 1},
}
CASES = (
    ("stm32f407", "K=8", 8), ("stm32f407", "K=4", 8), ("stm32h747", "K=8", 8), ("xc7a35t", "raster r=1", 7),
    ("xc7a35t", "K=4", 6), ("ice40up5k", "K=8", 8), ("ice40up5k", "K=8", 2), ("ice40up5k", "K=4", 4),
    ("ice40up5k", "K=2", 8), ("ice40up5k", "raster r=1", 4),
)  # fmt: skip


_HEADS = (
    "chip", "parents", "weight bits", "bytes", "fullest memory", "fits", "a draw, µJ", "dense, µJ", "a draw, ms"
)  # fmt: skip


def held(chip: str, wiring: str, weight_bits: int) -> Fit:
    """Hold the paper's layer, in 12-bit words, against a chip: what the wiring alone decides, whatever was learned."""
    grid = UnitGrid(**LAYER, **WIRINGS[wiring])  # type: ignore[arg-type]
    return fit(quantise(grid, Formats(weight_bits=weight_bits), feedback=False), chip)


def markdown(cases: Sequence[tuple[str, str, int]] = CASES) -> str:
    """One row a case."""
    rows = []
    for chip, wiring, bits in cases:
        found = held(chip, wiring, bits)
        percent, limit = max((row.percent or 0, row.limit) for row in found.rows if row.limit not in ("cores",))
        over = [row.limit for row in found.rows if row.verdict == EXCEEDS]
        verdict = "no" if over else "yes, logic unknown" if found.unknown else "yes"
        clock = found.profile.clock.number
        count = draw_instructions(found.demand.wiring, found.demand.formats)
        known = found.profile.kind == "microcontroller" and count and clock
        seconds = count / clock if known and count and clock else None
        rows.append([
            chip, wiring, str(bits), f"{found.memory.bytes:,}", f"{limit.replace('_', ' ')} {percent:,.0f} %", verdict,
            f"{found.energy.total / 1e6:.2f}", f"{found.dense_energy.total / 1e6:,.0f}",
            "" if seconds is None else f"{seconds * 1e3:.2f}",
        ])  # fmt: skip
    return as_markdown(texts(_HEADS, rows), left=(0, 1, 5))
