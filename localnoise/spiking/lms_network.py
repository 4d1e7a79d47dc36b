"""The rule `lms` as a Brian2 network: every link is a synapse that sees its two neurons and nothing else."""

from typing import Any

import brian2
import numpy as np
import numpy.typing as npt
from brian2 import Quantity, ms

from localnoise.field import Floats, Ints
from localnoise.grid import UnitGrid
from localnoise.rules import LMS
from localnoise.rules.base import State
from localnoise.spiking.lms_input import checked, flat, presentations, split
from localnoise.spiking.target import reporting
from localnoise.spiking.wires import blocks_of, links, mixing, refuse_too_large, weights_of
from localnoise.streams import Progress

RULE = LMS()
_SHARE = "(memory + 1) / (seen + t_in_timesteps + 1 + memory)"  # of the present presentation in all averages
_SYNAPSE = """w : 1
mean : 1
{kind}_post = w * x_pre : 1 (summed)
{kind}_power_post = x_pre * x_pre : 1 (summed)"""
_AVERAGED = "{kind}_mean_post = mean * x_pre : 1 (summed)"
_LEARN = f"w += step_post * x_pre\nmean += {_SHARE} * (w - mean)"
_TRACK = f"moment += {_SHARE} * (innovation_pre * innovation_post - moment)"


class SynapticLMS:
    """The Brian2 network that learns, built for the present target (see `localnoise.spiking.target.on`), not yet run.

    Neuron i of unit u holds its displacement d_i; presentation s = 1, 2, ... lasts one time step, in which

    1. synapses add up at i, over all links j -> i from the parents' d and the activations h, x_j either,
           y_i = sum_j w_ij x_j,   Y_i = sum_j mean_ij x_j,   q_i = sum_j x_j^2;
    2. i takes, with its bias a_i a weight of its own (x = 1, with signal dependence),
           step_i = rate (d_i - y_i) / (floor + q_i),   c = (memory + 1) / (s + memory),
           innovation_i = d_i - Y_i - c (y_i + step_i q_i - Y_i);
    3. each link learns from its neurons,
           w_ij += step_i x_j,   mean_ij += c (w_ij - mean_ij),
       and the synapses within a unit, i >= k, track
           moment_ik += c (innovation_i innovation_k - moment_ik).

    y_i + step_i q_i is what the new weights say: the innovation is that of the new average, as in
    `localnoise.kernels.learning.lms`, without a second pass through the synapses. Cost O(N m p) a step.

    Sources: Widrow and Hoff 1960; Nagumo and Noda 1967; Polyak and Juditsky 1992; see `localnoise.LMS`.

    Parameters
    ----------
    grid, d, h, rule, dt, max_bytes
        As in `learn_lms`.
    dtype : str
        Of weights and neurons. Brian2's own constants remain float64.
    residual : bool
        False: links alone, without step 3's second half and what it needs; `state` then has no residual.

    Attributes
    ----------
    network : brian2.Network
        All of its objects.
    duration : time
        Of all presentations.
    presentations : int
        How many there are.
    """

    def __init__(
        self,
        grid: UnitGrid,
        d: Any,
        h: Any = None,
        rule: LMS = RULE,
        *,
        dt: Quantity = 1 * ms,
        dtype: str = "float64",
        residual: bool = True,
        max_bytes: int = 4 * 2**30,
    ) -> None:
        self.grid, self.residual, self._dtype = grid, residual, np.dtype(dtype)
        dt = checked(grid, rule, dt)
        d, h = presentations(grid, d, h)
        self.presentations, self.duration = len(d), len(d) * dt
        self._refuse_too_large(max_bytes)
        displacements, activations = flat("d", grid, d), None if h is None else flat("h", grid, h)
        goes_on = grid.rule is not None and grid.rule.name == rule.name
        start = grid.state if goes_on and grid.state is not None else rule.start(grid.field)
        self._seen = int(start["seen"])
        scalars = {"rate": rule.rate, "least": rule.floor, "memory": rule.memory, "seen": self._seen}
        self._scalars = {name: float(value) for name, value in scalars.items()}
        self._clock = brian2.Clock(dt=dt, name="presentations")
        self._units = self._neurons(displacements, dt, start)
        self._links: dict[str, Any] = {}
        objects = [self._units]
        f, (_, reads, past) = grid.field, split(grid, start["W"])
        _, reads_mean, past_mean = split(grid, start["W_mean"])
        if (f.parents >= 0).any():
            self._links["past"] = self._plastic("past", self._units, f.parents, past, past_mean)
        if activations is not None:
            held = self._holding("activations", "x : 1", activations, dt)
            self._links["read"] = self._plastic("read", held, f.readers, reads, reads_mean)
            objects.append(held)
        self._moments = self._within(start["residual"]) if residual else None
        within = [] if self._moments is None else [self._moments]
        self.network = brian2.Network(objects, list(self._links.values()), within)

    def run(self, progress: Progress | None = None) -> None:
        """Show all presentations, once. On "cpp_standalone" they run with the target's `finish`, and nothing is told.

        Parameters
        ----------
        progress : callable
            Told (presentations learned, all of them) while they run.
        """
        self.network.run(self.duration, **reporting(progress, self.presentations))

    def state(self) -> State:
        """Return what is learned, as the rule keeps it.

        Returns
        -------
        dict
            "W" and "W_mean" (N, m, p), "residual" (N, m, m), "power" (N, m), float64, and "seen"; without residual=True
            neither residual nor power.
        """
        (N, m), units = self.grid.field.a.shape, self._units
        state = {"seen": self._seen + self.presentations, "W": self._weights("w", "a"),
                 "W_mean": self._weights("mean", "a_mean")}  # fmt: skip
        if self._moments is None:
            return state
        residual, (row, column) = np.empty((N, m, m)), np.tril_indices(m)
        moments = np.asarray(self._moments.moment[:]).reshape(N, -1)
        residual[:, row, column] = moments
        residual[:, column, row] = moments
        return state | {"residual": residual, "power": np.array(units.square[:], np.float64).reshape(N, m)}

    def _weights(self, name: str, bias: str) -> npt.NDArray[np.float64]:
        """Return W = [a G B] (N, m, p) of synaptic variable `name`; zero where a link is missing."""
        f, m = self.grid.field, self.grid.config.channels
        parts = []
        for kind, sources in (("read", f.readers), ("past", f.parents)):
            synapses = self._links.get(kind)
            values = np.zeros(0) if synapses is None else np.asarray(getattr(synapses, name)[:])
            parts.append(blocks_of(sources, values, m))
        if f.signal:
            parts.insert(0, np.asarray(getattr(self._units, bias)[:]).reshape(-1, m, 1))
        return np.concatenate(parts, axis=2)

    def _neurons(self, displacements: Floats, dt: Quantity, start: State) -> Any:
        """Units' neurons, with step 2 of the class's equations, between the synapses' sums and their learning.

        `past`, `past_power`, `past_mean` are what parents' synapses add to y, q, Y; `read` ..., those of activations.
        """
        signal = self.grid.field.signal
        kinds = ["past", "read"] if signal else ["past"]
        sums = {end: [f"{kind}{end}" for kind in kinds] for end in ("", "_power", "_mean")}
        names = ["x", "step", *sums[""], *sums["_power"]]
        said, power, averaged = (" + ".join(terms) for terms in sums.values())
        if signal:
            names += ["a", "a_mean"]
            said, power, averaged = f"a + {said}", f"1 + {power}", f"a_mean + {averaged}"
        lines = [f"said = {said}", f"power = {power}", "step = rate * (x - said) / (least + power)"]
        if self.residual:
            names += ["innovation", "square", *sums["_mean"]]
            lines += [f"before = {averaged}", f"innovation = x - before - {_SHARE} * (said + step * power - before)",
                      f"square += {_SHARE} * (x * x - square)"]  # fmt: skip
        if signal:
            lines += ["a += step", f"a_mean += {_SHARE} * (a - a_mean)"]
        units = self._holding("units", "\n".join(f"{name} : 1" for name in names), displacements, dt)
        units.run_regularly("\n".join(lines), when="synapses", name="units_step")
        if self.residual:
            units.square[:] = np.asarray(start["power"]).ravel()
        if signal:
            units.a[:], units.a_mean[:] = (split(self.grid, start[name])[0].ravel() for name in ("W", "W_mean"))
        return units

    def _holding(self, name: str, model: str, values: Floats, dt: Quantity) -> Any:
        """Neurons that take up each presentation's values (T, neurons) in x, at the start of its time step."""
        namespace = {"stimulus": brian2.TimedArray(values, dt=dt, name=f"shown_to_{name}"), **self._scalars}
        group = brian2.NeuronGroup(
            values.shape[1], model, namespace=namespace, clock=self._clock, dtype=self._dtype, name=name
        )
        group.run_regularly("x = stimulus(t, i)", when="start", name=f"{name}_show")
        return group

    def _plastic(self, kind: str, source: Any, sources: Ints, W: Floats, W_mean: Floats) -> Any:
        """Synapses from the neurons of `sources` to the units', which learn at the end of the time step."""
        model = (_SYNAPSE + ("\n" + _AVERAGED if self.residual else "")).format(kind=kind)
        synapses = self._synapses(source, model, kind, *links(sources, self.grid.config.channels), _LEARN)
        synapses.w[:], synapses.mean[:] = weights_of(sources, W), weights_of(sources, W_mean)
        return synapses

    def _within(self, residual: Floats) -> Any:
        """Synapses within units, each neuron's onto itself too, that track the residual's lower triangle."""
        pre, post, moments = mixing(residual)
        synapses = self._synapses(self._units, "moment : 1", "within", pre, post, _TRACK)
        synapses.moment[:] = moments
        return synapses

    def _synapses(self, source: Any, model: str, name: str, pre: Any, post: Any, learn: str) -> Any:
        synapses = brian2.Synapses(
            source, self._units, model, namespace=self._scalars, clock=self._clock, dtype=self._dtype, name=name
        )
        synapses.connect(i=pre, j=post)
        synapses.run_regularly(learn, when="end", name=f"{name}_learn")
        return synapses

    def _refuse_too_large(self, max_bytes: int) -> None:
        f, m = self.grid.field, self.grid.config.channels
        synapses = int((f.parents >= 0).sum() + (f.readers >= 0).sum()) * m * m
        synapses += self.residual * len(f.order) * m * (m + 1) // 2
        groups = 1 + f.signal
        shown = 3 * 8 * self.presentations * f.a.size * groups  # read, renumbered, and Brian2's own
        refuse_too_large(groups * f.a.size, synapses, max_bytes, more=shown)
