"""The report that `localnoise stream` writes: what each method was worth, what it needed, and a figure over time."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, ClassVar, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import AfterValidator
from rich.table import Table

from localnoise.errors import ArgumentError
from localnoise.files import write_text
from localnoise.sims.reports import figures
from localnoise.sims.reports.commands.base import Report
from localnoise.sims.reports.table import accuracy, as_markdown, as_terminal, signed, texts, words
from localnoise.sims.results.records import Record
from localnoise.sims.results.statistics import Estimate, difference, over_seeds
from localnoise.sims.streaming import measures
from localnoise.sims.streaming.arms import ARMS, OWN, StreamArm, stream_arm
from localnoise.sims.streaming.drawing import draw
from localnoise.sims.streaming.outcome import Outcome
from localnoise.sims.streaming.schedule import CLEAN

Kinds = npt.NDArray[np.str_]  # of an outcome's images


def _named(name: str) -> str:
    stream_arm(name)
    return name


class Stream(Report):
    """Methods on a stream.

    Attributes
    ----------
    methods : list of str
    """

    name: ClassVar[str] = "stream"
    methods: list[Annotated[str, AfterValidator(_named)]]

    def show(self, records: list[Record]) -> list[Table | str]:
        """Return the tables, and what their numbers are."""
        own = self._outcomes(records)
        if not own:
            return ["No method is done."]
        titles = {"Stream": self._overall(own), "By corruption": self._by_name(own), "What it takes": self._costs(own)}
        shown = [as_terminal(table, f"{title}, {self.title}") for title, table in titles.items()]
        return [*shown, self._footnote(own)]

    def write(self, records: list[Record], out: Path) -> list[str]:
        """Write the tables, and the figure of the first seed that all methods have in common."""
        own = self._outcomes(records)
        if not own:
            return []
        tables = [self._overall(own), self._by_name(own), self._costs(own)]
        write_text(out / "table.md", "\n\n".join([*map(as_markdown, tables), self._footnote(own)]) + "\n")
        draw(own, out / "stream.png", self.headline)
        return ["table.md", *figures.kinds("stream.png")]

    def _outcomes(self, records: list[Record]) -> dict[str, list[Outcome]]:
        found = [Outcome.of(record) for record in records]
        return {
            name: sorted(several, key=lambda one: one.seed)
            for name in self.methods
            if (several := [one for one in found if one.method == name])
        }

    def _overall(self, own: dict[str, list[Outcome]]) -> pd.DataFrame:
        heads = ["network", "stream", *_LESS.values(), "clean", "corrupted"]
        heads += ["recovery\n(images)", "back to clean\n(images)"]
        rows, seeds = [], _seeds(own)
        for name, several in own.items():
            others = [own.get(other, []) if other != name else [] for other in _others(ARMS[name])]
            estimates = [
                (accuracy, _over(several, lambda kinds: np.full(len(kinds), True))),
                *((signed, _less(several, other)) for other in others),
                (accuracy, _over(several, lambda kinds: kinds == CLEAN)),
                (accuracy, _over(several, lambda kinds: kinds != CLEAN)),
                *((_text, _times(several, at)) for at in (0, 1)),
            ]
            rows.append([several[0].network, *(said(one) + _fewer(one, seeds) for said, one in estimates)])
        return texts(heads, rows, [_label(ARMS[name]) for name in own]).rename_axis("method")

    def _by_name(self, own: dict[str, list[Outcome]]) -> pd.DataFrame:
        met = {name for several in own.values() for one in several for name in one.names}
        names, seeds = [CLEAN, *sorted(met - {CLEAN})], _seeds(own)
        rows = []
        for several in own.values():
            found = [_over(several, partial(np.equal, name)) for name in names]
            rows.append([accuracy(one) + _fewer(one, seeds) for one in found])
        heads = [words(name).replace(" ", "\n") for name in names]
        return texts(heads, rows, [_label(ARMS[name]) for name in own]).rename_axis("method")

    def _costs(self, own: dict[str, list[Outcome]]) -> pd.DataFrame:
        heads = ["needs", "before", *_SIZED, "ms an\nimage", "chosen"]
        rows = []
        for name, several in own.items():
            sizes = [f"{round(float(np.mean([getattr(one, f) for one in several]))):,}" for f in _SIZES]
            took = 1000 * float(np.median([one.seconds for one in several]))
            chosen = "; ".join(dict.fromkeys(one.chosen for one in several))
            rows.append([ARMS[name].needs, ARMS[name].before, *sizes, f"{took:.2f}", chosen])
        return texts(heads, rows, [_label(ARMS[name]) for name in own]).rename_axis("method")

    def _footnote(self, own: dict[str, list[Outcome]]) -> str:
        streams, seeds = {one.seed: one for several in own.values() for one in several}, _seeds(own)
        one = next(iter(streams.values()))
        stretches = sum(len(one.names) for one in streams.values())
        spread = (
            f"± is Student's 95 % interval over {seeds} seeds, each with its own network, stream and images; cells "
            f"marked (1 of {seeds} seeds) are of those that met it and are done, of one seed with ± over its images"
            if seeds > 1
            else "one seed: ± of an accuracy is Wilson's interval over images, of a recovery Student's over stretches; "
            "an image that is shown again counts anew, so that the former is too narrow of streams longer than the "
            "test set"
        )
        return (
            f"{len(one.correct):,} images{' a seed' * (seeds > 1)}, {stretches:,} stretches"
            f"{f' in all {seeds} seeds' * (seeds > 1)}, mean stay {one.stay:,} images of each corruption; {spread}. "
            "Less: of the same seeds, streams and images, paired; no adaptation is that of the method's own network. "
            "Clean, corrupted: images of clean stretches, and all others. Recovery: images from "
            f"a change until the accuracy over the next {measures.WINDOW} images is at most {measures.WITHIN:g} below "
            "that of the stretch's second half, at most half of the stretch; into a corruption, and back to clean. The "
            "network that does not adapt shows what drift and chance alone make of it. No method reads a label; "
            "hyperparameters were chosen on a stream of held-out training images of the same mean stay. Milliseconds: "
            "of one thread, images in the method's own batches."
        )

    @classmethod
    def of(cls, records: list[Record]) -> Self:
        """All methods that records hold, in the table's order."""
        own = [record for record in records if record.config.get("experiment") == "stream"]
        if not own:
            raise ArgumentError(
                "records hold no stream: expected those of `localnoise stream`; name another command with --as"
            )
        held = {record.config["method"] for record in own}
        return cls(methods=[name for name in ARMS if name in held])


_SIZES = ("parameter_bytes", "state_bytes", "gradient_bytes")
_SIZED = ("parameters\n(bytes)", "state\n(bytes)", "for gradients\n(bytes)")


_NONE, _FILTERED = "no adaptation", "repair, filtered"
_LESS = {_NONE: "less no\nadaptation", _FILTERED: "less repair,\nfiltered"}


def _others(arm: StreamArm) -> list[str]:
    """Return the arms that a row is set beside, head by head: those of its own network without adaptation, a repair."""
    return ["none" if arm.network == OWN else "bn-none", "repair-filtered"]


def _less(several: list[Outcome], others: list[Outcome]) -> Estimate | None:
    """Return the accuracy less that of another method on the same streams, paired by seed, or of one seed by image."""
    pairs = [(other, one) for one in several for other in others if one.same_stream(other)]
    if not pairs:
        return None
    if len(pairs) == 1:
        return difference(*(one.correct for one in pairs[0]))
    return over_seeds([float(b.correct.mean() - a.correct.mean()) for a, b in pairs], len(pairs[0][0].correct))


def _label(arm: StreamArm) -> str:
    return f"{arm.label} ({arm.name})"


def _over(several: list[Outcome], which: Callable[[Kinds], npt.NDArray[np.bool_]]) -> Estimate | None:
    """Return the accuracy over the images of some kinds of stretches, of the seeds that met them; None: of none."""
    parts = [own for one in several if (own := one.correct[which(one.kinds)]).size]
    return over_seeds([float(own.mean()) for own in parts], len(parts[0])) if parts else None


def _times(several: list[Outcome], at: int) -> Estimate | None:
    own = [measures.recoveries(one.correct, one.starts, one.names, CLEAN)[at] for one in several]
    if len(own) == 1:
        return replace(over_seeds(own[0], len(own[0])), seeds=1) if len(own[0]) > 1 else None
    means = [float(np.mean(times)) for times in own if times]
    return over_seeds(means, len(means)) if len(means) > 1 else None


def _text(estimate: Estimate | None) -> str:
    return "" if estimate is None else f"{estimate.mean:.0f} ±{estimate.half_width:.0f}"


def _seeds(own: dict[str, list[Outcome]]) -> int:
    """Return how many seeds the table is of."""
    return len({one.seed for several in own.values() for one in several})


def _fewer(estimate: Estimate | None, seeds: int) -> str:
    """Return what marks a cell of fewer seeds than the table's; "" for one of all."""
    return "" if estimate is None or estimate.seeds == seeds else f" ({estimate.seeds} of {seeds} seeds)"
