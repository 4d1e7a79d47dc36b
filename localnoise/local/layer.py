"""A layer of units that learn features, each from its own window: a convolution that shares no weights."""

from copy import copy
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from localnoise.dense import refuse_beyond_memory
from localnoise.errors import ArgumentError, choose, short
from localnoise.local.rules.base import UNIT_RULES, Floats, UnitRule, Units
from localnoise.validate import as_activity, as_array, as_count, as_seed, whole

ACTIVATIONS = ("tanh", "relu")


class LocalLayer:
    """H x W units with m channels each; unit u answers h_u = f(W_u [1; x_R(u)]) and learns W_u by a local rule.

    Unit (y, x) reads the inputs within Chebyshev radius `radius` of the place that lies under it. Nothing is shared:
    every unit has weights of its own, and its update depends on x_R(u), its own answer and the label alone. Layers are
    stacked by giving one's answers to the next. Cost of a presentation: O(H W m p), p = 1 + C (2 radius + 1)^2; of a
    radius beyond the inputs' height or width, no more than can lie within them.

    Parameters
    ----------
    shape : (H, W)
        Rows and columns of units.
    channels : int
        m.
    inputs : (C, H', W')
        Of the input; H' and W' whole multiples of H and W, by which units stand apart.
    radius : int
        Chebyshev radius of a unit's window, in places of the input.
    activation : "tanh" or "relu"
        Of the units' answers.
    rule : str or UnitRule
        "local-heads", "channels", "softhebb", or a rule that is built.
    classes : int
        Of labels; needed by rules that read them, 0 with others.
    seed : int
        Of the initial weights, normal with variance 1 / p.
    dtype : "float32" or "float64"
        Of weights and answers.

    Attributes
    ----------
    W : (H W, p, m)
        Weights, the constant's first, then place by place of the window all channels of the input.
    state : dict
        What the rule keeps.
    config : dict
        The arguments but `rule` and `seed`, as a file keeps them.
    provenance : dict
        Of what JSON can hold, kept in its file: whatever is worth knowing.

    Raises
    ------
    ArgumentError
        A shape that does not divide the inputs', an unknown rule, or labels that a rule needs and has none of.
    TooLargeError
        Windows and weights would take more than this machine has.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        channels: int,
        inputs: tuple[int, int, int],
        *,
        radius: int = 1,
        activation: str = "relu",
        rule: str | UnitRule = "local-heads",
        classes: int = 0,
        seed: int = 0,
        dtype: str = "float32",
    ) -> None:
        self.shape, self.inputs = _sides("shape", shape, 2), _sides("inputs", inputs, 3)
        self.channels = as_count("channels", channels, 1)
        if not isinstance(rule, str) and not isinstance(rule, UnitRule):
            raise ArgumentError(f"rule={rule!r}: expected a name, such as 'local-heads', or a UnitRule that is built")
        self.rule: UnitRule = UNIT_RULES.find(rule, "rule")() if isinstance(rule, str) else rule
        choose("activation", activation, ACTIVATIONS)
        choose("dtype", dtype, ("float32", "float64"))
        count = as_count("classes", classes)
        if self.rule.labels and count < 2:
            raise ArgumentError(
                f"classes={classes!r}: expected at least 2 with rule={self.rule.name!r}, which reads labels"
            )
        if count and not self.rule.labels:
            raise ArgumentError(
                f"classes={classes!r}: expected 0 with rule={self.rule.name!r}, which reads no labels and has no "
                "heads; use rule='local-heads' for units that answer"
            )
        near = _offsets(self.shape, self.inputs[1:], as_count("radius", radius))
        self._refuse_large(1 + self.inputs[0] * len(near), count, np.dtype(dtype).itemsize, len(near))
        readers = _windows(self.shape, self.inputs[1:], near)
        self.config = {
            "shape": list(self.shape), "channels": self.channels, "inputs": list(self.inputs), "radius": int(radius),
            "activation": activation, "classes": count, "dtype": np.dtype(dtype).name,
        }  # fmt: skip
        self.provenance: dict[str, Any] = {}
        self.units = Units(
            readers=readers,
            channels=self.channels,
            classes=count,
            bend=ACTIVATIONS.index(activation),
            dtype=np.dtype(dtype),
        )
        regressors = 1 + self.inputs[0] * readers.shape[1]
        drawn = np.random.default_rng(int(as_seed(seed))).normal(size=(len(readers), regressors, self.channels))
        self.W: Floats = (drawn / np.sqrt(regressors)).astype(dtype)
        self.W[:, 0] = 0
        self.state = self.rule.start(self.units, regressors)

    @property
    def parameters(self) -> int:
        """Weights of the deployed layer; heads are dropped."""
        return self.W.size

    def forward(self, x: Any) -> Floats:
        """Return the units' answers. Cost O(T H W m p).

        Parameters
        ----------
        x : (T, C, H', W')
            Inputs.

        Returns
        -------
        ndarray of the layer's dtype, (T, m, H, W)
            After the activation function.

        Raises
        ------
        ArgumentError
            A wrong shape or dtype, or NaN.
        """
        given = self._presented(x)
        return self._answers(given).reshape(len(given), self.channels, *self.shape)

    def learn(self, x: Any, labels: Any = None) -> Self:
        """Learn from inputs, one after the other; call again to go on. A call that raises changes nothing.

        Parameters
        ----------
        x : (T, C, H', W')
            Inputs.
        labels : (T,) whole numbers, optional
            Classes 0 ... classes - 1; needed by rules that read them, and not read by others.

        Returns
        -------
        LocalLayer
            The layer itself.

        Raises
        ------
        ArgumentError
            A wrong shape or dtype, NaN, or labels that are missing or of no class.
        """
        given = self._presented(x)
        if not len(given):
            raise ArgumentError("x holds no inputs: expected at least one to learn from")
        classes = self._labels(labels, len(given))
        W, state = self.W.copy(), {name: copy(value) for name, value in self.state.items()}
        self.rule.observe(self.units, W, state, given, classes)
        for name, value in (("W", W), *state.items()):
            if not np.isfinite(value).all():
                raise ArgumentError(
                    f"x: learning it makes {name} NaN or infinite; expected smaller inputs, or a rule of a smaller "
                    "rate; nothing was learned"
                )
        vars(self).update(W=W, state=state)  # at once: an interruption leaves what was there
        return self

    def save(self, path: str | Path) -> Path:
        """Write weights, rule and what it keeps to an HDF5 file, beside it and then renamed; `ln.load` reads it.

        A layer that is read goes on learning as if it had never been away.

        Parameters
        ----------
        path : str or Path
            The file; one that is there is replaced.

        Returns
        -------
        Path
            The file.

        Raises
        ------
        ArgumentError
            Its rule is not registered, so that no file could name it.
        """
        from localnoise.local.writing import save

        return save(self, path)

    def votes(self, x: Any) -> Floats:
        """Return what each unit by itself makes of inputs.

        Parameters
        ----------
        x : (T, C, H', W')
            Inputs.

        Returns
        -------
        ndarray, (T, classes, H, W)
            Log probabilities, natural.

        Raises
        ------
        ArgumentError
            The rule reads no labels.
        """
        h = self._answers(self._presented(x))
        return self.rule.votes(self.units, self.state, h).reshape(len(h), -1, *self.shape)

    def predict(self, x: Any) -> npt.NDArray[np.int64]:
        """Return the class that the units vote for together: the largest sum of their log probabilities.

        Parameters
        ----------
        x : (T, C, H', W')
            Inputs.

        Returns
        -------
        ndarray of int64, (T,)
            Classes.

        Raises
        ------
        ArgumentError
            The rule reads no labels.
        """
        classes: npt.NDArray[np.int64] = self.votes(x).sum(axis=(2, 3)).argmax(axis=1)
        return classes

    def _answers(self, x: Floats) -> Floats:
        from localnoise.kernels.features import answer

        out = np.empty((len(x), self.channels, len(self.units.readers)), self.W.dtype)
        answer(out, self.W, x, self.units.readers, self.units.bend)
        return out

    def _presented(self, x: Any) -> Floats:
        return as_activity("x", x, self.inputs[0], self.inputs[1:], self.W.dtype)

    def _refuse_large(self, regressors: int, classes: int, itemsize: int, places: int) -> None:
        units = self.shape[0] * self.shape[1]
        numbers = units * (regressors * self.channels + (self.channels + 1) * classes + regressors)
        what = (
            f"{self.shape[0]} x {self.shape[1]} units of {self.channels} channels that read {regressors} numbers each"
        )
        needed = units * places * 12 + numbers * (8 + 2 * itemsize)
        refuse_beyond_memory(short(what, 200), needed, "fewer units or channels, or a smaller radius")

    def __repr__(self) -> str:
        """Return sizes and rule."""
        (height, width), (C, H, W) = self.shape, self.inputs
        return (
            f"LocalLayer({height}x{width} units x {self.channels}, of inputs {C}x{H}x{W}, radius "
            f"{self.config['radius']}, rule {self.rule.name})"
        )

    def _labels(self, labels: Any, count: int) -> npt.NDArray[np.int64]:
        if not self.rule.labels:
            return np.zeros(count, np.int64)
        if labels is None:
            raise ArgumentError(f"labels is None: expected ({count},) classes, which rule={self.rule.name!r} reads")
        given = as_array("labels", labels, f"({count},) classes")
        if given.shape != (count,) or not np.issubdtype(given.dtype, np.integer):
            raise ArgumentError(
                f"labels: {given.dtype} of shape {given.shape}: expected ({count},) whole numbers, one an input"
            )
        if count and not 0 <= given.min() <= given.max() < self.units.classes:
            raise ArgumentError(
                f"labels: from {given.min()} to {given.max()}: expected classes 0 to {self.units.classes - 1}"
            )
        return given.astype(np.int64)


def _sides(argument: str, value: Any, count: int) -> Any:
    try:
        sides = tuple(whole(side) or 0 for side in value)
    except TypeError:
        sides = ()
    if len(sides) != count or min(sides) < 1:
        expected = "(height, width)" if count == 2 else "(channels, height, width)"
        raise ArgumentError(f"{argument}={value!r}: expected {expected}, whole numbers >= 1")
    return sides


def _offsets(shape: tuple[int, int], inputs: tuple[int, int], radius: int) -> list[tuple[int, int]]:
    """Return the offsets (dy, dx) within a radius at which anything can lie, row by row."""
    if inputs[0] % shape[0] or inputs[1] % shape[1]:
        raise ArgumentError(
            f"shape={shape}: expected sides that divide those of the inputs, {inputs}; units stand whole steps apart"
        )
    if radius >= max(inputs):
        raise ArgumentError(f"radius={radius}: expected less than the longest side of the inputs, {max(inputs)}")
    down, across = min(radius, inputs[0] - 1), min(radius, inputs[1] - 1)
    what = f"radius={radius} on inputs of {inputs[0]} x {inputs[1]}"
    refuse_beyond_memory(what, 100 * (2 * down + 1) * (2 * across + 1), "a smaller radius")
    return [(dy, dx) for dy in range(-down, down + 1) for dx in range(-across, across + 1)]


def _windows(shape: tuple[int, int], inputs: tuple[int, int], offsets: list[tuple[int, int]]) -> npt.NDArray[np.int32]:
    """Return the places (N, R) that each unit reads, row by row, -1 beyond the edge."""
    steps = inputs[0] // shape[0], inputs[1] // shape[1]
    y, x = np.divmod(np.arange(shape[0] * shape[1]), shape[1])
    columns = []
    for dy, dx in offsets:
        row, column = y * steps[0] + dy, x * steps[1] + dx
        inside = (row >= 0) & (row < inputs[0]) & (column >= 0) & (column < inputs[1])
        columns.append(np.where(inside, row * inputs[1] + column, -1))
    return np.stack(columns, axis=1).astype(np.int32)
