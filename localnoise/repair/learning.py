"""The part of a repair that learns: lessons, adaptation, and copies that know less or expect other activations."""

from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from typing import Any, Self

from localnoise.errors import ArgumentError, choose, short
from localnoise.grid import UnitGrid
from localnoise.lesson import SHARE
from localnoise.repair.bends import what_is_read
from localnoise.repair.lessons import CLEAN, Lesson, lesson_of
from localnoise.repair.member import KEPT, Member
from localnoise.repair.voting import Voting
from localnoise.streams import Progress, told
from localnoise.validate import is_iterator


class Learning(Voting):
    """The part of a `Repair` that learns."""

    def learn(
        self,
        source: str,
        displaced: Any,
        clean: Any = None,
        causes: Any = None,
        *,
        way_back: bool = True,
        progress: Progress | None = None,
    ) -> Self:
        """Learn one source of displacement; others are left as they are, and the same one goes on learning.

        All or nothing: a call that raises leaves everything as it was. One chunk is held in memory at a time. The last
        fifth of the first lesson, at most 256 activations, is held out for the gate.

        Parameters
        ----------
        source : str
            Its name. "clean" learns the law of undisplaced activations from `displaced` alone; the first other source
            does so too, from its clean activations.
        displaced : (T, C, H, W), or an iterator
            Activations h' of displaced inputs: an array, a torch tensor, an HDF5 data set, or an iterator of arrays,
            or of pairs (displaced, clean).
        clean : (T, C, H, W)
            Activations h of the same inputs, undisplaced; none with an iterator of pairs.
        causes : (T,) whole numbers, optional
            What else is known of each displacement: a range of its angle, say, 0, 1, ... Each has a way back and a law
            of its own, and belongs to the same source. None: one cause. Not with iterators.
        way_back : bool
            False: learn to recognise the source alone, which a later layer's repair undoes: some displacements, such as
            a rotation, are undone better where fewer, larger units see more.
        progress : callable
            Told (activations learned, all of them or None).

        Returns
        -------
        Repair
            Itself.

        Raises
        ------
        ArgumentError
            Wrong shape or dtype, NaN, activations that do not belong together, a cause with too few of them.
        """
        named: Any = source
        if not isinstance(named, str) or not named.strip():
            raise ArgumentError(f"source={short(repr(source))}: expected a name, such as 'blur', the activations next")
        layout = (self.config.channels, self.config.shape, self.config.dtype)
        parts, cause = lesson_of(source, displaced, clean, causes, layout)
        total = None if is_iterator(displaced) else len(displaced)
        lesson = Lesson(self.blank_law, self.blank_back if way_back else None, self.ridge, self.members, source, cause)
        self._become(lesson.learned(told(parts, total, progress)))
        return self

    def adapt(
        self, source: str, displaced: Any, clean: Any, rule: str = "lms", *, law: bool = True, **options: Any
    ) -> Self:
        """Let the units of one source follow a displacement that changes, by a streaming rule that forgets.

        The ways back and the law start from the weights that they have. Cost per activation and unit: that of the rule,
        no solve; no state beyond its averages. A source that was adapted no longer goes on with `learn`.

        Where the law follows, so does the gate: the last fifth of the pairs, at most 256, is held out for it, in the
        place of the oldest of those that it was fitted to. Of fewer than five pairs the last one is held for it, too,
        and learned from.

        Parameters
        ----------
        source : str
            With one cause.
        displaced, clean : (T, C, H, W)
            A device makes such pairs itself, by what `displaced` does to inputs whose clean activations it has kept.
        rule : str
            "lms", "sign-lms" or a plug-in's; `options` are the rule's.
        law : bool
            False: the way back alone follows. Then nothing changes that decides: laws, gate, margins, worth.
        **options
            Of the rule, such as `rate=0.05`.

        Returns
        -------
        Repair
            Itself.

        Raises
        ------
        ArgumentError
            A source that is not learned, that has several causes, or that is undone in a later layer; unequal lengths;
            units that share weights.
        """
        self._refuse_empty()
        where = [at for at, name in enumerate(self._own) if name == source]
        choose("source", source, self.sources[1:])
        if len(where) > 1:
            raise ArgumentError(f"source={source!r} has {len(where)} causes: expected one; learn them under names")
        if law:
            self._refuse_stateless()
        at, member = where[0], self.members[where[0]]
        x, y = self._activity("displaced", displaced), self._activity("clean", clean)
        if len(x) != len(y):
            raise ArgumentError(f"clean has {len(y)} activations, displaced has {len(x)}: expected as many")
        if self.share != "none" and (named := getattr(rule, "name", rule)) != "moments":
            raise ArgumentError(
                f"rule={named!r}: it changes each unit's weights alone, and this repair's units share theirs "
                f"(share={self.share!r}), which no rule that forgets can do; expected Repair(share='none'), or learn"
            )
        if member.back is None:
            raise ArgumentError(f"source={source!r} is recognised here, and undone in a later layer: adapt it there")
        learned = len(x) - (min(len(x) // SHARE, KEPT) if law else 0)
        kept = x[min(learned, len(x) - 1) :]  # of a few the last one, which is learned, too
        x, y = x[:learned], y[:learned]
        read = what_is_read(member.back, x, member.centre)
        back = _going_on(member.back, rule).learn(y - x, read, rule=rule, **options)
        changed = replace(member, back=back)
        if law:
            own = _going_on(member.law, rule).learn(x - member.centre, rule=rule, **options)
            changed = replace(changed, law=own, kept=member.with_newer(kept))
        members = [*self.members[:at], changed, *self.members[at + 1 :]]
        if law:
            self._become(members)
        else:  # what was fitted was fitted to laws, which stay
            self.members = members
        return self

    def only(self, *sources: str) -> Self:
        """Return a repair of these sources and of clean activations alone; its gate is fitted for them.

        Nothing is copied; lessons of the one are not seen by the other.

        Parameters
        ----------
        *sources : str
            That it keeps, beside clean.

        Returns
        -------
        Repair
            A copy, without margins.
        """
        for name in sources:
            choose("sources", name, self.sources)
        self._refuse_stateless()
        few = self._copied([member for member in self.members if member.source in (CLEAN, *sources)])
        few.margin, few.margins, few.among = 0.0, {}, ()
        return few

    def with_held_out(self, held: Sequence[Any]) -> Self:
        """Return a copy whose laws and gate expect other held-out activations than those kept while learning.

        For a device whose earlier layers are not quite those that the repair learned behind, such as a chip's in
        integers. Laws become as wide as these activations' innovations are, and the gate is fitted to them; ways back
        and margins stay.

        Parameters
        ----------
        held : sequence of (T, C, H, W)
            For each of `members`, activations that it has not learned from, as it will meet them; some hundreds.

        Returns
        -------
        Repair
            The copy.

        Raises
        ------
        ArgumentError
            Not one array for each member, of another shape, or fewer than 2 activations.
        """
        self._refuse_empty()
        if len(held) != len(self.members):
            raise ArgumentError(
                f"held has {len(held)} arrays: expected one for each of the {len(self.members)} members, "
                f"{', '.join(self._own)}"
            )
        kept = [self._activity(f"held[{j}]", one) for j, one in enumerate(held)]
        few = [(j, len(one)) for j, one in enumerate(kept) if len(one) < 2]
        if few:
            j, count = few[0]
            raise ArgumentError(
                f"held[{j}] has {count} activations of {self.members[j].source!r}: expected some hundreds, at least 2"
            )
        return self._copied([member.with_held_out(one) for member, one in zip(self.members, kept, strict=True)])

    def _copied(self, members: list[Member]) -> Self:
        """Return a copy with these members, whose lessons this one does not see."""
        own = copy(self)
        own._become(members)
        own.provenance = dict(self.provenance)
        return own

    def _become(self, members: list[Member]) -> None:
        """Take members, and forget what was fitted for others: in one step, so that an interruption mixes nothing."""
        vars(self).update(members=members, _gate=None, _among_gate=None, worth=None)


def _going_on(grid: UnitGrid, rule: Any) -> UnitGrid:
    """Return a copy of a grid that learns where this one stopped; by another rule, from its weights alone."""
    own = UnitGrid.of_field(grid.config, grid.field.copy(), grid.implied)
    own.learned = grid.learned
    if grid.rule is not None and grid.rule.name == getattr(rule, "name", rule):
        own.rule, own.state = grid.rule, grid.state
    return own
