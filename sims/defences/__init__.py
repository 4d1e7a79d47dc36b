"""Trained defences: the baselines that structured noise is judged against, one a module."""

from localnoise.sims.defences.adversarial import adversarial as adversarial
from localnoise.sims.defences.gaussian import gaussian as gaussian
from localnoise.sims.defences.learned import LearnedNoise as LearnedNoise
from localnoise.sims.defences.lesson import Lesson as Lesson
from localnoise.sims.defences.lesson import added_parameters as added_parameters
from localnoise.sims.defences.modified import modified as modified
from localnoise.sims.defences.selection import Trial as Trial
from localnoise.sims.defences.selection import select as select
from localnoise.sims.defences.wca import wca as wca
