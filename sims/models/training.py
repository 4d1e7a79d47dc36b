"""Training on the CPU, at the paper's settings: Adam 1e-3, batches of 64; the seed fixes weights, batches and noise.

By backpropagation, or by a local rule of `localnoise.nn.local`: then no gradient crosses a layer.
"""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor, nn

from localnoise.errors import ArgumentError, choose
from localnoise.nn import LocalLearner, NoiseLayer, Predictor
from localnoise.nn.local.base import BACKPROP as BACKPROP
from localnoise.nn.local.base import LOCAL_RULES
from localnoise.sims.models.base import CutNetwork

Tick = Callable[[int], None]
BATCH, RATE = 64, 1e-3
AHEAD = 32  # batches whose noise is drawn at once: a bank's members each draw several samples, not one


def fit(
    model: nn.Module,
    inputs: Tensor | Callable[[int], Tensor],
    labels: Tensor,
    *,
    epochs: int,
    seed: int,
    tick: Tick | None = None,
    shown: Callable[[Tensor, Tensor], Tensor] | None = None,
    ahead: Callable[[Tensor], Tensor] | None = None,
    penalty: Callable[[Tensor], Tensor] | None = None,
    after: Callable[[int], float] | None = None,
    by: str = BACKPROP,
    learner: LocalLearner | None = None,
) -> LocalLearner | None:
    """Minimise the cross-entropy of `model` in place; `tick(n)` after every n presentations.

    inputs : one for each label, in every epoch the same, or a function of the epoch that gives them.
    shown : what the model gets for a batch (inputs, labels), at its present weights; None: the inputs.
    ahead : what becomes of inputs, whatever the model's weights; called on `AHEAD` batches at once, without gradients.
    penalty : a term added to the loss of every batch, from what the model gets.
    after : called after each epoch with how many are done; returns the rate of the next one, or 0 to stop.
    by : "backprop", or a local rule, by which each layer minimises what is its own.
    learner : what an earlier call returned for this model, with its heads; None: a new one, of heads drawn by the seed.

    Returns what has learned by a local rule, None by backpropagation.

    Raises
    ------
    ArgumentError
        A local rule with a penalty, which all layers would share, or a network that cannot learn so.
    """
    if by != BACKPROP and penalty is not None:
        raise ArgumentError(
            f"training={by!r}: this defense adds a term to the loss that reaches all layers after the noise: expected "
            f"training={BACKPROP!r}; or leave the defense out"
        )
    model.train()
    optimiser = torch.optim.Adam(model.parameters(), RATE, fused=True) if learner is None else learner.optimiser
    rng = np.random.default_rng(seed)
    for epoch in range(epochs):
        x = inputs(epoch) if callable(inputs) else inputs
        order = torch.from_numpy(rng.permutation(len(labels)))
        for several in order.split(BATCH * AHEAD):
            with torch.no_grad():
                drawn = x[several] if ahead is None else ahead(x[several])
            for batch, y in _pairs(drawn, labels[several], BATCH):
                optimiser.zero_grad()
                given = batch if shown is None else shown(batch, y)
                if by != BACKPROP:
                    if learner is None:
                        learner = LocalLearner(model, given[:2], by, rate=RATE, seed=seed)
                        optimiser = learner.optimiser
                    learner.step(given, y)
                else:
                    loss = nn.functional.cross_entropy(model(given), y)
                    (loss if penalty is None else loss + penalty(given)).backward()
                    optimiser.step()
                if tick is not None:
                    tick(len(y))
        if after is not None:
            if not (rate := after(epoch + 1)):
                break
            for group in optimiser.param_groups:
                group["lr"] = rate
            model.train()
    model.eval()
    return learner


def train_base(
    network: CutNetwork,
    images: Tensor,
    labels: Tensor,
    *,
    epochs: int,
    seed: int,
    tick: Tick | None = None,
    by: str = BACKPROP,
    stopped: int | None = None,
    judged: Callable[[], None] | None = None,
) -> None:
    """Train all layers on clean images, then freeze those before the noise.

    Where the network says so, the rate of epoch e = 1 .. E is (1 - (e - 1) / E) `RATE`.

    stopped : the epoch after which it ends;  judged : called after each epoch, and may ask the network.
    """

    def after(done: int) -> float:
        if judged is not None:
            judged()
        if done == stopped:
            return 0.0
        return RATE * (1 - done / epochs) if network.falling else RATE

    model = nn.Sequential(network.front, network.back)
    fit(model, images, labels, epochs=epochs, seed=seed, tick=tick, by=by, after=after)
    network.front.requires_grad_(False)


def retrain(
    network: CutNetwork,
    noise: NoiseLayer,
    activations: Tensor,
    labels: Tensor,
    *,
    epochs: int,
    seed: int,
    draws: int,
    tick: Tick | None = None,
    by: str = BACKPROP,
) -> Predictor:
    """Train fresh layers after the noise on clean activations with a fresh draw per presentation (paper, Methods).

    Returns the deployed predictor: the mean of `draws` noisy logits, or one pass where the noise is off at test.
    """
    back = network.fresh_back(seed)
    fit(back, activations, labels, epochs=epochs, seed=seed, tick=tick, ahead=noise.train(), by=by)
    noise.eval()
    return Predictor(network.front, noise, back, draws).eval()


def trainings() -> list[str]:
    """Return the names of all ways of training: backpropagation, and the local rules."""
    return [BACKPROP, *LOCAL_RULES]


def check_training(by: str, network: CutNetwork, x: Tensor) -> None:
    """Raise an ArgumentError unless this network can be trained so; x : (T, ...), a few inputs."""
    if "," in by:
        raise ArgumentError(
            f"training={by!r}: expected one way of training: run the command once for each, in a folder of its own; "
            "only `localnoise train` takes several, and sets them beside one another"
        )
    choose("training", by, trainings())
    if by != BACKPROP:
        LocalLearner(nn.Sequential(network.front, network.back), x, by)


def activations(front: nn.Module, images: Tensor, batch: int = 500) -> Tensor:
    """Activation of inputs (T, ...) after the front, (T, C, H, W) of the paper's networks, without gradients."""
    with torch.no_grad():
        return torch.cat([front(part) for part in images.split(batch)])


def answered(logits: Tensor, labels: Tensor) -> Tensor:
    """Return which predictions are right, (T,) bool. An answer of NaN is wrong: argmax alone would say class 0."""
    return (logits.argmax(1) == labels) & ~logits.isnan().any(1)


def accuracy_per_image(predictor: Predictor, images: Tensor, labels: Tensor, batch: int = 50) -> Tensor:
    """1 where the deployed predictor is right, else 0; (T,) uint8. The noise stream starts anew."""
    return correct_from(predictor, activations(predictor.front, images), labels, batch)


def correct_from(predictor: Predictor, h: Tensor, labels: Tensor, batch: int = 50) -> Tensor:
    """As `accuracy_per_image`, from activations."""
    if predictor.noise.seed is not None:  # else its seeds are torch's
        predictor.noise.reseed(predictor.noise.seed + 1)
    with torch.no_grad():
        return torch.cat([answered(predictor.decide(x), y).byte() for x, y in _pairs(h, labels, batch)])


def _pairs(x: Tensor, y: Tensor, batch: int) -> Iterator[tuple[Tensor, Tensor]]:
    return zip(x.split(batch), y.split(batch), strict=True)
