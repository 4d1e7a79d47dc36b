"""The paper's networks, cut where the noise enters: `front` before it (frozen), `back` after it (retrained)."""

from localnoise.sims.networks.network import Network as Network
from localnoise.sims.networks.network import build as build
from localnoise.sims.networks.table import ACTIVATIONS as ACTIVATIONS
from localnoise.sims.networks.table import NETWORKS as NETWORKS
