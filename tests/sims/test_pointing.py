"""Figures of repairs that differ in one thing."""

from itertools import pairwise
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from matplotlib.figure import Figure

from localnoise.sims.reports import pointing
from localnoise.sims.reports.pointing import Measured
from localnoise.sims.results.statistics import Estimate


def repair(value: str, mean: float, size: float) -> Measured:
    estimate = Estimate(mean, mean - 0.02, mean + 0.02, 3, 1000)
    return Measured(value=value, plan=None, mean=estimate, clean=estimate, numbers=1000, bytes=size)


@pytest.mark.parametrize("names", [("0", "1", "2"), ("repair, 16 causes, worth without margins", "repair", "r=0")])
def test_labels_and_names_lie_within_the_page_and_apart(names: tuple[str, ...], tmp_path: Path) -> None:
    """Names of any length, with the axis label beside them; values stand where they belong."""
    pages: list[Figure] = []
    found = [repair(name, 0.7 + 0.05 * place, 1e6 * (1 + place)) for place, name in enumerate(names)]

    def laid_out(page: Figure, *given: Any, **options: Any) -> None:
        page.draw_without_rendering()
        pages.append(page)

    with patch.object(Figure, "savefig", laid_out):
        pointing.ablated(found, repair("undefended", 0.4, 0), "repair", tmp_path / "ablation.png", "a title")
    page = pages[0]
    accuracies, memory = page.axes
    listed = len(names[0]) > 9
    (sizes,) = [line for line in memory.lines if len(line.get_xdata()) == 3]
    assert list(sizes.get_xdata() if listed else sizes.get_ydata()) == [1, 2, 3]
    own = accuracies.get_yticklabels() if listed else accuracies.get_xticklabels()
    assert [label.get_text() for label in own] == [*names]
    boxes = [label.get_window_extent() for label in own]
    said = (accuracies.yaxis if listed else accuracies.xaxis).label.get_window_extent()
    for box in [*boxes, said]:
        assert 0 <= box.x0 < box.x1 <= page.bbox.width
        assert 0 <= box.y0 < box.y1 <= page.bbox.height
    assert not any(box.overlaps(said) for box in boxes)
    assert not any(one.overlaps(other) for one, other in pairwise(boxes))
