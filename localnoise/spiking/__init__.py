"""The grid in Brian2: units as neurons, parents as synapses; an independent simulator, and a model of cortex.

Needs the extra `spiking` (brian2). Every time, current and rate is a Brian2 quantity: a plain number is refused.
"""

from localnoise.errors import MissingDependencyError
from localnoise.spiking.hooks import hooks_kept as _hooks_kept

try:
    with _hooks_kept():
        import brian2 as _brian2  # noqa: F401
except ImportError as error:
    raise MissingDependencyError("localnoise.spiking needs brian2: pip install 'localnoise[spiking]'") from error

from localnoise.spiking.layer import SpikingLayer as SpikingLayer
from localnoise.spiking.lif import LIF as LIF
from localnoise.spiking.lms import learn_lms as learn_lms
from localnoise.spiking.lms_network import SynapticLMS as SynapticLMS
from localnoise.spiking.network import FieldNetwork as FieldNetwork
from localnoise.spiking.network import network as network
from localnoise.spiking.stdp import STDP as STDP
from localnoise.spiking.stdp_learning import learn_stdp as learn_stdp

__all__ = [
    "LIF",
    "STDP",
    "FieldNetwork",
    "SpikingLayer",
    "SynapticLMS",
    "learn_lms",
    "learn_stdp",
    "network",
]


def __dir__() -> list[str]:
    """Return the public names, without what the package imports for itself."""
    return sorted(__all__)
