"""The chip, emulated to the bit, behind the interface of `UnitGrid`: what the torch layer and experiments take."""

from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from localnoise import UnitGrid
from localnoise.cautions import warn_of_few
from localnoise.config import GridConfig
from localnoise.errors import ArgumentError
from localnoise.hardware.drawing import draw_into, integers_of, steps_per_draw
from localnoise.hardware.fixedpoint import given_words, to_words
from localnoise.hardware.formats import Formats
from localnoise.hardware.generators import GENERATORS, states
from localnoise.hardware.learning import OnChip, State
from localnoise.hardware.narrow import BIAS_BITS, NarrowWords
from localnoise.hardware.narrow_ranges import refuse_narrow
from localnoise.hardware.ranges import refuse_out_of_range
from localnoise.hardware.realised import realised
from localnoise.hardware.rewarding import OnChipReward
from localnoise.hardware.saving import save
from localnoise.hardware.taught import taught
from localnoise.hardware.words import IntegerField
from localnoise.narrow import WEIGHTS
from localnoise.validate import Array, Start, as_activity, as_array, as_count, as_out, as_positions, as_seed


class ChipGrid:
    """A quantised grid: integers, their formats, and the arithmetic of `hardware.fixedpoint`.

    Values are words 2^-scale, in activation units: float32, exactly. Made by `quantise` or read by `load_chip`.

    Parameters
    ----------
    config : GridConfig
        Of the float grid.
    formats : Formats
        Widths, rounding, generator.
    field : IntegerField or NarrowWords
        The integers; narrow ones of a grid with `share` or `rank`.

    Raises
    ------
    ArgumentError
        A number is out of its range, the integers do not belong together, or a unit's accumulator could overflow.
    """

    def __init__(self, config: GridConfig, formats: Formats, field: IntegerField | NarrowWords) -> None:
        if isinstance(field, NarrowWords) or config.narrow:
            refuse_narrow(config, formats, field)
        else:
            refuse_out_of_range(config, formats, field)
        self.config, self.formats = config, formats
        self.field: Any = field  # IntegerField, but NarrowWords where the configuration says so
        self._kept: tuple[int, npt.NDArray[np.uint32]] | None = None
        self.rule: OnChip | None = None
        self.state: State | None = None
        self._rewarded: tuple[OnChipReward, State, IntegerField] | None = None  # and the field that it stands behind
        self.provenance: dict[str, Any] = {}

    # Learning

    def learn(self, d: Any, h: Any = None, rule: str = "lms", *, rewards: Any = None, **options: Any) -> Self:
        """Learn on the chip, in integers, from displacements; call again to go on, with the same rule and options.

        All or nothing, as `UnitGrid.learn`. Displacements become words at the units' scales: quantise with d=..., so
        that they fit.

        Parameters
        ----------
        d : (T, C, H, W)
            Displacements, in activation units.
        h : (T, C, H, W), with signal dependence
            The activations that were displaced.
        rule : str
            "lms" or "sign-lms"; "three-factor", which learns from draws of this chip, given as d, and their rewards.
        rewards : (T,), with "three-factor"
            What each draw was worth.
        **options
            Of `OnChip`, or of `OnChipReward`, such as `rate`.

        Returns
        -------
        ChipGrid
            Itself.

        Raises
        ------
        ArgumentError
            Wrong shape, h missing or superfluous, weights that learning may reach could overflow an accumulator, or a
            grid with `share` or `rank`, whose weights no unit learns by itself.
        """
        parts, anew = taught(self, d, h, rule, rewards, options)
        kept = {name: value for name, value in vars(self).items() if name not in ("realised", "_integers")}
        self.__dict__ = kept | parts  # one step of the interpreter: what is derived from the old field goes with it
        if anew and self.state is not None:
            warn_of_few(self.field, self.state["seen"], stacklevel=3)
        return self

    @property
    def rewarded(self) -> tuple[OnChipReward, State] | None:
        """The rule by which the present weights were learned from rewards, and its state; None: they were not."""
        found = self._rewarded
        return found[:2] if found is not None and found[2] is self.field else None

    @rewarded.setter
    def rewarded(self, learned: tuple[OnChipReward, State] | None) -> None:
        self._rewarded = None if learned is None else (*learned, self.field)

    # Drawing

    def sample(self, count: int, seed: int = 0, start: Start = 0, out: Any = None) -> Array:
        """Draw samples of the noise; of a signal-dependent field at mean zero.

        Sample t depends on (seed, start + t) alone. Each unit's generator begins at its place of one common sequence
        (`generators.seeding`), which `seed` shifts; draw t uses its steps t S to (t + 1) S, S being `steps_per_draw`.

        Parameters
        ----------
        count : int
            Samples.
        seed : int
            Of the stream.
        start : int or (count,) whole numbers
            Position of the first sample in the stream, or of each.
        out : (count, C, H, W) float32, optional
            An array that is written and returned; None: new memory.

        Returns
        -------
        ndarray of float32, (count, C, H, W)
            In activation units, exactly the words' values; or `out`.
        """
        eta = as_out(out, as_count("count", count), *self._layout)
        return self._draw(eta, None, seed, start, signal=False)

    def perturb(self, h: npt.ArrayLike, seed: int = 0, start: Start = 0, out: Any = None) -> Array:
        """Draw one displacement for each activation, which becomes activation words first: mean(h) + noise.

        Parameters
        ----------
        h : (T, C, H, W)
            Activations.
        seed, start, out
            As in `sample`.

        Returns
        -------
        ndarray of float32, (T, C, H, W)
            Displacements, in activation units; or `out`.
        """
        h3 = as_activity("h", h, *self._layout)
        eta = as_out(out, len(h3), *self._layout)
        return self._draw(eta, h3, seed, start, signal=self.field.signal)

    def mean(self, h: npt.ArrayLike) -> Array:
        """Return the field without private noise: rounding and overflow included.

        Parameters
        ----------
        h : (T, C, H, W)
            Activations.

        Returns
        -------
        ndarray of float32, (T, C, H, W)
            In activation units, exactly the words' values.
        """
        h3 = as_activity("h", h, *self._layout)
        return self._draw(np.empty_like(h3), h3, 0, 0, signal=self.field.signal, noisy=False)

    def pull_back(self, gradient: npt.ArrayLike) -> Array:
        """Return the adjoint of the linear part of `realised`'s mean: rounding and overflow count as the identity.

        Parameters
        ----------
        gradient : (T, C, H, W)
            By the displacement.

        Returns
        -------
        ndarray, (T, C, H, W)
            By the activation, through the mean alone.
        """
        return self.realised.pull_back(gradient)

    def words(self, count: int, seed: int = 0, start: Start = 0, h: Any = None) -> npt.NDArray[np.int32]:
        """Draw as `sample` or, with activation words, as `perturb`: the words themselves.

        Parameters
        ----------
        count : int
            Draws.
        seed, start
            As in `sample`.
        h : (count, C, H, W) whole numbers, optional
            Activation words (`activation_words`); None: at mean zero.

        Returns
        -------
        ndarray of int32, (count, C, H, W)
            Values are words 2^-scale, each unit's own scale.

        Raises
        ------
        ArgumentError
            Words of another shape, or beyond the activation's bits.
        """
        out = np.empty((as_count("count", count), self.config.channels, self.config.units), np.int32)
        h3 = None if h is None else self._given_words(h, len(out))
        return self._draw(out, h3, seed, start, signal=h is not None)

    def mean_words(self, h: Any) -> npt.NDArray[np.int32]:
        """Return the words of the field without private noise.

        With stochastic rounding it still draws random words, those of seed 0.

        Parameters
        ----------
        h : (T, C, H, W) whole numbers
            Activation words.

        Returns
        -------
        ndarray of int32, (T, C, H, W)
            Values are words 2^-scale.
        """
        words = self._given_words(h)
        return self._draw(np.empty_like(words), words, 0, 0, signal=self.field.signal, noisy=False)

    def _whole(self, argument: str, words: Any, count: int | None = None) -> npt.NDArray[np.int64]:
        """Return words (T, m, N) as int64."""
        w = as_array(argument, words)
        m, units = self.config.channels, self.config.units
        if w.ndim != 3 or w.shape[1:] != (m, units) or w.dtype.kind not in "iu" or count not in (None, len(w)):
            raise ArgumentError(
                f"{argument} is {w.dtype} of shape {w.shape}: expected whole numbers "
                f"({'T' if count is None else count}, {m}, {units}), words"
            )
        return w.astype(np.int64)

    def _given_words(self, h: Any, count: int | None = None) -> npt.NDArray[np.int32]:
        """Return activation words (T, m, N) of words (T, C, H, W), in the range for which no sum overflows."""
        return given_words(h, self.config, self.formats.activation_bits, count).reshape(
            -1, self.config.channels, self.config.units
        )

    def activation_words(self, h: npt.ArrayLike) -> npt.NDArray[np.int32]:
        """Return the words of activations, as the chip's converter makes them: rounded half up, saturating.

        Parameters
        ----------
        h : (T, C, H, W)
            Activations.

        Returns
        -------
        ndarray of int32, (T, C, H, W)
            Of `formats.activation_bits`.

        Raises
        ------
        ArgumentError
            Wrong shape or dtype, or NaN.
        """
        h3 = as_activity("h", h, *self._layout)
        x = h3.reshape(-1, self.config.channels, *self.config.shape)
        return to_words(x, self.field.activation_scale, self.formats.activation_bits)

    def innovation_words(self, d: npt.NDArray[Any], h: npt.NDArray[Any] | None = None) -> npt.NDArray[np.int32]:
        """Return saturate(d - prediction) of displacement words.

        The prediction is that of a draw, of the words d themselves, without private noise; rounded half up, saturating.
        Units with `share` or `rank` predict from their neighbors alone, not from their own earlier channels.

        Parameters
        ----------
        d : (T, m, N) whole numbers
            Displacement words.
        h : (T, m, N) whole numbers, with signal dependence
            Activation words.

        Returns
        -------
        ndarray of int32, (T, m, N)
            Of `formats.word_bits`.

        Raises
        ------
        ArgumentError
            Other than whole numbers, another shape, h missing or superfluous.
        """
        if self.field.signal == (h is None):
            raise ArgumentError(
                f"h is {'missing' if h is None else 'given'}, but the chip grid has signal={self.config.signal!r}: "
                f"expected {'activation words' if h is None else 'displacement words alone'}"
            )
        top, words = self.formats.word_limit, self._whole("d", d)
        read = None if h is None else self._whole("h", h, len(words))
        return np.asarray(np.clip(words - self.field.predicted(words, read, self.formats), -top - 1, top), np.int32)

    # What the integers say

    @cached_property
    def realised(self) -> UnitGrid:
        """The float grid, float32, whose weights are the integers' values: exact law but for rounding and overflow.

        Raises
        ------
        ArgumentError
            A value is beyond float32, as with activations of 1e-36.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            field = realised(self.field, self.formats).astype(self.config.dtype)
        for name in WEIGHTS if self.config.narrow else ("a", "G", "B", "S", "gain"):
            if not np.isfinite(getattr(field, name)).all():
                raise ArgumentError(
                    f"{name} of this chip grid, in activation units, leaves the range of {self.config.dtype}: expected "
                    "activations and displacements of moderate size; rescale them"
                )
        return UnitGrid.of_field(self.config, field)

    def covariance(self, max_bytes: int = 4 * 2**30) -> npt.NDArray[np.float64]:
        """Return Sigma of `realised`: without rounding noise and overflow. O(n^3) time.

        Parameters
        ----------
        max_bytes : int
            That it may take.

        Returns
        -------
        ndarray of float64, (n, n)
            In squared activation units, n in C order of (C, H, W).

        Raises
        ------
        TooLargeError
            It would take more than `max_bytes`; the message says how much.
        """
        return self.realised.covariance(max_bytes)

    # Size

    @property
    def parameters(self) -> int:
        """Integers that the chip stores: weights, those that are shared once; biases of signal-dependent units."""
        f = self.field
        return int(f.weights.sum() + f.shared) + (self.config.neurons if f.signal else 0)

    @property
    def bytes_per_unit(self) -> float:
        """Mean bytes of weights and biases per unit, densely packed; what is shared, once."""
        f = self.field
        wide = BIAS_BITS if isinstance(f, NarrowWords) else self.formats.accumulator_bits
        bits = (f.weights.sum() + f.shared) * self.formats.weight_bits + self.config.neurons * wide * f.signal
        return float(bits / 8 / self.config.units)

    @property
    def wire_length(self) -> int:
        """As `UnitGrid.wire_length`."""
        return self.realised.wire_length

    def save(self, path: str | Path, *, state: bool = True) -> Path:
        """Write the chip grid to HDF5, aside and renamed; `load_chip` reads it.

        Parameters
        ----------
        path : str or Path
            The file; one that is there is replaced.
        state : bool
            Whether the learner's state is kept. Without it the file is small, but learning begins anew.

        Returns
        -------
        Path
            The file.
        """
        return save(self, path, state=state)

    def __repr__(self) -> str:
        c, f = self.config, self.formats
        return (
            f"ChipGrid({c.shape[0]}x{c.shape[1]} units x {c.channels}, {c.order}, signal {c.signal}; weights "
            f"{f.weight_bits} bit, words {f.word_bits} bit, {f.generator})"
        )

    # Inner parts

    @property
    def steps_per_draw(self) -> int:
        """Steps of a unit's generator per draw."""
        return steps_per_draw(self.config.channels, self.formats)

    @property
    def _layout(self) -> tuple[int, tuple[int, int], str]:
        return self.config.channels, self.config.shape, "float32"

    @cached_property
    def _integers(self) -> tuple[Any, ...]:
        return integers_of(self.field, self.formats)

    def _draw(self, out: Any, h: Any, seed: int, start: Start, *, signal: bool, noisy: bool = True) -> npt.NDArray[Any]:
        """Draw into `out` (T, m, N), and return it as (T, C, H, W)."""
        positions, seeds = as_positions(start, len(out)), self._seeds(int(as_seed(seed)))
        draw_into(out, h, self.field, self.formats, self._integers, seeds, positions, signal=signal, noisy=noisy)
        return np.asarray(out.reshape(len(out), self.config.channels, *self.config.shape))

    def _seeds(self, seed: int) -> npt.NDArray[np.uint32]:
        """Return the units' states at the start of the stream; the last seed's are kept."""
        if self._kept is None or self._kept[0] != seed:
            self._kept = (seed, states(GENERATORS[self.formats.generator], self.field.units, seed))
        return self._kept[1]
