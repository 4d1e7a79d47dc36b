"""Clean against robust accuracy: one point for each arm and noise variance."""

import math
from dataclasses import dataclass
from pathlib import Path

from matplotlib.collections import PathCollection

from localnoise.sims.defenses import DEFENSES
from localnoise.sims.reports.comparison import CLEAN, Outcome, Place
from localnoise.sims.reports.figures import drawn, legend, looks
from localnoise.sims.reports.table import accuracy, as_markdown, texts
from localnoise.sims.results.statistics import Estimate


@dataclass(frozen=True)
class Point:
    """One net: its noise variance per neuron (None where it has none to set), accuracies, memory."""

    trace: float | None
    clean: Estimate
    robust: Estimate
    bytes_per_unit: float


def lines(found: dict[Place, Outcome], arms: list[str], threat: str) -> dict[str, list[Point]]:
    """Points of each arm by rising trace. An arm whose nets do not depend on it, such as no noise, has one."""
    out: dict[str, list[Point]] = {arm: [] for arm in arms}
    for place, own in found.items():
        clean = found.get(place._replace(test=CLEAN))
        if place.test.label == threat and clean is not None and place.defense in out:
            out[place.defense].append(Point(place.variance, clean.accuracy, own.accuracy, own.bytes_per_unit))
    return {arm: sorted(points, key=lambda p: p.trace or 0.0) for arm, points in out.items() if points}


def markdown(table: dict[str, list[Point]], threat: str) -> str:
    """One row a point."""
    rows = [
        ["" if p.trace is None else f"{p.trace:g}", accuracy(p.clean), accuracy(p.robust), f"{p.bytes_per_unit:,.0f}"]
        for points in table.values() for p in points
    ]  # fmt: skip
    labels = [DEFENSES[arm].label for arm, points in table.items() for _ in points]
    text = as_markdown(texts(("trace", "clean", threat, "bytes/unit"), rows, labels))
    images = sorted({e.images for points in table.values() for p in points for e in (p.clean, p.robust)})
    seeds = max((p.robust.seeds for points in table.values() for p in points), default=0)
    said = f"± is the 95 % interval; {seeds} seed{'s' * (seeds != 1)}, n = {', '.join(map(str, images))} images."
    return f"{text}\n\n{said}"


def figure(table: dict[str, list[Point]], threat: str, path: Path) -> None:
    """Robust against clean accuracy, 95 % intervals, traces at the ends, area of a marker ~ bytes per unit."""
    with drawn(path, (6.8, 4.2)) as page:
        axes, look = page.subplots(), looks(list(table))
        labelled: list[tuple[float, float]] = []
        for arm, points in table.items():
            x, y = [p.clean.mean for p in points], [p.robust.mean for p in points]
            spread = [[[e.mean - e.low for e in own], [e.high - e.mean for e in own]] for own in _both(points)]
            axes.errorbar(x, y, yerr=spread[1], xerr=spread[0], color=look[arm].colour, lw=1, elinewidth=0.6)
            area = [12 + p.bytes_per_unit / 500 for p in points]
            axes.scatter(x, y, area, color=look[arm].colour, marker=look[arm].marker, edgecolors="#333333", lw=0.5,
                         zorder=3, label=DEFENSES[arm].label)  # fmt: skip
            for p in dict.fromkeys(
                (points[0], points[-1])
            ):  # the ends of a line, where no other arm's label stands already
                where = (p.clean.mean, p.robust.mean)
                if p.trace is not None and all(math.dist(where, other) > 0.03 for other in labelled):
                    labelled.append(where)
                    axes.annotate(f"{p.trace:g}", where, xytext=(4, 4), textcoords="offset points", fontsize=7)
        axes.set(xlabel="clean accuracy (share of images right)", ylabel=f"accuracy under {threat.replace('@', ' ')}")
        key = "■ central   ● local\narea: bytes per unit\nnumbers: trace"
        drawn_key = legend(page, key)
        for handle in drawn_key.legend_handles if drawn_key else ():
            if isinstance(handle, PathCollection):
                handle.set_sizes([24])


def _both(points: list[Point]) -> tuple[list[Estimate], list[Estimate]]:
    return [p.clean for p in points], [p.robust for p in points]
