"""Heat maps: accuracy by what was learned from and what was tested on."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from localnoise.sims.defenses import DEFENSES
from localnoise.sims.evaluation.source import Source
from localnoise.sims.reports import retained, stated
from localnoise.sims.reports.comparison import Outcome, Place
from localnoise.sims.reports.figures import drawn
from localnoise.sims.reports.table import as_markdown, share, texts, words

_WIDE = 12  # columns, from which on maps lie below one another
OWN = "own"  # the threat that is each source itself


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
    undefended : ndarray or None
        Accuracy without noise in each cell's place.
    note : str
        n and seeds.
    """

    title: str
    threats: list[str]
    sources: list[str]
    accuracy: npt.NDArray[np.float64]
    half_width: npt.NDArray[np.float64] | None = None
    undefended: npt.NDArray[np.float64] | None = None
    note: str = ""


def measured(found: dict[Place, Outcome], arm: str, sources: list[Source], threats: list[str]) -> HeatMap:
    """One arm's heat map, no noise in its first column; the threat `OWN` is what each source does itself."""
    shape = (len(threats), len(sources) + 1)
    accuracy, half, undefended = (np.full(shape, np.nan) for _ in range(3))
    seeds, images = 0, set()
    for i, threat in enumerate(threats):
        for j, source in enumerate([None, *sources]):
            if source is None and threat == OWN:
                continue
            none = tested(found, "none", source, threat)
            undefended[i, j] = np.nan if none is None else none.accuracy.mean
            outcome = none if source is None else tested(found, arm, source, threat)
            if outcome is not None:
                estimate = outcome.accuracy
                accuracy[i, j], half[i, j] = estimate.mean, estimate.half_width
                seeds = estimate.seeds
                images.add(estimate.images)
    note = f"{seeds} seed{'s' * (seeds != 1)}, n = {', '.join(f'{n:,}' for n in sorted(images))}"
    columns = ["no noise", *map(label, sources)]
    return HeatMap(DEFENSES[arm].label, threats, columns, accuracy, half, undefended, note)


def tested(found: dict[Place, Outcome], arm: str, source: Source | None, threat: str) -> Outcome | None:
    """Outcome of an arm's net that learned from `source`, None: from any, against a threat or `OWN`."""
    name = label(source) if source is not None and threat == OWN else threat
    for place, outcome in found.items():
        from_it = source is None or arm == "none" or place.train == ((source.name, source.level),)
        if (place.defense, place.test.label) == (arm, name) and from_it:
            return outcome
    return None


def retention(found: dict[Place, Outcome], arm: str, sources: list[Source], threats: list[str]) -> str:
    """Share of the central gain that an arm keeps, source by source, against each threat but "clean"."""
    rows = [threat for threat in threats if threat != "clean"]

    def find(i: int, j: int) -> retained.RetainedGain | None:
        own, none, full = (tested(found, name, sources[j], rows[i]) for name in (arm, "none", "full"))
        return retained.kept(own, none, full)

    table = retained.markdown([_words(row) for row in rows], [_words(label(source)) for source in sources], find)
    return f"Retention of the central gain, {DEFENSES[arm].label}: rows tested, columns learned from\n\n{table}"


def label(source: Source) -> str:
    """Name and level of a source, as a column says it."""
    return f"{source.name}@{source.level:g}"


def stated_beside(maps: list[HeatMap]) -> list[HeatMap]:
    """The paper's heat map in the order of the first of `maps`, if it has any of its cells."""
    first, values = maps[0], stated.transfer()
    threats = [threat for threat in first.threats if any(_name(threat) == applied for applied, _ in values)]
    sources = [source for source in first.sources if any(_name(source) == learned for _, learned in values)]
    accuracy = np.array([[values[_name(t), _name(s)] for s in sources] for t in threats], np.float64)
    return [HeatMap("stated by the paper", threats, sources, accuracy)] if accuracy.size else []


def markdown(one: HeatMap) -> str:
    """Rows = threats, columns = sources."""
    cells = [
        ["" if np.isnan(value) else f"{share(value)} ±{share(half)}" for value, half in zip(*pair, strict=True)]
        for pair in zip(one.accuracy, one.half_width, strict=True)
    ]
    table = as_markdown(texts([*map(_words, one.sources)], cells, [*map(_words, one.threats)]))
    return f"{one.title}, {one.note}: rows tested, columns learned from\n\n{table}"


def summary(one: HeatMap) -> str:
    """How much of its matched gain a source brings to other threats: mean over the cells off the diagonal."""
    own: list[float] = []
    others: list[float] = []
    gains = np.full(one.accuracy.shape, np.nan) if one.undefended is None else one.accuracy - one.undefended
    for i, threat in enumerate(one.threats):
        for j, source in enumerate(one.sources):
            gain = gains[i, j]
            if j and threat != "clean" and not np.isnan(gain):
                (own if threat in (source, OWN) else others).append(gain)
    mean = [f"{np.mean(part):+.3f}" if part else "-" for part in (own, others)]
    return f"{one.title}: gain over no noise {mean[0]} on a source's own threat, {mean[1]} on others ({one.note})"


def figure(maps: list[HeatMap], path: Path) -> None:
    """Heat maps side by side, or below one another where they are wide; one colour scale, each cell with its number."""
    rows, columns = maps[0].accuracy.shape
    wide, count = columns > _WIDE, len(maps)
    width, height = 1.6 + 0.46 * columns, 1.9 + 0.36 * rows
    size = (width + 0.8, (height - 0.3) * count) if wide else (width * count, height)
    with drawn(path, size) as figure:
        all_axes = figure.subplots(count if wide else 1, 1 if wide else count, squeeze=False).ravel()
        for axes, one in zip(all_axes, maps, strict=True):
            image = axes.imshow(one.accuracy, vmin=0, vmax=1, cmap="cividis", aspect="auto")
            for (i, j), value in np.ndenumerate(one.accuracy):
                if not np.isnan(value):
                    shade = "black" if value > 0.55 else "white"
                    text = f"{value:.2f}".removeprefix("0")
                    axes.text(j, i, text, ha="center", va="center", fontsize=7, color=shade)
            axes.set_xticks(range(len(one.sources)), list(map(_words, one.sources)), rotation=90)
            axes.set_yticks(range(len(one.threats)), list(map(_words, one.threats)))
            axes.grid(visible=False)
            axes.set(
                xlabel="noise learned from", ylabel="tested on", title=", ".join(filter(None, (one.title, one.note)))
            )
        figure.colorbar(image, ax=list(all_axes), label="accuracy (share of images right)", fraction=0.03, aspect=40)


def _name(label: str) -> str:
    return label.partition("@")[0]


def _words(label: str) -> str:
    name, _, level = label.partition("@")
    return f"{words(name)} {level}".strip()
