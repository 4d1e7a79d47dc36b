"""The part of a repair that is learned after its lessons: margins, what repairs are worth, and which layer decides."""

from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from localnoise.cautions import warn_of_share
from localnoise.errors import ArgumentError, choose
from localnoise.repair.calibration import FINE, least_margins, with_margins
from localnoise.repair.deciding import Deciding
from localnoise.repair.gate import FLOOR, Floats
from localnoise.repair.lessons import CLEAN
from localnoise.repair.worth import LEAST, by_source
from localnoise.repair.worth import fitted as fitted_worth
from localnoise.validate import Array, as_array, as_share

Worse = Callable[[Array, Array], npt.NDArray[np.bool_]]


class Asking(Deciding):
    """The part of a `Repair` that learns what is asked of a source before it is repaired."""

    def calibrate(self, clean: Any, most: float = 0.005, worse: Worse | None = None) -> Self:
        """Ask each source for a margin before it repairs anything, so that clean activations are left alone.

        The margins, in units of the gate's log weights, are such that at most a share `most` of clean activations is
        changed for the worse; those that look like clean get the largest. What `expect_worth` learned is forgotten.
        Cost: that of one call, and some tens of estimates of the few activations that are changed.

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

        Returns
        -------
        Repair
            Itself.

        Raises
        ------
        ArgumentError
            No activations, a share outside [0, 1), or a `worse` that fails, returns anything but (T,) bool, or calls
            activations worse that are not changed.
        """
        most = as_share("most", most)
        if worse is not None and not callable(worse):
            raise ArgumentError(f"worse={worse!r}: expected a function (fixed, clean) -> (T,) bool, or None")
        h = self._activity("clean", clean)
        if not len(h):
            raise ArgumentError("clean has 0 activations: expected some hundreds")
        warn_of_share("clean", len(h), most, stacklevel=3)
        bound = 0.1 * float(h.var(axis=0).mean())

        def moved(fixed: Array, calm: Array) -> npt.NDArray[np.bool_]:
            return np.asarray(np.square(fixed - calm).mean(axis=(1, 2, 3)) > bound)

        judge = moved if worse is None else _checked(worse)
        if np.mean(judge(h, h)) > most:
            raise ArgumentError(
                f"worse says that more than most={most!r} of the activations are changed for the worse even where none "
                "is repaired: expected a function that compares its two arguments"
            )
        density, gate, names, own = self.log_densities(h), self.fitted_gate, self.sources, self._own

        def blame(margins: Floats, whole: bool) -> npt.NDArray[np.int64]:
            w = with_margins(gate, own, dict(zip(names, margins, strict=True))).weights(density)
            rows = np.flatnonzero(w[:, 0] < 1 - FLOOR)
            out = np.full(len(h), FINE)
            if rows.size:
                bad = np.asarray(judge(self._estimate(h[rows], w[rows]), h[rows]))
                out[rows[bad]] = 1 + self._by_source(w[rows])[bad, 1:].argmax(axis=1)
            return out

        found = least_margins(blame, len(names), most)
        margins = dict(zip(names, found.tolist(), strict=True))
        vars(self).update(margin=0.0, margins=margins, worth=None)  # at once; worth was of other margins
        return self

    def expect_worth(
        self,
        density: Floats,
        likeliest: npt.NDArray[np.int64],
        gain: Floats,
        least: float = LEAST,
        passed: Sequence[str] = (),
    ) -> Self:
        """Repair only where that is expected to pay, from examples of what repairs did to decisions.

        The gate asks which source is likeliest; this asks what its repair is worth where the laws say what they say
        (`localnoise.repair.worth`). Milder displacements than the learned ones, or other ones, are then left alone
        unless their repair pays. Behind an earlier layer's repair it is asked of what this one decides anew
        (`decide_among`). `localnoise.nn.expect_worth` makes such examples. Forgotten with the next lesson.

        Parameters
        ----------
        density : (T, members)
            `log_densities` of activations of as many kinds as one can make: clean, displaced as learned, and milder.
        likeliest : (T,) whole numbers
            Of each the source of most weight, an index of `sources`.
        gain : (T,)
            1 where a repair by the gate turned a wrong decision into the right one, -1 the reverse, else 0.
        least : float
            Expected gain above which a repair is made, a share of decisions in [0, 1).
        passed : sequence of str
            Sources that pass unasked: another layer decides about them.

        Returns
        -------
        Repair
            Itself.

        Raises
        ------
        ArgumentError
            Arrays of another shape or length, not finite, or indices of no source.
        """
        self._refuse_empty()
        names = self.sources
        for name in passed:
            choose("passed", name, names)
        try:
            d, t, g = np.asarray(density, np.float64), np.asarray(likeliest), np.asarray(gain, np.float64)
        except (TypeError, ValueError):
            raise ArgumentError(
                "density, likeliest and gain: expected arrays of numbers (T, members), (T,) and (T,)"
            ) from None
        if d.ndim != 2 or d.shape[1] != len(self.members) or not len(d) or not np.isfinite(d).all():
            raise ArgumentError(
                f"density has shape {d.shape}: expected finite log densities (T, {len(self.members)}), a column a "
                "member, of one activation or more: repair.log_densities(h)"
            )
        if t.shape != (len(d),) or g.shape != t.shape or not np.isfinite(g).all():
            raise ArgumentError(
                f"likeliest has shape {t.shape}, gain {g.shape}: expected a source and a finite gain for each of the "
                f"{len(d)} activations"
            )
        if t.dtype.kind not in "iu" or t.min() < 0 or t.max() >= len(names):
            raise ArgumentError(f"likeliest: expected whole numbers 0 to {len(names) - 1}, the sources' indices")
        those = [names.index(name) for name in passed]
        self.worth = fitted_worth(by_source(d, self._members_of()), t, g, least, those)
        return self

    def decide_among(self, *sources: str) -> Self:
        """Let this repair, behind one of an earlier layer, decide anew between clean and these sources.

        The earlier one's weights of them are added up and shared out by this layer's laws. It must have left them
        alone (`way_back=False`): else their activations here are no longer comparable. Rotations are told from clean
        better where fewer units see more.

        Parameters
        ----------
        *sources : str
            None: take the earlier layer's word again.

        Returns
        -------
        Repair
            Itself.
        """
        for name in sources:
            choose("sources", name, self.sources)
        among = tuple(dict.fromkeys((CLEAN, *sources))) if sources else ()  # each once: its weight is added up
        vars(self).update(among=among, _among_gate=None)  # at once
        return self


def _checked(worse: Worse) -> Worse:
    """Return a judge whose answers are looked at."""

    def judge(fixed: Array, clean: Array) -> npt.NDArray[np.bool_]:
        try:
            said = as_array("worse", worse(fixed, clean), "(T,) bool")
        except Exception as error:  # whatever a user's function raises
            if isinstance(error, ArgumentError):
                raise
            reason = (str(error).splitlines() or [""])[0][:150]
            raise ArgumentError(
                f"worse raised {type(error).__name__} ({reason}): expected a function (fixed, clean) -> (T,) bool"
            ) from error
        if said.shape != (len(fixed),) or said.dtype != bool:
            raise ArgumentError(
                f"worse returned {said.dtype} of shape {said.shape}: expected ({len(fixed)},) bool, one an activation"
            )
        return said

    return judge
