"""Learn by the rule `lms` in Brian2, and get a grid."""

from typing import Any

import brian2
from brian2 import Quantity, ms

from localnoise.cautions import warn_of_few
from localnoise.grid import UnitGrid
from localnoise.rules import LMS
from localnoise.spiking.lms_network import RULE, SynapticLMS
from localnoise.spiking.target import finish, on
from localnoise.streams import Progress


def learn_lms(
    grid: UnitGrid,
    d: Any,
    h: Any = None,
    rule: LMS = RULE,
    *,
    dt: Quantity = 1 * ms,
    target: str = "cython",
    progress: Progress | None = None,
    max_bytes: int = 4 * 2**30,
) -> UnitGrid:
    """Learn by `lms` in Brian2, a presentation a time step; a new grid, equal to what `grid.learn(d, h, rule)` becomes.

    Equations as in `SynapticLMS`. As in `UnitGrid.learn`, a grid that has learned by `lms` goes on, another starts from
    the weights that it has; either may go on with the result. Brian2 computes in float64: weights equal those of a
    float64 grid to rounding, those of a float32 grid to that grid's rounding. Cost O(T N m p); besides, Brian2 prepares
    each run for some tenths of a second, and compiles for some seconds what it has not compiled before.

    Parameters
    ----------
    grid : UnitGrid
        Left as it is.
    d : (T, C, H, W)
        Displacements of the activation, in activation units: an array or an HDF5 data set, which is read whole.
    h : (T, C, H, W), with signal="local"
        The activations that were displaced.
    rule : LMS
        Its options; default: `LMS()`.
    dt : time
        Duration of a presentation; no result depends on it.
    target : str
        "numpy", "cython" or "cpp_standalone".
    progress : callable
        Told (presentations learned, all of them), about once a second; on "cpp_standalone" at the end alone.
    max_bytes : int
        Memory that the network may take; estimated before anything is built.

    Returns
    -------
    UnitGrid
        A new grid.

    Raises
    ------
    ArgumentError
        Wrong shape or dtype, NaN, h missing or superfluous, a plain number for dt, a rule that is no `LMS`.
    TooLargeError
        The network would take more than `max_bytes`.

    Examples
    --------
    >>> import numpy as np, localnoise as ln
    >>> from localnoise.spiking.lms import learn_lms
    >>> d = np.random.default_rng(0).normal(size=(50, 1, 3, 3))
    >>> learn_lms(ln.UnitGrid((3, 3)), d, target="numpy")
    UnitGrid(3x3 units x 1, multiscale, signal none; lms, 50 seen)
    """
    with on(target):
        synaptic = SynapticLMS(grid, d, h, rule, dt=dt, max_bytes=max_bytes)
        synaptic.run(progress)
        finish()
        state = synaptic.state()
    if target == "cpp_standalone" and progress is not None:
        progress(synaptic.presentations, synaptic.presentations)
    dtype = grid.config.dtype
    state = {name: value if name == "seen" else value.astype(dtype) for name, value in state.items()}
    learned = grid.blank()
    rule.settle(learned.field, state)
    learned.rule, learned.state = rule, state
    warn_of_few(learned.field, state["seen"], stacklevel=3)
    learned.provenance = grid.provenance | {"learned by": f"Brian2 {brian2.__version__}, {target}"}
    return learned
