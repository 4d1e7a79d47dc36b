"""A layer's repair: what happened to an activation is undone by the units that it happened to."""

from pathlib import Path
from typing import Any

import numpy as np

from localnoise.config import SECOND
from localnoise.errors import choose
from localnoise.grid import UnitGrid
from localnoise.repair.asking import Asking
from localnoise.repair.gate import Floats, Gate
from localnoise.repair.laws import voters
from localnoise.repair.learning import Learning
from localnoise.repair.member import Member
from localnoise.repair.worth import Worth
from localnoise.repair.writing import save
from localnoise.topology import initial
from localnoise.validate import Array, as_count, check_positive


class Repair(Learning, Asking):
    """Undo displacements of a layer's activation, without labels, noise, or a change of the network.

    fixed = h + sum_j w_j(h) (a_j + G_j h_R(u)),   w = the gate's weights of the causes; the clean one has no term

    Every unit has, for each cause, one map of its neighborhood's activation, affine or with `bends`, the local
    least-squares estimate of what is missing, and an affine one of its parents' activation, whose squared innovation is
    its vote on what has happened. The sum of the votes over the units is the only step that is not local. Cost of a
    call: O(n m (K J + R)) for J causes, R units within the radius, and again those of the bends, and K parents; storage
    O(n m (K + R) J).

    Parameters
    ----------
    shape : tuple of int
        (H, W): rows and columns of units. A dense layer of N neurons: (1, 1) and channels=N, every neuron seeing all,
        or (1, N).
    channels : int
        m, neurons per unit.
    radius : int
        Chebyshev radius of the activations that a way back reads; 0 is the unit's own.
    bends : int or None
        Chebyshev radius within which a way back also reads how far each activation is from its mean, |h - c|, so that
        it need not be affine (`repair.bends`). None: it reads the activation alone.
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
        bends: int | None = None,
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
            ridge = float(ridge)
        check_positive("width", width, what=", standard deviations")
        radius, parents = as_count("radius", radius), as_count("parents", parents, 1)
        self.bends = None if bends is None else as_count("bends", bends, what=", or None")
        self.asks = as_count("asks", asks, 1)
        common: dict[str, Any] = {"boundary": boundary, "dtype": dtype}
        choose("share", share, ("none", "places", "all"))
        law: dict[str, Any] = {"order": "raster", "share": "places"} if share == "all" else {}
        self.blank_law = UnitGrid(shape, channels, parents=parents, **law, **common)
        none = np.full((self.blank_law.config.units, 1), -1)
        own = "none" if share == "none" else "places"
        self.blank_back = UnitGrid.of_field(*initial(common | {
            "shape": shape, "channels": channels, "order": "raster", "parents": none, "far": 0, "radius": None,
            "signal": "local", "signal_radius": radius, SECOND: self.bends, "share": own,
        }))  # fmt: skip
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

    # Use

    def __call__(self, h: Any, sources: Any = None) -> tuple[Array, Floats]:
        """Return the repaired activations, and what they were taken for.

        Parameters
        ----------
        h : (T, C, H, W)
            Activations.
        sources : str, or (T, 1 + sources), optional
            What is known from elsewhere: the name of the source, or weights, such as the posterior of an earlier
            layer's repair. None: the gate decides.

        Returns
        -------
        repaired : ndarray of the repair's dtype, (T, C, H, W)
            In activation units.
        posterior : ndarray of float64, (T, 1 + sources)
            Weights of the sources, clean first; a row of zeros where nothing is repaired.
        """
        x = self._activity("h", h)
        w = self.weights(x, sources)
        return self._estimate(x, w), self._by_source(w)

    def __repr__(self) -> str:
        c = self.config
        return (
            f"Repair({c.shape[0]}x{c.shape[1]} units x {c.channels}, radius {self.radius}"
            f"{'' if self.bends is None else f', bends {self.bends}'}; "
            f"{', '.join(self.sources) if self.members else 'nothing learned'})"
        )

    # Files

    def save(self, path: str | Path, *, state: bool = True) -> Path:
        """Write the repair to HDF5, aside and renamed; `localnoise.load` reads it.

        Parameters
        ----------
        path : str or Path
            The file; one that is there is replaced.
        state : bool
            Whether the running statistics are kept; without them it cannot go on learning.

        Returns
        -------
        Path
            The file.
        """
        return save(self, path, state=state)

    def restore(
        self,
        *,
        members: list[Member],
        gate: Gate,
        among_gate: Gate | None,
        margin: float,
        margins: dict[str, float],
        among: tuple[str, ...],
        worth: Worth | None,
    ) -> None:
        """Take what a file holds: all that was learned and fitted, so that nothing of what was known before stays.

        Parameters
        ----------
        members : list of Member
            Clean first.
        gate : Gate
            Without its margins.
        among_gate : Gate or None
            Likewise, over `among_members`.
        margin : float
            In favor of clean.
        margins : dict of str to float
            Of each source.
        among : tuple of str
            Sources between which it decides anew.
        worth : Worth or None
            What must be expected of a repair.
        """
        decided: dict[str, Any] = {"margin": margin, "margins": margins, "among": among, "worth": worth}
        vars(self).update(decided, members=members, _gate=gate, _among_gate=among_gate)
