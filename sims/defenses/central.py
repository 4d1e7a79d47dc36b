"""Central arms: the paper's covariances, and controls that take their structure apart."""

from localnoise import central
from localnoise.sims.defenses.defense import Array, Build, Defense
from localnoise.sims.defenses.registry import register


def _mix(alpha: float) -> Build:
    def build(d: Array, h: Array, variance: float) -> central.CentralNoise:
        return central.mix(d, alpha, 1 - alpha, variance=variance)

    return build


CENTRAL = (
    Defense(
        name="none", label="no noise", build=lambda d, h, t: central.none(d), central=True, when="never", learns=False
    ),
    Defense(
        name="identity",
        label="identity",
        build=lambda d, h, t: central.identity(d, variance=t),
        central=True,
        learns=False,
    ),
    Defense(name="diagonal", label="diagonal", build=lambda d, h, t: central.diagonal(d, variance=t), central=True),
    Defense(
        name="full", label="full covariance, central", build=lambda d, h, t: central.full(d, variance=t), central=True
    ),
    Defense(name="mix-75", label="3/4 full + 1/4 identity", build=_mix(0.75), central=True),
    Defense(name="mix-50", label="1/2 full + 1/2 identity", build=_mix(0.5), central=True),
    Defense(name="mix-25", label="1/4 full + 3/4 identity", build=_mix(0.25), central=True),
    Defense(
        name="shuffled", label="full, shuffled", build=lambda d, h, t: central.shuffled(d, variance=t), central=True
    ),
    Defense(
        name="spectrum",
        label="full's spectrum, random axes",
        build=lambda d, h, t: central.spectrum_matched(d, variance=t),
        central=True,
    ),
    Defense(
        name="full-train",
        label="full, noise at training only",
        build=lambda d, h, t: central.full(d, variance=t),
        central=True,
        when="train",
    ),
    Defense(
        name="full-test",
        label="full, noise at test only",
        build=lambda d, h, t: central.full(d, variance=t),
        central=True,
        when="eval",
    ),
    Defense(
        name="affine",
        label="signal-dependent, dense",
        build=lambda d, h, t: central.affine(d, h, signal_ridge=1e-2),
        central=True,
        when="train",
        clean=0.2,
    ),
)
register(*CENTRAL)
