"""What `audit.json` holds, part by part: its schema."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

CLAIM = "The vote is constant for every displacement of this activation inside this ellipsoid."
NOT_CLAIMED = (
    "It says nothing of balls of the input: for that, one must know how far the layers in front can move an activation "
    "in this norm. It holds for this frozen noise, this vote over noisy predictions, and each input by itself."
)
OF_INPUTS = (
    "Here the layers in front move an activation by no more than {lipschitz:.3g} times what their input moves by (l2), "
    "so that the vote is constant for every change of the input of l2 norm below the radius times the noise's least "
    "standard deviation along any direction, divided by that number."
)
NO_DETECTOR = "Surprise is no detector of attacks: who knows it can keep the score low"
SHOWN, NOT_SHOWN = f"{NO_DETECTOR}, as the attack above shows.", f"{NO_DETECTOR}; no such attack was tried here."


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Number(_Part):
    """A measured number: mean over seeds, 95 % interval where there is one, inputs and seeds."""

    value: float
    low: float | None
    high: float | None
    inputs: int
    seeds: int


class Told(_Part):
    """The area under the ROC curve of a detector that tells something from clean inputs.

    what : "image" or "unit";  layer, detector;  against : NAME@LEVEL, "digits" or "defect"
    """

    what: Literal["image", "unit"]
    layer: str
    detector: str
    against: str
    area: Number


class Attack(_Part):
    """An attacker who weighs the detector's score: how often the network is fooled, and the attack noticed at 5 %.

    caught : of the attacks that fooled it; null where none did
    """

    weight: float
    fooled: Number
    caught: Number | None


class Cost(_Part):
    """The energy of a detector in integers an activation, by the 45 nm table, and its storage."""

    layer: str
    nanojoule: float
    multiplications: float
    kilobytes: float


class Covered(_Part):
    """Displacements of one level: the undefended network's accuracy there, and certified coverage under two noises."""

    level: float
    undefended: Number
    local: Number
    isotropic: Number
    norm: float


class Inputs(_Part):
    """Certificates of inputs, behind a front that moves nothing more than `lipschitz` times as far (l2).

    smallest : by noise, the least standard deviation along any direction
    """

    lipschitz: float
    smallest: dict[str, float]
    radii: list[float]
    local: list[Number]
    isotropic: list[Number]


class Certificate(_Part):
    """Certificates for one source, its displacements as they are or as a repair leaves them."""

    source: str
    displacements: str
    draws: int
    alpha: float
    largest_radius: float
    scale: float
    floor: float
    variance: float
    isotropic_variance: float
    undefended: Number
    radii: list[float]
    local: list[Number]
    isotropic: list[Number]
    abstained: dict[str, float]
    median_radius: dict[str, float]
    equal_ball: dict[str, float]
    seconds: dict[str, float]
    covered: list[Covered]
    inputs: Inputs | None = None
    searched: int
    contradicted: int


class Lies(_Part):
    """One corruption's displacements beside a defense's noise."""

    corruption: str
    inside: Number
    dimensions: float
    along_gradient: float
    density: dict[str, float]


class Structure(_Part):
    """The structure of one defense's noise."""

    defense: str
    source: str
    neurons: int
    dimensions: Number
    leading: int
    along_gradient: float
    corruptions: list[Lies]


class Document(_Part):
    """An audit."""

    schema_version: Literal[1] = 1
    title: str
    structure: list[Structure]
    certificates: list[Certificate]
    claim: str = CLAIM
    not_claimed: str = NOT_CLAIMED
    surprise: list[Told]
    false_alarms: dict[str, float]
    attacks: list[Attack]
    costs: list[Cost]
    limits: str = NOT_SHOWN
