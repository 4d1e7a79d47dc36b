"""The arrangement of a layer's output on a grid of units: which of its axes are channels, rows and columns."""

import math
from dataclasses import dataclass
from typing import Any, Self

from torch import Tensor

from localnoise.errors import ArgumentError, choose

KINDS = ("channels-first", "channels-last", "dense", "tokens")


@dataclass(frozen=True, kw_only=True)
class Arrangement:
    """The way from a layer's output to the grid's (T, C, H, W), and back.

    Attributes
    ----------
    kind : str
        "channels-first": (T, C, H, W) or (T, C, L). "channels-last": (T, H, W, C) or (T, L, C). "dense": (T, N).
        "tokens": (T, skipped + H W, C).
    layout : tuple of int
        (C, H, W) of the grid; a sequence of length L lies on 1 x L units, a dense layer of N on 1 x N of one channel.
    skipped : int
        Leading tokens that lie on no unit, such as a class token; they get no noise.

    Examples
    --------
    >>> import torch
    >>> from localnoise.nn import Arrangement
    >>> tokens = Arrangement.of(torch.zeros(2, 17, 8), "tokens", skipped=1)
    >>> tokens.layout, tokens.folded(torch.zeros(2, 17, 8)).shape
    ((8, 4, 4), torch.Size([2, 8, 4, 4]))
    """

    kind: str
    layout: tuple[int, int, int]
    skipped: int = 0

    @classmethod
    def of(cls, h: Tensor, kind: str | None = None, *, skipped: int = 0) -> Self:
        """Arrange the output of a layer.

        Tokens lie on a square of units where their number is a square, else on a row.

        Parameters
        ----------
        h : Tensor, (T, ...)
            A few outputs, of which only the shape counts.
        kind : str or None
            As in `Arrangement`; None: (T, C, H, W), (T, C, L) and (T, N) are channels first.
        skipped : int
            Leading tokens that lie on no unit.

        Returns
        -------
        Arrangement
            Its layout is that of `h`.

        Raises
        ------
        ArgumentError
            An unknown kind, a shape that it does not fit, or more skipped tokens than there are.
        """
        axes = h.ndim - 1
        kind = kind or ("dense" if axes == 1 else "channels-first")
        choose("kind", kind, KINDS)
        expected = {"dense": (1,), "tokens": (2,)}.get(kind, (2, 3))
        if axes not in expected or 0 in h.shape[1:]:
            shapes = {"dense": "(T, N)", "tokens": "(T, tokens, C)"}.get(kind, "(T, C, H, W) or (T, C, L)")
            raise ArgumentError(f"h has shape {tuple(h.shape)}: expected {shapes}, as kind={kind!r} says")
        if skipped and (kind != "tokens" or not 0 < skipped < h.shape[1]):
            raise ArgumentError(f"skipped={skipped!r}: expected 0, or of kind='tokens' fewer than the tokens there are")
        if kind == "dense":
            return cls(kind=kind, layout=(1, 1, h.shape[1]))
        if kind == "tokens":
            count = h.shape[1] - skipped
            side = math.isqrt(count)
            place = (side, side) if side * side == count else (1, count)
            return cls(kind=kind, layout=(h.shape[2], *place), skipped=skipped)
        channels = h.shape[1] if kind == "channels-first" else h.shape[-1]
        places = h.shape[2:] if kind == "channels-first" else h.shape[1:-1]
        height = places[0] if len(places) == 2 else 1
        return cls(kind=kind, layout=(channels, height, places[-1]))

    @classmethod
    def remembered(cls, noise: Any) -> Self | None:
        """Return what a noise remembers of the layer that it was made for, in its `provenance`.

        Parameters
        ----------
        noise : UnitGrid, Bank or other noise
            Of a bank, the first member that remembers something.

        Returns
        -------
        Arrangement or None
            None where it remembers nothing.

        Raises
        ------
        ArgumentError
            What it remembers is no arrangement, as of an edited file.
        """
        for one in (noise, *getattr(noise, "members", ())):
            said = (getattr(one, "provenance", None) or {}).get("arrangement")
            if said is None:
                continue
            try:
                channels, height, width = map(int, said["layout"])
                kind, skipped = choose("kind", said["kind"], KINDS), int(said["skipped"])
            except (KeyError, TypeError, ValueError):
                raise ArgumentError(
                    f"noise.provenance['arrangement']={said!r}: expected kind, layout and skipped, as grid_like writes "
                    "them; say NoiseLayer(noise, arrangement=...)"
                ) from None
            return cls(kind=kind, layout=(channels, height, width), skipped=skipped)
        return None

    def as_plain(self) -> dict[str, Any]:
        """Return what JSON can hold, as a noise's `provenance` remembers it.

        Returns
        -------
        dict
            `kind`, `layout` and `skipped`.
        """
        return {"kind": self.kind, "layout": list(self.layout), "skipped": self.skipped}

    def fits(self, h: Tensor) -> bool:
        """Return whether a tensor has the shape of such an output.

        Parameters
        ----------
        h : Tensor, (T, ...)
            Activations.

        Returns
        -------
        bool
            Whatever T is.
        """
        channels, height, width = self.layout
        places = [(height, width), *([(width,)] if height == 1 else [])]
        if self.kind == "dense":
            return tuple(h.shape[1:]) == (channels * height * width,)
        if self.kind == "tokens":
            return tuple(h.shape[1:]) == (self.skipped + height * width, channels)
        shape = tuple(h.shape[1:])
        return any(shape == ((channels, *p) if self.kind == "channels-first" else (*p, channels)) for p in places)

    def folded(self, h: Tensor) -> Tensor:
        """Return an output as it lies on the grid, a view where memory allows it.

        Parameters
        ----------
        h : Tensor, (T, ...)
            The output of the layer.

        Returns
        -------
        Tensor, (T, C, H, W)
            Without skipped tokens.

        Raises
        ------
        ArgumentError
            h has another shape.
        """
        if not self.fits(h):
            raise ArgumentError(f"h has shape {tuple(h.shape)}: expected one of {self!r}")
        count, (channels, height, width) = len(h), self.layout
        if self.kind in ("dense", "channels-first"):
            return h.reshape(count, channels, height, width)
        return h[:, self.skipped :].reshape(count, height, width, channels).permute(0, 3, 1, 2)

    def added(self, h: Tensor, moved: Tensor) -> Tensor:
        """Return an output plus what was drawn for it; skipped tokens stay as they are.

        Parameters
        ----------
        h : Tensor, (T, ...)
            The output of the layer.
        moved : Tensor, (T, C, H, W)
            What is added.

        Returns
        -------
        Tensor
            In the shape of h.
        """
        if self.kind in ("dense", "channels-first"):
            return h + moved.reshape(h.shape)
        places = moved.permute(0, 2, 3, 1)
        if not self.skipped:
            return h + places.reshape(h.shape)
        from torch.nn.functional import pad

        return h + pad(places.reshape(len(h), -1, self.layout[0]), (0, 0, self.skipped, 0))
