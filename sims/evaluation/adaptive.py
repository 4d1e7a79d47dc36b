"""The `adaptive` protocol: an attacker who knows the noise, every attack, the ladder of draws, and the checks."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from localnoise.errors import ArgumentError
from localnoise.sims.attacks.apgd import APGD
from localnoise.sims.attacks.base import (
    Attack,
    Bounds,
    Predict,
    check_deployed,
    check_inputs,
    check_options,
    fixed,
    noise_off,
    reseed,
    stream,
)
from localnoise.sims.attacks.bypass import GateBypassed
from localnoise.sims.attacks.chance import RandomNoise
from localnoise.sims.attacks.fgsm import FGSM
from localnoise.sims.attacks.pgd import PGD
from localnoise.sims.attacks.square import Square
from localnoise.sims.attacks.transfer import Transfer
from localnoise.sims.evaluation import checks, gradients
from localnoise.sims.evaluation.checks import SanityCheck
from localnoise.sims.evaluation.eot_sweep import LADDER, Rung, escalate, plateau
from localnoise.sims.evaluation.worst_case import Verdict, WorstCase
from localnoise.sims.runtime.stage import Stage
from localnoise.validate import whole

BLACK_BOX = ("transfer", "random", "square")
_FROM = "transfer-"  # another network than the twin, by its name


@dataclass(frozen=True)
class AdaptiveReport:
    """The findings of an adaptive evaluation.

    Attributes
    ----------
    verdict : Verdict
        Which attack broke which image, all images.
    rungs : list of Rung
        The ladder of draws per gradient, on the first images.
    checks : list of SanityCheck
        Laws that must hold, on the first images.
    ablation : dict of str to float
        "noise_off.clean" and "noise_off.robust": accuracies of the same network with its noise off at test; empty
        where the noise cannot be switched off.
    gradients : dict of str to float
        "gradient.one" and "gradient.all": how much an image's gradient varies from draw to draw, as the cosine of two,
        of one draw each, and of as many as the attacks average; empty where no image is right.
    """

    verdict: Verdict
    rungs: list[Rung]
    checks: list[SanityCheck]
    ablation: dict[str, float] = field(default_factory=dict)
    gradients: dict[str, float] = field(default_factory=dict)

    @property
    def unreliable(self) -> str:
        """Reasons of the checks that failed, one after the other; empty if all hold."""
        return " ".join(f"{check.name}: {check.reason}" for check in self.checks if not check.passed)

    def evidence(self) -> dict[str, Any]:
        """Return plain values for a record: the ladder of draws, who broke what, the checks, the ablation.

        Returns
        -------
        dict of str to value
            By key.
        """
        broken = self.verdict.broken_by
        return {
            "unreliable": self.unreliable,
            "draws": np.array([rung.draws for rung in self.rungs]),
            "accuracy_by_draws": np.array([rung.robust_accuracy for rung in self.rungs]),
            "bias": self.verdict.bias,
            **{f"broken_by.{name}": broken.count(name) for name in self.verdict.wrong},
            **{f"check.{check.name}": check.passed for check in self.checks},
            **self.ablation,
            **self.gradients,
        }


@dataclass(frozen=True, kw_only=True)
class Adaptive:
    """Evaluate a deployed noisy predictor as a reviewer of stochastic defenses would.

    Draws per gradient rise until robust accuracy no longer falls; then every attack runs, and the worst case over them
    counts, image by image. On the first `checked` images every attack runs on every image, for the checks; on the
    others only until an image is broken.

    Parameters
    ----------
    eps : float
        Largest change of a value, in the units of the data.
    steps, restarts : int
        Of each iterative attack.
    ladder : tuple of int
        Draws per gradient, rising.
    queries : int
        Of the Square attack, per image.
    tries : int
        Of the random-noise attack, per image.
    votes : int
        Independent evaluations of each example that choose an image's worst, an odd number; the verdict on it is a
        fresh evaluation.
    checked : int
        Images that the ladder and the checks use.
    """

    eps: float = 0.1
    steps: int = 100
    restarts: int = 1
    ladder: tuple[int, ...] = LADDER
    queries: int = 5_000
    tries: int = 100
    votes: int = 15
    checked: int = 200

    def __post_init__(self) -> None:
        check_options(self, "steps", "restarts", "queries", "tries", "votes", "checked")
        rising = [whole(draws) or 0 for draws in self.ladder]
        if not rising or rising[0] < 1 or rising != sorted(set(rising)):
            raise ArgumentError(f"ladder={self.ladder!r}: expected rising whole numbers >= 1, as {LADDER}")

    def attacks(
        self,
        draws: int,
        twin: Predict,
        classes: int = 10,
        gated: bool = False,
        others: Mapping[str, Predict] | None = None,
    ) -> dict[str, Attack]:
        """Return every attack by name, white-box first.

        Parameters
        ----------
        draws : int
            Of the noise, per gradient.
        twin : callable
            The undefended network, for the transfer attack.
        classes : int
            Of the logits; two have the margin for the DLR.
        gated : bool
            Whether the predictor has a gate that one attack goes around.
        others : dict of str to callable
            Further networks, by name, for attacks "transfer-NAME".

        Returns
        -------
        dict of str to Attack
            In the order of running.
        """
        own = APGD(eps=self.eps, steps=self.steps, restarts=self.restarts, draws=1)
        eps, steps, restarts, second = self.eps, self.steps, self.restarts, "dlr" if classes > 2 else "margin"
        around = GateBypassed(attack=APGD(eps=eps, steps=steps, restarts=restarts, draws=draws))
        return {
            "apgd-ce": APGD(eps=eps, steps=steps, restarts=restarts, draws=draws),
            f"apgd-{second}": APGD(eps=eps, loss=second, steps=steps, restarts=restarts, draws=draws),
            "pgd": PGD(eps=eps, steps=steps, restarts=restarts, draws=draws, keep="best"),
            "fgsm": FGSM(eps=eps, draws=draws),
            **({"gate-bypassed": around} if gated else {}),
            "transfer": Transfer(twin=twin, attack=own),
            **{f"{_FROM}{name}": Transfer(twin=other, attack=own) for name, other in (others or {}).items()},
            "random": RandomNoise(eps=eps, tries=self.tries),
            "square": Square(eps=eps, queries=self.queries),
        }

    def __call__(
        self,
        predictor: Predict,
        images: Tensor,
        labels: Tensor,
        *,
        twin: Predict,
        others: Mapping[str, Predict] | None = None,
        undefended: bool = False,
        bounds: Bounds,
        seed: int = 0,
        batch: int = 250,
        stage: Stage | None = None,
    ) -> AdaptiveReport:
        """Attack, judge and check.

        Parameters
        ----------
        predictor : callable
            The deployed predictor, images (T, ...) to logits, as a rule a `localnoise.nn.Predictor`.
        images, labels : Tensor
            (T, ...) within `bounds` and (T,) int64.
        twin : callable
            The undefended network, whose adversarial examples are tried too.
        others : dict of str to callable
            Further networks, by name, whose adversarial examples are tried: attack "transfer-NAME".
        undefended : bool
            The predictor is the undefended network itself: its examples are found with its own gradients, so that
            attack "transfer" is white-box, too.
        bounds : pair of float, or None
            The lowest and highest value of the data, (0, 1) of pixels; None where any number is an input.
        stage : callable
            Called with what is being done, how many images are done, and of how many.
        seed : int
            Of all attacks and votes.
        batch : int
            Images at a time, at most.

        Returns
        -------
        AdaptiveReport
            The verdict, the ladder, the checks and the ablation.

        Raises
        ------
        ArgumentError
            A predictor or twin in training mode; images, labels or bounds that do not belong together.
        """
        few = slice(self.checked)
        check_deployed(predictor=predictor, twin=twin, **(others or {}))
        check_inputs(images, labels, self.eps, bounds)
        with torch.no_grad():
            classes = predictor(images[:1]).shape[1]
        known: dict[str, Any] = {"bounds": bounds, "seed": seed, "batch": batch, "stage": stage}
        rungs = escalate(
            lambda draws: APGD(eps=self.eps, steps=self.steps, restarts=self.restarts, draws=draws),
            predictor, images[few], labels[few], ladder=self.ladder, votes=self.votes, **known,
        )  # fmt: skip
        draws = plateau(rungs)
        attacks = self.attacks(draws, twin, classes, GateBypassed.fits(predictor), others)
        every = WorstCase(attacks=attacks, cascade=False, votes=self.votes)
        verdict = first = every(predictor, images[few], labels[few], **known)
        if len(images) > self.checked:
            cascade, rows = WorstCase(attacks=attacks, votes=self.votes), slice(self.checked, None)
            rest = cascade(predictor, images[rows], labels[rows], **(known | {"seed": stream(seed, "others")}))
            wrong = {name: torch.cat([first.wrong[name], rest.wrong[name]]) for name in attacks}
            both = [torch.cat([getattr(first, name), getattr(rest, name)]) for name in ("clean", "worst", "robust")]
            verdict = Verdict(both[0], wrong, self.votes, *both[1:])
        own = ("transfer",) if undefended else ()
        black = [name for name in attacks if (name in BLACK_BOX or name.startswith(_FROM)) and name not in own]
        found = self._check(predictor, images[few], labels[few], first, rungs, draws, classes, black, known)
        right, varies = first.right, {}
        if right.any():
            reseed(predictor, stream(seed, "draws"))
            for name, count in (("gradient.one", 1), ("gradient.all", draws)):
                varies[name] = gradients.draw_to_draw(predictor, images[few][right], labels[few][right], count)
        ablation = {}
        with noise_off(predictor) as silent:
            if silent:
                plain = WorstCase(attacks={"noise off": APGD(eps=self.eps, steps=self.steps, draws=1)}, votes=1)
                off = plain(predictor, images[few], labels[few], **known)
                clean = off.right.double().mean().item()
                ablation = {"noise_off.clean": clean, "noise_off.robust": off.robust_accuracy}
        return AdaptiveReport(verdict, rungs, found, ablation, varies)

    def _check(
        self,
        predictor: Predict,
        images: Tensor,
        labels: Tensor,
        first: Verdict,
        rungs: list[Rung],
        draws: int,
        classes: int,
        black: list[str],
        known: dict[str, Any],
    ) -> list[SanityCheck]:
        right, bounds, own = first.right, known["bounds"], first.survives("apgd-ce")
        low, high = bounds or (images.min().item(), images.max().item())

        def left(name: str, attack: Attack, attacked: Predict = predictor) -> Tensor:
            return WorstCase(attacks={name: attack}, votes=self.votes)(attacked, images, labels, **known).survives(name)

        widest, by_eps = high - low, {self.eps: own}
        for eps in {self.eps / 2, min(2 * self.eps, widest), widest} - {self.eps}:
            by_eps[eps] = left(f"eps {eps:g}", APGD(eps=eps, steps=self.steps, draws=draws))
        twice = left("twice the steps", APGD(eps=self.eps, steps=2 * self.steps, draws=draws))
        still = fixed(predictor, stream(known["seed"], "fixed"))
        alone = left("fixed noise", APGD(eps=self.eps, steps=self.steps, draws=1), still)
        white = [name for name in first.wrong if name not in black]
        reseed(predictor, stream(known["seed"], "gradients"))
        return [
            gradients.gradient_exists(predictor, images[right], labels[right], draws),
            gradients.gradient_points_uphill(
                predictor, images[right], labels[right], eps=self.eps, bounds=bounds, draws=draws, seed=known["seed"]
            ),
            checks.iterative_at_least_single_step(first.survives("fgsm"), first.survives("pgd")),
            checks.more_draws_never_help(rungs),
            checks.more_steps_never_help(own, twice),
            checks.fixed_noise_never_helps(own, alone),
            checks.unbounded_reaches_chance(by_eps[widest], classes, widest),
            checks.falls_with_eps(by_eps),
            checks.black_box_never_beats_white_box(first, black, white),
        ]
