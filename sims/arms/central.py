"""Central arms: the paper's covariances, and controls that take their structure apart."""

from localnoise import central
from localnoise.sims.arms.arm import Arm

CENTRAL = (
    Arm(name="none", label="no noise", build=lambda d, h, t: central.none(d), central=True, when="never", learns=False),
    Arm(
        name="identity",
        label="identity",
        build=lambda d, h, t: central.identity(d, trace=t),
        central=True,
        learns=False,
    ),
    Arm(name="diagonal", label="diagonal", build=lambda d, h, t: central.diagonal(d, trace=t), central=True),
    Arm(name="full", label="full covariance, central", build=lambda d, h, t: central.full(d, trace=t), central=True),
)
