"""The grid as a Brian2 network whose trials are exact draws of the field."""

from typing import Any

import brian2
import numpy as np
import numpy.typing as npt
from brian2 import Quantity, ms, nA

from localnoise.errors import ArgumentError, choose
from localnoise.field import Floats
from localnoise.grid import UnitGrid
from localnoise.spiking.parts import Parts, build, synapses_of
from localnoise.spiking.quantities import as_quantity
from localnoise.spiking.settling import check_step, overrun, settling_steps
from localnoise.spiking.target import TARGETS, as_brian_seed, finish, on, reporting
from localnoise.spiking.wires import refuse_too_large
from localnoise.streams import Progress
from localnoise.validate import as_activity, as_array, as_count


def network(
    grid: UnitGrid,
    *,
    tau: Quantity = 1 * ms,
    dt: Quantity | None = None,
    trial: Quantity | None = None,
    scale: Quantity = 1 * nA,
    copies: int = 1,
    target: str = "cython",
    max_bytes: int = 4 * 2**30,
) -> "FieldNetwork":
    """Build the Brian2 network of a grid: units as neurons, parents as synapses, private noise held for a trial.

    tau dx_u/dt = a_u + G_u h_R(u) + B_u x_P(u) + S_u xi_u - x_u,  eta_u = gain_u x_u, as a current: scale eta_u

    xi_u ~ N(0, I) is drawn at each trial's start and held, so that the rates relax to the field of these xi: at a
    trial's end they are an exact draw, and over trials the covariance of eta is `grid.covariance()`. (White noise that
    runs on in time would not give it: there (I - B) C + C (I - B)' = 2 S S'.) That shared variability is constant
    within a trial and anew in the next is how it is modelled in cortex, too (Goris, Movshon and Simoncelli 2014, Nature
    Neuroscience 17).

    Parameters
    ----------
    grid : UnitGrid
        Fitted, with or without signal dependence.
    tau : time
        Time constant of the units' rates.
    dt : time
        Time step, below 2 tau. Default: tau, with which one generation of units settles each step, exactly.
    trial : time
        Duration of a trial. Default: the time in which the field settles, to 1e-6.
    scale : current
        Current for a field of 1.
    copies : int
        Independent copies of the grid side by side: each step's overhead is paid once for all of them.
    target : str
        "numpy", "cython" or "cpp_standalone".
    max_bytes : int
        Memory that the network may take; estimated before anything is built.

    Returns
    -------
    FieldNetwork
        It draws trials, and gives its Brian2 objects.

    Raises
    ------
    ArgumentError
        A plain number where a quantity is expected, an unstable time step, or a trial too short to settle.
    TooLargeError
        The network would take more than `max_bytes`.

    Examples
    --------
    >>> import localnoise as ln
    >>> from brian2 import ms
    >>> grid = ln.UnitGrid((3, 3), 2, order="raster", radius=1)
    >>> ln.spiking.network(grid, tau=5 * ms, target="numpy").sample(4, seed=0).shape
    (4, 2, 3, 3)
    """
    return FieldNetwork(grid, tau=tau, dt=dt, trial=trial, scale=scale, copies=copies, target=target, limit=max_bytes)


class FieldNetwork:
    """The network that `network` returns: it draws trials of the field, and gives its Brian2 objects for your own.

    Attributes
    ----------
    tau, dt, trial : time
        Time constant, time step, duration of a trial.
    scale : current
        Of a field of 1.
    copies : int
        Of the grid, side by side.
    target : str
        Of Brian2.

    Parameters
    ----------
    grid, tau, dt, trial, scale, copies, target
        As `network` takes them.
    limit : int
        Its `max_bytes`.
    """

    def __init__(
        self, grid: UnitGrid, *, tau: Any, dt: Any, trial: Any, scale: Any, copies: int, target: str, limit: int
    ) -> None:
        if not isinstance(grid, UnitGrid):
            raise ArgumentError(f"grid is {type(grid).__name__}: expected a UnitGrid, such as localnoise.load(file)")
        grid.config.refuse_second("grid")
        self.grid, self.limit = grid, limit
        self.target, self.copies = choose("target", target, TARGETS), as_count("copies", copies, 1)
        self.tau, self.scale = as_quantity("tau", tau, 5 * ms), as_quantity("scale", scale, 1 * nA)
        self.dt = self.tau if dt is None else as_quantity("dt", dt, 5 * ms)
        ratio = check_step(self.dt, self.tau)
        self._refuse_too_large(1)
        least = settling_steps(grid.field.astype(np.float64), ratio)
        self._steps = least
        if trial is not None:
            self._steps = round(float(as_quantity("trial", trial, 100 * ms) / self.dt))
            if self._steps < least:
                raise ArgumentError(
                    f"trial={trial}: expected at least {least * self.dt}, in which the field settles at dt={self.dt}, "
                    f"tau={self.tau}; use a longer trial or a shorter tau"
                )
        self.trial = self._steps * self.dt

    @property
    def neurons(self) -> int:
        """Neurons of the field, over all copies."""
        return self.grid.config.neurons * self.copies

    def build(self, *, h: Any = None, private: Any = None) -> Parts:
        """Make the Brian2 objects of the field, in Brian2's present target: put `parts.objects` into a Network.

        Parameters
        ----------
        h : (trials, C, H, W), optional
            The activation of each trial; with several copies (trials, copies, C, H, W). None: the zero-mean noise, as
            `UnitGrid.sample`.
        private : of the same shape, optional
            The private noise xi of each trial instead of a draw.

        Returns
        -------
        Parts
            Neurons, synapses and clocks.
        """
        shown = None if h is None else self._timed(h)
        held = None if private is None else self._timed(private)
        return build(self.grid.field, self.copies, self.tau, self.dt, self.trial, self.scale, shown, held)

    def sample(self, count: int, seed: int = 0, progress: Progress | None = None) -> Floats:
        """Draw trials of the zero-mean field, of covariance `grid.covariance()`.

        Parameters
        ----------
        count : int
            Trials.
        seed : int
            It fixes them for a target; other targets draw others.
        progress : callable
            Told (trials done, all of them) while it runs; not on "cpp_standalone".

        Returns
        -------
        ndarray of float64, (count, C, H, W)
            In activation units.
        """
        count = as_count("count", count)
        return self._run(count, None, None, seed, progress)

    def perturb(self, h: npt.ArrayLike, seed: int = 0, progress: Progress | None = None) -> Floats:
        """Draw one trial for each activation: mean(h) + noise, as `UnitGrid.perturb`.

        Parameters
        ----------
        h : (T, C, H, W)
            Activations.
        seed, progress
            As in `sample`.

        Returns
        -------
        ndarray of float64, (T, C, H, W)
            Displacements, in activation units.
        """
        h = self._array("h", h)
        return self._run(len(h), h if self.grid.field.signal else None, None, seed, progress)

    def settle(self, private: npt.ArrayLike, h: npt.ArrayLike | None = None) -> Floats:
        """Return the field that given private noise leads to; deterministic.

        It is that of `UnitGrid`'s sweep: private = grid.innovations(eta) gives eta back.

        Parameters
        ----------
        private : (T, C, H, W)
            xi, in standard deviations.
        h : (T, C, H, W), optional
            Activations, with signal dependence; None: without their part.

        Returns
        -------
        ndarray of float64, (T, C, H, W)
            In activation units.

        Raises
        ------
        ArgumentError
            A wrong shape, NaN, or unequal lengths.
        """
        held = self._array("private", private)
        shown = None if h is None or not self.grid.field.signal else self._array("h", h)
        if shown is not None and len(shown) != len(held):
            raise ArgumentError(f"h has {len(shown)} presentations, private has {len(held)}: expected the same number")
        return self._run(len(held), shown, held, 0, None)

    def _run(self, count: int, h: Any, private: Any, seed: int, progress: Progress | None) -> Floats:
        if not count:
            return np.zeros((0, self.grid.config.channels, *self.grid.config.shape))
        trials = -(-count // self.copies)
        self._refuse_too_large(trials)
        with on(self.target, as_brian_seed(seed)):
            parts = self.build(h=self._dealt(h, trials), private=self._dealt(private, trials))
            monitor = brian2.StateMonitor(parts.units, "eta", record=True, clock=parts.trials, when="start", order=-1)
            whole = brian2.Network(parts.objects, monitor)
            duration = trials * self.trial + overrun(self.trial, self.dt)
            whole.run(duration, namespace={}, **reporting(progress, trials, self.copies))
            finish()
            eta = np.array(monitor.eta)[:, 1 : trials + 1]
        m, shape = self.grid.config.channels, self.grid.config.shape
        eta = eta.reshape(self.copies, -1, m, trials).transpose(3, 0, 2, 1)
        return np.ascontiguousarray(eta.reshape(-1, m, *shape)[:count])

    def _array(self, argument: str, value: Any) -> Floats:
        config = self.grid.config
        flat = as_activity(argument, value, config.channels, config.shape, np.float64)
        return flat.reshape(-1, config.channels, *config.shape)

    def _dealt(self, values: Floats | None, trials: int) -> Floats | None:
        """Values of `count` draws, dealt out to trials and copies; the last ones repeated where they do not fill."""
        if values is None:
            return None
        filled = values[np.minimum(np.arange(trials * self.copies), len(values) - 1)]
        return np.asarray(filled.reshape(trials, self.copies, *values.shape[1:]))

    def _timed(self, values: Any) -> Any:
        config = self.grid.config
        array = as_array("h", values).astype(np.float64).reshape(-1, self.copies, config.channels, config.units)
        return brian2.TimedArray(array.transpose(0, 1, 3, 2).reshape(len(array), -1), dt=self.trial)

    def _refuse_too_large(self, trials: int) -> None:
        synapses = self.copies * synapses_of(self.grid.field)
        refuse_too_large(2 * self.neurons, synapses, self.limit, more=8 * self.neurons * (trials + 1))

    def __repr__(self) -> str:
        return f"FieldNetwork({self.grid!r}; tau {self.tau}, dt {self.dt}, trial {self.trial}, scale {self.scale})"
