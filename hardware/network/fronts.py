"""The activations that integer layers give in the place of float ones: what a repair behind them is calibrated on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import nn

from localnoise import Repair
from localnoise.errors import ArgumentError
from localnoise.hardware.fixedpoint import to_values
from localnoise.hardware.formats import Formats
from localnoise.hardware.network import chain
from localnoise.hardware.network.program import Program
from localnoise.hardware.network.quantiser import front_program
from localnoise.hardware.network.windows import lies_as
from localnoise.hardware.quantiser.repaired import activation_scale
from localnoise.hardware.repair import ChipRepair

OUTPUT = 14  # bits of the network's logits that a repair reads
_AT_ONCE = 64  # inputs


@dataclass(frozen=True)
class Fronts:
    """The integer layers of a network before any of its places, as `front_program` makes them."""

    model: nn.Module
    calibration: Any
    weight_bits: int
    activation_bits: int
    bounds: tuple[float, float] | None
    feedback: bool

    def program(self, place: str, scale: int, before: Mapping[str, ChipRepair]) -> Program:
        """Return the layers up to a place, behind repairs of earlier ones."""
        return front_program(
            self.model, self.calibration, place, scale, weight_bits=self.weight_bits,
            activation_bits=self.activation_bits, bounds=self.bounds, feedback=self.feedback, before=before,
        )  # fmt: skip

    def heard(
        self,
        repair: Repair,
        place: str,
        inputs: Sequence[Any],
        formats: Formats | None,
        before: Mapping[str, ChipRepair] | None = None,
    ) -> tuple[Repair, Formats, int]:
        """Return a repair that holds out what it will meet at a place, the formats that it is to have, and its scale.

        Parameters
        ----------
        inputs : sequence of (T, ...)
            Of each member.
        formats : Formats, optional
            Of the repair; default: 8-bit weights, and words of as many bits as between layers. Behind the last layer
            it reads logits, which have more.
        before : dict of str to ChipRepair
            The repairs of earlier layers by their places; they know each member's source.
        """
        earlier = before or {}
        own = Formats(activation_bits=self.activation_bits) if formats is None else formats
        front = self.program(place, activation_scale(repair, own), earlier)
        if earlier and len(front.mixes) == len(earlier) and front.layouts[-1][1] > own.activation_bits:
            own = replace(own, activation_bits=OUTPUT)
            front = self.program(place, activation_scale(repair, own), earlier)
        kept = [
            _values(front, [*earlier.values()], repair, member.source, x)
            for member, x in zip(repair.members, inputs, strict=True)
        ]
        return repair.with_held_out(kept), own, front.layouts[-1][2]


def _values(
    front: Program, repairs: Sequence[ChipRepair], repair: Repair, source: str, inputs: Any
) -> npt.NDArray[np.float32]:
    """Return the activations that an integer front gives of a source's inputs, as the repair takes them."""
    x = np.asarray(inputs, np.float32)
    c = repair.config
    if x.ndim < 2 or not lies_as(x.shape[1:], front.shape):
        raise ArgumentError(f"held: inputs of shape {x.shape}, expected (T, {', '.join(map(str, front.shape))})")
    words = front.input_words(x)
    parts = [words[first : first + _AT_ONCE] for first in range(0, max(len(words), 1), _AT_ONCE)]
    last = np.concatenate([chain.run(front, repairs, part, source)[0] for part in parts])
    values: npt.NDArray[np.float32] = to_values(last.astype(np.int32), front.layouts[-1][2])
    return values.reshape(-1, c.channels, *c.shape)


def joined(repair: Repair, held: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    """Return held inputs, those of all causes of a source together where the repair does not tell them apart."""
    own = [member.source for member in repair.members]
    out: dict[str, Any] = {}
    for source, parts in held.items():
        several = isinstance(parts, Sequence)
        if several and own.count(source) == 1 and len(parts) > 1:
            out[source] = np.concatenate([np.asarray(part, np.float32) for part in parts])
        else:
            out[source] = parts
    return out


def by_member(repair: Repair, held: Mapping[str, Any]) -> list[Any]:
    """Return the inputs of each member in turn."""
    own = [member.source for member in repair.members]
    if sorted(held) != sorted(repair.sources):
        raise ArgumentError(
            f"held has inputs of {', '.join(sorted(held)) or 'nothing'}: expected some of each of the repair's "
            f"sources, {', '.join(repair.sources)}"
        )
    out = []
    for j, source in enumerate(own):
        parts = held[source]
        if not (isinstance(parts, Sequence) or own.count(source) > 1):
            parts = [parts]
        if len(parts) != own.count(source):
            raise ArgumentError(
                f"held[{source!r}] has {len(parts)} parts: expected a list of {own.count(source)}, inputs for each of "
                "its members"
            )
        out.append(parts[own[:j].count(source)])
    return out
