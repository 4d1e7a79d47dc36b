"""The noise layer: an ordinary torch module that adds one fresh draw to each activation.

    y = h + eta,  eta ~ N(mu(h), Sigma),  dy/dh = I + diag(gain) (I - B)^-1 G

The draw itself is a constant of the graph (straight through); the mean of a signal-dependent field is differentiated
by the adjoint sweep.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from localnoise.bank import Bank, layout
from localnoise.errors import ArgumentError, choose
from localnoise.nn.arrangement import Arrangement
from localnoise.nn.operators import advance, as_word, eta, number_of
from localnoise.nn.state import entry, packed, unpacked
from localnoise.validate import as_seed

_KEYS = 2**63 - 1  # seeds that torch's generator gives


class NoiseLayer(nn.Module):
    """Add one fresh draw to each activation: (T, C, H, W), (T, C, L) on a grid of 1 x L units, (T, n), or as arranged.

    Parameters
    ----------
    noise : UnitGrid, CentralNoise, AffineNoise, ChipGrid or Bank
        A sequence of them becomes a `Bank`: one is drawn per presentation.
    when : str
        "both" (training and evaluation), "train", "eval" or "never".
    seed : int or None
        None: each forward takes its seed from torch's generator, as dropout does. So layers, ranks and workers never
        share a stream, and `torch.manual_seed` repeats them all. A whole number: a stream of the layer's own, whose
        presentations are numbered from 0 on; `reseed` starts again. What is computed again under activation
        checkpointing is the same draw either way.
    arrangement : Arrangement or None
        How the activation lies on the grid, where its shape does not say it: tokens, channels last. None: as the noise
        remembers (`grid_like`).

    Notes
    -----
    The `state_dict` holds the noise (without its rule's statistics), the seed and the position; loading replaces all
    three. Under `torch.compile` the draw is one operator of the graph.

    Examples
    --------
    >>> import localnoise as ln, torch
    >>> from localnoise.nn import NoiseLayer
    >>> layer = NoiseLayer(ln.UnitGrid(shape=(4, 4), channels=2), when="train", seed=1)
    >>> layer(torch.zeros(5, 2, 4, 4)).shape
    torch.Size([5, 2, 4, 4])
    """

    _stream: Tensor
    _position: Tensor

    def __init__(
        self, noise: Any, when: str = "both", seed: int | None = None, *, arrangement: Arrangement | None = None
    ) -> None:
        super().__init__()
        if isinstance(noise, str | Path):
            raise ArgumentError(
                f"noise={str(noise)!r}: expected a noise, not its file; use localnoise.load({str(noise)!r})"
            )
        self.when = choose("when", when, ("both", "train", "eval", "never"))
        self.arrangement = arrangement
        self.noise = Bank(noise) if isinstance(noise, Sequence) else noise
        self.register_buffer("_stream", torch.zeros((), dtype=torch.int64), persistent=False)
        self.register_buffer("_position", torch.zeros((), dtype=torch.int64), persistent=False)
        self.reseed(seed)

    @property
    def noise(self) -> Any:
        """The noise that is added; another one may be set."""
        return self._noise

    @noise.setter
    def noise(self, noise: Any) -> None:
        own, remembered = layout(noise), Arrangement.remembered(noise)
        lies = self.arrangement or remembered
        if lies is not None and lies.layout != own:
            raise ArgumentError(
                f"arrangement={lies!r}: expected layout {own}, that of the noise; learn the noise for this layer"
            )
        self._layout, self._remembered = own, remembered
        self._noise, self._number = noise, number_of(noise)

    @property
    def position(self) -> int:
        """Number of the next presentation in the layer's own stream; 0 without one."""
        return int(self._position)

    @position.setter
    def position(self, position: int) -> None:
        self._position.fill_(position)

    def reseed(self, seed: int | None) -> None:
        """Restart the stream: the next presentation is number 0.

        Parameters
        ----------
        seed : int or None
            Of the layer's own stream; None: seeds come from torch's generator.
        """
        self.seed = None if seed is None else int(as_seed(seed))
        self._stream.fill_(as_word(self.seed or 0))
        self._position.zero_()

    @property
    def active(self) -> bool:
        """Return whether the layer adds noise in its present mode."""
        return self.when == "both" or self.when == ("train" if self.training else "eval")

    def forward(self, h: Tensor) -> Tensor:
        """Return h + eta, drawn at the layer's position in its stream. Cost: that of the noise's `perturb`.

        Parameters
        ----------
        h : Tensor, (T, C, H, W), (T, C, L), (T, n) or as arranged
            Activations, of any floating dtype, on any device.

        Returns
        -------
        Tensor
            Like h; h itself where the noise is off.

        Raises
        ------
        ArgumentError
            Another shape than the noise was learned for, or no floating dtype.
        """
        if not self.active:
            return h
        lies = self._lies(h)
        if not h.is_floating_point():
            raise ArgumentError(f"h has dtype {h.dtype}: expected a floating dtype; use h.float()")
        shaped = lies.folded(h)
        if self.seed is None:
            seed, start = torch.randint(_KEYS, (), dtype=torch.int64), torch.zeros((), dtype=torch.int64)
        else:
            seed, start = self._stream.clone(), advance(self._position, shaped)
        drawn: Tensor = eta(shaped, seed, start, self._number)
        return lies.added(h, drawn)

    def _lies(self, h: Tensor) -> Arrangement:
        """Return how h lies on the grid."""
        dense = Arrangement(kind="dense", layout=self._layout)
        given = self.arrangement or self._remembered or Arrangement(kind="channels-first", layout=self._layout)
        found = next((way for way in (given, dense) if h.ndim > 1 and way.fits(h)), None)
        if found is None:
            shapes = f"(T, {', '.join(map(str, self._layout))}) or (T, {math.prod(self._layout)})"
            raise ArgumentError(
                f"h has shape {tuple(h.shape)}: expected {self.arrangement or self._remembered or shapes}, as "
                "the noise was learned; for tokens or channels last say so: NoiseLayer(noise, arrangement=...)"
            )
        return found

    def extra_repr(self) -> str:
        """Return what `print(model)` shows.

        Returns
        -------
        str
            The noise, when it is on, and the seed.
        """
        return f"{self.noise!r}, when={self.when!r}, seed={self.seed}"

    def get_extra_state(self) -> dict[str, Any]:
        """Return what the `state_dict` holds.

        Returns
        -------
        dict
            `noise`, packed into tensors; `seed`; `position`.
        """
        return {"noise": packed(self.noise), "seed": self.seed, "position": self.position}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Take a noise, a seed and a position from a `state_dict`.

        Parameters
        ----------
        state : dict
            As `get_extra_state` returned it.

        Raises
        ------
        ArgumentError
            The state is none of a NoiseLayer, or damaged; the noise is of another layout.
        """
        noise, seed, position = unpacked(entry(state, "noise")), entry(state, "seed"), entry(state, "position")
        if layout(noise) != self._layout:
            raise ArgumentError(
                f"state_dict holds a noise of layout {layout(noise)}: expected {self._layout}, as this layer's; make "
                "the layer with a grid of that layout"
            )
        self.noise = noise
        self.reseed(seed)
        self.position = position

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Copy or unpickle: the noise is another object, or lies in another process."""
        super().__setstate__(state)  # type: ignore[no-untyped-call]  # torch's own
        self._number = number_of(self._noise)
