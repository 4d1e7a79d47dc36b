"""Nets whose noise a chip emulates, beside the same field in floating point: by bits, by links, by bytes."""

from collections.abc import Sequence
from dataclasses import dataclass

from localnoise.errors import choose
from localnoise.sims.evaluation.source import usual_variance
from localnoise.sims.reports.comparison import Level, Outcome, Place
from localnoise.sims.reports.retained import RetainedGain, kept
from localnoise.sims.reports.table import accuracy, as_markdown, share, texts
from localnoise.sims.results.statistics import Estimate

FLOAT = "multiscale-8"


@dataclass(frozen=True)
class ChipRow:
    """One arm on one source.

    Attributes
    ----------
    accuracy : Estimate
        On the source's own threat.
    less : Estimate or None
        Accuracy less that of the float grid, paired.
    kept : RetainedGain or None
        Share of the central gain.
    bytes_per_unit : float
    facts : dict of float
        Mean over seeds of what the record says of the noise (`noise.` removed).
    """

    accuracy: Estimate
    less: Estimate | None
    kept: RetainedGain | None
    bytes_per_unit: float
    facts: dict[str, float]


def numbers(argument: str, text: str, allowed: Sequence[int]) -> list[int]:
    """Numbers from "2,4,8", each one of `allowed`, ascending.

    Raises
    ------
    ArgumentError
        One of them is not.
    """
    named = [choose(argument, part.strip(), [str(n) for n in allowed]) for part in text.split(",")]
    return sorted({int(name) for name in named})


def rows(found: dict[Place, Outcome], arms: Sequence[str], sources: Sequence[Level]) -> dict[tuple[str, str], ChipRow]:
    """By arm and source. An arm or source without records is left out."""
    out = {}
    for test in sources:
        variance = usual_variance(test.name)
        label, none = test.label, found.get(Place("none", (), None, test))
        full, real = (found.get(Place(name, (test,), variance, test)) for name in ("full", FLOAT))
        for arm in arms:
            own = found.get(Place(arm, (test,), variance, test))
            if own is not None:
                less = None if real is None or arm == FLOAT else own.less(real)
                keeps = kept(own, none, full)
                out[arm, label] = ChipRow(own.accuracy, less, keeps, own.bytes_per_unit, _facts(own))
    return out


def _facts(own: Outcome) -> dict[str, float]:
    names = {name for said in own.extra.values() for name in said if name.startswith("noise.")}
    return {
        name.removeprefix("noise."): sum(said[name] for said in own.extra.values()) / len(own.extra)
        for name in sorted(names)
    }


def markdown(table: dict[tuple[str, str], ChipRow], labels: dict[str, str], columns: Sequence[str]) -> str:
    """One row an arm: `columns` of facts, bytes per unit, accuracy and its difference from float by source, `kept`.

    kept : the mean over the sources of the arm's share of the central gain.
    """
    sources = list(dict.fromkeys(source for _, source in table))
    head = ["", *(column.replace("_", " ") for column in columns), "bytes/unit"]
    head += [text for source in sources for text in (source.replace("@", " "), "less float")] + ["kept"]
    lines = []
    for arm, label in labels.items():
        own = [table.get((arm, source)) for source in sources]
        first = next((row for row in own if row is not None), None)
        if first is None:
            continue
        cells = [f"{first.facts[column]:,.3g}" if column in first.facts else "" for column in columns]
        cells.append(f"{first.bytes_per_unit:,.0f}")
        for row in own:
            cells.append("" if row is None else accuracy(row.accuracy))
            gap = None if row is None else row.less
            cells.append("" if gap is None else f"{gap.mean:+.3f} ±{share(gap.half_width)}")
        shares = [row.kept.share.mean for row in own if row and row.kept and row.kept.share]
        cells.append(share(sum(shares) / len(shares)) if shares else "")
        lines.append([label, *cells])
    seeds = max((row.accuracy.seeds for row in table.values()), default=0)
    images = sorted({row.accuracy.images for row in table.values()})
    note = f"± is the 95 % interval; {seeds} seed{'s' * (seeds != 1)}, n = {', '.join(map(str, images))} images."
    return f"{as_markdown(texts(head, lines))}\n\n{note} Facts of the noise are those of the first source."
