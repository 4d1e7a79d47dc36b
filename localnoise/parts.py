"""The parts of a grid, for those who read it without knowing the grid: a unit's view, its file, the checks of both."""

from typing import Any, Protocol

from localnoise.config import GridConfig
from localnoise.field import Field
from localnoise.rules.base import Rule, State
from localnoise.wiring import Wires


class GridParts(Protocol):
    """The attributes of a `UnitGrid`.

    Attributes
    ----------
    config : GridConfig
    field : Field
    implied : Wires or None
        The wires that the configuration implies; None where none does, as with wires of the user's own.
    rule, state : Rule, dict, or None
        What the grid learned by, and the rule's statistics.
    learned : Wires or None
        The wires whose statistics `state` holds.
    provenance : dict
        What JSON can hold.
    """

    config: GridConfig
    field: Field
    implied: Wires | None
    rule: Rule | None
    state: State | None
    learned: Wires | None
    provenance: dict[str, Any]
