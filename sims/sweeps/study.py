"""Study files: TOML, validated line by line; every combination is tried on paper before anything runs."""

import difflib
import re
from itertools import islice
from math import inf
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from localnoise.errors import ArgumentError, choose, listed, short
from localnoise.sims import tasks
from localnoise.sims.attacks import ATTACKS
from localnoise.sims.defenses import check_crossing
from localnoise.sims.defenses import named as arm_named
from localnoise.sims.defenses.spelled import Spelled
from localnoise.sims.evaluation.names import check_shapes, name_and_level
from localnoise.sims.evaluation.source import DRIFT, Source
from localnoise.sims.experiments.chosen import DEFAULT, Chosen, few_of
from localnoise.sims.models.training import BACKPROP, trainings
from localnoise.sims.sweeps.lines import line_of
from localnoise.sims.sweeps.space import FINITE, GRID, Parameters, Part, Space, Value, combinations
from localnoise.toml import parse_toml, text_of_toml

SHIPPED = {path.stem: path for path in sorted(Path(__file__).with_name("studies").glob("*.toml"))}
_CHECKED = 1_000  # combinations tried before a study runs: a third of a second
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
    sources : list of str
        NAME or NAME@LEVEL: a net for each, learned from it and judged against it; the goal is the mean. The space may
        name `source` instead.
    attacked : int
        Held-out images under an attack, and training images attacked to learn from.
    baselines : list of str
        Arms that are run first, for comparison.
    goals : list of str
        "robust", "clean": accuracies; "bytes": of parameters a unit; "energy": µJ a draw by the 45 nm table, at the
        trial's bits (8-bit weights, 12-bit words where it has none); "links", "wire": their number, their length.
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
    sources: list[str] = []
    baselines: list[str] = ["none", "full"]
    goals: Annotated[list[Literal["robust", "clean", "bytes", "energy", "links", "wire"]], Field(min_length=1)]
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
        for text in texts:
            source_of(text)
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

    @property
    def trainings(self) -> list[str]:
        """Return the ways in which networks learn in one trial or another."""
        part = self.space.get("training")
        return [self.training] if part is None else [str(value) for value in part.discrete or ()]

    def sources_of(self, parameters: Parameters) -> tuple[Source, ...]:
        """The sources of a trial; a modification is learned from `displaced` images."""
        texts = self.sources or [parameters["source"]]
        return tuple(source_of(text).of(self.displaced) for text in texts)


def spelled(parameters: Parameters) -> Spelled:
    """The grid of a trial."""
    return Spelled(**{name: value for name, value in parameters.items() if name in GRID})


def source_of(text: str) -> Source:
    """Source from NAME or NAME@LEVEL."""
    return Source.default(*name_and_level(text))


def load_study(place: str | Path) -> tuple[Study, str]:
    """Read a study by the name of a shipped one or by its file; returns it and the file's text.

    Raises
    ------
    ArgumentError
        No such study or file, no TOML, an unknown field or value (with its line), or a combination that cannot be.
    """
    path = SHIPPED.get(str(place), Path(place))
    if not path.exists():
        if Path(place).suffix == ".toml":
            raise ArgumentError(f"study {str(place)!r}: no such file; shipped are {', '.join(SHIPPED)}")
        choose("study", str(place), SHIPPED)
    return parse_study(text_of_toml(path, "a study in TOML"), str(place))


def parse_study(text: str, place: str) -> tuple[Study, str]:
    """As `load_study`, from the text of a file; `place` names it in errors."""
    try:
        given = parse_toml(text)
    except ValueError as error:
        raise ArgumentError(f"{place}: not TOML: {error}") from None
    try:
        study = Study.model_validate(given)
    except ValidationError as error:
        first = min(error.errors(), key=lambda one: one["type"] == "missing")  # a misspelt field is missing, too
        raise ArgumentError(_sentence(first, text, place)) from None
    _try_all(study, text, place)
    return study, text


def _sentence(error: Any, text: str, place: str) -> str:
    """One error of pydantic's as line, field, value, what was expected."""
    path = [part for part in error["loc"] if part != "[key]"]
    what = short(str(error["msg"]).removeprefix("Value error, "), 200)
    if not path and what.partition("=")[0] in Study.model_fields:
        path = [what.partition("=")[0]]
        return f"{place}, line {line_of(text, path)}: {what}"
    field = short(".".join(map(str, path)) or "study")
    if error["type"] == "missing":
        return f"{place}: {field} is missing: expected it at line {line_of(text, path)} or below"
    if "[key]" in error["loc"]:  # of the space
        allowed = re.findall(r"'(\w+)'", error["ctx"]["expected"])
    elif error["type"] == "extra_forbidden":
        allowed = list(Part.model_fields if len(path) > 1 else Study.model_fields)
    else:
        allowed = []
    if allowed:
        near = difflib.get_close_matches(str(path[-1]), allowed, n=1)
        what = f"unknown field; expected {listed(allowed)}" + (f"; did you mean {near[0]!r}?" if near else "")
        return f"{place}, line {line_of(text, path)}: {field}: {what}"
    given = "" if isinstance(error["input"], (dict, list)) else f"={short(repr(error['input']))}"
    return f"{place}, line {line_of(text, path)}: {field}{given}: {what}"


def _try_all(study: Study, text: str, place: str) -> None:
    """Refuse combinations that cannot be, of the first many; what does not depend on the others is tried once."""
    tried: set[tuple[str, Value]] = set()
    for parameters in islice(combinations(study.space), _CHECKED):
        try:
            arm = spelled(parameters).name
            alone: list[tuple[str, Value]] = [("source", one) for one in study.sources]
            alone += [(name, parameters[name]) for name in _ALONE if name in parameters]
            for name, value in alone:
                if (name, value) not in tried:
                    tried.add((name, value))
                    _ALONE[name](study, value)
            by = parameters.get("training", study.training)
            if by != BACKPROP and arm_named(arm).crosses:
                raise ArgumentError(f"training={by!r} has no gradients across layers, from which this noise learns")
        except ArgumentError as error:
            said = ", ".join(f"{name}={value}" for name, value in parameters.items())
            message = str(error)
            about = next((name for name in parameters if f"{name}=" in message or f"'{name}'" in message), "")
            raise ArgumentError(
                f"{place}, line {line_of(text, ('space', about))}: the combination {short(said, 80)} cannot be: "
                f"{short(message, 120)}; "
                "take a value out, or say `when` it is asked for"
            ) from None


def _check_source(study: Study, text: Any) -> None:
    source = source_of(text)
    if source.name == DRIFT:
        raise ArgumentError("source='drift' is no threat that a net can be judged against: take another")
    if source.name in ATTACKS and study.attacked > study.holdout:
        raise ArgumentError(f"attacked={study.attacked}: expected at most holdout={study.holdout}")
    check_shapes([source.name], few_of(tasks.find(study.network)).shape)


def _check_layer(study: Study, layer: Any) -> None:
    tasks.find(study.network).network(0, study.activation, layer)


def _check_training(study: Study, by: Any) -> None:
    choose("training", by, trainings())
    Chosen.of(study.network, study.activation, training=by)
    check_crossing(by, study.baselines)


_ALONE = {"source": _check_source, "layer": _check_layer, "training": _check_training}  # whatever the others are
