"""Chips: what is published of them, each figure with its source and standing."""

from localnoise.hardware.chips.profile import Profile as Profile
from localnoise.hardware.chips.profile import load_profile as load_profile
from localnoise.hardware.chips.profile import profile_names as profile_names

__all__ = [
    "Profile",
    "load_profile",
    "profile_names",
]


def __dir__() -> list[str]:
    """Return the public names, without what the package imports for itself."""
    return sorted(__all__)
