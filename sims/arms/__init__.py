"""Arms: the ways to defend a network that experiments compare, one row of a table each."""

from localnoise.sims.arms.arm import Arm as Arm
from localnoise.sims.arms.central import CENTRAL
from localnoise.sims.arms.chips import CHIPS
from localnoise.sims.arms.local import LOCAL
from localnoise.sims.arms.trained import TRAINED

ARMS: dict[str, Arm] = {arm.name: arm for arm in (*CENTRAL, *LOCAL, *CHIPS, *TRAINED)}
