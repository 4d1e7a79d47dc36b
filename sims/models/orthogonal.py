"""A layer that moves nothing further apart: places side by side, times a matrix of orthonormal rows or columns."""

import torch
from torch import Tensor, fx, nn
from torch.nn.functional import pixel_unshuffle
from torch.nn.utils.parametrizations import orthogonal

_NO_FURTHER = (nn.Tanh, nn.ReLU, nn.Flatten, nn.Unflatten, nn.Identity)  # move nothing further apart


class OrthogonalPatches(nn.Module):
    """y = Q x + b of each patch of `side` x `side` places that do not overlap, (T, C, H, W) to (T, D, H/side, W/side).

    Q (D, C side^2) has orthonormal columns, or rows where D is less, whatever is learned: |y - y'| <= |x - x'|. With
    columns distances are kept.
    """

    def __init__(self, channels: int, out: int, side: int) -> None:
        super().__init__()
        self.side = side
        self.mix = orthogonal(nn.Linear(channels * side**2, out))

    def forward(self, x: Tensor) -> Tensor:
        """Return (T, D, H/side, W/side)."""
        patches = pixel_unshuffle(x, self.side).movedim(1, 3)
        out: Tensor = self.mix(patches).movedim(3, 1)
        return out

    def norm(self) -> float:
        """Return the largest singular value of Q: 1 but for rounding."""
        with torch.no_grad():
            return float(torch.linalg.matrix_norm(self.mix.weight.double(), 2))


def lipschitz(front: nn.Module) -> float | None:
    """Return a constant L with |front(x) - front(x')| <= L |x - x'| in l2; None where none is known.

    Known of orthogonal patches, followed by tanh or a rectifier, one after the other: in a Sequential, or in a graph
    that is nothing but such a chain. A module of one's own may do anything in its forward, whatever it consists of.
    """
    chain = _chain(front)
    if chain is None:
        return None
    total = 1.0
    for module in chain:
        if isinstance(module, OrthogonalPatches):
            total *= module.norm()
        elif type(module) not in _NO_FURTHER:
            return None
    return total


def _chain(front: nn.Module) -> list[nn.Module] | None:
    """Return the modules that run one after the other, each once and on the last one's output; None if others do."""
    if type(front) is nn.Sequential:
        parts = [_chain(module) for module in front]
        return None if None in parts else [module for part in parts if part is not None for module in part]
    if not isinstance(front, fx.GraphModule):
        return [front]
    first, *nodes, last = front.graph.nodes
    found, before = list[nn.Module](), first
    for node in nodes:
        if node.op != "call_module" or node.args != (before,) or node.kwargs:
            return None
        part, before = _chain(front.get_submodule(node.target)), node
        if part is None:
            return None
        found += part
    return found if first.op == "placeholder" and last.args == (before,) else None
