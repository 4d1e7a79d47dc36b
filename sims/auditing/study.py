"""The plan of an audit of a network, and the measuring of each of its parts."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localnoise.certificate.vote import refuse_few_draws
from localnoise.errors import ArgumentError, choose
from localnoise.sims import perturbations
from localnoise.sims.auditing.certificates import PLAIN, REPAIRED, certificate_part
from localnoise.sims.auditing.structures import structure_part
from localnoise.sims.auditing.surprises import read_digits, surprise_part
from localnoise.sims.defenses import named
from localnoise.sims.evaluation.names import name_and_level
from localnoise.sims.evaluation.source import Source, milder
from localnoise.sims.experiments.chosen import Chosen
from localnoise.sims.experiments.design import STRONGEST
from localnoise.sims.experiments.presets import Preset
from localnoise.sims.experiments.settings import Settings
from localnoise.sims.experiments.testbed import Testbed
from localnoise.sims.runtime.stage import Stage

STRUCTURE, CERTIFICATE, SURPRISE = PARTS = ("structure", "certificate", "surprise")


@dataclass(frozen=True, kw_only=True)
class Effort:
    """The cost of an audit.

    Attributes
    ----------
    images, learned : int
        Test inputs, and training inputs that are learned from.
    draws, epochs : int
        Of a vote; of training later layers under noise.
    named : int
        Training inputs that each threat changes, for the detector of named changes.
    attacks : int
        Test inputs that the attacker who knows the detector tries.
    floors : tuple of float
        Of the certificate's noise, to choose from.
    """

    images: int
    learned: int
    draws: int
    epochs: int
    named: int
    attacks: int
    floors: tuple[float, ...]


EFFORTS = {
    "quick": Effort(images=200, learned=5_000, draws=1_000, epochs=2, named=2_000, attacks=40, floors=(0.1,)),
    "standard": Effort(
        images=1_000,
        learned=20_000,
        draws=10_000,
        epochs=3,
        named=8_000,
        attacks=200,
        floors=(0.01, 0.1, 1.0),
    ),
    "full": Effort(
        images=1_000,
        learned=50_000,
        draws=10_000,
        epochs=10,
        named=20_000,
        attacks=1_000,
        floors=(0.01, 0.03, 0.1, 0.3, 1.0),
    ),
}


@dataclass(frozen=True, kw_only=True)
class Plan:
    """An audit of one task.

    Attributes
    ----------
    settings : dict
        Of the records' configurations: the task, and what its networks are trained on.
    spent, effort
        How networks are trained, how much is measured.
    parts : tuple of str
        Of `PARTS`.
    defenses : tuple of str
        Whose noise's structure is told.
    source : Source
        What noises are learned from.
    threats : tuple of (name, level)
        What is held against structure and surprise.
    alpha : float
    variance : float or None
        Of the certificate's noise; None: chosen to cover displacements.
    digits, data_dir : Path or None
        Folders, on a worker's machine too.
    """

    settings: dict[str, Any]
    spent: Preset
    effort: Effort
    parts: tuple[str, ...]
    defenses: tuple[str, ...]
    source: Source
    threats: tuple[tuple[str, float], ...]
    alpha: float
    variance: float | None
    digits: Path | None
    data_dir: Path | None

    @classmethod
    def of(
        cls, chosen: Chosen, spent: Preset, effort: Effort, *, parts: list[str], defenses: list[str], source: str,
        alpha: float, digits: Path | None, data_dir: Path | None, variance: float | None = None,
    ) -> "Plan":  # fmt: skip
        """Return a plan, its names checked before anything is measured.

        Raises
        ------
        ArgumentError
            Unknown parts, defenses, or perturbations; a defense without noise; too few draws to certify anything; a
            variance that is none; digits where none are shown.
        DataError
            The folder of digits holds none.
        """
        if variance is not None and not 0 < variance < float("inf"):
            raise ArgumentError(f"variance={variance!r}: expected that of the certificate's noise, such as 0.05")
        for part in parts:
            choose("parts", part, PARTS)
        refuse_few_draws(effort.draws if CERTIFICATE in parts else EFFORTS["full"].draws, alpha)
        if digits is not None:
            read_digits(digits, 10)  # damaged ones are refused now
            if SURPRISE not in parts or not chosen.task.images:
                raise ArgumentError(
                    f"digits={str(digits)!r}: they stand beside garments in the part surprise of a task of images; "
                    "leave --digits out"
                )
        for defense in defenses if STRUCTURE in parts else ():
            if named(defense).build is None:
                raise ArgumentError(
                    f"defense={defense!r} has no noise whose structure could be told: expected a grid's, such as "
                    "multiscale-8, or full"
                )
        threats = [name_and_level(text) for text in chosen.usual(STRONGEST, STRONGEST).split(",")]
        levels = tuple((name, _level(name, level)) for name, level in threats)
        moved = Source.default(*name_and_level(source))
        if moved.name not in perturbations.MODIFICATIONS:
            raise ArgumentError(f"train={source!r}: expected a perturbation of inputs, such as brightness@5")
        chosen.check_inputs([moved.name, *(name for name, _ in levels if STRUCTURE in parts)])
        return cls(
            settings=chosen.settings(spent.data, data_dir) | {"base_epochs": chosen.epochs(spent.base_epochs)},
            spent=spent, effort=effort, parts=tuple(parts), defenses=tuple(defenses), source=moved,
            threats=levels, alpha=alpha, variance=variance, digits=digits, data_dir=data_dir,
        )  # fmt: skip

    @property
    def trained(self) -> Settings:
        """Settings that its networks depend on."""
        return Settings(**self.settings)

    def strengths(self) -> list[tuple[str, float]]:
        """Name and level of all that happens to inputs in its parts."""
        held = () if self.parts == (CERTIFICATE,) else self.threats
        return [*held, *(() if self.parts == (SURPRISE,) else ((self.source.name, self.source.level),))]

    def configs(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield the seed and the configuration of each part."""
        e, source = self.effort, {"source": self.source.name, "level": self.source.level}
        shared = {"images": e.images, "learned": e.learned}
        threats = {"threats_held": [[name, level] for name, level in self.threats]}
        for seed in range(self.spent.seeds):
            common = {"experiment": "audit", "seed": seed} | self.settings | shared
            for defense in self.defenses if STRUCTURE in self.parts else ():
                yield seed, common | {"part": STRUCTURE, "defense": defense} | source | threats
            for what in (PLAIN, REPAIRED) if CERTIFICATE in self.parts else ():
                own = {"displacements": what, "draws": e.draws, "alpha": self.alpha, "epochs": e.epochs}
                own |= {} if self.variance is None else {"variance": self.variance}
                yield seed, common | {"part": CERTIFICATE, "floors": list(e.floors)} | own | source
            if SURPRISE in self.parts:
                own = {"attacks": e.attacks, "named": e.named, "digits": self.digits is not None}
                yield seed, common | {"part": SURPRISE} | own | threats


def measure(plan: Plan, config: dict[str, Any], bench: Testbed, stage: Stage) -> dict[str, Any]:
    """Measure one part of one seed; returns the values of its record."""
    e = plan.effort
    shared: dict[str, Any] = {"images": e.images, "learned": e.learned, "stage": stage}
    if config["part"] == STRUCTURE:
        return structure_part(bench, config["defense"], plan.source, plan.threats, **shared)
    if config["part"] == CERTIFICATE:
        return certificate_part(
            bench, plan.source, severities(plan.source), draws=e.draws, alpha=plan.alpha, epochs=e.epochs,
            floors=e.floors, repaired=config["displacements"] == REPAIRED, variance=plan.variance, **shared,
        )  # fmt: skip
    return surprise_part(bench, plan.threats, named=e.named, attacks=e.attacks, digits=plan.digits, **shared)


def severities(source: Source) -> list[float]:
    """Return the levels at which displacements are tested: milder ones where they are known, and the source's own."""
    found = [name_and_level(text)[1] for text in milder(source, [1, 2, 3, 4])]
    return sorted({*(float(level) for level in found if level is not None), source.level})


def _level(name: str, level: float | None) -> float:
    return perturbations.MODIFICATIONS[name].level if level is None else float(level)
