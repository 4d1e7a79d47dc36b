"""What a seed's network has learned to repair, layer by layer; parts of it are repairs, too."""

from copy import copy
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from localnoise import Repair
from localnoise.sims.defenses.repaired_network import CUT, attached
from localnoise.sims.models.affine import Affine


@dataclass
class Learned:
    """Repairs that were learned, by layers' names in the trunk, in the order in which they run.

    Attributes
    ----------
    repairs : dict of str to Repair
    ways : dict of str to list, or None
        Dense ways back, where they are asked for: one for each member, None for clean.
    """

    repairs: dict[str, Repair] = field(default_factory=dict)
    ways: dict[str, list[Affine | None]] | None = None

    def attached(self, model: nn.Module, repairs: Any = None) -> nn.Module:
        """Return a copy of the trunk that is repaired."""
        return attached(model, self.repairs if repairs is None else repairs, self.ways)

    def only(self, source: str, *layers: str) -> "Learned":
        """Return what was learned of one source, in these layers."""
        repairs, ways = {name: self.repairs[name].only(source) for name in layers}, None
        if self.ways is not None:
            ways = {
                name: [
                    way
                    for way, member in zip(self.ways[name], self.repairs[name].members, strict=True)
                    if member.source in ("clean", source)
                ]
                for name in layers
            }
        return Learned(repairs, ways)

    @property
    def first(self) -> "Learned":
        """The task's layer alone; it may be calibrated anew."""
        return self.only_layers(CUT)

    def only_layers(self, *layers: str) -> "Learned":
        """Return what was learned in these layers; they may be calibrated anew."""
        ways = None if self.ways is None else {name: self.ways[name] for name in layers}
        return Learned({name: copy(self.repairs[name]) for name in layers}, ways)

    @property
    def parameters(self) -> int:
        """Numbers that laws, gate and ways back need."""
        if self.ways is None:
            return sum(repair.parameters for repair in self.repairs.values())
        laws = sum(
            member.law.parameters + member.centre.size for own in self.repairs.values() for member in own.members
        )
        return laws + sum(way.parameters for ways in self.ways.values() for way in ways if way is not None)
