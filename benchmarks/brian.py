"""The rule `lms` in Brian2: each link from a parent's neuron to a unit's is a synapse; one presentation a time step."""

from collections.abc import Iterator

import numpy as np

import localnoise as ln
from benchmarks import fields
from benchmarks.row import Row

_STEPS = 200


def rows() -> Iterator[Row]:
    """Brian2 at its fastest runtime target."""
    truth = fields.grid((14, 14), 16, order="raster", radius=1)
    d = truth.sample(_STEPS, seed=3)
    peer = BrianLMS(truth, fields.unit_major(d))
    grid = ln.UnitGrid((14, 14), 16, order="raster", radius=1)

    def check() -> str:
        peer.forget()
        peer.run()
        fresh = ln.UnitGrid((14, 14), 16, order="raster", radius=1).learn(d, rule="lms")
        error = np.abs(peer.averaged() - fresh.field.B).max()
        if error > 1e-4:
            raise AssertionError(f"lms: Brian2's weights differ by {error:.1e}")
        return f"weights equal to {error:.0e}"

    yield Row(
        name=f"lms, {_STEPS} steps", ours=lambda: grid.learn(d, rule="lms"), peer=peer.run,
        peer_name=f"Brian2, {peer.target}", bound=50, aim=200, check=check, least=3,
    )  # fmt: skip


class BrianLMS:
    """Weights and their averages as synaptic variables; the innovation's sum over synapses as a summed variable.

    The residual's second moment, which ours tracks too, is left out: that favours the peer.
    """

    def __init__(self, grid: ln.UnitGrid, d: np.ndarray, rate: float = 0.1, floor: float = 1e-3) -> None:
        import brian2

        brian2.prefs.core.default_float_dtype = np.float32
        brian2.prefs.codegen.target = self.target = "cython"
        self.brian, self.grid, f = brian2, grid, grid.field
        m, units = grid.config.channels, grid.config.units
        self.step = brian2.defaultclock.dt = 1 * brian2.ms
        namespace = {"stimulus": brian2.TimedArray(d, dt=self.step), "rate": rate, "least": floor, "lasting": 3.0}
        neurons = brian2.NeuronGroup(
            units * m, "d = stimulus(t, i) : 1\nforecast : 1\npower : 1", namespace=namespace, name="neurons"
        )
        links = brian2.Synapses(
            neurons, neurons,
            "w : 1\nmean : 1\nforecast_post = w * d_pre : 1 (summed)\npower_post = d_pre**2 : 1 (summed)",
            namespace=namespace, name="links",
        )  # fmt: skip
        unit, slot = np.nonzero(f.parents >= 0)
        child = (unit[:, None, None] * m + np.arange(m)[:, None]) + np.zeros(m, int)
        parent = f.parents[unit, slot][:, None, None] * m + np.arange(m) + np.zeros((m, 1), int)
        self.place = (unit, slot)
        links.connect(i=parent.ravel(), j=child.ravel())
        links.run_regularly(
            """w += rate * (d_post - forecast_post) / (least + power_post) * d_pre
            mean += (lasting + 1) / (t / ms + 1 + lasting) * (w - mean)""",
            when="end", name="learn",
        )  # fmt: skip
        self.links, self.network = links, brian2.Network(neurons, links)
        self.network.store()

    def forget(self) -> None:
        """Weights and time are zero again."""
        self.network.restore()

    def run(self) -> None:
        """All presentations once, from the start."""
        self.forget()
        self.network.run(_STEPS * self.step)

    def averaged(self) -> np.ndarray:
        """Averaged weights as B (N, m, m K)."""
        m, B = self.grid.config.channels, np.zeros_like(self.grid.field.B)
        blocks = np.asarray(self.links.mean[:]).reshape(-1, m, m)
        for (unit, slot), block in zip(zip(*self.place, strict=True), blocks, strict=True):
            B[unit, :, slot * m : slot * m + m] = block
        return B
