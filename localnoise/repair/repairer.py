"""A layer's repair: what happened to an activation is undone by the units that it happened to."""

from collections.abc import Callable
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from localnoise.errors import ArgumentError, choose
from localnoise.grid import UnitGrid
from localnoise.repair.gate import FLOOR, Floats, Gate, fitted
from localnoise.repair.lessons import CLEAN, Lesson, lesson_of
from localnoise.repair.member import Member
from localnoise.repair.writing import save
from localnoise.streams import Progress, told
from localnoise.validate import (
    Array,
    as_activity,
    as_array,
    as_count,
    check_positive,
    is_iterator,
)

_STEPS = 20  # of the bisection for the margin

Worse = Callable[[Array, Array], npt.NDArray[np.bool_]]


class Repair:
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
        share: str = "none",
        boundary: str = "clipped",
        dtype: str = "float32",
    ) -> None:
        if not isinstance(ridge, str) or ridge != "auto":
            check_positive("ridge", ridge, zero=True, what=", or 'auto'")
        check_positive("width", width, what=", standard deviations")
        as_count("radius", radius)
        as_count("parents", parents, 1)
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
        self.margin = 0.0
        self._gate: Gate | None = None
        self.provenance: dict[str, Any] = {}

    # What it knows

    @property
    def config(self) -> Any:
        """Configuration of the laws' grid: shape, channels, boundary, dtype."""
        return self.blank_law.config

    @property
    def sources(self) -> list[str]:
        """Names in the order of the posterior's columns, "clean" first."""
        return list(dict.fromkeys([CLEAN, *(member.source for member in self.members)]))

    @property
    def parameters(self) -> int:
        """Numbers that all ways back, laws and the gate need."""
        return sum(member.parameters for member in self.members) + 3 * len(self.members) + 1

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
        self.members, self._gate = lesson.learned(told(parts, total, progress)), None
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
        self.members = [*self.members[:at], replace(member, law=law, back=back), *self.members[at + 1 :]]
        self._gate = None
        return self

    def calibrate(self, clean: Any, most: float = 0.005, worse: Worse | None = None) -> "Repair":
        """Ask for a margin before anything is repaired, so that clean activations are left alone.

        The margin is the least one, in units of the gate's log weights, with which at most a share `most` of clean
        activations is changed for the worse. Cost: that of one call, and 20 estimates.

        Parameters
        ----------
        clean : (T, C, H, W)
            Clean activations that were not learned.
        most : float
            In [0, 1).
        worse : callable, optional
            (fixed, clean) -> (T,) bool: which were changed for the worse. None: whose mean square change is more than
            a tenth of the clean activations' variance. Whoever has the network asks it for its decisions
            (`localnoise.nn.calibrate_repairs`).
        """
        if not 0 <= most < 1:
            raise ArgumentError(f"most={most!r}: expected a share in [0, 1)")
        h = self._activity("clean", clean)
        if not len(h):
            raise ArgumentError("clean has 0 activations: expected some hundreds")
        bound = 0.1 * float(h.var(axis=0).mean())

        def moved(fixed: Array, calm: Array) -> npt.NDArray[np.bool_]:
            return np.asarray(np.square(fixed - calm).mean(axis=(1, 2, 3)) > bound)

        judge = worse or moved
        density, gate = self.log_densities(h), self.fitted_gate

        def share(margin: float) -> float:
            w = _with_margin(gate, margin).weights(density)
            return float(np.mean(judge(self._estimate(h, w), h)))

        low, high = 0.0, 1.0
        if share(0.0) > most:
            while share(high) > most and high < 1e6:
                low, high = high, 4 * high
            if high >= 1e6:
                raise ArgumentError(
                    f"worse says that more than most={most!r} of the activations are changed for the worse even where "
                    "none is repaired: expected a function that compares its two arguments"
                )
            for _ in range(_STEPS):
                middle = (low + high) / 2
                low, high = (low, middle) if share(middle) <= most else (middle, high)
                if high - low < 0.02 * high:
                    break
            self.margin = high
        else:
            self.margin = 0.0
        return self

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

    def posterior(self, h: Any) -> Floats:
        """Return the weights of the sources that the gate gives, (T, 1 + sources), clean first."""
        return self._by_source(self.weights(self._activity("h", h)))

    def weights(self, h: Array, sources: Any = None) -> Floats:
        """Return the weights of the members, (T, members)."""
        self._refuse_empty()
        names, own = self.sources, [member.source for member in self.members]
        if sources is None:
            return self.gate.weights(self.log_densities(h))
        if isinstance(sources, str):
            choose("sources", sources, names)
            given = np.tile([float(name == sources) for name in names], (len(h), 1))
        else:
            given = np.asarray(as_array("sources", sources, f"(T, {len(names)}) weights"), np.float64)
            if given.shape != (len(h), len(names)) or not np.isfinite(given).all() or (given < 0).any():
                raise ArgumentError(
                    f"sources has shape {given.shape}: expected weights >= 0 ({len(h)}, {len(names)}), a column for "
                    f"each of {', '.join(names)}"
                )
        column = [names.index(name) for name in own]
        if len(own) == len(names):
            return given[:, column]
        q, out = self.gate.scores(self.log_densities(h)), np.zeros((len(h), len(own)))
        for index, name in enumerate(names):
            where = [j for j, one in enumerate(own) if one == name]
            e = np.exp(q[:, where] - q[:, where].max(axis=1, keepdims=True))
            out[:, where] = given[:, [index]] * e / e.sum(axis=1, keepdims=True)
        return out

    def log_densities(self, h: Array) -> Floats:
        """Return the log density per neuron of each member's law, (T, members)."""
        self._refuse_empty()
        x = self._activity("h", h)
        n = x[0].size if len(x) else 1
        return np.stack([member.law.log_density(x - member.centre) / n for member in self.members], axis=1)

    @property
    def gate(self) -> Gate:
        """The calibrated gate, with its margin; fitted anew after a lesson."""
        return _with_margin(self.fitted_gate, self.margin)

    @property
    def fitted_gate(self) -> Gate:
        """The gate without its margin."""
        if self._gate is None:
            self._refuse_empty()
            kept = [member.kept.astype(self.config.dtype) for member in self.members]
            density = np.concatenate([self.log_densities(part) for part in kept])
            cause = np.repeat(np.arange(len(kept)), [len(part) for part in kept])
            self._gate = fitted(density, cause, self.width, self.config.units * self.config.channels)
        return self._gate

    def _estimate(self, h: Array, w: Floats) -> Array:
        """Return h and the ways back, weighed."""
        out = h.copy()
        for j, member in enumerate(self.members):
            if member.back is None:
                continue
            rows = np.flatnonzero(w[:, j] > FLOOR)
            if rows.size:
                out[rows] += w[rows, j, None, None, None].astype(out.dtype) * member.back.mean(h[rows])
        return out

    def _by_source(self, w: Floats) -> Floats:
        names, own = self.sources, [member.source for member in self.members]
        out = np.zeros((len(w), len(names)))
        for j, name in enumerate(own):
            out[:, names.index(name)] += w[:, j]
        return out

    def _activity(self, argument: str, value: Any) -> Array:
        c = self.config
        return as_activity(argument, value, c.channels, c.shape, c.dtype).reshape(-1, c.channels, *c.shape)

    def only(self, *sources: str) -> "Repair":
        """Return a repair of these sources and of clean activations alone; its gate is fitted for them.

        Nothing is copied; lessons of the one are not seen by the other.
        """
        for name in sources:
            choose("sources", name, self.sources)
        few = copy(self)
        few.members = [member for member in self.members if member.source in (CLEAN, *sources)]
        few.margin, few._gate, few.provenance = 0.0, None, dict(self.provenance)
        return few

    def _refuse_empty(self) -> None:
        if len(self.sources) < 2 or not self.members:
            raise ArgumentError("nothing is learned yet: expected repair.learn('blur', displaced, clean) before")

    def restore(self, members: list[Member], gate: Gate, margin: float) -> None:
        """Take what a file holds."""
        self.members, self._gate, self.margin = members, gate, margin

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


def _with_margin(gate: Gate, margin: float) -> Gate:
    bias = gate.bias.copy()
    bias[0] += margin
    return replace(gate, bias=bias)
