"""A layer that moves nothing further apart: places side by side, times a matrix of orthonormal rows or columns."""

import torch
from torch import Tensor, nn
from torch.nn.functional import pixel_unshuffle
from torch.nn.utils.parametrizations import orthogonal


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

    Known of orthogonal patches followed by tanh or a rectifier, which move nothing further apart.
    """
    total = 1.0
    for module in front.children():
        if isinstance(module, OrthogonalPatches):
            total *= module.norm()
        elif not isinstance(module, (nn.Tanh, nn.ReLU, nn.Flatten, nn.Unflatten, nn.Identity)):
            return None
    return total
