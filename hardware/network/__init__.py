"""A whole network in integers: read from torch, quantised after training, emulated to the bit, exported as C99.

Start with `quantise`, which turns a trained torch module into a `ChipNetwork`; `ChipNetwork.program` is what a chip
runs, a list of integer layers (`hardware.network.layers`), and knows nothing of torch. `defend` joins a grid's noise or
a repair to one of its layers; `repair_behind` makes a repair that knows the errors of the integer layers before it.
"""

from importlib import import_module
from typing import Any

from localnoise.hardware.network.defense import ChipDefense as ChipDefense
from localnoise.hardware.network.defense import defend as defend
from localnoise.hardware.network.program import Program as Program

_LAZY = {"ChipNetwork": "chip", "quantise": "quantiser", "repair_behind": "calibrated"}  # torch comes with them
__all__ = ["ChipDefense", "ChipNetwork", "Program", "defend", "quantise", "repair_behind"]


def __getattr__(name: str) -> Any:
    """Import what needs torch when it is first asked for."""
    if name in _LAZY:
        return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
