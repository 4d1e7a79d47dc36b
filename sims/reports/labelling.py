"""Labels of points that cover neither one another nor what is drawn: each is put where it covers least."""

from collections.abc import Iterable, Sequence
from itertools import pairwise, product
from typing import Any

import numpy as np
import numpy.typing as npt

Box = tuple[float, float, float, float]  # left, right, bottom, top, in points
_STEP = 2.0  # points between those at which a line counts as an obstacle
_AWAY = (5.0, 8.0, 12.0, 17.0)  # points from a label's point to its middle, nearest first
_LINE = {"arrowstyle": "-", "lw": 0.4, "color": "#777777", "shrinkA": 0, "shrinkB": 1}
_AROUND = np.deg2rad([45, 135, 90, 225, 315, 270, 0, 180])


def label_points(axes: Any, labels: Sequence[tuple[float, float, str]], size: float = 6) -> None:
    """Write texts beside points (x, y) of a panel on which everything else is drawn already.

    Places around the point are tried from near to far; the one that covers the fewest labels, markers, lines and
    intervals is taken. What stands away from its point is joined to it by a thin line. Cost O(labels x obstacles).
    """
    axes.figure.draw_without_rendering()  # a panel's place is known once it is laid out
    scale = 72 / axes.figure.dpi
    drawn = np.array([*_drawn(axes, scale)]).reshape(-1, 2)
    frame = axes.bbox.extents * scale
    taken: list[Box] = []
    for x, y, text in labels:
        u, v = axes.transData.transform((x, y)) * scale
        width, height = 0.6 * size * len(text), 0.9 * size
        tried = []
        for away, angle in product(_AWAY, _AROUND):
            dx, dy = (away + width / 2 - size / 3) * np.cos(angle), away * np.sin(angle)
            box = (u + dx - width / 2, u + dx + width / 2, v + dy - height / 2, v + dy + height / 2)
            tried.append((_cost(box, taken, drawn, frame), away, dx, dy, box))
        _, away, dx, dy, box = min(tried, key=lambda one: one[:2])
        taken.append(box)
        line = _LINE if away > _AWAY[1] else None
        note = axes.annotate(
            text, (x, y), (dx, dy), textcoords="offset points", fontsize=size, ha="center", va="center",
            color="#333333", arrowprops=line,
        )  # fmt: skip
        note.set_in_layout(False)


def _drawn(axes: Any, scale: float) -> Iterable[npt.NDArray[np.float64]]:
    """Yield where markers and lines lie, in points; a line every two points."""
    runs = [line.get_transform().transform(line.get_xydata()) * scale for line in axes.lines if len(line.get_xydata())]
    joined = [line.get_linestyle() != "None" for line in axes.lines if len(line.get_xydata())]
    for collection in axes.collections:  # intervals
        for segment in getattr(collection, "get_segments", list)():
            runs.append(axes.transData.transform(segment) * scale)
            joined.append(True)
    for run, line in zip(runs, joined, strict=True):
        yield from run
        for begin, end in pairwise(run) if line else ():
            count = int(np.hypot(*(end - begin)) // _STEP)
            yield from begin + (end - begin) * np.linspace(0, 1, count + 1)[:, None]


def _cost(box: Box, taken: Sequence[Box], drawn: npt.NDArray[np.float64], frame: Any) -> float:
    """Return how much a label would cover there: labels most, then what is drawn; and whether it leaves the panel."""
    left, right, bottom, top = box
    labels = sum(left < b and a < right and bottom < d and c < top for a, b, c, d in taken)
    x, y = drawn.T
    points = int(((x > left - 1) & (x < right + 1) & (y > bottom - 1) & (y < top + 1)).sum())
    outside = left < frame[0] or right > frame[2] or bottom < frame[1] or top > frame[3]
    return float(100 * labels + 20 * outside + points)
