"""From a float grid to integers: scales, rounding with feedback, and what the rounding did."""

from localnoise.hardware.quantiser.quantise import quantise as quantise
from localnoise.hardware.quantiser.report import Report as Report
from localnoise.hardware.quantiser.report import report as report
