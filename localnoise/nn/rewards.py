"""What a draw is good for: one number for each input, which later layers give and `reward_noise` broadcasts.

h is the clean activation, moved the corrupted or attacked one, eta the draw, L the cross-entropy of the later layers.
"""

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from localnoise.errors import choose

__all__ = ["REWARDS", "Reward", "agreement", "change", "lesson", "loss"]
_SMALL = 1e-30  # below it a gradient counts as none


class Reward(Protocol):
    """Rate draws."""

    def __call__(self, later: nn.Module, h: Tensor, moved: Tensor, eta: Tensor, y: Tensor) -> Tensor:
        """Return how good each draw was; more is better.

        Parameters
        ----------
        later : Module
            The layers after the noise, from activations to logits.
        h : Tensor, (T, ...)
            Clean activations.
        moved : Tensor, (T, ...)
            Corrupted or attacked ones of the same inputs.
        eta : Tensor, (T, ...)
            Draws.
        y : Tensor of int64, (T,)
            Classes.

        Returns
        -------
        Tensor, (T,)
            One number for each input.
        """


def loss(later: nn.Module, h: Tensor, moved: Tensor, eta: Tensor, y: Tensor) -> Tensor:
    """Return -L(moved + eta).

    Parameters
    ----------
    later, h, moved, eta, y
        As in `Reward`; h is not read.

    Returns
    -------
    Tensor, (T,)
        In nats.
    """
    return -cross_entropy(later(moved + eta), y, reduction="none")


def change(later: nn.Module, h: Tensor, moved: Tensor, eta: Tensor, y: Tensor) -> Tensor:
    """Return L(moved) - L(moved + eta): node perturbation, each input its own baseline.

    Parameters
    ----------
    later, h, moved, eta, y
        As in `Reward`; h is not read.

    Returns
    -------
    Tensor, (T,)
        In nats.
    """
    with torch.no_grad():
        still = cross_entropy(later(moved), y, reduction="none")
    return still + loss(later, h, moved, eta, y)


def agreement(later: nn.Module, h: Tensor, moved: Tensor, eta: Tensor, y: Tensor) -> Tensor:
    """Return sum_k p_k ln q_k, p the answer at h, q that at moved + eta: reads no label.

    Parameters
    ----------
    later, h, moved, eta, y
        As in `Reward`; y is not read.

    Returns
    -------
    Tensor, (T,)
        In nats.
    """
    with torch.no_grad():
        answer = later(h).softmax(1)
    agreed: Tensor = (answer * later(moved + eta).log_softmax(1)).sum(1)
    return agreed


def lesson(later: nn.Module, h: Tensor, moved: Tensor, eta: Tensor, y: Tensor, apart: int = 1) -> Tensor:
    """Return the cosine of grad L(h + eta) and grad L(moved + eta'), over the later layers' weights.

    To first order it is how much a step of training on this draw, of fixed length, lowers the loss that matters, the
    mean over the inputs at draws eta' of other inputs. Without the length of the gradient, which a draw could raise
    without end. Cost: a gradient for each input; its own gradient crosses both passes.

    Parameters
    ----------
    later, h, moved, eta, y
        As in `Reward`.
    apart : int
        Inputs in a row that share a draw: eta' of an input is the draw of the one so many places before.

    Returns
    -------
    Tensor, (T,)
        In [-1, 1].
    """
    weights = {name: weight.detach() for name, weight in later.named_parameters()}

    def own_loss(given: dict[str, Tensor], z: Tensor, label: Tensor) -> Tensor:
        logits: Tensor = torch.func.functional_call(later, given, (z[None],))
        return cross_entropy(logits, label[None])

    def mean_loss(given: dict[str, Tensor]) -> Tensor:
        return cross_entropy(torch.func.functional_call(later, given, (moved + eta.detach().roll(apart, 0),)), y)

    wanted = torch.func.grad(mean_loss)(weights)
    found = torch.func.vmap(torch.func.grad(own_loss), in_dims=(None, 0, 0))(weights, h + eta, y)
    along = torch.stack([(found[name] * wanted[name]).flatten(1).sum(1) for name in weights]).sum(0)
    lengths = torch.stack([found[name].flatten(1).square().sum(1) for name in weights]).sum(0)
    whole = torch.stack([one.square().sum() for one in wanted.values()]).sum()
    cosine: Tensor = along / (lengths * whole).clamp(min=_SMALL).sqrt()
    return cosine


REWARDS: dict[str, Reward] = {one.__name__: one for one in (loss, change, agreement, lesson)}
"""Rewards by name."""


def rewarding(reward: str | Callable[..., Tensor]) -> Reward:
    """Return the reward of this name; one of the user's own passes through."""
    return REWARDS[choose("reward", reward, REWARDS)] if isinstance(reward, str) else reward
