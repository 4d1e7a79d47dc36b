"""Heat maps: accuracy by what was learned from and what was tested on."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from localnoise.sims.defenses import DEFENSES
from localnoise.sims.reports import retained, stated
from localnoise.sims.reports.comparison import CLEAN, OWN, Level, Outcome, Place
from localnoise.sims.reports.figures import DOUBLE, SINGLE, drawn, lettered
from localnoise.sims.reports.table import as_markdown, sentence, share, texts

_NARROW = 8  # columns that one map of a journal's column has room for


@dataclass(frozen=True)
class HeatMap:
    """Accuracy of the nets of one arm.

    Attributes
    ----------
    title : str
    tested : list of Level
        Rows.
    learned : list of Level or None
        Columns; None is no noise, which stands first.
    accuracy : ndarray, (rows, columns)
        nan where nothing was measured.
    half_width : ndarray or None
        Of the 95 % intervals.
    undefended : ndarray or None
        Accuracy without noise in each cell's place.
    note : str
        n and seeds.
    """

    title: str
    tested: list[Level]
    learned: list[Level | None]
    accuracy: npt.NDArray[np.float64]
    half_width: npt.NDArray[np.float64] | None = None
    undefended: npt.NDArray[np.float64] | None = None
    note: str = ""

    @property
    def rows(self) -> list[str]:
        """Labels of the rows."""
        return [level.words for level in self.tested]

    @property
    def columns(self) -> list[str]:
        """Labels of the columns."""
        return ["no noise" if level is None else level.words for level in self.learned]


def measured(found: dict[Place, Outcome], arm: str, sources: list[Level], threats: list[Level]) -> HeatMap:
    """One arm's heat map, no noise in its first column; the threat `OWN` is what each source does itself."""
    columns = [None, *sources]
    accuracy, half, undefended = (np.full((len(threats), len(columns)), np.nan) for _ in range(3))
    seeds, images = 0, set()
    for i, threat in enumerate(threats):
        for j, source in enumerate(columns):
            if source is None and threat == OWN:
                continue
            none = outcome(found, "none", source, threat)
            undefended[i, j] = np.nan if none is None else none.accuracy.mean
            one = none if source is None else outcome(found, arm, source, threat)
            if one is not None:
                estimate = one.accuracy
                accuracy[i, j], half[i, j] = estimate.mean, estimate.half_width
                seeds = estimate.seeds
                images.add(estimate.images)
    note = f"{seeds} seed{'s' * (seeds != 1)}, n = {', '.join(f'{n:,}' for n in sorted(images))}"
    return HeatMap(DEFENSES[arm].label, threats, columns, accuracy, half, undefended, note)


def outcome(found: dict[Place, Outcome], arm: str, source: Level | None, threat: Level) -> Outcome | None:
    """Outcome of an arm's net that learned from `source`, None: from any, against a threat or `OWN`."""
    test = source if source is not None and threat == OWN else threat
    for place, own in found.items():
        from_it = source is None or arm == "none" or place.train == (source,)
        if (place.defense, place.test) == (arm, test) and from_it:
            return own
    return None


def retention(found: dict[Place, Outcome], arm: str, sources: list[Level], threats: list[Level]) -> str:
    """Share of the central gain that an arm keeps, source by source, against each threat but clean images."""
    rows = [threat for threat in threats if threat != CLEAN]

    def find(i: int, j: int) -> retained.RetainedGain | None:
        return retained.kept(*(outcome(found, name, sources[j], rows[i]) for name in (arm, "none", "full")))

    table = retained.markdown([row.words for row in rows], [source.words for source in sources], find)
    return f"Retention of the central gain, {DEFENSES[arm].label}: rows tested, columns learned from\n\n{table}"


def stated_beside(maps: list[HeatMap]) -> list[HeatMap]:
    """The paper's heat map in the order of the first of `maps`, if it has any of its cells."""
    first, values = maps[0], stated.transfer()
    rows = [level for level in first.tested if any(level.name == applied for applied, _ in values)]
    columns = [level for level in first.learned if any(level and level.name == learned for _, learned in values)]
    accuracy = np.array([[values[row.name, own.name] for own in columns if own] for row in rows], np.float64)
    return [HeatMap("stated by the paper", rows, columns, accuracy)] if accuracy.size else []


def markdown(one: HeatMap) -> str:
    """Rows = threats, columns = sources."""
    half = np.full(one.accuracy.shape, np.nan) if one.half_width is None else one.half_width
    cells = [
        ["" if np.isnan(value) else f"{share(value)} ±{share(spread)}" for value, spread in zip(*pair, strict=True)]
        for pair in zip(one.accuracy, half, strict=True)
    ]
    table = as_markdown(texts(one.columns, cells, one.rows))
    return f"{one.title}, {one.note}: rows tested, columns learned from\n\n{table}"


def summary(one: HeatMap) -> str:
    """Return the share of its matched gain that a source brings to other threats: the mean off the diagonal."""
    own: list[float] = []
    others: list[float] = []
    gains = np.full(one.accuracy.shape, np.nan) if one.undefended is None else one.accuracy - one.undefended
    for i, threat in enumerate(one.tested):
        for j, source in enumerate(one.learned):
            gain = gains[i, j]
            if source is not None and threat != CLEAN and not np.isnan(gain):
                (own if threat in (source, OWN) else others).append(gain)
    mean = [f"{np.mean(part):+.3f}" if part else "-" for part in (own, others)]
    return f"{one.title}: gain over no noise {mean[0]} on a source's own threat, {mean[1]} on others ({one.note})"


def figure(maps: list[HeatMap], path: Path) -> None:
    """Heat maps in one colour scale, two beside one another, each cell with its accuracy in per cent."""
    rows, columns = maps[0].accuracy.shape
    wide = min(2, len(maps))
    high = -(-len(maps) // wide)
    with drawn(path, (DOUBLE if wide > 1 or columns > _NARROW else SINGLE, high * (0.45 + 0.135 * rows) + 1.1)) as page:
        panels = page.subplots(high, wide, squeeze=False).ravel()
        for axes, one in zip(panels, maps, strict=False):
            image = axes.imshow(100 * one.accuracy, vmin=0, vmax=100, cmap="cividis", aspect="auto")
            for (i, j), value in np.ndenumerate(one.accuracy):
                if not np.isnan(value):
                    shade = "black" if value > 0.55 else "white"
                    axes.text(j, i, f"{100 * value:.0f}", ha="center", va="center", fontsize=6, color=shade)
            axes.set_xticks(range(len(one.columns)), map(sentence, one.columns), rotation=90, fontsize=7)
            axes.set_yticks(range(len(one.rows)), map(sentence, one.rows), fontsize=7)
            axes.grid(visible=False)
        for number, axes in enumerate(panels):
            axes.set_visible(number < len(maps))
            if number + wide < len(maps) and maps[number].columns == maps[number + wide].columns:
                axes.tick_params(labelbottom=False)  # the map below says it
            if number % wide and number < len(maps) and maps[number].rows == maps[number - 1].rows:
                axes.tick_params(labelleft=False)
        notes = {one.note for one in maps} - {""}
        named = [sentence(one.title) + (f"\n({one.note})" if len(notes) > 1 and one.note else "") for one in maps]
        lettered(panels[: len(maps)], named)
        page.supxlabel("Noise learned from" + (f" ({notes.pop()})" if len(notes) == 1 else ""))
        page.supylabel("Tested on")
        page.colorbar(image, ax=list(panels), label="Accuracy (% of images right)", fraction=0.025, aspect=40)
