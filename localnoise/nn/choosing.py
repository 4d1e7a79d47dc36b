"""Choose how loud a network's noise is, on images that it was not trained on; the test images stay unseen."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor, nn

from localnoise.errors import ArgumentError
from localnoise.nn.arrangement import Arrangement
from localnoise.nn.attaching import attach
from localnoise.nn.layer import NoiseLayer
from localnoise.nn.loading import Batches, as_altered, check_altered, labelled
from localnoise.nn.naming import device_of
from localnoise.scaling import mean_variance, with_variance
from localnoise.validate import as_count, as_variance

RELATIVE = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0, 2.0)  # of the noise's own variance: the candidates, unless given
Perturbation = Callable[[Tensor], Tensor]
Attack = Callable[[nn.Module, Tensor, Tensor], Tensor]


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One variance, and what the network does with it on the held-out images.

    Attributes
    ----------
    variance : float
        Per neuron; 0: no noise.
    clean, robust : float
        Accuracy on clean images; mean accuracy over all perturbations and attacks.
    clean_error, robust_error : float
        Their standard errors over images.
    each : dict of str to float
        Accuracy by perturbation or attack.
    eligible : bool
        Whether clean accuracy is at most `loss` below that without noise.
    """

    variance: float
    clean: float
    robust: float
    clean_error: float
    robust_error: float
    each: dict[str, float]
    eligible: bool


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The variance that `choose_variance` chose, and how.

    Attributes
    ----------
    variance : float
        0 where no noise was more robust than none within the loss allowed.
    noise : noise or None
        The noise at that variance, to be attached; None for 0.
    trials : list of Trial
        The network without noise first, then every candidate, quietest first.
    """

    variance: float
    noise: Any
    trials: list[Trial]

    @property
    def table(self) -> Any:
        """All trials as a pandas DataFrame, a row a variance."""
        import pandas as pd

        rows = [
            {key: value for key, value in vars(trial).items() if key != "each"} | trial.each for trial in self.trials
        ]
        return pd.DataFrame(rows)


def choose_variance(
    model: nn.Module,
    name: str,
    noise: Any,
    held: Any,
    perturbations: Mapping[str, Perturbation],
    *,
    attacks: Mapping[str, Attack] | None = None,
    variances: Sequence[float] | None = None,
    train: Callable[[nn.Module], object] | None = None,
    loss: float = 0.03,
    draws: int = 10,
    when: str = "both",
    arrangement: Arrangement | None = None,
    seed: int = 0,
) -> Choice:
    """Try each variance on a copy of the network, and return the quietest of the most robust ones.

    Each trial is a deep copy of `model` in which the module `name` is followed by the noise, scaled as a whole;
    `train`, if given, then trains the copy further. A network without noise, trained likewise, is always tried,
    too: candidates whose clean accuracy is more than `loss` below its own are passed over. Of the rest the answer is
    the quietest whose robust accuracy is within one standard error, image by image, of the best (the rule of Breiman,
    Friedman, Olshen and Stone 1984, section 3.4.3); 0 where that is the network without noise. All trials see the same
    images, read once, perturbed alike. The model, its mode and torch's random numbers are left as they were. Cost: a
    training, if any, and `draws` passes over the held-out images a variance and perturbation.

    Parameters
    ----------
    model : Module
        Trained; returns logits (T, classes).
    name : str
        A module of it, as in `model.named_modules()`, whose output the noise is added to.
    noise : UnitGrid, CentralNoise, AffineNoise or Bank
        Learned for that layer.
    held : (inputs, labels), DataLoader, Dataset, or iterable of batches
        Images that neither the network nor the noise was trained on, and that are no test images: a part of the
        training set set aside. A thousand give a standard error of up to 1.6 points.
    perturbations : dict of callables
        By name: inputs -> perturbed inputs of the same shape.
    attacks : dict of callables
        By name: (noisy model in evaluation mode, inputs, labels) -> attacked inputs.
    variances : sequence of float
        Per neuron. Default: 1/16, 1/8, ... 2 times the noise's own, which is that of the displacements it learned.
    train : callable
        Trains a network in place, on images other than the held-out ones, such as its later layers with the noise on.
    loss : float
        Clean accuracy that robustness may cost.
    draws : int
        Noisy logits that a prediction is the mean of; one where the noise is off in evaluation.
    when, arrangement
        As of `NoiseLayer`.
    seed : int
        Of all random numbers in a trial.

    Returns
    -------
    Choice
        The variance, the noise at it, and all trials.

    Raises
    ------
    ArgumentError
        No such module, no held-out images, a variance <= 0, nothing to be robust against, or a perturbation that
        changes the shape.

    Examples
    --------
    >>> import localnoise as ln, torch
    >>> from localnoise.nn import choose_variance
    >>> net = torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.Tanh(), torch.nn.Linear(8, 2))
    >>> x = torch.randn(100, 6)
    >>> noise = ln.UnitGrid((1, 8)).learn(torch.randn(200, 1, 1, 8))
    >>> choice = choose_variance(net, "1", noise, (x, net(x).argmax(1)), {"quiet": lambda x: 0.1 * x}, draws=2)
    >>> len(choice.trials)
    7
    """
    batches = Batches(held, device_of(model), "held")
    _refuse_names(perturbations, attacks or {})
    goals = {key: _perturbing(key, act) for key, act in perturbations.items()}
    goals |= {key: _attacking(key, act) for key, act in (attacks or {}).items()}
    if not goals:
        raise ArgumentError("perturbations is empty: expected at least one to be robust against, or an attack")
    own, passes = mean_variance(noise), as_count("draws", draws, 1)
    if variances is not None and not len(variances):
        raise ArgumentError("variances is empty: expected at least one to try")
    tried = sorted(as_variance(v) for v in variances) if variances is not None else [own * r for r in RELATIVE]
    attach(model, name, nn.Identity())  # an unknown name is refused before the long part
    device = batches.device
    trials: list[Trial] = []
    outcomes: list[Tensor] = []
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        shown = list(labelled(batches))  # once: a loader that shuffles would give each trial another order
        for variance in [0.0, *tried]:
            torch.manual_seed(seed)
            scaled = with_variance(noise, variance, own) if variance else None
            layer = NoiseLayer(scaled, when, arrangement=arrangement) if variance else nn.Identity()
            network = attach(model, name, layer)
            if train is not None:
                train(network)
            network.eval()
            many = passes if variance and when in ("both", "eval") else 1
            trial, robust = _trial(network, variance, shown, goals, many, seed, trials, loss)
            trials.append(trial)
            outcomes.append(robust)
    able = [index for index, trial in enumerate(trials) if trial.eligible]
    best = trials[able[_quietest([outcomes[index] for index in able])]]
    chosen = with_variance(noise, best.variance, own) if best.variance else None
    return Choice(variance=best.variance, noise=chosen, trials=trials)


def _trial(
    network: nn.Module,
    variance: float,
    shown: list[tuple[Tensor, Tensor]],
    goals: Mapping[str, Attack],
    draws: int,
    seed: int,
    before: list[Trial],
    loss: float,
) -> tuple[Trial, Tensor]:
    clean: list[Tensor] = []
    each: dict[str, list[Tensor]] = {key: [] for key in goals}
    for index, (x, y) in enumerate(shown):
        torch.manual_seed(seed + index)
        clean.append(_right(network, x, y, draws))
        for key, act in goals.items():
            torch.manual_seed(seed + index)  # the same perturbation in every trial, whatever was drawn before
            each[key].append(_right(network, act(network, x, y), y, draws))
    right, robust = torch.cat(clean), torch.stack([torch.cat(parts) for parts in each.values()])
    accuracy = float(right.mean())
    trial = Trial(
        variance=variance,
        clean=accuracy,
        robust=float(robust.mean()),
        clean_error=_error(right),
        robust_error=_error(robust.mean(0)),
        each={key: float(parts.mean()) for key, parts in zip(goals, robust, strict=True)},
        eligible=not before or accuracy >= before[0].clean - loss,
    )
    return trial, robust.mean(0)


def _refuse_names(perturbations: Mapping[str, Any], attacks: Mapping[str, Any]) -> None:
    """Raise an ArgumentError where two columns of the table would have one name."""
    taken = {field.name for field in fields(Trial)} - {"each"}
    for name in [*perturbations, *attacks]:
        if name in taken or (name in perturbations and name in attacks):
            where = "a column of the table" if name in taken else "of a perturbation and of an attack"
            raise ArgumentError(f"the name {name!r} is {where}: expected another one; rename it")


def _quietest(outcomes: list[Tensor]) -> int:
    """Return the first whose mean is within one standard error of the best one's, image by image."""
    best = max(outcomes, key=lambda each: float(each.mean()))
    return next(
        index for index, each in enumerate(outcomes) if float((best - each).mean()) <= max(_error(best - each), 1e-12)
    )


def _right(network: nn.Module, x: Tensor, y: Tensor, draws: int) -> Tensor:
    """1 where the mean of the logits is right, else 0; (T,) float64."""
    with torch.no_grad():
        logits = network(x)
        for _ in range(draws - 1):
            logits = logits + network(x)
    right: Tensor = (logits.argmax(-1) == y) & ~logits.isnan().any(-1)  # of NaN argmax would say class 0
    return right.double().cpu()


def _error(values: Tensor) -> float:
    return float(values.std() / len(values) ** 0.5) if len(values) > 1 else 0.0


def _perturbing(key: str, act: Any) -> Attack:
    if not callable(act):
        raise ArgumentError(f"perturbation {key!r} is {type(act).__name__}: expected a callable, inputs -> inputs")
    return lambda network, x, y: as_altered(act, x, f"perturbation {key!r}")


def _attacking(key: str, act: Attack) -> Attack:
    return lambda network, x, y: check_altered(act(network, x, y), x, f"attack {key!r}").detach()
