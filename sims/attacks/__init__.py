"""Attacks on noisy networks, the verdict over all of them, and the checks that a reviewer demands."""

from localnoise.sims.attacks.adaptive import Adaptive as Adaptive
from localnoise.sims.attacks.adaptive import Report as Report
from localnoise.sims.attacks.apgd import APGD as APGD
from localnoise.sims.attacks.chance import RandomNoise as RandomNoise
from localnoise.sims.attacks.checks import Check as Check
from localnoise.sims.attacks.fgsm import FGSM as FGSM
from localnoise.sims.attacks.ladder import escalate as escalate
from localnoise.sims.attacks.paper import PAPER_ATTACKS as PAPER_ATTACKS
from localnoise.sims.attacks.paper import PaperAttack as PaperAttack
from localnoise.sims.attacks.pgd import PGD as PGD
from localnoise.sims.attacks.protocol import Attack as Attack
from localnoise.sims.attacks.square import Square as Square
from localnoise.sims.attacks.table import ATTACKS as ATTACKS
from localnoise.sims.attacks.table import EPS as EPS
from localnoise.sims.attacks.transfer import Transfer as Transfer
from localnoise.sims.attacks.verdict import Verdict as Verdict
from localnoise.sims.attacks.verdict import WorstCase as WorstCase
