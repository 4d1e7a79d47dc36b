"""Networks, the paper's and a user's, cut where the noise enters: `front` (frozen) and `back` (retrained)."""

from localnoise.sims.models.base import CutNetwork as CutNetwork
from localnoise.sims.models.base import folded as folded
from localnoise.sims.models.network import Network as Network
from localnoise.sims.models.network import build as build
from localnoise.sims.models.own import OwnNetwork as OwnNetwork
from localnoise.sims.models.registry import ACTIVATIONS as ACTIVATIONS
from localnoise.sims.models.registry import NETWORKS as NETWORKS
