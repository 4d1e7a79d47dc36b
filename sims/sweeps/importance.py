"""Importances: which hyperparameters separate the better trials from the others, beyond what chance would do.

PED-ANOVA (Watanabe, Bansal, Hutter 2023, arXiv 2304.10255) of the better half against all, which takes hyperparameters
that only some trials have. Goals that follow from the hyperparameters alone are left out: trials are no random sample,
and in theirs a rule would seem to decide on bytes. So is what permuted values reach as well.
"""

import random
from collections.abc import Sequence

import optuna
from optuna.trial import FrozenTrial

from localnoise.sims.sweeps.search import quiet
from localnoise.sims.sweeps.study import Study
from localnoise.sims.sweeps.trials import BEST, MEASURED, Trial

_HALF = 0.5  # the share of trials that are the better ones; Optuna's tenth is one trial of ten
_PERMUTED = 40  # permutations of the values, each of which a hyperparameter has to beat
_FEWEST = 4


def importance(study: Study, trials: Sequence[Trial]) -> dict[str, dict[str, float]]:
    """By measured goal, the shares of the hyperparameters that matter, of 1 in all; no entry where none does."""
    quiet()
    complete = [trial for trial in trials if trial.state(study) == "complete"]
    known = {name: part.distribution for name, part in study.space.items()}
    params = [trial.parameters for trial in complete]
    found: dict[str, dict[str, float]] = {}
    for goal in study.goals:
        sign = 1 if BEST[goal] == "low" else -1
        values = [sign * trial.values()[goal] for trial in complete if goal in MEASURED]
        if len(values) < _FEWEST or len(set(values)) < 2:
            continue
        rng = random.Random(study.seed)
        own = _divergences(params, known, values)
        chance = [_divergences(params, known, rng.sample(values, len(values))) for _ in range(_PERMUTED)]
        real = {name: own[name] for name in own if all(own[name] > one.get(name, 0.0) for one in chance)}
        if real:
            found[goal] = {name: value / sum(real.values()) for name, value in real.items()}
    return found


def _divergences(
    params: Sequence[dict[str, object]],
    known: dict[str, optuna.distributions.BaseDistribution],
    values: Sequence[float],
) -> dict[str, float]:
    """Each hyperparameter's divergence between the better half, whose values are low, and all."""
    study = optuna.create_study()
    study.add_trials(_trial(own, known, value) for own, value in zip(params, values, strict=True))
    evaluator = optuna.importance.PedAnovaImportanceEvaluator(target_quantile=_HALF)
    try:
        return optuna.importance.get_param_importances(study, evaluator=evaluator, normalize=False)
    except (ValueError, RuntimeError):  # too few trials have a hyperparameter
        return {}


def _trial(
    own: dict[str, object], known: dict[str, optuna.distributions.BaseDistribution], value: float
) -> FrozenTrial:
    return optuna.trial.create_trial(params=own, distributions={name: known[name] for name in own}, values=[value])
