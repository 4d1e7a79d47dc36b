"""Rules by which units learn features, one a file, each registered under its name."""

from localnoise.local.rules.base import UNIT_RULES as UNIT_RULES
from localnoise.local.rules.base import UnitRule as UnitRule
