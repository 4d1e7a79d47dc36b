"""Grids that learned apart become one, and displacements that lie on many machines are learned where they lie.

The statistics of rule `moments` are sums over presentations, so those of parts add up:

    M(d_1, ..., d_T) = sum over parts p of M(d_p)

in float64, in any order: W parts move an entry by at most (W - 1) 2^-53 times the sum of its magnitudes. Within a part
1,024 presentations at a time are summed in the grid's dtype, so that parts of other lengths than multiples of 1,024
also differ by that rounding.
"""

from collections.abc import Sequence
from functools import reduce
from typing import Any, Self

from localnoise.cautions import warn_of_few, warn_of_forgotten, warn_of_other_rule
from localnoise.errors import ArgumentError
from localnoise.field import Field
from localnoise.grid.holding import Holding
from localnoise.lesson import observed
from localnoise.rules import Rule
from localnoise.rules.base import AUTO, State, begun
from localnoise.soundness import check_learned, check_statistics
from localnoise.streams import Progress, chunk_size, presentations
from localnoise.validate import as_presentations, check_progress


class Merging(Holding):
    """The part of a `UnitGrid` that joins what was learned elsewhere."""

    def merge(self, *others: "Merging") -> Self:
        """Learn what grids with the same wires have learned elsewhere, from other displacements than this one's.

        As if all displacements had been learned here, in float64 sums that may differ in their last bits. The gain
        returns to 1: normalise afterwards. All or nothing. Cost: one sum of statistics a grid, and one solution.

        Parameters
        ----------
        *others : UnitGrid
            That learned by rule "moments", with their statistics (`save(path)`, not `state=False`). This grid may have
            learned nothing, and takes their rule then; else its own ridge holds.

        Returns
        -------
        UnitGrid
            The grid itself.

        Raises
        ------
        ArgumentError
            Other wires, shapes or precision; another rule; statistics that are not there.

        Examples
        --------
        >>> import numpy as np, localnoise as ln
        >>> d = np.random.default_rng(0).normal(size=(600, 2, 4, 4)).cumsum(axis=3)
        >>> here, there, both = (ln.UnitGrid((4, 4), 2) for _ in range(3))
        >>> merged = here.learn(d[:400]).merge(there.learn(d[400:]))
        >>> bool(np.allclose(merged.field.B, both.learn(d).field.B, atol=1e-6))
        True
        """
        if not others:
            raise ArgumentError("merge was given no grids: expected at least one that has learned")
        if self.rule is not None and self.state is None:
            raise ArgumentError(
                "this grid has learned, and has no statistics of it, so that merging would forget it: expected one "
                "that was saved with its state (not state=False) and did not learn from rewards, or one that has "
                "learned nothing; use grid.blank()"
            )
        for index, other in enumerate(others):
            self._check_mergeable(f"others[{index}]", other)
        several: list[Merging] = [self, *others]
        known = [grid.rule for grid in several if grid.rule is not None and grid.state is not None]
        return self._joined(known[0], [other.state for other in others if other.state is not None])

    def _joined(self, rule: Rule, states: Sequence[State]) -> Self:
        """Add statistics to those that are here, and solve."""
        before = self._now()
        check_statistics(before)
        if before._open is not None:
            raise ArgumentError(f"parents={AUTO!r} is not chosen yet: expected a number, or to learn here before")
        field = before.field.copy()
        own = before.state if before.rule is not None and before.rule.name == rule.name else None
        state = reduce(rule_of_sums(rule).merged, states, begun(rule, field) if own is None else own)
        rule.settle(field, state)
        check_learned(before.config, field, rule)
        vars(self).update({"field": field, "rule": rule, "state": state, "learned": field.wires})
        if own is None:
            warn_of_few(field, state["seen"], stacklevel=4)
        return self

    def _gathered(self, d: Any, h: Any, rule: Rule, progress: Progress | None) -> Self:
        """Learn dask arrays: each block where it lies, statistics added up in a tree."""
        import dask

        check_progress(progress)
        delayed: Any = dask.delayed  # type: ignore[attr-defined]
        compute: Any = dask.compute  # type: ignore[attr-defined]

        if getattr(rule, "ridge", None) == AUTO or self._open is not None:
            what = "ridge" if self._open is None else "parents"
            raise ArgumentError(
                f"{what}={AUTO!r} with a dask array: expected a number, since held-out displacements lie on one "
                "machine; choose it on a part, learn(d[:5000].compute(), ...)"
            )
        added = rule_of_sums(rule).merged
        check_statistics(self._now())
        if any(size != size for size in d.chunks[0]):
            raise ArgumentError("d has blocks of unknown length: expected known ones; call d.compute_chunk_sizes()")
        signal, sizes = self.field.signal, tuple(range(1, 4))
        as_presentations("d", d, *self._layout[:2])
        parts = [d.rechunk(dict.fromkeys(sizes, -1))]
        if signal:
            if h is None or not is_dask(h) or len(h) != len(d):
                raise ArgumentError("h: expected a dask array with as many presentations as d, since signal='local'")
            self.config.refuse_second("h, a dask array")
            as_presentations("h", h, *self._layout[:2])
            parts.append(h.rechunk({0: parts[0].chunks[0], **dict.fromkeys(sizes, -1)}))
        elif h is not None:
            raise ArgumentError(
                "h was given, but signal='none': expected no activation; build UnitGrid(signal='local')"
            )
        blocks = [
            [one for one, size in zip(part.to_delayed().ravel(), d.chunks[0], strict=True) if size] for part in parts
        ]
        if not blocks[0]:
            raise ArgumentError("d has 0 samples: expected at least 1 displacement")
        blank = delayed(self.field.copy())
        states = [delayed(_statistics)(blank, rule, self._layout, *own) for own in zip(*blocks, strict=True)]
        while len(states) > 1:
            pairs = [states[at : at + 2] for at in range(0, len(states), 2)]
            states = [delayed(added)(*pair) if len(pair) == 2 else pair[0] for pair in pairs]
        before = self.rule, self.state
        made = self._joined(rule, compute(states[0]))
        self._warn_of_forgotten(*before, rule, stacklevel=5)
        if progress is not None:
            progress(len(d), len(d))
        return made

    def _warn_of_forgotten(self, before: Rule | None, state: State | None, rule: Rule, stacklevel: int = 4) -> None:
        """Warn of what `rule` has made of what was learned before it."""
        if before is None:
            return
        solves = hasattr(rule, "merged")
        if state is None:
            if solves:
                warn_of_forgotten(rule.name, stacklevel=stacklevel)
        elif before.name != rule.name:
            warn_of_other_rule(before.name, rule.name, solves=solves, stacklevel=stacklevel)

    def _check_mergeable(self, name: str, other: Any) -> None:
        if not isinstance(other, Merging):
            raise ArgumentError(f"{name} is {type(other).__name__}: expected a UnitGrid")
        if other is self:
            raise ArgumentError(f"{name} is the grid itself: expected one that learned from other displacements")
        if other.state is None or other.rule is None:
            raise ArgumentError(
                f"{name} has no statistics: expected a grid that learned, saved with its state (not state=False)"
            )
        rule_of_sums(other.rule)
        if self.state is not None and self.rule is not None and self.rule.name != other.rule.name:
            raise ArgumentError(
                f"{name} learned by {other.rule.name!r}, this grid by {self.rule.name!r}: expected one rule"
            )
        check_statistics(other)
        if (other.config.shape, other.config.channels, other.config.dtype) != (
            self.config.shape, self.config.channels, self.config.dtype,
        ):  # fmt: skip
            raise ArgumentError(f"{name} is {other!r}: expected the shape, channels and dtype of {self!r}")
        if other.field.wires != self.field.wires:
            raise ArgumentError(
                f"{name} has other wires: expected the order, parents and inputs of this grid; make it by grid.blank()"
            )


def rule_of_sums(rule: Rule) -> Any:
    """Return a rule whose statistics add up, or raise an ArgumentError."""
    if not hasattr(rule, "merged"):
        raise ArgumentError(
            f"rule {rule.name!r}: what it learned apart cannot be joined, since its statistics depend on the order of "
            "what it sees: expected 'moments', or a rule with a method merged(state, other)"
        )
    return rule


def is_dask(value: Any) -> bool:
    """Return whether this is a dask array; dask is not imported for it."""
    return type(value).__module__.partition(".")[0] == "dask" and hasattr(value, "to_delayed")


def _statistics(field: Field, rule: Rule, layout: tuple[int, tuple[int, int], str], d: Any, h: Any = None) -> State:
    """Return the statistics of one block, from zero; it runs where the block lies."""
    size = chunk_size(*layout)
    return observed(field, rule, begun(rule, field), presentations(d, h, *layout, signal=field.signal, size=size))
