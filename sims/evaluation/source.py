"""Where displacements come from, and how loud the noise learned from them is made."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from localnoise.errors import ArgumentError
from localnoise.sims.attacks import ATTACKS, EPS
from localnoise.sims.evaluation.names import as_name, check_level, in_full
from localnoise.sims.perturbations import MODIFICATIONS
from localnoise.sims.results.plain import AS_TRACE, LATER

DRIFT = "drift"
_FIFTHS = 5  # severities of a scale


@dataclass(frozen=True, kw_only=True)
class Source:
    """A modification, an attack or a drifting stream whose displacements a noise is learned from.

    Attributes
    ----------
    name : str
        A modification, an attack, or "drift": from frame to frame, without clean images. "input_noise" is the sensor's
        own jitter: without labels or attacker.
    level : float
        The modification's level, the attack's eps, or the stream's level.
    variance : float
        Noise variance per neuron of the signal-independent arms (paper: 0.5 for modifications, 2 for attacks).
    images : int or None
        Training images that are displaced to learn from, the first ones; None: all, or of an attack those that the
        settings say. A covariance needs fewer than a bank of causes.
    """

    name: str
    level: float
    variance: float = field(metadata=AS_TRACE)
    images: int | None = field(default=None, metadata=LATER)

    def __post_init__(self) -> None:
        as_name("source", self.name, DRIFT)
        if self.images is not None and (self.name not in MODIFICATIONS or self.images < 1):
            raise ArgumentError(f"images={self.images!r}: expected None, or of a modification a whole number >= 1")
        check_level(self.name, self.level)

    @property
    def moved(self) -> tuple[str, float, int | None]:
        """The settings that its displacements depend on; sources that differ in variance alone share them."""
        return self.name, self.level, self.images

    @classmethod
    def default(cls, name: str, level: float | None = None) -> "Source":
        """Return a source of the variance, and by default the level, that the results' tables use.

        Parameters
        ----------
        name : str
            A modification, an attack, or "drift".
        level : float or None
            None: the usual one.

        Returns
        -------
        Source
            Of all images.

        Raises
        ------
        ArgumentError
            An unknown name (the near one is suggested), or a level out of range.
        """
        name = in_full(as_name("source", name, DRIFT))
        usual = 1.0 if name == DRIFT else EPS if name in ATTACKS else MODIFICATIONS[name].level
        return cls(name=name, level=usual if level is None else level, variance=usual_variance(name))

    def of(self, images: int | None) -> "Source":
        """Return the same source learned from fewer images.

        Parameters
        ----------
        images : int or None
            The first ones; None: all.

        Returns
        -------
        Source
            An attack is left as it is.
        """
        return replace(self, images=images) if self.name in MODIFICATIONS else self


def usual_variance(name: str) -> float:
    """Return the noise variance per neuron that the results' tables use: 2 for attacks, else 0.5."""
    return 2.0 if name in ATTACKS else 0.5


def milder(source: Source, severities: Iterable[float]) -> list[str]:
    """Return a source at severities 1, 2, ... below its own, NAME@LEVEL; one whose level is none: at fifths of it.

    Fifths are counted from the level at which nothing happens. Of a task's own perturbation nobody knows which levels
    are milder, unless the task says so (`Task.harmless`): none.
    """
    own = MODIFICATIONS.get(source.name)
    if own is None or own.mildest is None:
        return []
    start = own.mildest
    levels = [one if own.whole else start + (source.level - start) * one / _FIFTHS for one in severities]
    known = [level for level in levels if own.lowest <= level <= own.highest and level != start]
    return [f"{source.name}@{level:g}" for level in known if is_milder(level, source.name, source.level)]


def is_milder(level: float, name: str, than: float) -> bool:
    """Return whether one level is milder than another; of names whose order of levels is not known: no.

    Towards 0 is milder, of attacks and of what ships; of a task's own perturbation towards the level that it says.
    """
    own = MODIFICATIONS.get(name)
    start = (0.0 if name in ATTACKS else None) if own is None else own.mildest
    return start is not None and than != start and 0 <= (level - start) / (than - start) < 1
