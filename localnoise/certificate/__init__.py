"""Certificates of a vote over noisy activations: for which displacements it cannot change."""

from localnoise.certificate.bounds import draws_needed as draws_needed
from localnoise.certificate.bounds import largest_radius as largest_radius
from localnoise.certificate.bounds import lower_bound as lower_bound
from localnoise.certificate.bounds import radius_of as radius_of
from localnoise.certificate.floor import log_volume as log_volume
from localnoise.certificate.floor import with_floor as with_floor
from localnoise.certificate.vote import ABSTAINS as ABSTAINS
from localnoise.certificate.vote import Certificates as Certificates
from localnoise.certificate.vote import Vote as Vote

__all__ = [
    "ABSTAINS",
    "Certificates",
    "Vote",
    "draws_needed",
    "largest_radius",
    "log_volume",
    "lower_bound",
    "radius_of",
    "with_floor",
]


def __dir__() -> list[str]:
    """Return the public names, without what the package imports for itself."""
    return sorted(__all__)
