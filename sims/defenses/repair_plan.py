"""Repairs spelled out, so that any of them can be compared: `repair:radius=1:causes=16:layers=first`."""

from dataclasses import dataclass, fields
from typing import Any, Self

from localnoise.errors import ArgumentError, choose
from localnoise.sims.defenses.parameters import parameters, text_of
from localnoise.validate import as_count

PREFIX = "repair:"
ALL, FIRST, NONE = "all", "first", "none"
CALIBRATED, WORTH_ALONE, NO_MARGIN, LIKELIEST = "calibrated", "worth-alone", "no-margin", "likeliest"
_GATES = {
    WORTH_ALONE: "worth without margins",
    NO_MARGIN: "neither margins nor worth",
    LIKELIEST: "always the likeliest",
}
_BITS = (2, 12)
NO_BENDS = -1


def bends_of(radius: int | None) -> int:
    """Return the `bends` of a plan whose ways back bend within a radius; None: not at all."""
    return NO_BENDS if radius is None else as_count("bends", radius)


@dataclass(frozen=True, kw_only=True)
class Repairing:
    """A repair by its hyperparameters.

    Attributes
    ----------
    layers : str
        Which layers are repaired: "all", the task's and the last of each later stage; "first", the task's alone;
        "none"; or the names of modules behind the task's layer, joined by "+", which are repaired too.
    radius, parents, asks : int
        Of `localnoise.Repair`, for layers that lie on a grid.
    bends : int
        Of `localnoise.Repair`; -1: none.
    causes : int
        Into how many causes a source is cut where it has numbers to cut: ranges of an angle, say.
    typical : bool
        Whether sources are cut, too, that move an image by more than two numbers: by typical movements of perspective.
    dense : bool
        Whether each way back is one affine map of the whole layer, the central counterpart; the gate is the same.
    anew : bool
        Whether the second layer decides anew on what the first one leaves alone.
    worth : bool
        Whether only repairs are made that are expected to pay, as milder levels of what was learned show on held-out
        inputs; where it is known which levels are milder.
    told : bool
        Whether a test says which source it is: what a perfect gate would give.
    retrained : bool
        Whether fresh layers after the task's are trained, with labels, on repaired and clean activations until held-out
        ones are answered no better; then, behind the next of `layers`, too, whose ways back are learned anew.
    share : str
        Of `localnoise.Repair`: "none", "places" (ways back) or "all" (laws, too).
    gate : str
        "calibrated"; "worth-alone", without margins; "no-margin", without margins or worth, which protect clean inputs;
        or "likeliest": no gate, the likeliest cause always counts whole, however unlikely it is.
    bits : int
        Of weights and activations, emulated as a chip decides and repairs; 0: floating point.
    after : str
        An arm whose network is repaired instead of the undefended one: trained end to end on the same perturbations,
        or with noise that is on at training only.
    """

    layers: str = ALL
    radius: int = 2
    parents: int = 4
    asks: int = 1
    causes: int = 1
    dense: bool = False
    anew: bool = True
    worth: bool = True
    told: bool = False
    retrained: bool = False
    share: str = "none"
    gate: str = CALIBRATED
    bits: int = 0
    after: str = ""
    typical: bool = False
    bends: int = NO_BENDS

    def __post_init__(self) -> None:
        """Check the hyperparameters."""
        as_count("radius", self.radius)
        as_count("parents", self.parents, 1)
        as_count("asks", self.asks, 1)
        as_count("bends", self.bends, NO_BENDS)
        if self.bends >= 0 and self.dense:
            raise ArgumentError(f"bends={self.bends} with dense=yes: expected one of them; a dense map has no bends")
        as_count("causes", self.causes, 1)
        if self.typical and self.causes == 1:
            raise ArgumentError("typical=yes with causes=1: expected causes=4 or more, into which movements are cut")
        choose("share", self.share, ("none", "places", "all"))
        choose("gate", self.gate, (CALIBRATED, *_GATES))
        if self.bits and not _BITS[0] <= as_count("bits", self.bits) <= _BITS[1]:
            raise ArgumentError(f"bits={self.bits!r}: expected {_BITS[0]} to {_BITS[1]}, or 0 for floating point")
        if (self.bits or self.gate != CALIBRATED) and (self.dense or self.retrained):
            raise ArgumentError(
                f"bits={self.bits}, gate={self.gate}: expected 0 and {CALIBRATED} with dense=yes or retrained=yes"
            )
        if self.bits and self.gate != CALIBRATED:
            raise ArgumentError(
                f"bits={self.bits} with gate={self.gate}: expected one of them; a chip has its own gate"
            )
        if self.bits and self.asks > 1:
            raise ArgumentError(
                f"bits={self.bits} with asks={self.asks}: expected asks=1, since on a chip all units vote"
            )
        if not self.layers or not all(self.layers.split("+")):
            raise ArgumentError(f"layers={self.layers!r}: expected all, first, none, or modules' names joined by +")
        if self.after and (self.retrained or self.layers == NONE):
            other = "retrained=yes" if self.retrained else "layers=none"
            raise ArgumentError(
                f"after={self.after} with {other}: expected one of them; that arm has trained its layers"
            )

    @property
    def name(self) -> str:
        """The name that `parse` takes: everything that is not the default, in a fixed order."""
        said = [
            f"{f.name}={text_of(getattr(self, f.name))}" for f in fields(self) if getattr(self, f.name) != f.default
        ]
        return PREFIX + ":".join(said)

    @property
    def label(self) -> str:
        """Short words for tables."""
        if self.layers == NONE:
            return "undefended"
        words = ["repair"]
        if self.causes > 1:
            words.append(f"{self.causes} causes" + ", also of perspective" * self.typical)
        if self.radius != 2:
            words.append(f"r={self.radius}")
        if self.parents != 4:
            words.append(f"K={self.parents}")
        if self.bends >= 0:
            words.append("bends" if self.bends == 1 else f"bends r={self.bends}")
        if self.asks != 1:
            words.append(f"asks every {self.asks}")
        if self.layers == FIRST:
            words.append("one layer")
        elif self.layers != ALL:
            words.append(f"layers {self.layers}")
        shared = {"places": "ways back shared", "all": "all shared"}
        words += [word for word in (shared.get(self.share),) if word]
        words += [word for word, said in self._flags if said]
        if self.gate != CALIBRATED:
            words.append(_GATES[self.gate])
        words += [f"{self.bits} bits"] if self.bits else []
        words += ["later layers retrained"] if self.retrained else []
        return ", ".join([*words, *([f"after {self.after}"] if self.after else [])])

    @property
    def differing(self) -> str:
        """How it differs from the default, for titles: ", 16 causes"; "" where it does not."""
        return "" if self == type(self)() else f", {self.label.partition(', ')[2]}"

    @property
    def _flags(self) -> tuple[tuple[str, bool], ...]:
        return (
            ("dense", self.dense),
            ("one gate", not self.anew),
            ("whatever it is worth", not self.worth),
            ("told", self.told),
        )

    @property
    def lesson(self) -> tuple[Any, ...]:
        """The values that its repairs depend on, but for the layers; plans that agree share them."""
        how = self.radius, self.parents, self.asks, self.causes, self.dense, self.anew, self.worth, self.share
        return *how, self.typical, self.bends

    @property
    def options(self) -> dict[str, Any]:
        """Options of `localnoise.Repair`."""
        own = {"radius": self.radius, "parents": self.parents, "asks": self.asks, "share": self.share}
        return own | {"bends": None if self.bends < 0 else self.bends}

    @classmethod
    def parse(cls, name: str) -> Self:
        """Read "repair:NAME=VALUE:...".

        Parameters
        ----------
        name : str
            As `name` spells it.

        Returns
        -------
        Repairing
            The plan.

        Raises
        ------
        ArgumentError
            An unknown name, a value of another kind, or values that do not go together.
        """
        given = parameters(name, PREFIX, {one.name: type(one.default) for one in fields(cls)})
        return cls(**given)
