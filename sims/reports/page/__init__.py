"""A hyperparameter sweep as one HTML file: figures, tables, and a picture of each grid to explore. No network."""

from localnoise.sims.reports.page.content import Content as Content
from localnoise.sims.reports.page.content import Goal as Goal
from localnoise.sims.reports.page.content import Reference as Reference
from localnoise.sims.reports.page.content import Trial as Trial
from localnoise.sims.reports.page.page import write_page as write_page
