"""The part of a repair in which units vote: log densities of what its members know, and gates fitted to them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from localnoise.errors import ArgumentError
from localnoise.grid import UnitGrid
from localnoise.repair.gate import Floats, Gate, fitted
from localnoise.repair.laws import Laws, voters
from localnoise.repair.lessons import CLEAN
from localnoise.repair.member import Member
from localnoise.repair.worth import Worth
from localnoise.validate import Array, as_activity


class Voting:
    """Base of the parts of a `Repair`: what it knows, and how the units vote with that on what has happened.

    Attributes
    ----------
    blank_law, blank_back : UnitGrid
        A law and a way back that have learned nothing.
    ridge : float or "auto"
        Of the ways back.
    members : list of Member
        Clean first; a source may have several.
    margin : float
        What is added to the clean one's log weight.
    margins : dict of str to float
        What is taken from each source's log weight; see `calibrate`.
    among : tuple of str
        Sources between which a posterior of an earlier layer is shared out anew; see `decide_among`.
    width : float
        How many standard deviations a cause's log density may lie from its mean before it has no say.
    asks : int
        Units on every so many rows and columns vote.
    worth : Worth or None
        What must be expected of a repair before it is made; see `expect_worth`.
    """

    blank_law: UnitGrid
    blank_back: UnitGrid
    ridge: float | str
    share: str
    members: list[Member]
    margin: float
    margins: dict[str, float]
    among: tuple[str, ...]
    width: float
    asks: int
    worth: Worth | None
    bends: int | None = None  # as of repairs that were pickled before there were any
    provenance: dict[str, Any]
    _laws: tuple[list[Member], int, Laws] | None
    _gate: Gate | None
    _among_gate: Gate | None

    @property
    def config(self) -> Any:
        """Configuration of the laws' grid: shape, channels, boundary, dtype."""
        return self.blank_law.config

    @property
    def sources(self) -> list[str]:
        """Names in the order of the posterior's columns, "clean" first."""
        return list(dict.fromkeys([CLEAN, *self._own]))

    def log_densities(self, h: Array) -> Floats:
        """Return the log density per neuron that is asked of each member's law.

        Parameters
        ----------
        h : (T, C, H, W)
            Activations.

        Returns
        -------
        ndarray of float64, (T, members)
            In nats, over the neurons of the units that vote.

        Raises
        ------
        ArgumentError
            Nothing is learned yet; a wrong shape or dtype, or NaN.
        """
        self._refuse_empty()
        x = self._activity("h", h)
        return self.laws.log_densities(x.reshape(len(x), self.config.channels, self.config.units))

    @property
    def laws(self) -> Laws:
        """The laws of the units that vote, as they are multiplied: as large as they are, and kept."""
        if self._laws is None or self._laws[0] is not self.members or self._laws[1] != self.asks:
            own = Laws.of(self.members, voters(self.config.shape, self.asks), self.config.dtype)
            self._laws = self.members, self.asks, own
        return self._laws[2]

    def __getstate__(self) -> dict[str, Any]:
        """Copy or pickle without what can be made again."""
        return self.__dict__ | {"_laws": None}

    @property
    def fitted_gate(self) -> Gate:
        """The gate without its margins."""
        if self._gate is None:
            self._refuse_empty()
            self._gate = self._fitted(range(len(self.members)))
        return self._gate

    @property
    def among_members(self) -> list[int]:
        """The members between which this repair decides anew, clean first."""
        return [j for j, name in enumerate(self._own) if name in self.among]

    @property
    def fitted_among(self) -> Gate:
        """The gate over `among_members` without its margins."""
        if self._among_gate is None:
            self._among_gate = self._fitted(self.among_members)
        return self._among_gate

    def _fitted(self, members: Sequence[int]) -> Gate:
        """Return a gate between some members, fitted to what was held out of them."""
        self._refuse_stateless()
        kept = [self.members[j].kept.astype(self.config.dtype) for j in members]
        density = np.concatenate([self.log_densities(part)[:, list(members)] for part in kept])
        cause = np.repeat(np.arange(len(kept)), [len(part) for part in kept])
        return fitted(density, cause, self.width, len(voters(self.config.shape, self.asks)) * self.config.channels)

    @property
    def _own(self) -> list[str]:
        """The source of each member."""
        return [member.source for member in self.members]

    def _members_of(self) -> list[npt.NDArray[np.int64]]:
        """Return the members of each source, clean first."""
        own = np.array(self._own)
        return [np.flatnonzero(own == name) for name in self.sources]

    def _by_source(self, w: Floats) -> Floats:
        """Return what the members of each source have together, (T, sources), of members' weights (T, members)."""
        names = self.sources
        out = np.zeros((len(w), len(names)))
        for j, name in enumerate(self._own):
            out[:, names.index(name)] += w[:, j]
        return out

    def _activity(self, argument: str, value: Any) -> Array:
        c = self.config
        flat = as_activity(argument, value, c.channels, c.shape, c.dtype)
        return flat.reshape(len(flat), c.channels, *c.shape)

    def _refuse_stateless(self) -> None:
        """Refuse what needs a gate that is fitted anew, where nothing is held out to fit it to."""
        if any(len(member.kept) < 2 for member in self.members):
            raise ArgumentError(
                "this repair was saved without its state, so that no gate can be fitted anew: expected a file that was "
                "saved with state=True"
            )

    def _refuse_empty(self) -> None:
        if len(self.sources) < 2 or not self.members:
            raise ArgumentError("nothing is learned yet: expected repair.learn('blur', displaced, clean) before")
