"""Heat maps: accuracy by what was learned from and what was tested on."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from localnoise.sims.arms import ARMS
from localnoise.sims.experiments.source import Source
from localnoise.sims.experiments.threat import Threat
from localnoise.sims.reports import stated
from localnoise.sims.reports.comparison import Outcome, Place
from localnoise.sims.reports.figures import drawn
from localnoise.sims.reports.tables import share, words


@dataclass(frozen=True)
class HeatMap:
    """Accuracy of the nets of one arm.

    Attributes
    ----------
    title : str
    threats, sources : list of str
        Rows; columns, the first of which is "no noise".
    accuracy : ndarray, (threats, sources)
        nan where nothing was measured.
    half_width : ndarray or None
        Of the 95 % intervals.
    note : str
        n and seeds.
    """

    title: str
    threats: list[str]
    sources: list[str]
    accuracy: npt.NDArray[np.float64]
    half_width: npt.NDArray[np.float64] | None = None
    note: str = ""


def measured(found: dict[Place, Outcome], arm: str, sources: list[Source], threats: list[Threat]) -> HeatMap:
    """One arm's heat map, no noise in its first column."""
    none = {tested: own for (name, _, tested), own in found.items() if name == "none"}
    own = {
        (learned.partition(" trace")[0], tested): outcome
        for (name, learned, tested), outcome in found.items()
        if name == arm
    }
    shape = (len(threats), len(sources) + 1)
    accuracy, half = np.full(shape, np.nan), np.full(shape, np.nan)
    seeds, images = 0, 0
    for i, threat in enumerate(threats):
        columns = [none.get(threat.label), *(own.get((f"{s.name}@{s.level:g}", threat.label)) for s in sources)]
        for j, outcome in enumerate(columns):
            if outcome is not None:
                estimate = outcome.accuracy
                accuracy[i, j], half[i, j] = estimate.mean, estimate.half_width
                seeds, images = estimate.seeds, estimate.images
    note = f"{seeds} seed{'s' * (seeds != 1)}, n = {images:,}"
    labels = [threat.label for threat in threats], ["no noise", *(f"{s.name}@{s.level:g}" for s in sources)]
    return HeatMap(ARMS[arm].label, *labels, accuracy, half, note)


def stated_beside(maps: list[HeatMap]) -> list[HeatMap]:
    """The paper's heat map in the order of the first of `maps`, if it has any of its cells."""
    first, values = maps[0], stated.transfer()
    accuracy = np.array(
        [[values.get((_name(t), _name(s)), np.nan) for s in first.sources] for t in first.threats], np.float64
    )
    return [] if np.isnan(accuracy).all() else [HeatMap("stated by the paper", first.threats, first.sources, accuracy)]


def markdown(one: HeatMap) -> str:
    """Rows = threats, columns = sources."""
    lines = [f"{one.title}, {one.note}: rows tested, columns learned from", ""]
    lines += ["| | " + " | ".join(map(_words, one.sources)) + " |", "|---|" + "---:|" * len(one.sources)]
    for i, threat in enumerate(one.threats):
        cells = [
            "" if np.isnan(value) else f"{share(value)} ±{share(one.half_width[i, j])}"
            for j, value in enumerate(one.accuracy[i])
            if one.half_width is not None
        ]
        lines.append(f"| {_words(threat)} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def summary(one: HeatMap) -> str:
    """How much of its matched gain a source brings to other threats: mean over the cells off the diagonal."""
    own: list[float] = []
    others: list[float] = []
    for i, threat in enumerate(one.threats):
        for j, source in enumerate(one.sources):
            gain = one.accuracy[i, j] - one.accuracy[i, 0]
            if j and threat != "clean" and not np.isnan(gain):
                (own if source == threat else others).append(gain)
    mean = [f"{np.mean(part):+.3f}" if part else "-" for part in (own, others)]
    return f"{one.title}: gain over no noise {mean[0]} on a source's own threat, {mean[1]} on others ({one.note})"


def figure(maps: list[HeatMap], path: Path) -> None:
    """Heat maps side by side, one colour scale, each cell with its number."""
    rows, columns = maps[0].accuracy.shape
    with drawn(path, (1.6 + 0.42 * columns * len(maps) + 0.4 * len(maps), 1.9 + 0.36 * rows)) as figure:
        all_axes = figure.subplots(1, len(maps), sharey=True, squeeze=False)[0]
        for axes, one in zip(all_axes, maps, strict=True):
            image = axes.imshow(one.accuracy, vmin=0, vmax=1, cmap="cividis", aspect="auto")
            for (i, j), value in np.ndenumerate(one.accuracy):
                if not np.isnan(value):
                    shade = "black" if value > 0.55 else "white"
                    axes.text(j, i, share(value)[:3], ha="center", va="center", fontsize=6.5, color=shade)
            axes.set_xticks(range(columns), list(map(_words, one.sources)), rotation=90)
            axes.set_yticks(range(rows), list(map(_words, one.threats)))
            axes.grid(visible=False)
            axes.set(xlabel="noise learned from", title=f"{one.title}\n{one.note}")
        all_axes[0].set(ylabel="tested on")
        figure.colorbar(image, ax=list(all_axes), label="accuracy (share of images right)", fraction=0.03)


def _name(label: str) -> str:
    return label.partition("@")[0]


def _words(label: str) -> str:
    name, _, level = label.removeprefix("art-").partition("@")
    return f"{words(name)} {level}".strip()
