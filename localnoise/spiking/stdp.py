"""Links learned from spikes: a pair-based, symmetric, anti-Hebbian rule with fixed point B_u = Sigma_uP Sigma_PP^-1.

Neurons, numbered u m + c. A displacement d of zero mean is shown for one `presentation`. Both kinds are Poisson (one
Bernoulli trial a step dt):

    relay i        rate r0 (1 + c d_i)+
    innovation j   rate r0 (1 + c e_j)+,   e_j = d_j - sum_i w_ji y_i   over the parents' relays i

Each spike adds 1 to its neuron's trace, tau dx/dt = -x. y_i = (x_i / (r0 tau) - 1) / c has mean d_i and, by Campbell's
theorem, variance N (1 + c d_i), N = 1 / (2 r0 tau c^2): the prediction's shot noise.

Plasticity of the inhibitory synapse i -> j, while the gate is open (the last part of a presentation, by the clock, when
traces have settled), k = `causal`, gain = step / (r0 c Tg), Tg the time that the gate is open:

    a spike of j    dw = (gain / c) (k x_i / (r0 tau) - 1)               causal half: i came first
    a spike of i    dw = (gain / c) ((1 - k) x_j / (r0 tau) - 1)         acausal half: j came first
    always          dw/dt = (gain / c) r0                                slow drift

Pairs potentiate inhibition, with k = 1/2 whatever their order; each spike alone depresses it, as in the inhibitory
plasticity of Vogels et al. (2011), here on either side, against a slow drift. Without i's offset and the drift the mean
change would be the same, but its noise larger by E[d_i^2] / c^2 a presentation.

Fixed point. Let q_j be j's rate. Given d, a spike of i at t does not depend on the past; j's rate depends on x_i(t):

    E[rho_j x_i] = r0 tau E[q_j (1 + c y_i)],    E[rho_i x_j] = r0 tau E[q_j (1 + c d_i)]   (settled)
    E[dw/dt] = gain (k E[q_j y_i] + (1 - k) E[q_j d_i] - r0 E[d_i])

The means of q_j have cancelled, and E[d] = 0. Without clipping q_j = r0 (1 + c e_j); E[y_i y_l | d] = d_i d_l, and
N (1 + c d_i) more where i = l; hence, per presentation,

    E[dW_u] = step (Sigma_uP - W_u (Sigma_PP + k N I)),   W_u = Sigma_uP (Sigma_PP + k N I)^-1

The acausal half alone has no ridge; the causal half sees that i's own spike has just lowered j's rate, and takes that
for anti-correlation: a ridge N. A third trace with tau' for plasticity alone would make it 1 / (r0 c^2 (tau + tau'));
that of j is of no consequence. Where corrections remain:

- Steps. x is read after it decayed and before this step's spikes; with b = exp(-dt/tau), p0 = r0 dt, r0 tau becomes
  p0 b / (1 - b), and N_i = (1 - p0 (1 + c^2 Sigma_ii)) / (p0 c^2) (1 - b) / (1 + b). These are used; E[.] stays exact.
- Clipping of innovations: E[g(e) z] = P(rate > 0) E[e z] for jointly normal e, z (Bussgang 1952): learning slows, the
  fixed point stays. Shot noise is skewed, and louder where d_i is large, which lifts a clipped rate: W_u comes out too
  large. With c sqrt(N) = 1 / sqrt(2 r0 tau) = 0.5 (the defaults) by 2 % or less, with 0.8 by 20 % (measured).
- Clipping of relays: d is in effect replaced by max(d, -1/c); more than 1 % of such values are refused.
- Onset: when the gate opens, traces of relays still hold the share b0 = exp(-settle/tau) of the last displacement, and
  those of innovations the time when predictions were yet to come. For displacements in random order, to first order,
  the acausal half's W_u is larger by the factor 1 + (1 + settle/tau) b0 tau/Tg (0.2 % by default), the causal half's,
  as N -> 0, by 1 + b0 tau/Tg.
- The step is finite: w moves with y during a presentation. Of order step, and step decays as (1 + rate s)^-1/2.

Factor. In the last presentations weights rest at their average, and the residual is measured. From the innovations'
counts n_u in the open gate, q = p0 (1 + c e) the chance of a spike in each of n_g steps:

    Cov(n_u) / (n_g p0 c)^2 = D_u + W_u V W_u' + diag(E[n_u] - n_g E[q_u^2]) / (n_g p0 c)^2

D_u is the residual, V = diag(N_i f) the shot noise of y averaged over the gate (f the mean correlation b^|s - t| of two
of its steps; N f -> 1 / (r0 c^2 Tg) for a long gate), the last term that of the counts themselves. S_u S_u' = D_u +
ridge I. Clipped innovations make D_u too small, by 2 % with the defaults (measured). A unit reads its own counts and
weights; N_i needs the parents' powers only in the term p0 c^2 Sigma_ii.

Sources: Foldiak 1990 (anti-Hebbian decorrelation); Vogels, Sprekeler, Zenke, Clopath and Gerstner 2011 (symmetric
inhibitory plasticity); Kempter, Gerstner and van Hemmen 1999 (terms of single spikes); Campbell 1909; Bussgang 1952;
Polyak and Juditsky 1992.
"""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from brian2 import Hz, Quantity, ms

from localnoise.errors import ArgumentError
from localnoise.field import Field
from localnoise.grid import UnitGrid
from localnoise.rules.base import check_positive
from localnoise.spiking.quantities import as_quantity
from localnoise.spiking.stdp_steps import Steps

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class STDP:
    """A spike-timing rule; equations in the module's docstring.

    Parameters
    ----------
    baseline : Quantity
        r0, the rate of every neuron at d = 0.
    modulation : float
        c, relative change of the rate per activation unit; displacements below -1/c are clipped.
    tau : Quantity
        Time constant of all traces.
    presentation, settle : Quantity
        How long a displacement is shown; how much of that the gate stays closed, tau <= settle < presentation.
    causal : float
        k in [0, 1], share of the half of the window where the parent's spike comes first; its ridge is k N.
    rate : float
        Step per presentation, in 1 / (activation units)^2, rate / sqrt(1 + rate s) after s of them. Stable while
        well below 2 / (|y_P|^2 averaged over the gate).
    memory : float
        The average of the weights forgets the first of s presentations as s^-memory (0: plain average).
    measured : float
        Share in (0, 1) of the presentations, the last ones, in which weights rest and the residual is measured.
    ridge : float
        Added to the residual before it is factored.
    """

    baseline: Quantity = field(default_factory=lambda: 100 * Hz)
    modulation: float = 0.3
    tau: Quantity = field(default_factory=lambda: 20 * ms)
    presentation: Quantity = field(default_factory=lambda: 500 * ms)
    settle: Quantity = field(default_factory=lambda: 100 * ms)
    causal: float = 0.0
    rate: float = 0.03
    memory: float = 3.0
    measured: float = 0.25
    ridge: float = 1e-4

    def __post_init__(self) -> None:
        as_quantity("baseline", self.baseline, 100 * Hz)
        for name, example in (("tau", 20 * ms), ("presentation", 500 * ms), ("settle", 100 * ms)):
            as_quantity(name, getattr(self, name), example)
        check_positive("modulation", self.modulation, what=", the relative change of the rate per activation unit")
        check_positive("rate", self.rate)
        check_positive("memory", self.memory, zero=True)
        check_positive("ridge", self.ridge, zero=True)
        check_positive("causal", self.causal, zero=True)
        if self.causal > 1:
            raise ArgumentError(f"causal={self.causal!r}: expected a share in [0, 1]")
        check_positive("measured", self.measured)
        if self.measured >= 1:
            raise ArgumentError(f"measured={self.measured!r}: expected a share in (0, 1)")
        if not self.tau <= self.settle < self.presentation:
            raise ArgumentError(
                f"settle={self.settle}: expected tau={self.tau} <= settle < presentation={self.presentation}; traces "
                "forget the last displacement in some 5 tau"
            )

    @property
    def shot_noise(self) -> float:
        """N = 1 / (2 r0 tau c^2), variance of a trace's estimate, squared activation units, as dt -> 0."""
        return 1 / (2 * float(self.baseline * self.tau) * self.modulation**2)

    def fixed_point(self, grid: UnitGrid | Field, moments: npt.ArrayLike, dt: Quantity | None = None) -> Doubles:
        """W_u = Sigma_uP (Sigma_PP + causal N I)^-1 of every unit, (N, m, K m) as `Field.B`. Cost O(N (K m)^3).

        Parameters
        ----------
        grid : UnitGrid or Field
            Where the parents are.
        moments : (n, n)
            Sigma, second moments of the displacements, n in C order of (C, H, W), squared activation units.
        dt : Quantity or None
            The simulation's step, for its N; None: dt -> 0.

        Returns
        -------
        ndarray of float64, (N, m, K m)
            Weights.

        Raises
        ------
        ArgumentError
            Wrong shape, or Sigma_PP + causal N I is singular.
        """
        topology = grid if isinstance(grid, Field) else grid.field
        (units, slots), m = topology.parents.shape, topology.channels
        n, Sigma = units * m, np.asarray(moments, np.float64)
        if Sigma.shape != (n, n) or not np.isfinite(Sigma).all():
            raise ArgumentError(f"moments has shape {Sigma.shape}: expected finite ({n}, {n}), in C order of (C, H, W)")
        Sigma = Sigma.reshape(m, units, m, units).transpose(1, 0, 3, 2).reshape(n, n)
        power = np.diagonal(Sigma)
        N = np.full(n, self.shot_noise) if dt is None else Steps.of(self, dt).shot_noise(power)
        own, W = np.arange(m), np.zeros((units, m, slots, m))
        for u, above in enumerate(topology.parents):
            there = np.flatnonzero(above >= 0)
            read = (above[there, None] * m + own).ravel()
            A = Sigma[np.ix_(read, read)] + self.causal * np.diag(N[read])
            try:
                W[u][:, there] = np.linalg.solve(A, Sigma[read][:, u * m + own]).T.reshape(m, len(there), m)
            except np.linalg.LinAlgError:
                raise ArgumentError(
                    f"moments: those of the parents of unit {u} (in row order) are singular; expected positive "
                    "definite; add a small multiple of the identity"
                ) from None
        return W.reshape(units, m, slots * m)
