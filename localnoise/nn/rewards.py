"""What a draw is good for: one number for each input, which later layers give and `reward_noise` broadcasts.

h is the clean activation, moved the corrupted or attacked one, eta the draw, L the cross-entropy of the later layers.
"""

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from localnoise.errors import choose


class Reward(Protocol):
    """Rate draws."""

    def __call__(self, later: nn.Module, h: Tensor, moved: Tensor, eta: Tensor, y: Tensor) -> Tensor:
        """Return how good each draw eta (T, ...) was, (T,); more is better. h, moved : (T, ...);  y : (T,), classes."""


def loss(later: nn.Module, h: Tensor, moved: Tensor, eta: Tensor, y: Tensor) -> Tensor:
    """Return -L(moved + eta)."""
    return -cross_entropy(later(moved + eta), y, reduction="none")


def change(later: nn.Module, h: Tensor, moved: Tensor, eta: Tensor, y: Tensor) -> Tensor:
    """Return L(moved) - L(moved + eta): node perturbation, each input its own baseline."""
    with torch.no_grad():
        still = cross_entropy(later(moved), y, reduction="none")
    return still + loss(later, h, moved, eta, y)


def agreement(later: nn.Module, h: Tensor, moved: Tensor, eta: Tensor, y: Tensor) -> Tensor:
    """Return sum_k p_k ln q_k, p the answer at h, q that at moved + eta: reads no label."""
    with torch.no_grad():
        answer = later(h).softmax(1)
    return (answer * later(moved + eta).log_softmax(1)).sum(1)


def lesson(later: nn.Module, h: Tensor, moved: Tensor, eta: Tensor, y: Tensor) -> Tensor:
    """Return <grad L(h + eta), grad L(moved + eta')> over the later layers' weights, eta' another input's draw.

    To first order it is how much one step of training on this draw lowers the loss that matters, per unit of rate.
    One gradient for all inputs, and one forward-mode derivative; its own gradient crosses both.
    """
    weights = {name: weight.detach().requires_grad_() for name, weight in later.named_parameters()}

    def losses(given: dict[str, Tensor], z: Tensor) -> Tensor:
        logits: Tensor = torch.func.functional_call(later, given, (z,))
        return cross_entropy(logits, y, reduction="none")

    with torch.enable_grad():
        wanted = torch.autograd.grad(losses(weights, moved + eta.detach().roll(1, 0)).mean(), list(weights.values()))
    still = {name: weight.detach() for name, weight in weights.items()}
    along = dict(zip(still, wanted, strict=True))
    found: Tensor = torch.func.jvp(lambda given: losses(given, h + eta), (still,), (along,))[1]
    return found


REWARDS: dict[str, Reward] = {one.__name__: one for one in (loss, change, agreement, lesson)}


def rewarding(reward: str | Callable[..., Tensor]) -> Reward:
    """Return the reward of this name; one of the user's own passes through."""
    return REWARDS[choose("reward", reward, REWARDS)] if isinstance(reward, str) else reward
