"""Modifications of images (rotation, obstruction, blur, brightening, noise), seeded image by image."""

from localnoise.sims.modifications.modification import Modification as Modification
from localnoise.sims.modifications.sheet import figure as figure
from localnoise.sims.modifications.table import MODIFICATIONS as MODIFICATIONS
from localnoise.sims.modifications.table import apply as apply
from localnoise.sims.modifications.table import causes as causes
