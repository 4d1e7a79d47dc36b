"""Displacements d of a layer's activation h, three kinds: what a field learns from. None of them reads a label.

Each function takes the layers up to the noise and images, and returns (d, h): what moved, and the activation that it
moved from, (T, C, H, W) each. `between` serves every other cause, an attack among them.
"""

from localnoise.sims.displacements.drift import drift as drift
from localnoise.sims.displacements.kinds import between as between
from localnoise.sims.displacements.kinds import jitter as jitter
from localnoise.sims.displacements.kinds import paired as paired
from localnoise.sims.displacements.kinds import temporal as temporal
