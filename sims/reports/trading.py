"""Clean against robust accuracy: one point for each arm and noise variance."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.ticker import StrMethodFormatter

from localnoise.sims.defenses import DEFENSES
from localnoise.sims.reports.comparison import CLEAN, Level, Outcome, Place
from localnoise.sims.reports.figures import DOUBLE, drawn, error_bars, legend, lettered, looks
from localnoise.sims.reports.labelling import label_points
from localnoise.sims.reports.table import accuracy, as_markdown, texts
from localnoise.sims.results.statistics import Estimate

_FLOOR = -0.03  # of accuracies: a level of 0 lies on the axis otherwise
_APART = 0.02  # of accuracy: points nearer to one another share a label


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
    text = as_markdown(texts(("variance", "clean", threat, "bytes/unit"), rows, labels))
    images = sorted({e.images for points in table.values() for p in points for e in (p.clean, p.robust)})
    seeds = max((p.robust.seeds for points in table.values() for p in points), default=0)
    said = f"± is the 95 % interval; {seeds} seed{'s' * (seeds != 1)}, n = {', '.join(map(str, images))} images."
    return f"{text}\n\n{said}"


def figure(table: dict[str, list[Point]], threat: str, path: Path) -> None:
    """Clean and robust accuracy over the noise's variance with 95 % intervals; then the means against each other."""
    with drawn(path, (DOUBLE, 3.1)) as page:
        look, tested = looks(list(table)), Level.named(threat).words
        clean, robust, both = panels = page.subplots(1, 3)
        robust.sharey(clean)
        labels: list[tuple[float, float, str]] = []
        for number, (arm, points) in enumerate(table.items()):
            style = {"color": look[arm].colour, "marker": look[arm].marker, "label": DEFENSES[arm].label}
            for axes, name in ((clean, "clean"), (robust, "robust")):
                _over_variance(axes, points, [getattr(p, name) for p in points], number, **style)
            x, y = [p.clean.mean for p in points], [p.robust.mean for p in points]
            both.plot(x, y, mec="#333333", mew=0.4, **style)
            for p in points:
                where = (p.clean.mean, p.robust.mean)
                if p.trace is not None and all(math.dist(where, other) > _APART for *other, _ in labels):
                    labels.append((*where, f"{p.trace:g}"))
        for axes in (clean, robust):
            axes.set(xlabel="Noise variance per neuron", ylim=(_FLOOR, 1))
        clean.set_ylabel("Accuracy (share of images right)")
        both.set(xlabel="Clean accuracy", ylabel="Robust accuracy", ylim=(min(_FLOOR, both.get_ylim()[0]), None))
        lettered(panels, ["Clean", tested, "Both; numbers: variance"])
        both.margins(0.1)
        legend(page, columns=4)
        label_points(both, labels)


def _over_variance(axes: Any, points: list[Point], estimates: list[Estimate], number: int, **style: Any) -> None:
    """A line over variances, each arm a little beside the others; what has no variance is a level with its band."""
    if any(p.trace is None for p in points):
        for one in estimates:
            axes.axhspan(max(one.low, 0.0), min(one.high, 1.0), color=style["color"], alpha=0.15, lw=0)
            axes.axhline(one.mean, color=style["color"], lw=1, ls="--")
        axes.plot([], [], mec="#333333", mew=0.4, **style)
        return
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    error_bars(axes, [(p.trace or 1.0) * 1.04 ** (number % 4) for p in points], estimates, **style)
