"""The paper's networks, cut where the noise enters: `front` before it (frozen), `back` after it (retrained)."""

from localnoise.sims.models.network import Network as Network
from localnoise.sims.models.network import build as build
from localnoise.sims.models.registry import ACTIVATIONS as ACTIVATIONS
from localnoise.sims.models.registry import NETWORKS as NETWORKS
