"""A layer of units as a torch module: what each unit has learned, in a network like any other."""

import numpy as np
import torch
from torch import Tensor, nn

from localnoise.errors import ArgumentError
from localnoise.local import LocalLayer
from localnoise.local.layer import ACTIVATIONS

_BENT = (nn.Tanh, nn.ReLU)


class LocalUnits(nn.Module):
    """The answers of a `LocalLayer`, h_u = f(W_u [1; x_R(u)]), with gradients with respect to the input.

    The weights are a copy, and frozen: units learn by their own rule, `LocalLayer.learn`, not by backpropagation. An
    attack, a repair, a noise and an audit see an ordinary module. Cost O(T N m p), memory O(T C N R): what the N units
    read is gathered.

    Parameters
    ----------
    layer : LocalLayer
        As it has learned so far.

    Raises
    ------
    ArgumentError
        No `LocalLayer`.
    """

    W: Tensor
    bias: Tensor
    readers: Tensor

    def __init__(self, layer: LocalLayer) -> None:
        super().__init__()
        if not isinstance(layer, LocalLayer):
            raise ArgumentError(f"layer is {type(layer).__name__}: expected a localnoise.local.LocalLayer")
        units, (C, *_) = layer.units, layer.inputs
        N, R = units.readers.shape
        W = torch.from_numpy(layer.W.copy())
        self.shape, self.inputs, self.bend = layer.shape, layer.inputs, units.bend
        self.out_channels = layer.channels  # as a convolution says where its channels are
        self.register_buffer("W", W[:, 1:].reshape(N, R, C, layer.channels))
        self.register_buffer("bias", W[:, 0].T.contiguous())
        places = np.where(units.readers < 0, layer.inputs[1] * layer.inputs[2], units.readers)
        self.register_buffer("readers", torch.from_numpy(places.astype(np.int64)))

    def forward(self, x: Tensor) -> Tensor:
        """Return the units' answers.

        Parameters
        ----------
        x : Tensor, (T, C, H', W')
            Inputs.

        Returns
        -------
        Tensor, (T, m, H, W)
            With gradients with respect to x.

        Raises
        ------
        ArgumentError
            Another shape.
        """
        if tuple(x.shape[1:]) != self.inputs:
            raise ArgumentError(f"x has shape {tuple(x.shape)}: expected (T, {', '.join(map(str, self.inputs))})")
        flat = nn.functional.pad(x.flatten(2), (0, 1))  # a zero, for places beyond the edge
        h = torch.einsum("tcnr,nrcm->tmn", flat[:, :, self.readers], self.W) + self.bias
        bent = torch.relu(h) if self.bend else torch.tanh(h)
        out: Tensor = bent.unflatten(2, self.shape)
        return out

    def dense(self) -> nn.Sequential:
        """Return the same map of one matrix: `Flatten`, `Linear`, the nonlinearity, `Unflatten`.

        For what knows no units, such as the export of a whole network to a chip, which then keeps the zeros between
        them, too: m H W C H' W' weights.

        Returns
        -------
        Sequential
            Frozen, as the units are.
        """
        (C, height, width), (N, m) = self.inputs, (len(self.readers), self.W.shape[3])
        whole = torch.zeros(m, N, C, height * width + 1, dtype=self.W.dtype)
        units = torch.arange(N)[:, None].expand_as(self.readers)
        whole[:, units, :, self.readers] = self.W.permute(0, 1, 3, 2)
        linear = nn.Linear(C * height * width, m * N, dtype=self.W.dtype)
        with torch.no_grad():
            linear.weight.copy_(whole[..., :-1].reshape(m * N, -1))
            linear.bias.copy_(self.bias.flatten())
        linear.requires_grad_(False)
        return nn.Sequential(nn.Flatten(), linear, _BENT[self.bend](), nn.Unflatten(1, (m, *self.shape)))

    def extra_repr(self) -> str:
        """Return inputs, units and nonlinearity.

        Returns
        -------
        str
            For `print(model)`.
        """
        return f"{self.inputs} -> ({self.W.shape[3]}, {self.shape[0]}, {self.shape[1]}), {ACTIVATIONS[self.bend]}"
