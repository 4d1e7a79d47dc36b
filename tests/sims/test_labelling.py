"""Labels of points: none covers another or a marker where there is room, and all stay in the panel."""

from itertools import combinations
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from localnoise.sims.reports.figures import STYLE
from localnoise.sims.reports.labelling import label_points


def drawn(labels: list[tuple[float, float, str]], *, log: bool = False) -> tuple[Figure, Any]:
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(3.4, 2.6))
        axes = figure.subplots()
        axes.plot([x for x, _, _ in labels], [y for _, y, _ in labels], "-o")
        if log:
            axes.set_xscale("log")
        label_points(axes, labels)
        figure.draw_without_rendering()
    return figure, axes


def boxes(figure: Figure, axes: Any) -> list[Any]:
    renderer = FigureCanvasAgg(figure).get_renderer()
    return [Text.get_window_extent(text, renderer) for text in axes.texts]


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_labels_cover_no_other_and_stay_in_the_panel(seed: int, log: bool) -> None:
    rng = np.random.default_rng(seed)
    x, y = np.sort(rng.uniform(1, 10, 12)), np.sort(rng.uniform(0, 1, 12))
    figure, axes = drawn([(a, b, str(n)) for n, (a, b) in enumerate(zip(x, y, strict=True))], log=log)
    found = boxes(figure, axes)
    assert len(found) == 12
    assert not any(one.overlaps(other) for one, other in combinations(found, 2))
    whole = axes.bbox.padded(2)
    assert all(whole.contains(*box.min) and whole.contains(*box.max) for box in found)
    points = axes.transData.transform(np.column_stack([x, y]))
    covered = [sum(box.contains(*point) for point in points) for box in found]
    assert sum(covered) == 0


def test_two_points_at_one_place_have_labels_apart() -> None:
    figure, axes = drawn([(1.0, 1.0, "4"), (1.0, 1.0, "0.25"), (2.0, 2.0, "1")])
    assert not any(one.overlaps(other) for one, other in combinations(boxes(figure, axes), 2))
