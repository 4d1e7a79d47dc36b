"""A network in integers behind torch's call: what an experiment deploys in the float network's place."""

from typing import Any

import torch
from torch import Tensor, nn

from localnoise.errors import ArgumentError
from localnoise.hardware.network.layers import Words
from localnoise.hardware.network.program import Program
from localnoise.streams import Progress


class ChipNetwork(nn.Module):
    """Logits of float inputs, as the chip gives them: each is exactly its word 2^-scale.

    Nothing flows back through it: words have no gradient. Made by `quantise`.

    Parameters
    ----------
    program : Program
        What it runs.
    shape : tuple of int
        Of one input, as torch has it: (C, H, W), (C, L) or (N,).
    """

    def __init__(self, program: Program, shape: tuple[int, ...] | None = None) -> None:
        super().__init__()
        self.program = program
        self.shape = program.shape if shape is None else tuple(shape)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of float inputs, each exactly its word 2^-scale.

        Parameters
        ----------
        x : Tensor, (T, ...)
            Inputs, of the shape of one that `shape` says.

        Returns
        -------
        Tensor of float32, (T, classes)
            On the device of x, without gradients.

        Raises
        ------
        ArgumentError
            Another shape, NaN or infinity.
        """
        x = torch.as_tensor(x)
        if tuple(x.shape[1:]) != self.shape:
            raise ArgumentError(f"x has shape {tuple(x.shape)}: expected (T, {', '.join(map(str, self.shape))})")
        return torch.from_numpy(self.program(x.detach().cpu().float().numpy())).to(x.device)

    def words(self, x: Any, progress: Progress | None = None) -> Words:
        """Return the words of the logits.

        Parameters
        ----------
        x : Tensor or array, (T, ...)
            Float inputs.
        progress : callable
            Told (inputs done, all of them).

        Returns
        -------
        ndarray of int16, (T, classes)
            `forward` gives their values.
        """
        given = x.detach().cpu().float().numpy() if isinstance(x, Tensor) else x
        return self.program.words(self.program.input_words(given), progress)

    def extra_repr(self) -> str:
        """Return what stands between the parentheses of its representation.

        Returns
        -------
        str
            The program's representation.
        """
        return repr(self.program)
