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
        name="none",
        label="no noise",
        summary="No noise; the later layers are retrained as all others are.",
        build=lambda d, h, t: central.none(d),
        central=True,
        central_locally=False,
        when="never",
        learns=False,
    ),
    Defense(
        name="identity",
        label="identity",
        summary="Independent noise, of one variance for all neurons.",
        build=lambda d, h, t: central.identity(d, variance=t),
        central=True,
        central_locally=False,
        learns=False,
    ),
    Defense(
        name="diagonal",
        label="diagonal",
        summary="Independent noise, each neuron with a variance of its own.",
        build=lambda d, h, t: central.diagonal(d, variance=t),
        central=True,
        central_locally=False,
    ),
    Defense(
        name="full",
        label="full covariance, central",
        summary="The displacements' full covariance, as in the paper: central.",
        build=lambda d, h, t: central.full(d, variance=t),
        central=True,
    ),
    Defense(
        name="mix-75",
        label="3/4 full + 1/4 identity",
        summary="K % of the full covariance, the rest identity.",
        build=_mix(0.75),
        central=True,
    ),
    Defense(
        name="mix-50",
        label="1/2 full + 1/2 identity",
        summary="K % of the full covariance, the rest identity.",
        build=_mix(0.5),
        central=True,
    ),
    Defense(
        name="mix-25",
        label="1/4 full + 3/4 identity",
        summary="K % of the full covariance, the rest identity.",
        build=_mix(0.25),
        central=True,
    ),
    Defense(
        name="shuffled",
        label="full, shuffled",
        summary="The full covariance between neurons that are permuted: a control.",
        build=lambda d, h, t: central.shuffled(d, variance=t),
        central=True,
    ),
    Defense(
        name="spectrum",
        label="full's spectrum, random axes",
        summary="The full covariance's spectrum along random axes: a control.",
        build=lambda d, h, t: central.spectrum_matched(d, variance=t),
        central=True,
    ),
    Defense(
        name="full-train",
        label="full, noise at training only",
        summary="full, on in training alone.",
        build=lambda d, h, t: central.full(d, variance=t),
        central=True,
        when="train",
    ),
    Defense(
        name="full-test",
        label="full, noise at test only",
        summary="full, on at test alone.",
        build=lambda d, h, t: central.full(d, variance=t),
        central=True,
        when="eval",
    ),
    Defense(
        name="affine",
        label="signal-dependent, dense",
        summary="Noise that follows the activation by a dense linear map: central.",
        build=lambda d, h, t: central.affine(d, h, signal_ridge=1e-2),
        central=True,
        when="train",
        clean=0.2,
    ),
)
register(*CENTRAL)
