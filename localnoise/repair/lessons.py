"""One lesson of a repair: activations come in chunks, some are held out, and every cause that was shown is solved."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from localnoise.errors import ArgumentError
from localnoise.grid import UnitGrid
from localnoise.lesson import Held
from localnoise.repair.learner import Learner
from localnoise.repair.member import KEPT, Member
from localnoise.streams import chunk_size, presentations
from localnoise.validate import Array, as_array, as_presentations, is_iterator

CLEAN = "clean"

Chunks = Iterator[tuple[Array, Array | None]]
Causes = npt.NDArray[np.int64] | None


def lesson_of(
    source: str, displaced: Any, clean: Any, causes: Any, layout: tuple[int, tuple[int, int], Any]
) -> tuple[Chunks, Causes]:
    """Return what `Repair.learn` was given as chunks (displaced, clean), (t, m, N) each, and as causes; checked."""
    channels, shape, dtype = layout
    alone = source == CLEAN
    if alone and clean is not None:
        raise ArgumentError("clean was given for source='clean': expected the activations alone, as `displaced`")
    if is_iterator(displaced):
        if causes is not None:
            raise ArgumentError("causes was given with an iterator: expected arrays; learn each cause's part")
    else:
        displaced = as_presentations("displaced", displaced, channels, shape)
        clean = None if alone else _counterparts(displaced, clean, channels, shape)
    cause = None if causes is None else _causes(causes, len(displaced))
    size = chunk_size(channels, shape, dtype)
    return presentations(displaced, clean, channels, shape, dtype, signal=not alone, size=size), cause


def _counterparts(displaced: Any, clean: Any, channels: int, shape: tuple[int, int]) -> Any:
    if clean is None:
        raise ArgumentError(
            "clean is missing: expected the activations of the same inputs, undisplaced, as in "
            "learn('blur', displaced, clean)"
        )
    clean = as_presentations("clean", clean, channels, shape)
    if len(clean) != len(displaced):
        raise ArgumentError(f"clean has {len(clean)} activations, displaced has {len(displaced)}: expected as many")
    return clean


def _causes(given: Any, count: int) -> npt.NDArray[np.int64]:
    cause = as_array("causes", given, "(T,) whole numbers >= 0")
    whole = np.issubdtype(cause.dtype, np.integer)
    if cause.shape != (count,) or not whole or cause.min(initial=0) < 0:
        raise ArgumentError(
            f"causes has shape {cause.shape} and dtype {cause.dtype}: expected a whole number >= 0 for each of the "
            f"{count} activations"
        )
    return cause.astype(np.int64)


class Lesson:
    """A lesson: what is known before it, and who learns in it.

    Parameters
    ----------
    law, back : UnitGrid
        Blank ones; without `back` the source is recognised and not undone.
    ridge : float or "auto"
        Of the ways back.
    members : list of Member
        All that are known; those of `source` go on learning.
    source : str
    cause : (T,) or None
        Which cause each activation has.
    """

    def __init__(
        self,
        law: UnitGrid,
        back: UnitGrid | None,
        ridge: float | str,
        members: list[Member],
        source: str,
        cause: Causes,
    ) -> None:
        self.members, self.source, self.cause, self.law = members, source, cause, law
        self.mine = [at for at, member in enumerate(members) if member.source == source]
        if any(len(member.kept) < 2 for member in members):
            raise ArgumentError(
                "this repair was saved without its state, and cannot go on learning: expected a file that was saved "
                "with state=True"
            )
        if source != CLEAN and any((members[at].back is None) != (back is None) for at in self.mine):
            raise ArgumentError(
                f"way_back={back is not None}: source {source!r} was learned with way_back={back is None}: expected "
                "the same; learn it under another name"
            )
        rules = [members[at].law.rule for at in self.mine]
        if any(rule is not None and rule.name != "moments" for rule in rules):
            raise ArgumentError(
                f"source={source!r} was adapted by another rule: expected one that was learned alone; use adapt, or "
                "another name"
            )
        many = 1 if cause is None else int(cause.max(initial=0)) + 1
        if self.mine and many > len(self.mine):
            raise ArgumentError(
                f"causes has {many} causes, and {source!r} was learned with {len(self.mine)}: expected at most as "
                "many; learn it under another name"
            )

        shown = 1 if cause is None else len(cause)
        most = max(min(shown, KEPT) // 2, 1)
        if not self.mine and many > most:
            raise ArgumentError(
                f"causes goes up to {many - 1}: expected 0 to {most - 1} at most with {shown} activations, since of "
                f"those that are held out, at most {KEPT}, each cause needs 2; number causes 0, 1, ..., or take fewer"
            )

        def learner(before: Member | None) -> Learner:
            way = None if source == CLEAN else back
            if before is None:
                return Learner(source, law, way, None, ridge)
            centre = before.centre.reshape(law.config.channels, -1)
            return Learner(source, before.law, before.back, centre, ridge)

        knows_clean = any(member.source == CLEAN for member in members)
        self.learners = [learner(members[at]) for at in self.mine] or [learner(None) for _ in range(many)]
        self.calm = None if source == CLEAN or knows_clean else Learner(CLEAN, law, None, None, ridge)

    def learned(self, chunks: Chunks) -> list[Member]:
        """Return all members after the lesson; those that were given are left as they are."""
        held = Held(chunks, 0 if self.mine else KEPT)
        seen = 0
        for displaced, clean in held.earlier():
            self._observe(displaced, clean, seen)
            seen += len(displaced)
        kept, calm = _joined(held.parts, self.law)
        return self._going_on(kept, calm) if self.mine else self._new(kept, calm, seen)

    def _observe(self, displaced: Array, clean: Array | None, seen: int) -> None:
        which = None if self.cause is None else self.cause[seen : seen + len(displaced)]
        for j, learner in enumerate(self.learners):
            rows = slice(None) if which is None else np.flatnonzero(which == j)
            learner.observe(displaced[rows], None if clean is None else clean[rows])
        if self.calm is not None and clean is not None:
            self.calm.observe(clean, None)

    def _going_on(self, kept: Array, calm: Array) -> list[Member]:
        """Solve anew what learned more; nothing was held out, so that the activations of the first lesson serve."""
        out = list(self.members)
        for at, learner in zip(self.mine, self.learners, strict=True):
            if learner.seen:
                out[at] = replace(learner.settled(kept, calm), kept=out[at].kept)
        return out

    def _new(self, kept: Array, calm: Array, seen: int) -> list[Member]:
        which = np.zeros(len(kept), int) if self.cause is None else self.cause[seen : seen + len(kept)]
        made = []
        for j, learner in enumerate(self.learners):
            rows = which == j
            made.append(learner.settled(kept[rows], calm[rows] if len(calm) else None))
        first = [] if self.calm is None else [self.calm.settled(calm, None)]
        for member in (*made, *first):
            if len(member.kept) < 2:
                raise ArgumentError(
                    f"displaced has too few activations of {member.source!r}, or of one of its causes: expected at "
                    "least 2 of each among the last fifth, on which the gate is calibrated; give more, well mixed"
                )
        return [*made, *self.members] if self.source == CLEAN else [*first, *self.members, *made]


def _joined(parts: Iterable[tuple[Array, Array | None]], law: UnitGrid) -> tuple[Array, Array]:
    held = list(parts)
    empty = np.empty((0, law.config.channels, law.config.units), law.config.dtype)
    own = np.concatenate([displaced for displaced, _ in held]) if held else empty
    others = [clean for _, clean in held if clean is not None]
    return own, np.concatenate(others) if others else empty
