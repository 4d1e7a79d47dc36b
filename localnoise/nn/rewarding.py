"""Noise that learns what it is good for, turn by turn: its draws are rated, and the three-factor rule takes a step."""

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from localnoise.errors import ArgumentError
from localnoise.grid import UnitGrid
from localnoise.nn.arrangement import Arrangement
from localnoise.nn.attaching import Followed, detach
from localnoise.nn.cutting import cut
from localnoise.nn.loading import Batches, as_altered, check_altered, labelled
from localnoise.nn.naming import device_of, find, whole
from localnoise.nn.rating import Draws, Rater
from localnoise.nn.rewards import Reward
from localnoise.nn.tapping import evaluating
from localnoise.rules.three_factor import ThreeFactor, broadcast
from localnoise.validate import as_count, as_seed, check_positive, check_progress


@dataclass(frozen=True, kw_only=True)
class Turn:
    """One step of `reward_noise`.

    Attributes
    ----------
    reward : float
        Mean reward before the step, without a baseline.
    agreement : float
        Cosine of the weights' steps that two halves of the draws ask for: 0 where the estimate is all variance, 1
        where it has none. Its share of signal is about 2 c / (1 + c) of the whole step's square.
    """

    reward: float
    agreement: float


def stepped(grid: UnitGrid, draws: Draws, rule: ThreeFactor) -> float:
    """Let the grid learn from rated draws; return the cosine of the steps of W, or S, that their halves ask for."""
    field, told = grid.field.copy(), broadcast(draws.rewards, len(draws.eta))
    eta = draws.eta.reshape(*draws.eta.shape[:2], -1)
    h = eta[:, :, :0] if draws.h is None else draws.h.reshape(eta.shape)
    halves = [rule.start(field) for _ in range(2)]
    middle = len(eta) // 2
    for state, rows in zip(halves, (slice(middle), slice(middle, None)), strict=True):
        rule.reward(field, state, eta[rows], h[rows], told[rows])
    one, two = ((rule.step(field, state) if rule.rate else state["square"]).ravel() for state in halves)
    rule.settle(field, rule.merged(*halves))
    grid.field, grid.rule, grid.state = field, rule, None
    return float(one @ two / np.sqrt((one @ one) * (two @ two)))


def reward_noise(
    model: nn.Module,
    name: str,
    grid: UnitGrid,
    loader: Any,
    *,
    corrupt: Callable[[Tensor], Tensor] | None = None,
    attack: Callable[[Tensor, Tensor], Tensor] | None = None,
    reward: str | Reward = "change",
    turns: int = 10,
    rate: float = 1.0,
    spread: float = 0.1,
    variance: float | None = None,
    pairs: bool = True,
    common: int = 1,
    baseline: str = "class",
    decorrelate: bool = False,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> list[Turn]:
    """Let a grid learn, in place, from what the later layers make of its draws: three factors, nothing backward.

    In each turn every input gets draws, the layers after `name` rate them, and each unit learns from its own
    innovations and these numbers (rule "three-factor"). Which inputs: best training inputs that the network was not
    trained on. No weight of the network changes, and no gradient reaches the noise.

    Parameters
    ----------
    model : Module
        Its later layers trained, best under this noise. With noise attached to the layer, that noise is left out.
    name : str
        The layer, as in `model.named_modules()`.
    grid : UnitGrid
        Of the layer's layout (`grid_like`), fresh or learned; `NoiseLayer`s that hold it draw its new noise at once.
    loader : DataLoader, Dataset, (x, y), or iterable of batches
        Inputs and classes.
    corrupt : callable
        A batch of inputs to another, after which draws are rated; or
    attack : callable
        (x, y) -> attacked inputs; called in each turn. Neither: clean inputs.
    reward : str or callable
        "loss", "change", "agreement" (reads no label), "lesson", or your own: see `localnoise.nn.rewards`.
    turns : int
        Steps.
    rate, spread : float
        Of rule "three-factor", for its weights and for its factors. 1, ten times the rule's own default, is for several
        turns of layers whose units read a few neighbors; wide units, of a hundred regressors, take more.
    decorrelate : bool
        Of rule "three-factor".
    variance : float or None
        Of the noise per neuron, kept by `normalise` after each step; None: as it is before.
    pairs, common, baseline
        As in `Rater`.
    seed : int
        Of the draws.
    progress : callable
        Called with (turns done, turns).

    Returns
    -------
    list of Turn
        Mean reward before each step, and how much of the step two halves of the draws agree on.

    Raises
    ------
    ArgumentError
        A reward that is constant or not of shape (T,), inputs without labels or with some of no class, a layer that the
        network cannot be cut after, a grid of another layout.

    Examples
    --------
    >>> import localnoise as ln, torch
    >>> from localnoise import nn as lnn
    >>> _ = torch.manual_seed(0)
    >>> net = torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3))
    >>> x, y, grid = torch.randn(200, 6), torch.randint(3, (200,)), ln.UnitGrid((1, 8))
    >>> len(lnn.reward_noise(net, "1", grid, (x, y), corrupt=lambda x: x + 0.3, turns=2))
    2
    """
    if corrupt is not None and attack is not None:
        raise ArgumentError("corrupt and attack were given: expected one of them, or neither for clean inputs")
    check_progress(progress)
    turns, seed = as_count("turns", turns, 1), int(as_seed(seed))
    rule = ThreeFactor(rate=rate, spread=spread, decorrelate=decorrelate)
    rater = Rater(reward=reward, pairs=pairs, common=common, baseline=baseline)
    model = whole(model)
    model = detach(model, name) if isinstance(find(model, name), Followed) else deepcopy(model)
    if variance is not None:
        check_positive("variance", variance, what=", the mean noise variance per neuron")
    batches = Batches(loader, device_of(model))
    first = next(labelled(batches))[0][:2]
    front, later = cut(model, name, first)
    with evaluating(model), torch.no_grad():
        like = front(first)
    lies = Arrangement.remembered(grid) or Arrangement.of(like)
    shape = (grid.config.channels, *grid.config.shape)
    if lies.layout != shape:
        raise ArgumentError(f"grid has layout {shape}, the layer {lies.layout}: expected one of the layer's, grid_like")
    if lies.skipped:
        raise ArgumentError(
            f"name={name!r} has tokens without noise, which later layers need: expected a layer without"
        )
    kept = float(grid.variance().mean()) if variance is None else variance
    found = []
    with evaluating(model):
        folded = Folded(later, lies, like)
        with torch.no_grad():
            classes = folded(lies.folded(like.float())).shape[-1]
        for turn in range(turns):
            said = list(_activations(front, batches, corrupt, attack, lies))
            h, moved, y = (torch.cat(parts) for parts in zip(*said, strict=True))
            if y.min() < 0 or y.max() >= classes:
                raise ArgumentError(
                    f"loader has labels from {int(y.min())} to {int(y.max())}: expected classes 0 to {classes - 1}"
                )
            draws, mean = rater.rated(grid, folded, h, moved, y, seed=seed + turn)
            found.append(Turn(reward=mean, agreement=stepped(grid, draws, rule)))
            grid.normalise(kept)
            if progress is not None:
                progress(turn + 1, turns)
    return found


class Folded(nn.Module):
    """Later layers behind activations as they lie on the grid, (T, C, H, W).

    Parameters
    ----------
    later : Module
    lies : Arrangement
        Without skipped tokens.
    like : Tensor
        An activation as the later layers take it.
    """

    def __init__(self, later: nn.Module, lies: Arrangement, like: Tensor) -> None:
        super().__init__()
        self.later, self.lies = later, lies
        self.register_buffer("like", torch.zeros_like(like[:1]))

    def forward(self, z: Tensor) -> Any:
        """Return the logits, of as many activations as z holds."""
        like: Any = self.like
        return self.later(self.lies.added(like.expand(len(z), *like.shape[1:]), z.to(like)))


def _activations(
    front: nn.Module,
    batches: Batches,
    corrupt: Callable[[Tensor], Tensor] | None,
    attack: Callable[[Tensor, Tensor], Tensor] | None,
    lies: Arrangement,
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Yield clean and moved activations, on the CPU as they lie on the grid, and classes."""
    for x, y in labelled(batches):
        if attack is not None:
            moved = check_altered(attack(x.clone(), y), x, "attack()")
        else:
            moved = x if corrupt is None else as_altered(corrupt, x, "corrupt()")
        with torch.no_grad():
            yield lies.folded(front(x).float()).cpu(), lies.folded(front(moved).float()).cpu(), y.cpu()
