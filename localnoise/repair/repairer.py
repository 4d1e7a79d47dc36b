"""A layer's repair: what happened to an activation is undone by the units that it happened to."""

from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from localnoise.errors import ArgumentError, choose
from localnoise.grid import UnitGrid
from localnoise.repair.deciding import Deciding
from localnoise.repair.gate import Floats, Gate
from localnoise.repair.laws import voters
from localnoise.repair.lessons import CLEAN, Lesson, lesson_of
from localnoise.repair.member import Member
from localnoise.repair.worth import Worth
from localnoise.repair.writing import save
from localnoise.streams import Progress, told
from localnoise.validate import Array, as_count, check_positive, is_iterator


class Repair(Deciding):
    """Undo displacements of a layer's activation, without labels, noise, or a change of the network.

    fixed = h + sum_j w_j(h) (a_j + G_j h_R(u)),   w = the gate's weights of the causes; the clean one has no term

    Every unit has, for each cause, one affine map of its neighborhood's activation, the local least-squares estimate of
    what is missing, and one of its parents' activation, whose squared innovation is its vote on what has happened. The
    sum of the votes over the units is the only step that is not local. Cost of a call: O(n m (K J + R)) for J causes,
    R units within the radius and K parents; storage O(n m (K + R) J).

    Parameters
    ----------
    shape : tuple of int
        (H, W): rows and columns of units. A dense layer of N neurons: (1, 1) and channels=N, every neuron seeing all,
        or (1, N).
    channels : int
        m, neurons per unit.
    radius : int
        Chebyshev radius of the activations that a way back reads; 0 is the unit's own.
    parents : int
        Parents per unit of the laws by which causes are told apart.
    ridge : float or "auto"
        Added to the variance of the activations when ways back are solved; "auto": chosen on held-out activations.
    width : float
        How many standard deviations a cause's log density may lie from its mean before it has no say.
    asks : int
        1: all units vote on what has happened; else those on every `asks`-th row and column. The votes of neighbors
        are so much alike that a quarter of the units or fewer tell nearly as much, at so much less time and memory.
    share : str
        "none"; "places": units whose neighborhoods look alike share their ways back, as a convolution does; or "all":
        they share their laws, too, whose units are then in raster order, which has few kinds of neighborhoods.
    boundary, dtype
        As in `GridConfig`.

    Examples
    --------
    >>> import numpy as np, localnoise as ln
    >>> rng = np.random.default_rng(0)
    >>> h = np.tanh(rng.normal(size=(800, 2, 4, 4)).cumsum(axis=3))
    >>> repair = ln.Repair(shape=(4, 4), channels=2, radius=1).learn("dark", 0.3 * h, h)
    >>> fixed, posterior = repair(0.3 * h[:5])
    >>> posterior.shape, bool(abs(fixed - h[:5]).max() < 0.05)
    ((5, 2), True)
    """

    def __init__(
        self,
        shape: tuple[int, int],
        channels: int = 1,
        *,
        radius: int = 2,
        parents: int = 4,
        ridge: float | str = "auto",
        width: float = 4.0,
        asks: int = 1,
        share: str = "none",
        boundary: str = "clipped",
        dtype: str = "float32",
    ) -> None:
        if not isinstance(ridge, str) or ridge != "auto":
            check_positive("ridge", ridge, zero=True, what=", or 'auto'")
        check_positive("width", width, what=", standard deviations")
        as_count("radius", radius)
        as_count("parents", parents, 1)
        self.asks = as_count("asks", asks, 1)
        common: dict[str, Any] = {"boundary": boundary, "dtype": dtype}
        choose("share", share, ("none", "places", "all"))
        law: dict[str, Any] = {"order": "raster", "share": "places"} if share == "all" else {}
        self.blank_law = UnitGrid(shape, channels, parents=parents, **law, **common)
        none = np.full((self.blank_law.config.units, 1), -1)
        self.blank_back = UnitGrid(
            shape, channels, order="raster", parents=none, signal="local", signal_radius=radius,
            share="none" if share == "none" else "places", **common,
        )  # fmt: skip
        self.radius, self.parents, self.ridge, self.width, self.share = radius, parents, ridge, float(width), share
        self.members: list[Member] = []
        self.margin, self.margins = 0.0, dict[str, float]()
        self.among: tuple[str, ...] = ()
        self.worth: Worth | None = None
        self._laws = None
        self._gate: Gate | None = None
        self._among_gate: Gate | None = None
        self.provenance: dict[str, Any] = {}

    # Size

    @property
    def parameters(self) -> int:
        """Numbers that all ways back, laws and the gate need."""
        asked = voters(self.config.shape, self.asks)
        return sum(member.numbers(asked) for member in self.members) + 3 * len(self.members) + 1

    @property
    def bytes_per_unit(self) -> float:
        """Mean bytes of parameters per unit, in the grid's dtype."""
        return float(self.parameters * np.dtype(self.config.dtype).itemsize / self.config.units)

    # Learning

    def learn(
        self,
        source: str,
        displaced: Any,
        clean: Any = None,
        causes: Any = None,
        *,
        way_back: bool = True,
        progress: Progress | None = None,
    ) -> "Repair":
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

        Raises
        ------
        ArgumentError
            Wrong shape or dtype, NaN, activations that do not belong together, a cause with too few of them.
        """
        named: Any = source
        if not isinstance(named, str) or not named.strip():
            raise ArgumentError(f"source={source!r}: expected a name, such as 'blur'")
        layout = (self.config.channels, self.config.shape, self.config.dtype)
        parts, cause = lesson_of(source, displaced, clean, causes, layout)
        total = None if is_iterator(displaced) else len(displaced)
        lesson = Lesson(self.blank_law, self.blank_back if way_back else None, self.ridge, self.members, source, cause)
        self._become(lesson.learned(told(parts, total, progress)))
        return self

    def adapt(self, source: str, displaced: Any, clean: Any, rule: str = "lms", **options: Any) -> "Repair":
        """Let the units of one source follow a displacement that changes, by a streaming rule that forgets.

        The ways back and the law start from the weights that they have. Cost per activation and unit: that of the rule,
        no solve; no state beyond its averages. A source that was adapted no longer goes on with `learn`.

        Parameters
        ----------
        source : str
            With one cause.
        displaced, clean : (T, C, H, W)
            A device makes such pairs itself, by what `displaced` does to inputs whose clean activations it has kept.
        rule : str
            "lms", "sign-lms" or a plug-in's; `options` are the rule's.
        """
        self._refuse_empty()
        where = [at for at, member in enumerate(self.members) if member.source == source]
        choose("source", source, self.sources[1:])
        if len(where) > 1:
            raise ArgumentError(f"source={source!r} has {len(where)} causes: expected one; learn them under names")
        at, member = where[0], self.members[where[0]]
        x, y = self._activity("displaced", displaced), self._activity("clean", clean)
        if len(x) != len(y):
            raise ArgumentError(f"clean has {len(y)} activations, displaced has {len(x)}: expected as many")
        if member.back is None:
            raise ArgumentError(f"source={source!r} is recognised here, and undone in a later layer: adapt it there")
        law, back = (UnitGrid.of_field(g.config, g.field.copy(), g.implied) for g in (member.law, member.back))
        for new, old in ((law, member.law), (back, member.back)):
            new.rule, new.state, new.learned = old.rule, old.state, old.learned
        back.learn(y - x, x, rule=rule, **options)
        law.learn(x - member.centre, rule=rule, **options)
        self._become([*self.members[:at], replace(member, law=law, back=back), *self.members[at + 1 :]])
        return self

    def _become(self, members: list[Member]) -> None:
        """Take members, and forget what was fitted for others: in one step, so that an interruption mixes nothing."""
        vars(self).update(members=members, _gate=None, _among_gate=None, worth=None)

    # Use

    def __call__(self, h: Any, sources: Any = None) -> tuple[Array, Floats]:
        """Return the repaired activations (T, C, H, W), and the posterior (T, 1 + sources), clean first.

        Parameters
        ----------
        h : (T, C, H, W)
        sources : str, or (T, 1 + sources), optional
            What is known from elsewhere: the name of the source, or weights, such as the posterior of an earlier
            layer's repair. None: the gate decides.
        """
        x = self._activity("h", h)
        w = self.weights(x, sources)
        return self._estimate(x, w), self._by_source(w)

    def only(self, *sources: str) -> "Repair":
        """Return a repair of these sources and of clean activations alone; its gate is fitted for them.

        Nothing is copied; lessons of the one are not seen by the other.
        """
        for name in sources:
            choose("sources", name, self.sources)
        few = copy(self)
        few.members = [member for member in self.members if member.source in (CLEAN, *sources)]
        few.margin, few.margins, few.among, few.worth = 0.0, {}, (), None
        few._gate, few._among_gate, few.provenance = None, None, dict(self.provenance)
        return few

    def with_held_out(self, held: Sequence[Any]) -> "Repair":
        """Return a copy whose laws and gate expect other held-out activations than those kept while learning.

        For a device whose earlier layers are not quite those that the repair learned behind, such as a chip's in
        integers. Laws become as wide as these activations' innovations are, and the gate is fitted to them; ways back
        and margins stay.

        Parameters
        ----------
        held : sequence of (T, C, H, W)
            For each of `members`, activations that it has not learned from, as it will meet them; some hundreds.

        Raises
        ------
        ArgumentError
            Not one array for each member, of another shape, or fewer than 2 activations.
        """
        self._refuse_empty()
        if len(held) != len(self.members):
            raise ArgumentError(
                f"held has {len(held)} arrays: expected one for each of the {len(self.members)} members, "
                f"{', '.join(member.source for member in self.members)}"
            )
        kept = [self._activity(f"held[{j}]", one) for j, one in enumerate(held)]
        few = [(j, len(one)) for j, one in enumerate(kept) if len(one) < 2]
        if few:
            j, count = few[0]
            raise ArgumentError(
                f"held[{j}] has {count} activations of {self.members[j].source!r}: expected some hundreds, at least 2"
            )
        own = copy(self)
        own.members = [member.with_held_out(one) for member, one in zip(self.members, kept, strict=True)]
        own._gate, own._among_gate, own.worth, own.provenance = None, None, None, dict(self.provenance)
        return own

    def restore(self, members: list[Member], gate: Gate, among_gate: Gate | None, **decided: Any) -> None:
        """Take what a file holds; `decided`: margin, margins, among, worth."""
        vars(self).update(decided, members=members, _gate=gate, _among_gate=among_gate)

    def __repr__(self) -> str:
        c = self.config
        return (
            f"Repair({c.shape[0]}x{c.shape[1]} units x {c.channels}, radius {self.radius}; "
            f"{', '.join(self.sources) if self.members else 'nothing learned'})"
        )

    # Files

    def save(self, path: str | Path, *, state: bool = True) -> Path:
        """Write to HDF5, aside and renamed; `localnoise.load` reads it. Without `state` it cannot go on learning."""
        return save(self, path, state=state)
