"""Study files: TOML, validated line by line; every combination is tried on paper before anything runs."""

import difflib
import re
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from localnoise.errors import ArgumentError, choose, listed, short
from localnoise.sims import tasks
from localnoise.sims.attacks import ATTACKS
from localnoise.sims.defenses import check_crossing
from localnoise.sims.defenses import named as arm_named
from localnoise.sims.defenses.repair_plan import Repairing
from localnoise.sims.evaluation.names import check_shapes
from localnoise.sims.evaluation.source import DRIFT
from localnoise.sims.experiments.chosen import Chosen, few_of
from localnoise.sims.experiments.repair_design import check_plan
from localnoise.sims.models.training import BACKPROP, trainings
from localnoise.sims.sweeps.lines import line_of
from localnoise.sims.sweeps.space import Parameters, Part, Value, combinations
from localnoise.sims.sweeps.study import Study, source_of
from localnoise.toml import parse_toml, text_of_toml

SHIPPED = {path.stem: path for path in sorted(Path(__file__).with_name("studies").glob("*.toml"))}
_CHECKED = 1_000  # combinations tried before a study runs: a third of a second


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
    """Read a study from the text of a file, as `load_study` does; `place` names it in errors."""
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
    said = re.match(r"([\w.]+)[=:]", what)
    if not path and said and said[1].split(".")[0] in Study.model_fields:
        path = said[1].split(".")
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
            arm = study.arm_of(parameters).name
            alone: list[tuple[str, Value]] = [("source", one) for one in study.sources]
            alone += [(name, parameters[name]) for name in _ALONE if name in parameters]
            for name, value in alone:
                if (name, value) not in tried:
                    tried.add((name, value))
                    _ALONE[name](study, value)
            by = parameters.get("training", study.training)
            if study.defense == "repair":
                _check_repair(study, parameters, by)
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


def _check_repair(study: Study, parameters: Parameters, by: Any) -> None:
    plan = study.arm_of(parameters)
    assert isinstance(plan, Repairing)
    chosen = _chosen(study.network, study.activation, parameters.get("layer"), by)
    check_plan(plan, chosen, [source_of(text) for text in study.sources])


@lru_cache(maxsize=64)
def _chosen(*how: Any) -> Chosen:
    return Chosen.of(*how)


_ALONE = {"source": _check_source, "layer": _check_layer, "training": _check_training}  # whatever the others are
