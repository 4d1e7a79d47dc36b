"""Chips: what is published of them, each figure with its source and standing."""

from localnoise.hardware.chips.profile import Profile as Profile
from localnoise.hardware.chips.profile import load_profile as load_profile
from localnoise.hardware.chips.profile import profile_names as profile_names
