"""The methods that a stream is given to, what each needs, and between which hyperparameters it chooses."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from localnoise.errors import choose
from localnoise.sims.streaming.method import Method

NOTHING = "nothing"
OWN, NORM = "own", "norm"  # the task's network, and its twin with batch normalisation

Options = Mapping[str, Any]
Build = Callable[[Any, Options], Method]


@dataclass(frozen=True, kw_only=True)
class StreamArm:
    """One method.

    Attributes
    ----------
    name, label : str
        In records and on the command line; in tables.
    network : str
        Which one it is given to.
    build : callable
        (workshop, options) -> a fresh method.
    candidates : tuple of dict
        Options between which it chooses on streams of held-out training images; one: nothing is chosen.
    base : str
        The arm whose chosen options it takes over.
    batch : int
        Images that it decides at once.
    labels, gradients, pairs : bool
        Whether it needs labels, a backward pass through the network, or makes pairs as it goes.
    before : str
        What it must have seen before it is deployed, beside the network's own training.
    revision : int
        Raised when what it does changes: records of an earlier revision no longer count as done.
    """

    name: str
    label: str
    network: str
    build: Build
    candidates: tuple[dict[str, Any], ...] = ({},)
    base: str = ""
    batch: int = 1
    labels: bool = False
    gradients: bool = False
    pairs: bool = False
    before: str = NOTHING
    revision: int = 1

    @property
    def needs(self) -> str:
        """Its needs, in short words."""
        several = ["labels"] * self.labels + [f"batches of {self.batch}"] * (self.batch > 1)
        several += ["gradients"] * self.gradients + ["clean inputs kept, a model of each corruption"] * self.pairs
        return ", ".join(several) or "one image"


_PAIRED, _CLEAN = "pairs of each corruption", "clean activations"
_FILTERED = tuple(
    {"stay": stay, "margin": margin} for margin in (True, False) for stay in (0.9, 0.99, 0.999)
)  # with the margin of single images or without
_SHARES = (0.003, 0.01, 0.03)
_CHOSEN = 2  # revision of what chooses: 1 chose on a stream of at most 10,000 images, whose stretches were shorter
_REPAIRS = 3  # of repairs: 1 had margins, and asked nobody what they are worth; 2 had margins behind worth


def _repaired(name: str, label: str, network: str) -> StreamArm:
    return StreamArm(
        name=name,
        label=label,
        network=network,
        build=lambda shop, _: shop.repaired(),
        before=_PAIRED,
        revision=_REPAIRS,
    )


_ALL = (
    StreamArm(name="none", label="no adaptation", network=OWN, build=lambda shop, _: shop.frozen()),
    _repaired("repair", "repair", OWN),
    StreamArm(
        name="repair-filtered",
        label="repair, filtered",
        network=OWN,
        build=lambda shop, options: shop.filtered(**options),
        candidates=_FILTERED,
        before=_PAIRED,
        revision=_REPAIRS,
    ),
    StreamArm(
        name="repair-adapting",
        label="repair, filtered, goes on learning",
        network=OWN,
        build=lambda shop, options: shop.filtered(**options),
        candidates=tuple({"rate": rate} for rate in (0.003, 0.03)),
        base="repair-filtered",
        pairs=True,
        before=_PAIRED,
        revision=_REPAIRS,
    ),
    StreamArm(
        name="repair-temporal",
        label="repair, filtered, then matched without pairs",
        network=OWN,
        build=lambda shop, options: shop.filtered(**options),
        candidates=tuple(
            {"share": share, "variance": variance} for share in (0.003, 0.01) for variance in (False, True)
        ),
        base="repair-filtered",
        before=_PAIRED,
        revision=_REPAIRS,
    ),
    StreamArm(
        name="temporal",
        label="matched without pairs, no repair",
        network=OWN,
        build=lambda shop, options: shop.temporal(**options),
        candidates=tuple({"share": share, "variance": variance} for share in _SHARES for variance in (False, True)),
        before=_CLEAN,
        revision=_CHOSEN,
    ),
    StreamArm(name="bn-none", label="no adaptation", network=NORM, build=lambda shop, _: shop.frozen()),
    StreamArm(
        name="bn",
        label="BN statistics, running",
        network=NORM,
        build=lambda shop, options: shop.statistics(**options),
        candidates=tuple({"share": share} for share in (0.001, 0.003, 0.01, 0.03, 0.1)),
        revision=_CHOSEN,
    ),
    StreamArm(
        name="bn-64",
        label="BN statistics, batch",
        network=NORM,
        build=lambda shop, options: shop.statistics(batch=64, **options),
        candidates=tuple({"prior": float(prior)} for prior in (0, 16, 64, 256)),
        batch=64,
        revision=_CHOSEN,
    ),
    StreamArm(
        name="tent",
        label="TENT",
        network=NORM,
        build=lambda shop, options: shop.tent(batch=64, **options),
        candidates=tuple({"rate": rate} for rate in (1e-4, 3e-4, 1e-3, 3e-3)),
        batch=64,
        gradients=True,
        revision=_CHOSEN,
    ),
    StreamArm(
        name="tent-1",
        label="TENT, running statistics",
        network=NORM,
        build=lambda shop, options: shop.tent(batch=1, **options),
        candidates=tuple({"rate": rate} for rate in (1e-5, 1e-4)),
        base="bn",
        gradients=True,
        revision=_CHOSEN,
    ),
    StreamArm(
        name="rdumb",
        label="RDumb",
        network=NORM,
        build=lambda shop, options: shop.rdumb(batch=64, **options),
        candidates=tuple(
            {"rate": rate, "margin": margin, "reset": reset}
            for rate in (2.5e-4, 2.5e-3, 1e-2)
            for margin in (0.05, 0.4)
            for reset in (30, 1000)
        ),
        batch=64,
        gradients=True,
        revision=_CHOSEN,
    ),
    _repaired("bn-repair", "repair", NORM),
    StreamArm(
        name="bn-repair-filtered",
        label="repair, filtered",
        network=NORM,
        build=lambda shop, options: shop.filtered(**options),
        candidates=_FILTERED,
        before=_PAIRED,
        revision=_REPAIRS,
    ),
)
ARMS: dict[str, StreamArm] = {arm.name: arm for arm in _ALL}


def stream_arm(name: str) -> StreamArm:
    """Return the arm of this name.

    Raises
    ------
    ArgumentError
        There is none; the near name is suggested.
    """
    return ARMS[choose("defenses", name, ARMS)]
