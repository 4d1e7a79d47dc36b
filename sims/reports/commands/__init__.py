"""The reports that experiments' commands show and write of their records; `localnoise report` makes them again."""

from localnoise.sims.reports.commands.base import Report as Report
from localnoise.sims.reports.commands.chip import Bits as Bits
from localnoise.sims.reports.commands.chip import Wires as Wires
from localnoise.sims.reports.commands.compare import Compare as Compare
from localnoise.sims.reports.commands.paper import Paper as Paper
from localnoise.sims.reports.commands.repair import Repair as Repair
from localnoise.sims.reports.commands.repair_points import Ablation as Ablation
from localnoise.sims.reports.commands.repair_points import Front as Front
from localnoise.sims.reports.commands.repair_points import Point as Point
from localnoise.sims.reports.commands.retention import Retention as Retention
from localnoise.sims.reports.commands.tradeoff import Tradeoff as Tradeoff
from localnoise.sims.reports.commands.trained import Train as Train
from localnoise.sims.reports.commands.transfer import Transfer as Transfer
