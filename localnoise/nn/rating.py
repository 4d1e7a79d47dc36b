"""Draws of a grid rated by the later layers, and what makes the estimate of their worth less noisy."""

from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from localnoise.errors import ArgumentError, choose
from localnoise.grid import UnitGrid
from localnoise.nn.rewards import Reward, lesson, rewarding
from localnoise.validate import Array, as_count

BASELINES = ("class", "none")


@dataclass(frozen=True, kw_only=True)
class Draws:
    """Draws of a grid, and what they were good for.

    Attributes
    ----------
    eta : (T, C, H, W)
    h : (T, C, H, W) or None
        The activations that a signal-dependent grid read.
    rewards : (T,)
    """

    eta: Array
    h: Array | None
    rewards: Array


@dataclass(frozen=True, kw_only=True)
class Rater:
    """Rates draws by the layers after them; the docs measure what each field does to the variance of the estimate.

    Attributes
    ----------
    reward : str or callable
        As in `localnoise.nn.rewards`.
    pairs : bool
        Rate eta and its mirror image about the mean. Of zero-mean noise a unit's e z' is the same for both: what is
        odd in the draw, the gradient of the loss first of all, leaves the estimate altogether.
    common : int
        Inputs that share a draw, whose reward is their mean; 1 of signal-dependent noise. They follow each other,
        which a reward of your own that compares inputs has to know.
    baseline : str
        "class": less the mean reward of the inputs' class, whose loss differs whatever is drawn. "none".
    """

    reward: str | Reward = "change"
    pairs: bool = True
    common: int = 1
    baseline: str = "class"

    def __post_init__(self) -> None:
        rewarding(self.reward)
        as_count("common", self.common, 1)
        choose("baseline", self.baseline, BASELINES)

    def rated(
        self, grid: UnitGrid, later: nn.Module, h: Tensor, moved: Tensor, y: Tensor, *, seed: int, batch: int = 500
    ) -> tuple[Draws, float]:
        """Return draws for activations, and what they were good for.

        Parameters
        ----------
        grid : UnitGrid
            That draws.
        later : Module
            The layers after it, from activations to logits.
        h : Tensor, (T, C, H, W)
            Clean activations; the last ones are left out where T is no multiple of `common`.
        moved : Tensor, (T, C, H, W)
            Corrupted or attacked ones of the same inputs.
        y : Tensor of int64, (T,)
            Classes.
        seed : int
            Of the draws.
        batch : int
            Inputs that are rated at a time.

        Returns
        -------
        draws : Draws
            With the rewards that the grid learns from, one a draw.
        mean : float
            The mean reward, before any baseline.

        Raises
        ------
        ArgumentError
            `common` above 1 with a signal-dependent grid, or a reward that gives no number for each input.
        """
        rate, signal, groups = rewarding(self.reward), grid.field.signal, len(h) // self.common
        if rate is lesson and self.common > 1:
            rate = partial(lesson, apart=self.common)
        if signal and self.common > 1:
            raise ArgumentError(f"common={self.common}: expected 1 with signal='local': a draw belongs to its input")
        count = groups * self.common
        h, moved, y = h[:count], moved[:count], y[:count]
        read = moved.numpy() if signal else None
        eta = grid.sample(groups, seed) if read is None else grid.perturb(read, seed)
        mirrored = -eta if read is None else 2 * grid.mean(read) - eta
        own = [self._rates(rate, later, h, moved, eta, y, batch)]
        if self.pairs:
            own.append(self._rates(rate, later, h, moved, mirrored, y, batch))
            if not signal:
                own = [(own[0] + own[1]) / 2]
                mirrored = None
        mean = float(np.mean(own))
        if self.baseline == "class":
            classes = y.numpy()
            for rows in (classes == which for which in np.unique(classes)):
                middle = np.mean([each[rows].mean() for each in own])
                for each in own:
                    each[rows] -= middle
        rewards = np.stack([each.reshape(groups, self.common).mean(1) for each in own], axis=1).reshape(-1)
        if read is not None and len(own) == 2:  # side by side, so that halves of the draws are of different inputs
            eta = np.stack([eta, mirrored], axis=1).reshape(-1, *eta.shape[1:])
            read = np.repeat(read, 2, axis=0)
        return Draws(eta=eta, h=read, rewards=rewards), mean

    def _rates(
        self, rate: Reward, later: nn.Module, h: Tensor, moved: Tensor, eta: Array, y: Tensor, batch: int
    ) -> Array:
        """Return the reward of each input, float64."""
        drawn, out = torch.from_numpy(eta), []
        of = torch.arange(len(h)) // self.common
        with torch.no_grad():
            for rows in torch.arange(len(h)).split(max(batch, 2 * self.common)):
                found = rate(later, h[rows], moved[rows], drawn[of[rows]], y[rows])
                if found.shape != (len(rows),):
                    raise ArgumentError(
                        f"reward gave shape {tuple(found.shape)}: expected ({len(rows)},), one number for each input"
                    )
                out.append(found.double())
        rates: Array = torch.cat(out).cpu().numpy().copy()
        return rates
