"""The grid of processing units: owns the arrays, validates, and calls the kernels."""

import operator
from collections.abc import Iterator
from copy import copy
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Never, Self

import numpy as np
import numpy.typing as npt

from localnoise import gain, scoring
from localnoise.cautions import warn_of_few, warn_of_ridge
from localnoise.config import GridConfig
from localnoise.dense import log_density, permute, refuse_if_larger
from localnoise.drawing import draw_into
from localnoise.errors import ArgumentError, choose
from localnoise.field import Field
from localnoise.lesson import Learned, choose_parents, learn, learn_and_choose
from localnoise.narrow import NarrowField
from localnoise.narrow import initial as empty_field
from localnoise.orders import ORDERS, Order
from localnoise.orders.base import OWN
from localnoise.renamed import renamed
from localnoise.rules import Rule, make_rule
from localnoise.rules.base import AUTO, State, begun
from localnoise.saving import save
from localnoise.soundness import check_learned, check_statistics
from localnoise.streams import Progress, chunk_size, fill, positions, presentations, told
from localnoise.topology import Parents, initial
from localnoise.unit import ProcessingUnit
from localnoise.validate import (
    Array,
    Start,
    as_activity,
    as_count,
    as_out,
    as_positions,
    as_presentations,
    as_variance,
    is_iterator,
    is_stored,
)
from localnoise.wiring import Wires


class UnitGrid:
    """A grid of units that learn and draw structured noise from what they and their parents do.

    eta_u = gain_u (a_u + G_u h_R(u) + B_u eta_P(u) + S_u xi_u), xi_u ~ N(0, I). A draw costs O(n m (K + R)) time,
    storage is O(n m (K + R)).

    Parameters
    ----------
    shape : tuple of int
        (H, W): rows and columns of units.
    channels : int
        m, neurons per unit.
    order : str, (N,) whole numbers, or callable
        "multiscale" (coarse to fine), "raster" (row by row) or the name of a plug-in's order; or all units, numbered
        u = y W + x, in an order of your own, or a function that gives them (`localnoise.orders.Order`).
    parents : int, "auto", (N, K) whole numbers, or callable
        Most parents per unit, nearest first; None: all within the radius for raster, 4 for other orders. "auto": the
        first `learn` chooses 1, 2, 4, ... on held-out displacements; until then as None. Or each unit's parents, units
        earlier in the order, -1 where there is none, or a function that gives them (`localnoise.topology.Parents`).
    far, radius, boundary, signal, signal_radius, dtype
        As in `GridConfig`. Parents of your own have neither `far` nor `radius`.
    share, rank
        For wide layers, as in `GridConfig`: weights that places share, links that carry `rank` directions of the
        channels, or both. Learned by rule "moments" alone, from moments summed over places, which is not local
        (`localnoise.rules.pooled`).

    Examples
    --------
    >>> import numpy as np, localnoise as ln
    >>> grid = ln.UnitGrid(shape=(4, 4), channels=2, order="raster", radius=1)
    >>> d = np.random.default_rng(0).normal(size=(500, 2, 4, 4))
    >>> grid.learn(d).sample(3, seed=0).shape
    (3, 2, 4, 4)
    """

    _open: dict[str, Any] | None  # the options of a grid whose number of parents is still to be chosen

    def __init__(
        self,
        shape: tuple[int, int],
        channels: int = 1,
        *,
        order: str | Order | npt.ArrayLike = "multiscale",
        parents: int | Parents | npt.ArrayLike | None = None,
        far: int = 0,
        radius: int | None = None,
        boundary: str = "clipped",
        signal: str = "none",
        signal_radius: int = 1,
        share: str = "none",
        rank: int | None = None,
        dtype: str = "float32",
        **unknown: Never,
    ) -> None:
        for option in unknown:
            choose("option of UnitGrid", option, GridConfig.__dataclass_fields__)
        options = {
            "shape": shape, "channels": channels, "order": order, "parents": parents, "far": far, "radius": radius,
            "boundary": boundary, "signal": signal, "signal_radius": signal_radius, "share": share, "rank": rank,
            "dtype": dtype,
        }  # fmt: skip
        auto = isinstance(parents, str) and parents == AUTO
        config, field, implied = initial(options | ({"parents": None} if auto else {}))
        self._hold(config, field, implied)
        if config.order != OWN and implied is None:
            self.provenance["order"] = {"name": str(config.order)} | asdict(ORDERS.origin(config.order))
        if auto:
            self._open = options

    def _hold(self, config: GridConfig, field: Field, implied: Wires | None) -> None:
        self.config, self.field, self.implied = config, field, implied
        self._open = None
        self.rule: Rule | None = None
        self.state: State | None = None
        self.learned: Wires | None = None  # the wires whose statistics `state` holds
        self.provenance: dict[str, Any] = {}

    @classmethod
    def of_field(cls, config: GridConfig, field: Field, implied: Wires | None = None) -> Self:
        """Return a grid that holds this field; `implied` are the wires that the configuration implies, if it does."""
        grid = cls.__new__(cls)
        grid._hold(config, field, implied)
        return grid

    def blank(self) -> "UnitGrid":
        """Return a grid of the same configuration and wires that has learned nothing."""
        f = self.field
        field = empty_field(self.config, f.order, f.parents, f.readers)
        made = UnitGrid.of_field(self.config, field, self.implied)
        made.provenance |= {name: self.provenance[name] for name in ("arrangement",) if name in self.provenance}
        made._open = self._open
        return made

    def widened(self) -> "UnitGrid":
        """Return a grid of the same law in which every unit has all of its weights: for chips, Brian2 and edits.

        It learns on its own; its statistics are fresh. A grid without `share` and `rank` gives a copy.
        """
        field = self.field.widened() if isinstance(self.field, NarrowField) else self.field.copy()
        grid = UnitGrid.of_field(replace(self.config, share="none", rank=None), field, self.implied)
        grid.provenance = dict(self.provenance)
        return grid

    # Learning

    def learn(
        self,
        d: Any,
        h: Any = None,
        rule: str | Rule = "moments",
        *,
        progress: Progress | None = None,
        **options: Any,
    ) -> Self:
        """Learn from displacements; call again to go on learning. The gain returns to 1: normalise afterwards.

        All or nothing: a call that raises leaves weights, statistics and rule as they were. The displacements need not
        fit into memory: a chunk of at most 2,048 of them, or 256 MiB, is held at a time.

        Parameters
        ----------
        d : (T, C, H, W), or an iterator
            Displacements of the activation, in activation units: an array, a torch tensor, an HDF5 data set, or an
            iterator or torch DataLoader of arrays (t, C, H, W), of pairs (d, h) with signal="local"; or what
            `localnoise.nn.displacements` returns, whatever the signal. How they are cut changes nothing.
        h : (T, C, H, W), with signal="local"
            The activations that were displaced: an array, a tensor or an HDF5 data set.
        rule : str or Rule
            "moments", "lms", "sign-lms" or the name of a plug-in's rule; `options` are the rule's. Or a rule that is
            built, `Moments(ridge=1e-3)` or an object of your own that follows `localnoise.rules.Rule`. Another rule
            than before starts from the weights that the grid has now, with fresh statistics.
        progress : callable
            Told (presentations learned, all of them or None where it is not known).

        Notes
        -----
        `ridge="auto"`, an option of every rule of ours, and `UnitGrid(parents="auto")` are chosen on held-out
        displacements: the last fifth of what is given, at most as many as a chunk holds, which are learned afterwards.
        For a ridge the displacements are read once, and 10 ridges are solved for and scored. For parents they are read
        once for each number that is tried, so that an iterator must yield the same ones each time: a generator is
        refused.

        Raises
        ------
        ArgumentError
            Wrong shape or dtype, NaN, too few samples, h missing or superfluous, or singular moments.

        Warns
        -----
        FewDisplacementsWarning
            The first call brings fewer than 8 displacements a regressor of a unit: how many are missing.
        RidgeWarning
            The ridge is more than a tenth of the displacements' mean square, and so a good part of the noise.
        """
        chosen = make_rule(rule, **options)
        if self.config.narrow and chosen.name != "moments":
            raise ArgumentError(
                f"rule={chosen.name!r}: it writes weights for every unit alone, and this grid shares or reduces them "
                "(share=, rank=): expected rule='moments'"
            )
        total = None
        if not is_iterator(d):
            d = as_presentations("d", d, *self._layout[:2])
            h, total = self._activation(h, d), len(d)
        before, size, auto = self._now(), chunk_size(*self._layout), getattr(chosen, "ridge", None) == AUTO

        def lesson(config: GridConfig, field: Field, state: State, argument: str) -> Learned:
            chunks = told(presentations(d, h, *self._layout, signal=field.signal, size=size), total, progress)
            if not argument:
                return learn(field, chosen, state, chunks)
            return learn_and_choose(config, field, chosen, state, chunks, size, argument)

        config, implied = before.config, before.implied
        fresh = before.rule is None or before.state is None or before.rule.name != chosen.name
        if before._open is not None:
            (config, implied), found = choose_parents(d, before._open, chosen, lesson)
        elif before.state is None or fresh:
            field = before.field.copy()
            found = lesson(config, field, begun(chosen, field), "ridge" * auto)
        else:
            check_statistics(before)
            state = {name: copy(value) for name, value in before.state.items()}
            found = lesson(config, before.field.copy(), state, "ridge" * auto)
        field = found.field
        check_learned(config, field, found.rule)
        now = {"config": config, "implied": implied, "field": field, "rule": found.rule, "state": found.state}
        vars(self).update(now, learned=field.wires, _open=None)  # one step of the interpreter
        if fresh:
            warn_of_few(field, found.state["seen"], stacklevel=3)
            if not auto:
                warn_of_ridge(found.power, getattr(found.rule, "ridge", 0.0), stacklevel=3)
        return self

    @renamed(trace="variance")
    def normalise(self, variance: float = 0.5, scope: str = "global") -> Self:
        """Scale the noise to variance `variance` per neuron: over the grid ("global") or in every unit ("local").

        With signal dependence the whole field is scaled, mean and noise, by what the conditional covariance needs.
        """
        self.field = gain.normalised(self.field, as_variance(variance), choose("scope", scope, ("global", "local")))
        return self

    # Drawing

    def sample(
        self, count: int, seed: int = 0, start: Start = 0, out: Any = None, progress: Progress | None = None
    ) -> Any:
        """Draw `count` samples of the zero-mean noise, (count, C, H, W), covariance `covariance()`.

        Sample t depends on (seed, start + t) alone: the same for any thread count, chunk, or length of the draw. An
        array `start` (count,) names each sample's position in the stream. `out`, if given, is written and returned: an
        array, since new memory can cost as much as the draw, or an HDF5 data set, filled chunk by chunk while
        `progress` is told (samples drawn, count).
        """
        count = as_count("count", count)
        if is_stored(out):
            as_presentations("out", out, *self._layout[:2])
            cuts, now = positions(start, count, chunk_size(*self._layout)), self._now()
            return fill(out, (now.sample(len(cut), seed, cut) for cut in cuts), count, progress)
        eta = as_out(out, count, *self._layout)
        return self._now()._draw(eta, eta, seed, start, signal=False, white=True)

    def perturb(
        self, h: Any, seed: int = 0, start: Start = 0, out: Any = None, progress: Progress | None = None
    ) -> Any:
        """One draw for each activation h (T, C, H, W): mean(h) + noise; the noise is that of `sample`.

        With an HDF5 data set as `out`, h may be one, too, or an iterator of arrays; `start` is then a whole number.
        """
        if is_stored(out):
            as_presentations("out", out, *self._layout[:2])
            first = int(as_positions(start, 1)[0])
            parts = presentations(h, None, *self._layout, signal=False, size=chunk_size(*self._layout))
            return fill(out, self._now()._perturbed(parts, seed, first), None if is_iterator(h) else len(h), progress)
        h3 = as_activity("h", h, *self._layout)
        eta = as_out(out, len(h3), *self._layout)
        if np.shares_memory(eta, h3):
            raise ArgumentError("out shares memory with h: expected an array of its own; use np.empty_like(h)")
        return self._now()._draw(eta, h3, seed, start, signal=self.field.signal, white=True)

    def _perturbed(self, parts: Iterator[tuple[Array, Array | None]], seed: int, start: int) -> Iterator[Array]:
        for part, _ in parts:
            yield self.perturb(self._shaped(part), seed, start)
            start += len(part)

    def mean(self, h: npt.ArrayLike) -> Array:
        """Mean of `perturb(h)`: diag(gain) (I - B)^-1 (a + G h), (T, C, H, W); zero without signal dependence."""
        h3 = as_activity("h", h, *self._layout)
        return self._now()._draw(np.empty_like(h3), h3, 0, 0, signal=self.field.signal, white=False)

    def pull_back(self, gradient: npt.ArrayLike) -> Array:
        """Adjoint of the mean's linear part: G' (I - B)^-T diag(gain) gradient, (T, C, H, W). Exact."""
        from localnoise.kernels.sweep import pull_back

        g = as_activity("gradient", gradient, *self._layout, finite=False)
        f = self.field.at_once()
        if not f.signal:  # the mean does not depend on h
            return self._shaped(np.zeros_like(g))
        out, wires = np.empty_like(g), f.wires
        if isinstance(f, NarrowField):
            f.pull_back(out, g)
            return self._shaped(out)
        pull_back(out, g, wires.order, wires.parents, wires.readers, f.G, f.B, f.gain)
        return self._shaped(out)

    # Scoring

    def innovations(self, d: npt.ArrayLike, h: npt.ArrayLike | None = None) -> Array:
        """Return what each unit's neighbourhood does not explain, whitened: S_u^-1 (d_u/g_u - W_u z_u), (T, C, H, W).

        Standard normal where the field is true; its square is the unit's surprise. Cost O(T n m (K + R)).
        """
        return self._now()._innovations("d", d, h)

    def mahalanobis(self, delta: npt.ArrayLike, *, through_mean: bool = False) -> npt.NDArray[np.float64]:
        """Squared norm delta' Sigma^-1 delta of each displacement, (T,), a sum of unit terms.

        through_mean : take delta as a shift of the *activation*: the noisy network then sees delta plus the shift of
        the noise's mean, diag(gain) (I - B)^-1 G delta. The two are equal without signal dependence.
        """
        from localnoise.kernels.score import squared_norms

        d3, now = as_activity("delta", delta, *self._layout, finite=False), self._now()
        if through_mean and self.field.signal:
            shift = now._draw(np.empty_like(d3), d3, 0, 0, signal=True, white=False, affine=False)
            d3 = d3 + shift.reshape(d3.shape)
        out, f = np.empty(len(d3)), now.field
        if isinstance(f, NarrowField):
            e = scoring.whitened(now.config, f, d3, None, affine=False)
            return np.asarray(np.square(e, dtype=np.float64).sum(axis=(1, 2)))
        tile, ring = scoring.shared(now.config, f, len(d3))
        squared_norms(out, d3, f.parents, f.readers, *f.whitening, tile, ring, parts=-(-len(d3) // tile))
        if not np.isfinite(out).all():  # where a number was none, so is the sum: looked for only then
            as_activity("delta", delta, *self._layout)
        return out

    def log_density(self, eta: npt.ArrayLike, h: npt.ArrayLike | None = None) -> npt.NDArray[np.float64]:
        """Log density of the field at eta, given h with signal dependence; (T,), natural logarithm."""
        now = self._now()
        return log_density(now._innovations("eta", eta, h), scoring.log_scale(now.field))

    def score(self, d: Any, h: Any = None) -> float:
        """Mean log density of displacements, per presentation, in nats: scikit-learn's `score`.

        Of displacements that were not learned it says how good the field is: learn from some, score others, and compare
        numbers of parents, ridges, orders. Comparable for one layer and one set of displacements only.

        Parameters
        ----------
        d : (T, C, H, W), or an iterator
            As in `learn`, streamed: also pairs (d, h), whose h is left out without signal dependence.
        h : (T, C, H, W), with signal="local"
        """
        now = self._now()
        signal, size = now.field.signal, chunk_size(*now._layout)
        d = scoring.pairs_for(d, signal=signal)
        if not is_iterator(d):
            d = as_presentations("d", d, *now._layout[:2])
            h = now._activation(h, d)
        return scoring.mean_log_density(
            now.config, now.field, presentations(d, h, *now._layout, signal=signal, size=size)
        )

    def covariance(self, max_bytes: int = 4 * 2**30) -> npt.NDArray[np.float64]:
        """Sigma, (n, n) float64, n in C order of (C, H, W). Small grids only: O(n^2) memory, O(n^3) time.

        Raises
        ------
        TooLargeError
            If it would take more than `max_bytes`; the message says how much.
        """
        refuse_if_larger("covariance()", 3 * 8 * self.config.neurons**2, max_bytes, "sample() or variance()")
        L = permute(gain.factor(self.field.at_once()), self.config.channels)
        return np.asarray(L @ L.T)

    def variance(self) -> npt.NDArray[np.float64]:
        """Variance of each neuron's noise, (C, H, W); exact up to 4,096 neurons, then from 4,096 draws."""
        variance = gain.marginal_variance(self.field.at_once()).T
        return np.asarray(variance.reshape(self.config.channels, *self.config.shape), np.float64)

    # Size

    @property
    def parameters(self) -> int:
        """Numbers that the field needs: existing links' weights, triangular factors, gains; what is shared, once."""
        f, m = self.field, self.config.channels
        if isinstance(f, NarrowField):
            return f.numbers
        links = int((f.parents >= 0).sum() + (f.readers >= 0).sum())
        own = m * (m + 1) // 2 + 1 + (m if f.signal else 0)
        return links * m * m + own * self.config.units

    @property
    def bytes_per_unit(self) -> float:
        """Mean bytes of parameters per unit, in the grid's dtype."""
        return self.parameters * np.dtype(self.config.dtype).itemsize / self.config.units

    @property
    def wire_length(self) -> int:
        """Sum of the Manhattan lengths of the links from parent to child, in units' pitch."""
        unit, slot = np.nonzero(self.field.parents >= 0)
        other = self.field.parents[unit, slot]
        (height, width) = self.config.shape
        dy, dx = abs(unit // width - other // width), abs(unit % width - other % width)
        if self.config.boundary == "periodic":
            dy, dx = np.minimum(dy, height - dy), np.minimum(dx, width - dx)
        return int((dy + dx).sum())

    def __getitem__(self, position: tuple[int, int]) -> ProcessingUnit:
        """Return the unit at (y, x), a view."""
        height, width = self.config.shape
        try:
            y, x = map(operator.index, position)
        except (TypeError, ValueError):
            raise ArgumentError(f"grid[{position!r}]: expected two whole numbers, grid[y, x]") from None
        if not (0 <= y < height and 0 <= x < width):
            raise ArgumentError(f"grid[{y}, {x}]: expected 0 <= y < {height} and 0 <= x < {width}")
        return ProcessingUnit(self, y * width + x)

    def __repr__(self) -> str:
        c = self.config
        learned = "nothing learned"
        if self.rule is not None:
            learned = f"{self.rule.name}, " + (f"{self.state['seen']} seen" if self.state else "weights only")
        return f"UnitGrid({c.shape[0]}x{c.shape[1]} units x {c.channels}, {c.order}, signal {c.signal}; {learned})"

    # Files

    def save(self, path: str | Path, *, state: bool = True) -> Path:
        """Write the grid to HDF5, aside and renamed. Without `state` the file is small, but cannot go on learning."""
        return save(self._now(), path, state=state)

    # Inner parts

    def _now(self) -> Self:
        """Return the grid as it is: what another thread learns or normalises meanwhile does not reach it."""
        now = copy(self)
        now.field = self.field.at_once()
        return now

    @property
    def _layout(self) -> tuple[int, tuple[int, int], str]:
        return self.config.channels, self.config.shape, self.config.dtype

    def _activation(self, h: npt.ArrayLike | None, d: npt.NDArray[Any]) -> npt.NDArray[Any] | None:
        if not self.field.signal:
            if h is not None:
                raise ArgumentError(
                    "h was given, but signal='none': expected no activation; build UnitGrid(signal='local')"
                )
            return None
        if h is None:
            raise ArgumentError(
                "h is missing, but signal='local': expected the activations that were displaced, as in learn(d, h)"
            )
        array = as_presentations("h", h, *self._layout[:2])
        if len(array) != len(d):
            raise ArgumentError(f"h has {len(array)} presentations, d has {len(d)}: expected the same number")
        return array

    def _draw(
        self, eta: Array, h: Array, seed: int, start: Start, *, signal: bool, white: bool, affine: bool = True
    ) -> Array:
        return self._shaped(draw_into(eta, h, self.config, self.field, seed, start, signal, white, affine))

    def _innovations(self, argument: str, d: npt.ArrayLike, h: npt.ArrayLike | None) -> Array:
        d3 = as_activity(argument, d, *self._layout)
        h3 = self._activation(h, d3)
        h3 = None if h3 is None else as_activity("h", h3, *self._layout)
        return self._shaped(scoring.innovations(self.config, self.field, d3, h3))

    def _shaped(self, flat: Array) -> Array:
        return flat.reshape(len(flat), self.config.channels, *self.config.shape)
