"""The definition of a modification: a name, a function, and a level with its unit and range."""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, SupportsFloat

import numpy as np
import numpy.typing as npt
from torch import Tensor

from localnoise.errors import ArgumentError
from localnoise.sims.perturbations.draws import Words

IMAGE = (1, 28, 28)
"""Shape of the images that the modifications that ship are made for."""


@dataclass(frozen=True, kw_only=True)
class Modification:
    """One kind of change to images, as the table lists it.

    Attributes
    ----------
    name : str
        Its name in the table and on the command line.
    function : callable
        (inputs (N, ...) float32 within `bounds`, level, words (N, `words`)) -> inputs of the same shape. Input i may
        depend on row i of the words only; values outside `bounds` are clipped afterwards.
    words : int
        Random 64-bit words that it takes for one image.
    level : float
        The default level.
    lowest, highest : float
        The range of levels, both included.
    unit : str
        What a level of 1 means.
    description : str
        One sentence.
    whole : bool
        Levels are whole numbers.
    shape : tuple of int or None
        Of the inputs that it takes, such as (1, 28, 28); None: any. An experiment refuses a task of other inputs before
        anything is trained.
    bounds : pair of float or None
        Inputs lie within them, and results are clipped to them; None: neither.
    numbers : int
        How many uniform numbers, one to a word, say where the image was moved to, or what was moved over it; 0 where
        the words are no such thing. See `causes`.
    movements : callable or None
        (words (N, `words`)) -> (N, d) float64: where an image's parts go, at the default level, where that takes more
        than two numbers. See `causes`.
    harmless : float or None
        The level at which nothing happens: levels between it and another are milder. None: 0 where `lowest` is finite;
        else nobody knows which levels are milder. See `mildest`.
    stream : str
        The name under which words are drawn; "": its own. Mixtures of one kind share theirs, whatever their levels.
    """

    name: str
    function: Callable[[Tensor, float, Words], Tensor]
    words: int
    level: float
    lowest: float
    highest: float
    unit: str
    description: str
    whole: bool = False
    numbers: int = 0
    stream: str = ""
    shape: tuple[int, ...] | None = None
    bounds: tuple[float, float] | None = (0.0, 1.0)
    harmless: float | None = None
    movements: Callable[[Words], npt.NDArray[np.float64]] | None = None

    @property
    def mildest(self) -> float | None:
        """The level from which strengths are counted; None: nobody knows which levels are milder than others."""
        return 0.0 if self.harmless is None and math.isfinite(self.lowest) else self.harmless

    def checked(self, level: SupportsFloat | None) -> float:
        """Return a level, or the default level where it is None.

        Parameters
        ----------
        level : float or None
            In the modification's unit.

        Returns
        -------
        float
            Within the range.

        Raises
        ------
        ArgumentError
            The level is no finite number of the range, or no whole one where these are asked for.
        """
        if level is None:
            return self.level
        try:
            value = float(level)
        except (TypeError, ValueError, RuntimeError):
            value = math.nan
        if not self.lowest <= value <= self.highest or (self.whole and not value.is_integer()):
            if self.lowest == self.highest:
                raise ArgumentError(f"level={level!r}: expected none, {self.name!r} takes no level; leave it out")
            kind = "whole number" if self.whole else "number"
            raise ArgumentError(
                f"level={level!r}: expected a {kind} from {self.lowest:g} to {self.highest:g} for {self.name!r} "
                f"(unit: {self.unit}; default {self.level:g})"
            )
        return value

    def check_shape(self, argument: str, shape: Sequence[int]) -> None:
        """Raise an ArgumentError unless it takes inputs of this shape.

        Parameters
        ----------
        argument : str
            What the error calls them.
        shape : sequence of int
            (N, ...), of the inputs.
        """
        if self.shape is not None and tuple(shape[1:]) != self.shape:
            raise ArgumentError(
                f"{argument}: of shape {tuple(shape)}, expected (N, {', '.join(map(str, self.shape))}), which "
                f"{self.name!r} is made for; a task of other inputs brings its own perturbations"
            )


def parts_of(text: str) -> list[str]:
    """Return the parts of a mixture, "a@2+b@3", in order; a plain name is its only part, and "1e+06" is one number."""
    return re.split(r"\+(?=[A-Za-z_])", text)


def in_turn(name: str, steps: Sequence[tuple[Modification, Any]]) -> Modification:
    """Return several modifications one after the other as one, whose level is the last one's.

    Parameters
    ----------
    name : str
        "motion_blur@3+brightness": each part but the last one with its level.
    steps : sequence of (Modification, level or None)
        None: the default level.

    Raises
    ------
    ArgumentError
        A level out of its range, or parts that take inputs of unlike shapes.
    """
    (last, _), levels = steps[-1], [one.checked(level) for one, level in steps[:-1]]
    shapes = {one.shape for one, _ in steps if one.shape is not None}
    if len(shapes) > 1:
        raise ArgumentError(f"{name!r}: its parts take inputs of shapes {sorted(shapes)}: expected one shape")
    edges = np.cumsum([0, *(one.words for one, _ in steps)])

    def function(inputs: Tensor, strength: float, words: Words) -> Tensor:
        for (one, _), level, (begin, end) in zip(steps, [*levels, strength], pairwise(edges), strict=True):
            inputs = one.function(inputs, level, words[:, begin:end])
            if one.bounds is not None:
                inputs = inputs.clamp(*one.bounds)
        return inputs

    return Modification(
        name=name,
        function=function,
        words=int(edges[-1]),
        level=last.level,
        lowest=last.lowest,
        highest=last.highest,
        whole=last.whole,
        unit=f"of {last.name}: {last.unit}",
        description=f"{', then '.join(one.name for one, _ in steps)}.",
        harmless=last.mildest,
        stream="+".join(one.name for one, _ in steps),
        shape=next(iter(shapes), None),
        bounds=next((one.bounds for one, _ in steps if one.bounds is not None), None),
    )
