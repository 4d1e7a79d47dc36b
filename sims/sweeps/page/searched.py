"""The search as Optuna draws it: parallel coordinates, the first goal against each parameter, and trial by trial."""

import json
from collections.abc import Sequence
from typing import Any
from warnings import catch_warnings, simplefilter

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial
from optuna.visualization import plot_optimization_history, plot_parallel_coordinate, plot_slice

from localnoise.sims.sweeps.page.content import Content
from localnoise.sims.sweeps.search import quiet

_FEW = 8  # up to so many different numbers are categories, in their order
_WIDE = 30.0  # ratio of largest to least from which on an axis is logarithmic


def searched(content: Content) -> dict[str, dict[str, Any]]:
    """Return the figures by the id of their place in the page; none without two complete trials."""
    complete = [trial for trial in content.trials if trial.state == "complete"]
    varied = [name for name, part in _space(content).items() if not part.single()]
    if len(complete) < 2 or not varied or any(content.goals[0].name not in trial.values for trial in complete):
        return {}
    study = study_of(content)
    name = content.goals[0].title
    drawn = {
        "parallel": plot_parallel_coordinate(study, params=varied),
        "slice": plot_slice(study, params=varied, target=_first, target_name=name),
        "history": plot_optimization_history(study, target=_first, target_name=name),
    }
    drawn["slice"].update_traces(marker_colorbar_title_text="order")  # Optuna counts the complete trials anew
    drawn["history"].update_xaxes(title_text="complete trials, in their order")
    return {place: _ours(json.loads(figure.to_json())) for place, figure in drawn.items()}


def study_of(content: Content) -> optuna.Study:
    """Return the complete trials as a study of Optuna's; what they hold is shown, nothing is searched."""
    quiet()
    complete = sorted((t for t in content.trials if t.state == "complete"), key=lambda trial: trial.number)
    goals = [goal for goal in content.goals if all(goal.name in trial.values for trial in complete)]
    directions = [getattr(StudyDirection, "MAXIMIZE" if goal.best == "high" else "MINIMIZE") for goal in goals]
    study, space = optuna.create_study(directions=directions), _space(content)
    with catch_warnings():
        simplefilter("ignore", ExperimentalWarning)
        study.set_metric_names([goal.title for goal in goals])
    for trial in complete:
        params = {_words(name): value for name, value in trial.parameters.items()}
        values = [trial.values[goal.name] for goal in goals]
        own = {name: space[name] for name in params}
        study.add_trial(optuna.trial.create_trial(params=params, distributions=own, values=values))
    return study


def _first(trial: FrozenTrial) -> float:
    return float(trial.values[0])


def _space(content: Content) -> dict[str, BaseDistribution]:
    """The values that complete trials have of each parameter."""
    given: dict[str, list[Any]] = {_words(name): [] for name in content.parameters}
    for trial in content.trials:
        if trial.state == "complete":
            for name, value in trial.parameters.items():
                given[_words(name)].append(value)
    return {name: _distribution(values) for name, values in given.items() if values}


def _distribution(values: Sequence[Any]) -> BaseDistribution:
    numeric = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    different = sorted(set(values), key=None if numeric else str)
    if not numeric or len(different) <= _FEW:
        return CategoricalDistribution(different)
    low, high = different[0], different[-1]
    return FloatDistribution(low, high, log=low > 0 and high / low >= _WIDE)


def _words(name: str) -> str:
    return name.replace("_", " ")


def _ours(figure: dict[str, Any]) -> dict[str, Any]:
    """Without Optuna's title and template: the page has its own; categories stand without quotes."""
    for trace in figure["data"]:
        if isinstance(trace.get("x"), list):
            trace["x"] = [x.strip("'") if isinstance(x, str) else x for x in trace["x"]]
    layout = {name: value for name, value in figure["layout"].items() if name not in ("title", "template")}
    return {"data": figure["data"], "layout": layout | {"height": 460, "margin": {"t": 24, "b": 120}}}
