"""The per-example worst case over several attacks, judged by fresh votes of the deployed predictor."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from localnoise.errors import ArgumentError
from localnoise.sims.attacks.protocol import Attack, Predict, batches, check_images, reseed, stream
from localnoise.sims.experiments.stage import Stage, ticker
from localnoise.validate import as_count

NOT_RUN = -1


def wrong_votes(
    predictor: Predict, images: Tensor, labels: Tensor, *, votes: int, seed: int, batch: int = 250
) -> Tensor:
    """In how many of `votes` independent evaluations the deployed predictor is wrong, (T,) int64.

    The defence's noise starts anew from `seed`: no attack has seen these draws.
    """
    reseed(predictor, stream(seed, "votes"))
    count = torch.zeros(len(labels), dtype=torch.int64, device=labels.device)
    with torch.no_grad():
        for _ in range(votes):
            parts = batches(images, labels, batch, getattr(predictor, "draws", 1))
            count += torch.cat([(predictor(x).argmax(1) != y).long() for x, y in parts])
    return count


@dataclass(frozen=True)
class Verdict:
    """Which attack broke which image.

    Attributes
    ----------
    clean : Tensor
        Wrong votes on the clean images, (T,) int64.
    wrong : dict of str to Tensor
        Wrong votes on each attack's examples, (T,); -1 where an attack was not run.
    votes : int
        Evaluations of each example. It is broken when more than half of them are wrong.
    """

    clean: Tensor
    wrong: dict[str, Tensor]
    votes: int

    def survives(self, name: str) -> Tensor:
        """Images (T,) that are right clean and under attack `name`; one that was not attacked counts as right."""
        return self.right & (2 * self.wrong[name] <= self.votes)

    @property
    def right(self) -> Tensor:
        """Images (T,) that the deployed predictor has right unattacked."""
        return 2 * self.clean <= self.votes

    @property
    def robust(self) -> Tensor:
        """Images (T,) that are right and survive every attack."""
        robust = self.right
        for name in self.wrong:
            robust = robust & self.survives(name)
        return robust

    @property
    def robust_accuracy(self) -> float:
        """Share of images that survive everything."""
        return self.robust.double().mean().item()

    @property
    def broken_by(self) -> list[str]:
        """First attack, in the order of their running, that broke each image; "clean"; or "" for a survivor."""
        first = ["" if right else "clean" for right in self.right.tolist()]
        for name in self.wrong:
            survives = self.survives(name).tolist()
            first = [by or ("" if well else name) for by, well in zip(first, survives, strict=True)]
        return first


@dataclass(frozen=True, kw_only=True)
class WorstCase:
    """Run attacks one after the other; an image is robust if it survives them all (Croce and Hein 2020, section 5).

    An attack never judges its own success: each example is put to the deployed predictor `votes` times, with draws that
    the attack has not seen, and is broken if most of these predictions are wrong. One evaluation would not do: with A
    attacks, an image that a vote gets wrong with probability q by its noise alone would be lost with 1 - (1 - q)^A.

    Parameters
    ----------
    attacks : mapping of str to Attack
        In the order of running: the strongest first saves most.
    cascade : bool
        Attack an image only until it is broken. False: every attack on every image that is right clean, which
        comparisons between attacks need.
    votes : int
        Independent evaluations of each example, an odd number.
    """

    attacks: Mapping[str, Attack] = field(default_factory=dict)
    cascade: bool = True
    votes: int = 5

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
        seed: int = 0,
        batch: int = 250,
        stage: Stage | None = None,
    ) -> Verdict:
        """Attack and judge images (T, 1, 28, 28) in [0, 1] with labels (T,).

        Each attack starts from a seed of its own, made of `seed` and its name: an attack's result on a set of images
        depends on no other attack but through the cascade.
        """
        check_images(images, labels)
        clean = wrong_votes(predictor, images, labels, votes=self.votes, seed=seed, batch=batch)
        verdict = Verdict(clean, {}, self.votes)
        for name, attack in self.attacks.items():
            rows = (verdict.robust if self.cascade else verdict.right).nonzero()[:, 0]
            verdict.wrong[name] = torch.full_like(clean, NOT_RUN)
            if len(rows):
                own = stream(seed, name)
                tick = None if stage is None else ticker(stage, name, len(rows))
                reseed(predictor, own)
                attacked = attack(predictor, images[rows], labels[rows], seed=own, batch=batch, tick=tick)
                found = wrong_votes(predictor, attacked, labels[rows], votes=self.votes, seed=own, batch=batch)
                verdict.wrong[name][rows] = found
        return verdict
