"""Units that learn features: each its own weights, from its window of inputs, its answer, at most the label."""

from localnoise.local.layer import LocalLayer as LocalLayer
from localnoise.local.rules import UNIT_RULES as UNIT_RULES
from localnoise.local.rules import UnitRule as UnitRule
