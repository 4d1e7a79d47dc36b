"""A field's weights as parameters of a network: the central counterpart of learning from rewards."""

from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn

from localnoise.errors import ArgumentError
from localnoise.grid import UnitGrid
from localnoise.validate import check_positive


class Reparametrised(nn.Module):
    """h -> h + eta, eta = c g (I - B)^-1 S xi, whose weights a loss after it trains: the draw is in the graph.

    xi ~ N(0, I). B, S and the gain g are parameters, S by its lower triangle, g and the diagonal
    of S by their logarithms; c keeps the mean square of each batch's noise at `variance`. A gradient crosses the later
    layers, and goes from child to parent through all units: it is central. `stored` writes the weights back into a
    grid. Cost: as many batched products as there are levels of the grid, and as many back.

    Parameters
    ----------
    grid : UnitGrid
        Where the weights begin; without signal dependence, `share` and rank. It is left as it is.
    variance : float
        Noise variance per neuron.

    Raises
    ------
    ArgumentError
        Another grid, or a variance that is no number > 0.

    Examples
    --------
    >>> import localnoise as ln, torch
    >>> from localnoise.nn import Reparametrised
    >>> noise = Reparametrised(ln.UnitGrid((3, 3), 2, parents=2), variance=0.5)
    >>> noise(torch.zeros(4, 2, 3, 3)).square().sum().backward()
    >>> noise.stored().variance().mean().round(3)
    np.float64(0.5)
    """

    def __init__(self, grid: UnitGrid, variance: float) -> None:
        super().__init__()
        check_positive("variance", variance, what=", the mean noise variance per neuron")
        if grid.config.narrow or grid.field.signal:
            raise ArgumentError(f"grid={grid!r}: expected one without signal dependence, share= and rank=")
        self.variance, self._grid, field = variance, grid, grid.field.copy()
        self.B = nn.Parameter(torch.from_numpy(field.B.astype(np.float32)))
        S = torch.from_numpy(field.S.astype(np.float32))
        self.below = nn.Parameter(S.tril(-1))
        self.scale = nn.Parameter(S.diagonal(dim1=1, dim2=2).log())
        self.gain = nn.Parameter(torch.from_numpy(np.log(field.gain.astype(np.float32))))
        units, first = field.fronts
        self._levels = []
        for low, high in pairwise(first):
            own = torch.from_numpy(units[low:high].astype(np.int64))
            self._levels.append((own, torch.from_numpy(field.parents[units[low:high]].astype(np.int64))))

    @property
    def factor(self) -> Tensor:
        """S (N, m, m), lower triangular."""
        return self.below.tril(-1) + torch.diag_embed(self.scale.exp())

    def drawn(self, count: int, generator: torch.Generator | None = None) -> Tensor:
        """Return draws at the stated variance.

        Parameters
        ----------
        count : int
            How many.
        generator : torch.Generator or None
            None: torch's own.

        Returns
        -------
        Tensor, (count, C, H, W)
            With gradients of the weights.
        """
        shape, m = self._grid.config.shape, self._grid.config.channels
        drive = torch.bmm(torch.randn(len(self.B), count, m, generator=generator), self.factor.transpose(1, 2))
        eta = drive.new_zeros(len(self.B) + 1, count, m)  # the last row is the parent that is missing
        for own, parents in self._levels:
            past = eta[parents].transpose(1, 2).flatten(2)
            some = self.B.shape[2] > 0
            now = torch.baddbmm(drive[own], past, self.B[own].transpose(1, 2)) if some else drive[own]
            eta = eta.index_copy(0, own, now)
        loud = eta[:-1] * self.gain.exp()[:, None, None]
        loud = loud * (self.variance / loud.square().mean()).sqrt()
        return loud.permute(1, 2, 0).reshape(count, m, *shape)

    def forward(self, h: Tensor) -> Tensor:
        """Return h + eta, a draw for each.

        Parameters
        ----------
        h : Tensor, (T, C, H, W), or as many numbers in another shape
            Activations.

        Returns
        -------
        Tensor
            In the shape of h.
        """
        return h + self.drawn(len(h)).reshape(h.shape)

    def stored(self) -> UnitGrid:
        """Return a grid of these weights, its noise of the stated variance.

        Returns
        -------
        UnitGrid
            A new one; its weights carry no gradients.
        """
        made = self._grid.blank()
        field = made.field.copy()
        with torch.no_grad():
            field.assign(self.B.double().numpy(), self.factor.double().numpy())
            field.gain[:] = self.gain.exp().numpy()
        made.field = field
        return made.normalise(self.variance)
