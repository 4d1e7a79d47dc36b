"""The figure of a stream: accuracy over time, one panel for each network; and after a change."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from localnoise.sims.reports.figures import DOUBLE, HUES, drawn, legend, lettered
from localnoise.sims.reports.table import words
from localnoise.sims.streaming import measures
from localnoise.sims.streaming.arms import ARMS
from localnoise.sims.streaming.outcome import Outcome
from localnoise.sims.streaming.schedule import CLEAN

_WINDOWS = 100  # points over a whole stream, about
_HEIGHT, _SMALL = 2.1, 5.0
_BINS = 16
_NAMES = 40  # points that upright names of corruptions take above a panel


def draw(own: Mapping[str, Sequence[Outcome]], path: Path, title: str) -> None:
    """Draw the first seed over time, and all seeds after a corruption sets in; stretches are shaded and named."""
    seed = min(one.seed for several in own.values() for one in several)
    first = {name: one for name, several in own.items() for one in several if one.seed == seed}
    groups: dict[str, list[str]] = {}
    for name, one in first.items():
        groups.setdefault(one.network, []).append(name)
    hues = {name: HUES[at % len(HUES)] for names in groups.values() for at, name in enumerate(names)}
    with drawn(path, (DOUBLE, _HEIGHT * (len(groups) + 1))) as figure:
        grid = figure.add_gridspec(len(groups) + 1, len(groups))
        over = [figure.add_subplot(grid[row, :]) for row in range(len(groups))]
        after = [figure.add_subplot(grid[-1, at]) for at in range(len(groups))]
        for axes, late, (network, names) in zip(over, after, groups.items(), strict=True):
            _over_time(axes, [(name, first[name], hues[name]) for name in names], network)
            _after(late, [(name, own[name], hues[name]) for name in names])
        over[-1].set_xlabel("Images")
        heads = [f"{network}, seed {seed}" for network in groups] + [f"{network}, after a change" for network in groups]
        lettered([*over, *after], heads)
        for axes in over:  # above the names of corruptions
            axes.set_title(axes.get_title(loc="left"), loc="left", pad=_NAMES)
        figure.suptitle(title)
        legend(figure, columns=2)


def _over_time(axes: Any, lines: Sequence[tuple[str, Outcome, str]], network: str) -> None:
    one = lines[0][1]
    length = len(one.correct)
    for name, span in zip(one.names, measures.spans(one.starts, length), strict=True):
        if name != CLEAN:
            axes.axvspan(span.start, span.stop, color="#dddddd", lw=0)
            if span.stop - span.start > length / 120:
                middle = (span.start + span.stop) / 2
                axes.text(middle, 1.02, words(name), fontsize=_SMALL, rotation=90, ha="center", va="bottom")
    window = max(length // _WINDOWS // 10 * 10, 10)
    for name, own, hue in lines:
        axes.plot(*measures.windowed(own.correct, window), color=hue, lw=0.8, label=f"{ARMS[name].label} ({name})")
    axes.set(xlim=(0, length), ylim=(0, 1), ylabel=f"Accuracy ({window} images)")


def _after(axes: Any, lines: Sequence[tuple[str, Sequence[Outcome], str]]) -> None:
    """Mean over stretches and seeds."""
    stay = lines[0][1][0].stay
    width = max(stay // 2 // _BINS, 1)
    for _, several, hue in lines:
        own = [
            measures.after_changes(one.correct, one.starts, one.names, CLEAN, width * _BINS, _BINS) for one in several
        ]
        known = np.array(own)
        if np.isfinite(known).any():
            axes.plot((np.arange(_BINS) + 0.5) * width, np.nanmean(known, axis=0), color=hue, lw=0.8)
    axes.set(xlabel="Images after a corruption sets in", ylabel="Accuracy")
