"""A whole network in integers: read from torch, quantised after training, emulated to the bit, exported as C99.

Start with `quantise`, which turns a trained torch module into a `ChipNetwork`; `ChipNetwork.program` is what a chip
runs, a list of integer layers (`hardware.network.layers`), and knows nothing of torch. `defend` joins a grid's noise or
a repair to one of its layers, or repairs to several; `repair_behind` and `repairs_behind` make repairs that know the
errors of the integer layers before them, `calibrated_again` and `expecting_again` what they may repair in integers.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from localnoise.hardware.network.defense import ChipDefense as ChipDefense
from localnoise.hardware.network.defense import defend as defend
from localnoise.hardware.network.program import Program as Program

if TYPE_CHECKING:  # for editors and type checkers; loaded by `__getattr__` when they are touched
    from localnoise.hardware.network.calibrated import calibrated_again as calibrated_again
    from localnoise.hardware.network.calibrated import repair_behind as repair_behind
    from localnoise.hardware.network.calibrated import repairs_behind as repairs_behind
    from localnoise.hardware.network.chip import ChipNetwork as ChipNetwork
    from localnoise.hardware.network.expecting import expecting_again as expecting_again
    from localnoise.hardware.network.quantiser import quantise as quantise

_LAZY = {"ChipNetwork": "chip", "expecting_again": "expecting", "quantise": "quantiser"}  # torch comes with them
_LAZY |= dict.fromkeys(("calibrated_again", "repair_behind", "repairs_behind"), "calibrated")
__all__ = [
    "ChipDefense",
    "ChipNetwork",
    "Program",
    "calibrated_again",
    "defend",
    "expecting_again",
    "quantise",
    "repair_behind",
    "repairs_behind",
]


if not TYPE_CHECKING:  # a type checker would take any name for one that is there

    def __getattr__(name: str) -> Any:
        """Import what needs torch when it is first asked for."""
        if name in _LAZY:
            return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """Return the public names, also of parts that are not imported yet."""
    return sorted(__all__)
