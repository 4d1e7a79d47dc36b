"""Sweeps: a study file, the search over it, its execution on any number of machines, and what is kept."""

from localnoise.sims.sweeps.study import Study as Study
from localnoise.sims.sweeps.study_files import SHIPPED as SHIPPED
from localnoise.sims.sweeps.study_files import load_study as load_study
