"""Laws that an evaluation must obey; one that does not hold makes it unreliable, with the reason.

After Carlini et al. 2019 (1902.06705), Athalye et al. 2018 (1802.00420, section 3.1) and Tramer et al. 2020
(2002.08347). Outcomes are boolean (T,) tensors, True where an image stays right, all on the same images.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from localnoise.sims.evaluation.eot_sweep import Rung
from localnoise.sims.evaluation.paired import difference, share
from localnoise.sims.evaluation.worst_case import NOT_RUN, Verdict
from localnoise.sims.results.statistics import Estimate

ESCAPES = 0.002  # share of images; AutoAttack's own threshold for a warning about Square


@dataclass(frozen=True)
class SanityCheck:
    """A law, whether it holds, and one sentence with the numbers.

    Parameters
    ----------
    name : str
        Of the law.
    passed : bool
        Whether it holds.
    reason : str
        The sentence.
    """

    name: str
    passed: bool
    reason: str


def iterative_at_least_single_step(single: Tensor, iterative: Tensor) -> SanityCheck:
    """An iterative attack leaves no more images right than a single step does, beyond the 95 % interval."""
    gap = difference(single, iterative)
    return SanityCheck(
        "iterative_at_least_single_step",
        gap.low <= 0,
        f"The iterative attack leaves {_percent(iterative)} right, a single step {_percent(single)} "
        f"(difference {_interval(gap)}).",
    )


def more_draws_never_help(rungs: list[Rung]) -> SanityCheck:
    """More draws per gradient leave no more images right than fewer did, beyond the 95 % interval, for every pair."""
    worst = max(
        (
            (difference(few.survives, many.survives), few, many)
            for i, few in enumerate(rungs)
            for many in rungs[i + 1 :]
        ),
        key=lambda pair: pair[0].low,
        default=None,
    )
    if worst is None:
        return SanityCheck("more_draws_never_help", True, "Only one number of draws was run.")
    gap, few, many = worst
    return SanityCheck(
        "more_draws_never_help",
        gap.low <= 0,
        f"{many.draws} draws per gradient leave {many.robust_accuracy:.1%} right, {few.draws} leave "
        f"{few.robust_accuracy:.1%} (difference {_interval(gap)}).",
    )


def more_steps_never_help(once: Tensor, twice: Tensor) -> SanityCheck:
    """Twice the steps leave no fewer images right, beyond the 95 % interval: the attack has converged."""
    gap = difference(twice, once)
    return SanityCheck(
        "more_steps_never_help",
        gap.low <= 0,
        f"Twice the steps leave {_percent(twice)} right, the attack's own {_percent(once)} "
        f"(difference {_interval(gap)}); take more steps.",
    )


def fixed_noise_never_helps(fresh: Tensor, fixed: Tensor) -> SanityCheck:
    """A network whose noise is always the same is no harder to attack than with fresh noise, beyond the 95 % interval.

    Else what defends is no randomness, and the attack fails for another reason (Carlini et al. 2019, section 3.1).
    """
    gap = difference(fresh, fixed)
    return SanityCheck(
        "fixed_noise_never_helps",
        gap.low <= 0,
        f"With its noise fixed the network is right about {_percent(fixed)}, with fresh noise about {_percent(fresh)} "
        f"(difference {_interval(gap)}).",
    )


def unbounded_reaches_chance(survives: Tensor, classes: int, eps: float = 1.0) -> SanityCheck:
    """With eps as wide as the data every image may become any other: Wilson's interval begins at most at 1 / classes.

    eps : of the evaluation, 1 for pixels in [0, 1].
    """
    found = share(survives)
    return SanityCheck(
        "unbounded_reaches_chance",
        found.low <= 1 / classes,
        f"With eps = {eps:g}, {found.mean:.1%} stay right (95 % interval from {found.low:.1%}); "
        f"chance is {1 / classes:.1%}.",
    )


def falls_with_eps(survives: Mapping[float, Tensor]) -> SanityCheck:
    """A larger ball leaves no more images right than a smaller one, beyond the 95 % interval, for neighboring eps."""
    order = sorted(survives)
    gaps = [difference(survives[small], survives[large]) for small, large in pairwise(order)]
    text = ", ".join(f"{_percent(survives[eps])} at {eps:g}" for eps in order)
    return SanityCheck("falls_with_eps", all(gap.low <= 0 for gap in gaps), f"By eps, right stay: {text}.")


def black_box_never_beats_white_box(verdict: Verdict, black: list[str], white: list[str]) -> SanityCheck:
    """Hardly an image falls to an attack without gradients that no attack with gradients breaks.

    The rule. Every example has v votes. An image escapes the white-box attacks if some black-box example of it gets k_b
    wrong votes, the best white-box example k_w, and (k_b - k_w) / v > 1.96 sqrt(2 p (1 - p) / v), p = (k_b + k_w) / 2v:
    more than the noise of the votes explains. Without noise it is k_b = v, k_w = 0. The check fails if the lower end of
    Wilson's interval of the share of escapes exceeds 0.002: a random search finds a rare image that a finite ascent
    misses. All attacks must have run on all images that are right.
    """
    asked = verdict.right.clone()
    for name in (*black, *white):
        asked &= verdict.wrong[name] != NOT_RUN
    strong = torch.stack([verdict.wrong[name] for name in white]).max(0).values / verdict.votes
    escapes, by = torch.zeros_like(asked), {}
    for name in black:
        found = verdict.wrong[name] / verdict.votes
        p = (found + strong) / 2
        beaten = asked & (found - strong > 1.96 * (2 * p * (1 - p) / verdict.votes).sqrt()) & (found > 0.5)
        by[name] = int(beaten.sum())
        escapes |= beaten
    found_share = share(escapes)
    return SanityCheck(
        "black_box_never_beats_white_box",
        found_share.low <= ESCAPES,
        f"{int(escapes.sum())} of {len(escapes)} images fall to an attack without gradients but to none with them "
        f"({', '.join(f'{name} {count}' for name, count in by.items())}).",
    )


def _percent(outcome: Tensor) -> str:
    return f"{outcome.double().mean().item():.1%}"


def _interval(gap: Estimate) -> str:
    return f"{gap.mean:+.1%}, 95 % interval {gap.low:+.1%} to {gap.high:+.1%}"
