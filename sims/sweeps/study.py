"""A study: what is searched, for which goals, and on which images; its fields, each checked."""

from math import inf
from typing import Annotated, Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, field_validator, model_validator

from localnoise.errors import ArgumentError, choose, listed
from localnoise.sims import tasks
from localnoise.sims.defenses import check_crossing
from localnoise.sims.defenses import named as arm_named
from localnoise.sims.defenses.grid_plan import Spelled
from localnoise.sims.defenses.repair_plan import NONE, Repairing
from localnoise.sims.evaluation.names import name_and_level
from localnoise.sims.evaluation.source import Source
from localnoise.sims.experiments.chosen import DEFAULT
from localnoise.sims.models.training import BACKPROP, trainings
from localnoise.sims.sweeps.space import FINITE, GRID, REPAIR, SEARCHED, Parameters, Part, Space

GOALS = {
    "robust": ("grid", "repair"),
    "clean": ("grid", "repair"),
    "bytes": ("grid", "repair"),
    "energy": ("grid",),
    "links": ("grid",),
    "wire": ("grid",),
    "work": ("repair",),
}
"""Goals, and the defenses that have them."""
Count = Annotated[int, Field(ge=1)]


class Study(BaseModel):
    """A study: what is searched, for which goals, and on which images. See `studies/quick.toml`.

    Attributes
    ----------
    name : str
    data : str
        "embedded" or "full"; of its training images `holdout` are held out, and trials are judged on them. Test images
        are never seen.
    seeds, epochs, base_epochs, displaced : int
        As in a preset. A trial begins with seed 0; each further seed is a rung.
    task : str
        v1, v2, v3, watch, or a file, from where the command runs: my_task.py. Earlier studies call it `network`.
    activation : str
        Of v1, v2, v3.
    training : str
        How networks learn: "backprop", or a local rule. The space may name it instead.
    defense : str
        "grid", of noise, or "repair": whose hyperparameters are searched.
    sources : list of str
        NAME or NAME@LEVEL: a net for each, learned from it and judged against it; the goal is the mean. The space may
        name `source` instead. A repair learns them all together.
    attacked : int
        Held-out images under an attack, and training images attacked to learn from.
    baselines : list of str
        Arms that are run first, for comparison.
    goals : list of str
        "robust", "clean": accuracies; "bytes": of parameters a unit; "energy": µJ a draw by the 45 nm table, at the
        trial's bits (8-bit weights, 12-bit words where it has none); "links", "wire": their number, their length;
        "work": multiplications of a repair an input, at most.
    sampler, pruning : str
        "tpe", "nsga2", "grid" or "random"; "halving" ends a trial at a seed by the number of others that beat it there.
    trials, seed : int
        How many; of the sampler.
    space : dict of str to Part
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")]
    network: Annotated[str, Field(validation_alias=AliasChoices("task", "network"))] = DEFAULT
    data: Literal["embedded", "full"] = "embedded"
    holdout: Count = 1000
    seeds: Count = 1
    epochs: Count = 2
    base_epochs: Count = 5
    displaced: Count = 5_000
    attacked: Count = 300
    activation: Literal["tanh", "relu"] = "tanh"
    training: str = BACKPROP
    defense: Literal["grid", "repair"] = "grid"
    sources: list[str] = []
    baselines: list[str] = ["none", "full"]
    goals: Annotated[list[Literal["robust", "clean", "bytes", "energy", "links", "wire", "work"]], Field(min_length=1)]
    sampler: Literal["tpe", "nsga2", "grid", "random"] = "tpe"
    pruning: Literal["halving", "none"] = "none"
    trials: Count
    seed: Annotated[int, Field(ge=0)] = 0
    space: Annotated[Space, Field(min_length=1)]

    @field_validator("network")
    @classmethod
    def _mounted(cls, name: str) -> str:
        tasks.mounted(name)  # before its perturbations are named
        return name

    @field_validator("training")
    @classmethod
    def _trained(cls, name: str) -> str:
        return name if name == BACKPROP else choose("training", name, trainings())

    @field_validator("goals")
    @classmethod
    def _once(cls, goals: list[str]) -> list[str]:
        if len(set(goals)) < len(goals):
            raise ValueError("expected each goal once")
        return goals

    @field_validator("baselines")
    @classmethod
    def _known(cls, names: list[str]) -> list[str]:
        for name in names:
            arm_named(name)
        return names

    @field_validator("sources")
    @classmethod
    def _sources(cls, texts: list[str]) -> list[str]:
        known: dict[Source, str] = {}
        for text in texts:
            other = known.setdefault(source_of(text), text)
            if other is not text:
                raise ValueError(f"sources={text!r} and {other!r} are the same: expected each once")
        return texts

    @field_validator("space")
    @classmethod
    def _named_before(cls, space: dict[str, Part]) -> dict[str, Part]:
        seen: list[str] = []
        for name, part in space.items():
            for other in part.when:
                choose(f"{name}: when", other, seen)
            seen.append(name)
        return space

    @model_validator(mode="after")
    def _one_source(self) -> "Study":
        if bool(self.sources) == ("source" in self.space):
            raise ValueError("expected sources, or source in the space: one of the two")
        if "training" in self.space and "training" in self.model_fields_set:
            raise ValueError(f"training={self.training!r}: expected it here or in the space, not in both")
        check_crossing(self.training, self.baselines)
        if self.sampler == "grid":
            for name, part in self.space.items():
                if part.discrete is None:
                    many = "is continuous" if part.count == inf else f"has {part.count:,.0f} values"
                    raise ValueError(f"sampler='grid' needs up to {FINITE:,} values of {name}, whose range {many}")
        if self.pruning == "halving" and self.seeds == 1:
            raise ValueError("pruning='halving' needs seeds >= 2: each seed is a rung")
        return self

    @model_validator(mode="after")
    def _of_the_defense(self) -> "Study":
        known = [name for name, kinds in GOALS.items() if self.defense in kinds]
        for goal in self.goals:
            if goal not in known:
                raise ValueError(f"goals={goal!r}: of a {self.defense} expected {listed(known)}")
        for name in self.space:
            if name not in SEARCHED[self.defense]:
                raise ValueError(
                    f"space.{name}: no hyperparameter of a {self.defense}; expected {listed(SEARCHED[self.defense])}"
                )
        return self

    @property
    def trainings(self) -> list[str]:
        """Return the ways in which networks learn in one trial or another."""
        part = self.space.get("training")
        return [self.training] if part is None else [str(value) for value in part.discrete or ()]

    @property
    def networks(self) -> list[Parameters]:
        """Return what the networks of trials differ in: how they learn, and where they are cut if the space says so."""
        part = self.space.get("layer")
        cuts = [{}] if part is None else [{"layer": value} for value in part.discrete or ()]
        return [{"training": by} | cut for by in self.trainings for cut in cuts]

    def source_sets(self, parameters: Parameters) -> list[tuple[Source, ...]]:
        """Return what each net of a trial learns from: a grid from one source, a repair from all together.

        A modification is learned from `displaced` images.
        """
        texts = self.sources or [parameters["source"]]
        sources = [source_of(text).of(self.displaced) for text in texts]
        return [tuple(sources)] if self.defense == "repair" else [(source,) for source in sources]

    def arm_of(self, parameters: Parameters) -> Spelled | Repairing:
        """Return the grid or the repair of a trial."""
        if self.defense == "repair":
            plan = Repairing(**{name: value for name, value in parameters.items() if name in REPAIR})
            if plan.layers == NONE:
                raise ArgumentError("layers='none' repairs nothing: expected all, first or modules' names")
            return plan
        return Spelled(**{name: value for name, value in parameters.items() if name in GRID})


def source_of(text: str) -> Source:
    """Source from NAME or NAME@LEVEL."""
    return Source.default(*name_and_level(text))
