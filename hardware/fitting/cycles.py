"""Instructions of the exported C on a Cortex-M4: fitted, kernel by kernel, to what the emulated one runs.

`benchmarks/cycles.py` counts and fits, `tests/hardware/test_cycles.py` holds networks against them that were not
fitted: within 20 %. They hold of 32-bit accumulators, words of one byte and the xorshift generator, compiled as
`verify` does. An instruction takes a clock or more: loads, taken branches and flash that waits add to it, so that a
time made of them is the least.
"""

from typing import Any, final

from dataclasses import dataclass

from localnoise.hardware.bank import ChipBank
from localnoise.hardware.emulator import ChipGrid
from localnoise.hardware.fitting.wiring import Wiring
from localnoise.hardware.network.defense import ChipDefense
from localnoise.hardware.network.layers import ConvolutionWords, IntegerLayer, MaximumWords, MeanWords, ReshapeWords
from localnoise.hardware.network.program import Program
from localnoise.hardware.repair import ChipRepair

Features = dict[str, float]
ERROR = 0.2  # of a count, at most
CONSTANTS: dict[str, Features] = {}
_JOIN = 20.0  # a word's way through the mix, and a score's through the sum
