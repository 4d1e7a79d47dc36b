"""Noise that learned what it is good for, by three factors or by backpropagation; layers that meet it adversarially.

Draws are rated on training images that neither the noise nor the layers after it learn from. The layers before the
noise have seen them: the network that the front is of was trained on all training images.
"""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from localnoise import UnitGrid
from localnoise.errors import ArgumentError
from localnoise.nn import CovariancePenalty, LocalLearner, NoiseLayer, Predictor, Rater, Reparametrised
from localnoise.nn.rating import Draws
from localnoise.nn.rewarding import Folded, stepped
from localnoise.nn.rewards import rewarding
from localnoise.sims.attacks import PGD
from localnoise.sims.defenses.lesson import Alter, Lesson, teach
from localnoise.sims.defenses.reward_plan import CROSSING, LEARNED, NOTHING, THREE_FACTOR, Rewarding
from localnoise.sims.models import training

HELD, SHARE = 4_000, 10  # of the training images at most, and one in so many: on which draws are rated
_ATTACK = PGD(steps=7, draws=1)  # of the images on which draws are rated, and of adversarial training
_PER_TURN = 10_000  # presentations from which the later layers go on learning


def rewarded(lesson: Lesson, plan: Rewarding) -> Predictor:
    """Return the network whose noise has learned as the plan says, the later layers trained afresh under it.

    Attacks on training images, where the plan or the source asks for them, differentiate the whole network, whatever
    its training: they are the attacker's, and no weight learns from their gradients.

    Parameters
    ----------
    lesson : Lesson
        With `displaced`.
    plan : Rewarding
        How the noise learns.

    Returns
    -------
    Predictor
        In evaluation mode, its noise on.

    Raises
    ------
    ArgumentError
        A local training of the layers, where the plan learns from gradients that cross them; no displacements to start
        from.
    """
    if lesson.by != training.BACKPROP and plan.crosses:
        what = "its training" if plan.penalty else "its noise"
        raise ArgumentError(
            f"training={lesson.by!r}: {what} needs gradients that cross the later layers: expected "
            f"training={training.BACKPROP!r}; or leave the defense out"
        )
    grid = begun(lesson, plan)
    if plan.reward is None and plan.by != NOTHING:
        plan = replace(plan, reward=CROSSING if lesson.by == training.BACKPROP else "change")
    if plan.by != NOTHING:
        grid = _learned(lesson, plan, grid)
    layer = NoiseLayer(grid, seed=lesson.seed, arrangement=lesson.arrangement)
    back = _trained(lesson, plan, layer)
    layer.reseed(lesson.seed)  # the deployed stream does not depend on how long training was
    return Predictor(lesson.front, layer, back, lesson.draws).eval()


def begun(lesson: Lesson, plan: Rewarding) -> UnitGrid:
    """Return the noise before it has learned from rewards."""
    if lesson.displaced is None:
        raise ArgumentError("this noise learns from a source's displacements, and the lesson has none: name a source")
    d, _ = lesson.displaced()
    _, channels, height, width = d.shape
    grid = UnitGrid(shape=(height, width), channels=channels, parents=plan.parents, **dict(plan.wiring))
    if plan.start == LEARNED:
        grid.learn(d.numpy())
        grid.state = None  # the running statistics: 130 MB
    return grid.normalise(_variance(lesson, plan))


def _variance(lesson: Lesson, plan: Rewarding) -> float:
    return lesson.variance if plan.variance is None else plan.variance


def _learned(lesson: Lesson, plan: Rewarding, grid: UnitGrid) -> UnitGrid:
    """Return the noise after its turns: held-out images rate its draws, the other ones teach the later layers.

    Held out of the layers after the noise and of the noise, not of those before it: see this module.
    """
    held = min(HELD, max(1, len(lesson.images) // SHARE))
    x, y = lesson.images[-held:], lesson.labels[-held:]
    h, rest = training.activations(lesson.front, x), training.activations(lesson.front, lesson.images[:-held])
    later, layer = lesson.back(lesson.seed), NoiseLayer(grid, seed=lesson.seed, arrangement=lesson.arrangement)
    judge = later if lesson.arrangement is None else Folded(later, lesson.arrangement, h)
    learner: _Local | _Central = (_Local if plan.by == THREE_FACTOR else _Central)(plan, grid, _variance(lesson, plan))
    rng, said = np.random.default_rng((lesson.seed, 2)), list[_Turn]()
    heads: LocalLearner | None = None  # of layers that learn by a local rule: kept, as their weights are
    for turn in range(plan.turns):
        count, own = len(rest) if turn == 0 else min(_PER_TURN, len(rest)), int(rng.integers(2**31))
        rows = torch.from_numpy(rng.permutation(len(rest))[:count])
        labels = lesson.labels[:-held][rows]
        later.requires_grad_(True)
        how: dict[str, Any] = {"ahead": layer.train(), "by": lesson.by, "learner": heads}
        heads = training.fit(later, rest[rows], labels, epochs=1, seed=own, **how)
        later.requires_grad_(False)
        moved = moved_by(lesson, Predictor(lesson.front, layer.eval(), later, 1), turn, held)
        said.append(learner.step(judge, _folded(lesson, h), _folded(lesson, moved), y, own))
        layer.noise = learner.grid
    lesson.facts["reward.first"], lesson.facts["reward.last"] = said[0].reward, said[-1].reward
    agreed = [turn.agreement for turn in said if turn.agreement is not None]
    if agreed:
        lesson.facts["reward.agreement"] = float(np.mean(agreed))
    return learner.grid


@dataclass(frozen=True)
class _Turn:
    """Mean reward of a turn, and the cosine of the steps that its halves ask for; None where nobody halved it."""

    reward: float
    agreement: float | None = None


def several(
    rater: Rater, grid: UnitGrid, later: nn.Module, h: Tensor, moved: Tensor, y: Tensor, *, draws: int, seed: int
) -> tuple[Draws, float]:
    """Return several rated draws of each input, side by side, and the mean reward: halves are of different inputs."""
    rated = [rater.rated(grid, later, h, moved, y, seed=seed + k) for k in range(draws)]
    of_input: list[Any] = [np.stack([getattr(one, name) for one, _ in rated], axis=1) for name in ("eta", "rewards")]
    eta, rewards = (part.reshape(-1, *part.shape[2:]) for part in of_input)
    return Draws(eta=eta, h=None, rewards=rewards), float(np.mean([mean for _, mean in rated]))


class _Local:
    """Steps of rule three-factor."""

    def __init__(self, plan: Rewarding, grid: UnitGrid, variance: float) -> None:
        self.grid, self._plan, self._variance = grid, plan, variance
        self._rater, self._rule = Rater(reward=plan.reward or CROSSING, baseline=plan.baseline), plan.rule

    def step(self, later: nn.Module, h: Tensor, moved: Tensor, y: Tensor, seed: int) -> _Turn:
        """Rate several draws of each input, and learn from all of them."""
        joined, reward = several(self._rater, self.grid, later, h, moved, y, draws=self._plan.draws, seed=seed)
        agreement = stepped(self.grid, joined, self._rule)
        self.grid.normalise(self._variance)
        return _Turn(reward, agreement)


class _Central:
    """Steps of Adam up the same rewards, through the draw; a turn takes each held-out input as often."""

    def __init__(self, plan: Rewarding, grid: UnitGrid, variance: float) -> None:
        self.grid, self._plan, self._free = grid, plan, Reparametrised(grid, variance)
        self._optimiser = torch.optim.Adam(self._free.parameters(), plan.step)

    def step(self, later: nn.Module, h: Tensor, moved: Tensor, y: Tensor, seed: int) -> _Turn:
        """Climb the mean reward, batch by batch."""
        rate, found = rewarding(self._plan.reward or CROSSING), []
        generator = torch.Generator().manual_seed(seed)
        for _ in range(self._plan.draws):
            for rows in torch.randperm(len(h), generator=generator).split(training.BATCH):
                eta = self._free.drawn(len(rows), generator)
                reward = rate(later, h[rows], moved[rows], eta, y[rows]).mean()
                self._optimiser.zero_grad()
                (-reward).backward()
                self._optimiser.step()
                found.append(float(reward.detach()))
        self.grid = self._free.stored()
        return _Turn(float(np.mean(found)))


def moved_by(lesson: Lesson, present: Predictor, turn: int, held: int) -> Tensor:
    """Return activations of the held-out images, attacked through the present network, or modified."""
    x, y = lesson.images[-held:], lesson.labels[-held:]
    if lesson.attacked is not None:
        attack = replace(_ATTACK, eps=lesson.attacked)
        x = attack(present, x, y, bounds=lesson.bounds, seed=lesson.seed + turn, batch=250)
    elif lesson.modified is not None:
        x = lesson.modified(1 + turn)[-held:]
    return training.activations(lesson.front, x)


def _folded(lesson: Lesson, h: Tensor) -> Tensor:
    return h if lesson.arrangement is None else lesson.arrangement.folded(h)


def _trained(lesson: Lesson, plan: Rewarding, layer: NoiseLayer) -> nn.Module:
    """Return fresh later layers, trained on clean activations under the noise, as those of other noises are."""
    back, layer = lesson.back(lesson.seed), layer.train()
    term = CovariancePenalty(layer)
    options: dict[str, Any] = {}
    if plan.penalty:
        options["penalty"] = lambda given: plan.penalty * term(back, given)
    if plan.adversarial:
        options["altered"] = _attacking(lesson, plan, layer, back)
    if options:
        teach(lesson, lesson.front, nn.Sequential(layer, back), False, **options)
    else:
        h = training.activations(lesson.front, lesson.images)
        how: dict[str, Any] = {"epochs": lesson.epochs, "seed": lesson.seed, "tick": lesson.tick, "by": lesson.by}
        training.fit(back, h, lesson.labels, ahead=layer, **how)
    layer.eval()
    return back


def _attacking(lesson: Lesson, plan: Rewarding, layer: NoiseLayer, back: nn.Module) -> Alter:
    """Return what replaces a share of each batch by attacks on the present network, its noise on."""
    rng = np.random.default_rng((lesson.seed, 1))
    attack, present = replace(_ATTACK, eps=lesson.attacked or _ATTACK.eps), Predictor(lesson.front, layer, back, 1)

    def altered(x: Tensor, y: Tensor) -> Tensor:
        count, x = math.ceil(plan.adversarial * len(x)), x.clone()
        own = int(rng.integers(2**63))
        x[:count] = attack(present, x[:count], y[:count], bounds=lesson.bounds, seed=own)
        return x

    return altered
