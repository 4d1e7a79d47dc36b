"""Accuracy of a user's network under perturbations and attacks, as one table: `localnoise.nn.evaluate`."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn

from localnoise.errors import ArgumentError, short
from localnoise.nn.attaching import Followed
from localnoise.nn.cutting import cut
from localnoise.nn.loading import Batches, as_altered, labelled
from localnoise.nn.naming import check_device, whole
from localnoise.nn.predictor import Predictor
from localnoise.nn.tapping import evaluating, quiet
from localnoise.sims.attacks import ATTACKS, EPS, PGD, Attack
from localnoise.sims.attacks.base import Bounds, drawing, is_noisy, stream
from localnoise.sims.evaluation.names import CLEAN, name_and_level
from localnoise.sims.results.statistics import over_seeds
from localnoise.validate import as_count

_EOT = 8  # draws at least that an attacker averages a gradient over
_TOGETHER = 5_000  # noisy inputs that go through the later layers at once
_Altered = Callable[[Tensor, Tensor], Tensor]  # inputs and labels to perturbed inputs


class Deployed(nn.Module):
    """A network as it is deployed: the mean of its logits over `draws` forwards, each with noise of its own.

    Parameters
    ----------
    model : Module
        Inputs to logits (T, classes). A `Predictor` averages by itself.
    draws : int
        K >= 1.
    """

    def __init__(self, model: nn.Module, draws: int) -> None:
        super().__init__()
        self.model, self.draws = model, draws
        self.training = False

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (T, classes)."""
        if isinstance(self.model, Predictor):
            with drawing(self.model, self.draws):
                parts = x.split(max(1, _TOGETHER // self.draws))
                return torch.cat([self._checked(self.model(part), part) for part in parts])
        total = self._checked(self.model(x), x)
        for _ in range(1, self.draws):
            total = total + self.model(x)
        return total / self.draws

    def _checked(self, logits: Any, x: Tensor) -> Tensor:
        if not isinstance(logits, Tensor) or logits.ndim != 2 or len(logits) != len(x):
            found = f"shape {tuple(logits.shape)}" if isinstance(logits, Tensor) else type(logits).__name__
            raise ArgumentError(
                f"model gave {found} for {len(x)} inputs: expected logits (T, classes); wrap it in a module that "
                "returns them alone"
            )
        return logits


def evaluate(
    model: nn.Module,
    loader: Any,
    perturbations: Mapping[str, Callable[[Tensor], Tensor]] | None = None,
    *,
    draws: int = 10,
    attacks: str | Sequence[str] | None = None,
    bounds: tuple[float, float] | None = None,
    seed: int = 0,
    device: torch.device | str | None = None,
) -> pd.DataFrame:
    """Return the accuracy of a network on clean, perturbed and attacked inputs, a row each, with 95 % intervals.

    The network answers as it is deployed: in evaluation mode, by the mean of its logits over `draws` draws of its
    noise; one where its answers do not vary. An attacker averages gradients over as many draws, at least 8. Modes,
    streams and positions of its noise, and torch's generator are afterwards as they were.

    Parameters
    ----------
    model : Module
        Inputs to logits (T, classes), such as what `attach` returns, or a `Predictor`.
    loader : DataLoader, Dataset, (x, y), or iterable of batches
        Inputs and their classes; moved to the network's device.
    perturbations : dict of str to callable
        A batch (T, ...) to another of the same shape. Random numbers of torch's generator repeat with `seed`.
    draws : int
        K >= 1.
    attacks : str or sequence of str
        "NAME" or "NAME@EPS" of `localnoise.sims.attacks.ATTACKS`, such as "pgd@0.1"; eps in the units of the inputs.
    bounds : pair of float, or None
        The lowest and the highest value of an input, which attacks keep to; None: there are none.
    seed : int
        Of the noise, the perturbations and the attacks.
    device : device or None
        The network's own, None or stated.

    Returns
    -------
    pandas.DataFrame
        `perturbation` ("clean" first), `accuracy`, `low` and `high` (Wilson's interval over the inputs), `n` inputs,
        `draws`.

    Raises
    ------
    ArgumentError
        Labels missing, a loader that can be read only once, a perturbation that changes shape, type or device, an
        unknown attack (the near name is suggested), inputs out of `bounds`.

    Examples
    --------
    >>> import torch
    >>> from localnoise import nn as lnn
    >>> x = torch.rand(200, 8)
    >>> net = torch.nn.Linear(8, 3)
    >>> table = lnn.evaluate(net, (x, net(x).argmax(1)), {"dark": lambda x: 0.5 * x}, attacks="pgd@0.1", bounds=(0, 1))
    >>> table.perturbation.tolist(), float(table.accuracy[0])
    (['clean', 'dark', 'pgd@0.1'], 1.0)
    """
    model = whole(model)
    batches = Batches(loader, check_device(model, device))
    draws = as_count("draws", draws, 1)
    altered: dict[str, Callable[[Deployed], _Altered]] = {CLEAN: lambda deployed: lambda x, y: x}
    if not isinstance(perturbations, Mapping | None):
        raise ArgumentError(
            f"perturbations={short(repr(perturbations))}: expected a dict of names to functions of a batch"
        )
    for name, perturb in (perturbations or {}).items():
        altered[_new(name, altered)] = _perturbing(name, perturb)
    for text in [attacks] if isinstance(attacks, str) else attacks or ():
        name, level = name_and_level(text)
        make, eps = ATTACKS[name], EPS if level is None else level
        altered[_new(f"{name}@{eps:g}", altered)] = _attacking(make, eps, bounds, seed)
    rows = []
    with evaluating(model), _streams(model, seed) as restart:
        first, _ = next(iter(batches))
        noisy = is_noisy(model, first)
        deployed = Deployed(_in_two(model, first[:2]) if noisy else model, draws if noisy else 1)
        for name, start in altered.items():
            restart(name)
            right = _outcomes(deployed, batches, start(deployed))
            found = over_seeds([right.double().mean().item()], len(right))
            rows.append(
                {
                    "perturbation": name,
                    "accuracy": found.mean,
                    "low": found.low,
                    "high": found.high,
                    "n": len(right),
                    "draws": deployed.draws,
                }
            )
    return pd.DataFrame(rows)


def _in_two(model: nn.Module, x: Tensor) -> nn.Module:
    """Return a predictor that runs the layers before the noise once for all draws, where the network can be cut there.

    Else the network itself: something passes the noise by, or its forward cannot be traced.
    """
    attached = [(name, part) for name, part in model.named_modules() if isinstance(part, Followed)]
    noises = [part for part in model.modules() if getattr(part, "active", False) and hasattr(part, "reseed")]
    if isinstance(model, Predictor) or len(attached) != 1 or noises != [attached[0][1].noise]:
        return model
    name, followed = attached[0]
    try:
        with quiet(model):
            front, back = cut(model, name, x)
    except ArgumentError:
        return model
    front.set_submodule(name, followed.module)  # of the copy that is the front: the model keeps its own
    return Predictor(front, followed.noise, back)  # type: ignore[arg-type]  # it is active, and can be reseeded


def _new(name: Any, taken: Mapping[str, Any]) -> str:
    if not isinstance(name, str) or name in taken:
        raise ArgumentError(f"perturbation {name!r}: expected a name of its own, and other than {CLEAN!r}")
    return name


def _perturbing(name: str, perturb: Any) -> Callable[[Deployed], _Altered]:
    if not callable(perturb):
        raise ArgumentError(
            f"perturbations[{name!r}] is {type(perturb).__name__}: expected a function of a batch; an attack's name "
            "goes into attacks="
        )
    return lambda deployed: lambda x, y: as_altered(perturb, x, f"perturbation {name!r}")


def _attacking(
    make: Callable[[PGD, float], Attack], eps: float, bounds: Bounds, seed: int
) -> Callable[[Deployed], _Altered]:
    def start(deployed: Deployed) -> _Altered:
        attack = make(PGD(draws=max(_EOT, deployed.draws) if deployed.draws > 1 else 1), eps)

        def altered(x: Tensor, y: Tensor) -> Tensor:
            with torch.enable_grad():
                return attack(deployed, x, y, bounds=bounds, seed=seed).detach()

        return altered

    return start


def _outcomes(deployed: Deployed, batches: Batches, alter: _Altered) -> Tensor:
    """Return whether the answer to each input is right, (n,)."""
    right = []
    for index, (x, y) in enumerate(labelled(batches)):
        moved = alter(x, y)
        with torch.no_grad():
            logits = deployed(moved)
        if y.numel() and not 0 <= int(y.min()) <= int(y.max()) < logits.shape[1]:
            raise ArgumentError(
                f"labels of batch {index} run from {int(y.min())} to {int(y.max())}: expected 0 to "
                f"{logits.shape[1] - 1}, as the network has classes"
            )
        right.append((logits.argmax(1) == y) & ~logits.isnan().any(1))
    return torch.cat(right).cpu()


@contextmanager
def _streams(model: nn.Module, seed: int) -> Iterator[Callable[[str], None]]:
    """Give each row streams of its own, from a seed; afterwards all streams stand where they stood."""
    layers: list[Any] = [part for part in model.modules() if hasattr(part, "reseed") and hasattr(part, "seed")]
    before = [(layer, layer.seed, getattr(layer, "position", None)) for layer in layers]

    def restart(name: str) -> None:
        torch.manual_seed(stream(seed, name))
        for number, layer in enumerate(layers):
            layer.reseed(stream(seed, name, number))

    with torch.random.fork_rng():
        restart("")
        try:
            yield restart
        finally:
            for layer, own, position in before:
                layer.reseed(own)
                if position is not None:
                    layer.position = position
