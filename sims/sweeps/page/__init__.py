"""A hyperparameter sweep as one HTML file: figures, tables, and a picture of each grid to explore. No network."""

from localnoise.sims.sweeps.page.content import Content as Content
from localnoise.sims.sweeps.page.content import Goal as Goal
from localnoise.sims.sweeps.page.content import PageTrial as PageTrial
from localnoise.sims.sweeps.page.content import Reference as Reference
from localnoise.sims.sweeps.page.page import write_page as write_page
