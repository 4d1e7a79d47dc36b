"""A grid learns: the rule, the held-out choice of a ridge or of parents, and the gain afterwards."""

from copy import copy
from typing import Any, Self

import numpy.typing as npt

from localnoise import gain
from localnoise.cautions import warn_of_few, warn_of_ridge
from localnoise.config import GridConfig
from localnoise.errors import ArgumentError, choose
from localnoise.field import Field
from localnoise.grid.merging import Merging, is_dask
from localnoise.grid.reinforcing import Reinforcing
from localnoise.lesson import Learned, choose_parents, learn, learn_and_choose
from localnoise.renamed import renamed
from localnoise.rules import Rule, make_rule
from localnoise.rules.base import AUTO, State, begun
from localnoise.rules.three_factor import is_rewarded
from localnoise.soundness import check_learned, check_statistics
from localnoise.streams import Progress, chunk_size, presentations, told
from localnoise.validate import as_presentations, as_variance, is_iterator


class Learning(Merging, Reinforcing):
    """The part of a `UnitGrid` that learns."""

    def learn(
        self,
        d: Any,
        h: Any = None,
        rule: str | Rule = "moments",
        *,
        rewards: npt.ArrayLike | None = None,
        progress: Progress | None = None,
        **options: Any,
    ) -> Self:
        """Learn from displacements; call again, by the same rule, to go on. The gain returns to 1: normalise then.

        All or nothing: a call that raises leaves weights, statistics and rule as they were. The displacements need not
        fit into memory: a chunk of at most 2,048 of them, or 256 MiB, is held at a time.

        Parameters
        ----------
        d : (T, C, H, W), or an iterator
            Displacements of the activation, in activation units: an array, a torch tensor, an HDF5 data set, or an
            iterator or torch DataLoader of arrays (t, C, H, W), of pairs (d, h) with signal="local"; or what
            `localnoise.nn.displacements` returns, whatever the signal. How they are cut changes nothing. A dask array:
            rule "moments" learns each of its blocks where it lies, on dask's scheduler, and adds up the statistics.
        h : (T, C, H, W), with signal="local"
            The activations that were displaced: an array, a tensor or an HDF5 data set.
        rule : str or Rule
            "moments", "lms", "sign-lms", "three-factor" or the name of a plug-in's rule; `options` are the rule's. Or a
            rule that is built, `Moments(ridge=1e-3)` or an object of your own that follows `localnoise.rules.Rule`.
            Another rule than before has fresh statistics: "moments" solves from them alone, and forgets what was
            learned; the others start from the weights that the grid has now.
        rewards : (T,), with rule="three-factor"
            How good each presentation's draw was, more is better: d are then draws of the grid as it is now, by
            `sample` or `perturb(h)`. One number a draw is broadcast to all units, the reward less that of the others in
            units of their standard deviation. The gain stays as it is; call again with new draws.
        progress : callable
            Told (presentations learned, all of them or None where it is not known).
        **options
            Of the rule that `rule` names, such as `ridge=1e-3`; none with a rule that is built.

        Returns
        -------
        UnitGrid
            The grid itself.

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
            Wrong shape or dtype, NaN, too few samples, h missing or superfluous, or singular moments; rewards missing
            or superfluous, or all the same.

        Warns
        -----
        FewDisplacementsWarning
            The first call brings fewer than 8 displacements a regressor of a unit: how many are missing.
        ForgottenWarning
            Rule "moments" on a grid that has learned and has no statistics of it (`save(path, state=False)`); another
            rule than before, on a grid that has statistics.
        RidgeWarning
            The ridge is more than a tenth of the displacements' mean square, and so a good part of the noise.
        """
        chosen = make_rule(rule, **options)
        if self.config.narrow and chosen.name != "moments":
            raise ArgumentError(
                f"rule={chosen.name!r}: it writes weights for every unit alone, and this grid shares or reduces them "
                "(share=, rank=): expected rule='moments'"
            )
        if rewards is not None or is_rewarded(chosen):
            self._reinforce(chosen, d, h, rewards, progress)
            return self
        if is_dask(d):
            return self._gathered(d, h, chosen, progress)
        total = None
        if not is_iterator(d):
            d = as_presentations("d", d, *self._layout[:2])
            h, total = self._activation(h, d), len(d)
        before, size, auto = self._now(), chunk_size(*self._layout), getattr(chosen, "ridge", None) == AUTO

        def lesson(config: GridConfig, field: Field, state: State, argument: str) -> Learned:
            parts = presentations(d, h, *self._layout, signal=field.signal, size=size, read=field.wires.activations)
            chunks = told(parts, total, progress)
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
        self._warn_of_forgotten(before.rule, before.state, chosen)
        now = {"config": config, "implied": implied, "field": field, "rule": found.rule, "state": found.state}
        vars(self).update(now, learned=field.wires, _open=None)  # one step of the interpreter
        if fresh:
            warn_of_few(field, found.state["seen"], stacklevel=3)
            if not auto:
                warn_of_ridge(found.power, getattr(found.rule, "ridge", 0.0), stacklevel=3)
        return self

    @renamed(trace="variance")
    def normalise(self, variance: float = 0.5, scope: str = "global") -> Self:
        """Scale the noise to a variance per neuron, by the units' gains. O(n^2 m K) time up to 4,096 neurons.

        With signal dependence the whole field is scaled, mean and noise, by what the conditional covariance needs.

        Parameters
        ----------
        variance : float
            In squared activation units; > 0.
        scope : str
            "global": on average over the grid, trace(Sigma) = variance n, one factor for all units, from a central sum;
            "local": in every unit, trace(Sigma_uu) = variance m, each from its own variance.

        Returns
        -------
        UnitGrid
            The grid itself.

        Raises
        ------
        ArgumentError
            A variance that is not > 0, or another scope; a gain that would leave the range of the grid's dtype.
        """
        self.field = gain.normalised(self.field, as_variance(variance), choose("scope", scope, ("global", "local")))
        return self
