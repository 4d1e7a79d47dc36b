"""Modifications of images: the paper's ten, six held out, and the project's own; seeded image by image."""

from localnoise.sims.modifications.modification import Modification as Modification
from localnoise.sims.modifications.sheet import figure as figure
from localnoise.sims.modifications.table import HELD_OUT as HELD_OUT
from localnoise.sims.modifications.table import MODIFICATIONS as MODIFICATIONS
from localnoise.sims.modifications.table import PAPER as PAPER
from localnoise.sims.modifications.table import apply as apply
from localnoise.sims.modifications.table import causes as causes
