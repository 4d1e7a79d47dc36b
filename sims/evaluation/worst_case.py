"""The per-example worst case over several attacks: chosen by votes, judged by the deployed predictor asked afresh."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from localnoise.errors import ArgumentError
from localnoise.sims.attacks.base import (
    Attack,
    Bounds,
    Predict,
    batches,
    check_deployed,
    check_examples,
    check_inputs,
    reseed,
    stream,
)
from localnoise.sims.attacks.losses import margin
from localnoise.sims.models.training import answered
from localnoise.sims.runtime.stage import Stage, ticker
from localnoise.validate import as_count

NOT_RUN = -1
REVISION = 2  # of how a verdict is reached; 1: the votes that chose an example judged it, too


def asked(
    predictor: Predict, images: Tensor, labels: Tensor, *, votes: int, seed: int, batch: int = 250
) -> tuple[Tensor, Tensor]:
    """Wrong answers of the deployed predictor in `votes` evaluations, (T,) int64, and the mean margin, (T,).

    The defense's noise starts anew from `seed`: no attack has seen these draws.
    """
    reseed(predictor, stream(seed, "votes"))
    wrong = torch.zeros(len(labels), dtype=torch.int64, device=labels.device)
    margins = torch.zeros(len(labels), device=labels.device)
    with torch.no_grad():
        for _ in range(votes):
            parts = [
                (~answered(logits, y), margin(logits, y))
                for x, y in batches(images, labels, batch, getattr(predictor, "draws", 1))
                for logits in (predictor(x),)
            ]
            wrong += torch.cat([missed for missed, _ in parts]).long()
            margins += torch.cat([own for _, own in parts]) / votes
    return wrong, margins


@dataclass(frozen=True)
class Verdict:
    """The worst example of each image, and whether the deployed predictor is right about it.

    Attributes
    ----------
    clean : Tensor
        Wrong votes on the clean images, (T,) int64.
    wrong : dict of str to Tensor
        Wrong votes on each attack's examples, (T,); -1 where an attack was not run.
    votes : int
        Evaluations of each example.
    worst : Tensor
        Which example had most wrong votes, (T,) int64: 0 the clean image, n that of the n-th attack.
    robust : Tensor
        Whether the deployed predictor, asked once more with fresh draws, is right about the worst example, (T,) bool.
    """

    clean: Tensor
    wrong: dict[str, Tensor]
    votes: int
    worst: Tensor
    robust: Tensor

    def survives(self, name: str) -> Tensor:
        """Return which images have at most half of their votes wrong, clean and attacked; one not attacked survives.

        For comparing attacks with one another. Over many attacks these votes are no verdict: see `WorstCase`.

        Parameters
        ----------
        name : str
            Of the attack.

        Returns
        -------
        Tensor of bool, (T,)
            True where the image stays right.
        """
        return self.right & (2 * self.wrong[name] <= self.votes)

    @property
    def right(self) -> Tensor:
        """Images (T,) of which at most half of the votes are wrong unattacked."""
        return 2 * self.clean <= self.votes

    @property
    def robust_accuracy(self) -> float:
        """Share of worst examples that the deployed predictor is right about: too high by at most `bias`."""
        return self.robust.double().mean().item()

    @property
    def floor(self) -> float:
        """Share of right votes on the worst examples, by the votes that chose them: too low (see `WorstCase`)."""
        return self._right_votes.mean().item()

    @property
    def bias(self) -> float:
        """Bound of how much too high `robust_accuracy` is: how far it lies above `floor`; 0 without noise."""
        return max((self.robust.double() - self._right_votes).mean().item(), 0.0)

    @property
    def _right_votes(self) -> Tensor:
        most = torch.stack([self.clean, *self.wrong.values()]).max(0).values
        return (self.votes - most).double() / self.votes

    @property
    def broken_by(self) -> list[str]:
        """Whose example each image fell to: an attack's name, "clean", or "" where the predictor is right."""
        names = ["clean", *self.wrong]
        return [
            "" if well else names[number]
            for well, number in zip(self.robust.tolist(), self.worst.tolist(), strict=True)
        ]


@dataclass(frozen=True, kw_only=True)
class WorstCase:
    """Run attacks one after the other, choose each image's worst example, and ask the deployed predictor about it.

    Let q_a be the probability that the deployed predictor (the mean of K draws), asked once, is wrong about an image's
    example a: 0 the clean image, 1 .. A the attacks'. What is estimated is the accuracy left by an attacker who picks
    the best example of every image but not the draws,

        R = mean over images of 1 - max_a q_a.

    Every example gets V votes, evaluations with draws that no attack has seen, w_a ~ Bin(V, q_a) of them wrong.

    *Judged by the votes that chose it*, the worst example looks worse than it is: E max_a w_a / V >= max_a q_a. So
    `floor` = mean of 1 - max_a w_a / V is too low, by at most sqrt(ln(A + 1) / 2V). An image that is lost as soon as
    most of one example's votes are wrong is lost by chance with 1 - (1 - b)^(A + 1), b = P(Bin(V, q) > V / 2): seven
    attacks that do nothing, each answer wrong with q = .2, cost .32 of accuracy at V = 5.

    *Judged afresh*: a* has most wrong votes, of equal ones the lowest mean margin; the predictor is asked once more.
    `robust_accuracy` has the expectation mean of 1 - E q_a*. Attacks that do nothing cost nothing, one that is far
    ahead of the others is chosen, and between the two a* may be second best: too high by E[max_a q_a - q_a*], at most
    sqrt(ln(A + 1) / 2V), too. In expectation

        floor <= R <= robust_accuracy,

    so that `bias`, the distance of the two, bounds what is left, whatever the q_a are. More votes narrow it.

    Parameters
    ----------
    attacks : mapping of str to Attack
        In the order of running: the strongest first saves most.
    cascade : bool
        Attack an image only until all votes on one of its examples are wrong, which no other example can outdo: it
        saves work and changes no verdict. False: every attack on every image, but for those that all votes have wrong
        unattacked; comparisons between attacks need it.
    votes : int
        Evaluations of each example that choose the worst, an odd number.
    """

    attacks: Mapping[str, Attack] = field(default_factory=dict)
    cascade: bool = True
    votes: int = 15

    def __post_init__(self) -> None:
        if not self.attacks:
            raise ArgumentError("attacks is empty: expected at least one, by name")
        if as_count("votes", self.votes, 1) % 2 == 0:
            raise ArgumentError(f"votes={self.votes}: expected an odd number; a tie decides nothing")

    def __call__(
        self,
        predictor: Predict,
        images: Tensor,
        labels: Tensor,
        *,
        bounds: Bounds,
        seed: int = 0,
        batch: int = 250,
        stage: Stage | None = None,
    ) -> Verdict:
        """Attack and judge images.

        Each attack starts from a seed of its own, made of `seed` and its name: an attack's result on a set of images
        depends on no other attack but through the cascade.

        Parameters
        ----------
        predictor : callable
            The deployed predictor, images to logits, in evaluation mode.
        images : Tensor, (T, ...)
            Within `bounds`.
        labels : Tensor of int64, (T,)
            Classes.
        bounds : pair of float or None
            Lowest and highest value of the data; None: there is none.
        seed : int
            Of all attacks and votes.
        batch : int
            Images at a time, at most.
        stage : callable or None
            Called with what is being done, how many images are done, and of how many.

        Returns
        -------
        Verdict
            Image by image.

        Raises
        ------
        ArgumentError
            A predictor in training mode; images, labels or bounds that do not belong together; an attack that left its
            ball.
        """
        check_deployed(predictor=predictor)
        check_inputs(images, labels, max(attack.eps for attack in self.attacks.values()), bounds)
        clean, lowest = asked(predictor, images, labels, votes=self.votes, seed=seed, batch=batch)
        examples, most, worst = images.clone(), clean.clone(), torch.zeros_like(clean)
        wrong: dict[str, Tensor] = {}
        for number, (name, attack) in enumerate(self.attacks.items(), 1):
            undecided = most < self.votes
            rows = (undecided if self.cascade else clean < self.votes).nonzero()[:, 0]
            wrong[name] = torch.full_like(clean, NOT_RUN)
            if not len(rows):
                continue
            own = stream(seed, name)
            tick = None if stage is None else ticker(stage, name, len(rows))
            reseed(predictor, own)
            tried = attack(predictor, images[rows], labels[rows], bounds=bounds, seed=own, batch=batch, tick=tick)
            check_examples(name, tried, images[rows], attack.eps, bounds)
            count, margins = asked(predictor, tried, labels[rows], votes=self.votes, seed=own, batch=batch)
            wrong[name][rows] = count
            worse = (count > most[rows]) | ((count == most[rows]) & (margins < lowest[rows]))
            worse &= undecided[rows]
            taken = rows[worse]
            examples[taken], most[taken], lowest[taken] = tried[worse], count[worse], margins[worse]
            worst[taken] = number
        again, _ = asked(predictor, examples, labels, votes=1, seed=stream(seed, "verdict"), batch=batch)
        return Verdict(clean, wrong, self.votes, worst, again == 0)
