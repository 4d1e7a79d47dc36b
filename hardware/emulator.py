"""The chip, emulated to the bit, behind the interface of `UnitGrid`: what the torch layer and experiments take."""

from copy import copy
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from localnoise import UnitGrid
from localnoise.cautions import warn_of_few
from localnoise.config import GridConfig
from localnoise.errors import ArgumentError
from localnoise.hardware.fixedpoint import given_words, to_words
from localnoise.hardware.formats import NORMALS, ROUNDINGS, Formats
from localnoise.hardware.generators import GENERATORS, states
from localnoise.hardware.generators.seeding import leaps
from localnoise.hardware.learning import OnChip, State, observe, refuse_overflow, settle, start
from localnoise.hardware.narrow import BIAS_BITS, MAPS, SWEPT, NarrowWords
from localnoise.hardware.narrow_ranges import refuse_narrow
from localnoise.hardware.ranges import refuse_out_of_range
from localnoise.hardware.realised import realised
from localnoise.hardware.saving import save
from localnoise.hardware.words import IntegerField
from localnoise.kernels.threads import worker_count
from localnoise.narrow import WEIGHTS
from localnoise.validate import Array, Start, as_activity, as_array, as_count, as_out, as_positions, as_seed

_TILE, _BUFFER = 128, 1_800_000  # draws swept together, or half of them where their words take more bytes than this


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
        self.provenance: dict[str, Any] = {}

    # Learning

    def learn(self, d: Any, h: Any = None, rule: str = "lms", **options: Any) -> Self:
        """Learn on the chip, in integers, from displacements d (T, C, H, W), and activations h with signal dependence.

        Call again to go on, with the same rule and options. All or nothing, as `UnitGrid.learn`. Displacements become
        words at the units' scales: quantise with d=..., so that they fit.

        Parameters
        ----------
        rule : str
            "lms" or "sign-lms"; `options` are those of `hardware.learning.OnChip`.

        Raises
        ------
        ArgumentError
            Wrong shape, h missing or superfluous, weights that learning may reach could overflow an accumulator, or a
            grid with `share` or `rank`, whose weights no unit learns by itself.
        """
        chosen = OnChip(rule=rule, **options)
        if isinstance(self.field, NarrowWords):
            raise ArgumentError(
                f"rule={rule!r}: it writes weights for every unit alone, and this grid shares or reduces them (share=, "
                "rank=): expected a grid without; learn before quantising, or quantise grid.widened()"
            )
        refuse_overflow(self.field, self.formats, self.config.shape[1])
        d3 = as_activity("d", d, *self._layout)
        if self.field.signal == (h is None):
            raise ArgumentError(
                f"h is {'missing' if h is None else 'given'}, but the chip grid has signal={self.config.signal!r}: "
                f"expected {'the activations that were displaced' if h is None else 'displacements alone'}"
            )
        h3 = d3[:, :, :0] if h is None else as_activity("h", h, *self._layout)
        f, formats = self.field, self.formats
        activation = to_words(h3, f.activation_scale, formats.activation_bits)
        going_on = self.rule == chosen and self.state is not None
        state = {k: copy(v) for k, v in self.state.items()} if going_on and self.state else start(f, formats, chosen)
        observe(f, formats, chosen, state, to_words(d3, f.scale, formats.word_bits), activation)
        learned = {"field": settle(f, formats, chosen, state), "rule": chosen, "state": state}
        kept = {name: value for name, value in vars(self).items() if name not in ("realised", "_integers")}
        self.__dict__ = kept | learned  # one step of the interpreter: what is derived from the old field goes with it
        if not going_on:
            warn_of_few(f, state["seen"], stacklevel=3)
        return self

    # Drawing

    def sample(self, count: int, seed: int = 0, start: Start = 0, out: Any = None) -> Array:
        """Draw `count` samples of the noise, (count, C, H, W) float32; of a signal-dependent field at mean zero.

        Sample t depends on (seed, start + t) alone. Each unit's generator begins at its place of one common sequence
        (`generators.seeding`), which `seed` shifts; draw t uses its steps t S to (t + 1) S.
        """
        eta = as_out(out, as_count("count", count), *self._layout)
        return np.asarray(self._shaped(self._draw(eta, None, seed, start, signal=False)))

    def perturb(self, h: npt.ArrayLike, seed: int = 0, start: Start = 0, out: Any = None) -> Array:
        """One draw for each activation h (T, C, H, W), which becomes activation words first: mean(h) + noise."""
        h3 = as_activity("h", h, *self._layout)
        eta = as_out(out, len(h3), *self._layout)
        return np.asarray(self._shaped(self._draw(eta, h3, seed, start, signal=self.field.signal)))

    def mean(self, h: npt.ArrayLike) -> Array:
        """Return the field without private noise, (T, C, H, W): rounding and overflow included."""
        h3 = as_activity("h", h, *self._layout)
        drawn = self._draw(np.empty_like(h3), h3, 0, 0, signal=self.field.signal, noisy=False)
        return np.asarray(self._shaped(drawn))

    def pull_back(self, gradient: npt.ArrayLike) -> Array:
        """Adjoint of the linear part of `realised`'s mean: rounding and overflow count as the identity."""
        return self.realised.pull_back(gradient)

    def words(self, count: int, seed: int = 0, start: Start = 0, h: Any = None) -> npt.NDArray[np.int32]:
        """Draw as `sample` or, with activation words h (count, C, H, W), as `perturb`: the words themselves, int32."""
        out = np.empty((as_count("count", count), self.config.channels, self.config.units), np.int32)
        h3 = None if h is None else self._given_words(h, len(out))
        return np.asarray(self._shaped(self._draw(out, h3, seed, start, signal=h is not None)))

    def mean_words(self, h: Any) -> npt.NDArray[np.int32]:
        """Return the words of the field without private noise, for activation words h (T, C, H, W); int32.

        With stochastic rounding it still draws random words, those of seed 0.
        """
        words = self._given_words(h)
        drawn = self._draw(np.empty_like(words), words, 0, 0, signal=self.field.signal, noisy=False)
        return np.asarray(self._shaped(drawn))

    def _given_words(self, h: Any, count: int | None = None) -> npt.NDArray[np.int32]:
        """Return activation words (T, m, N) of words (T, C, H, W), in the range for which no sum overflows."""
        return given_words(h, self.config, self.formats.activation_bits, count).reshape(
            -1, self.config.channels, self.config.units
        )

    def activation_words(self, h: npt.ArrayLike) -> npt.NDArray[np.int32]:
        """Return the words of activations h (T, C, H, W), int32, as the chip's converter makes them."""
        return to_words(h, self.field.activation_scale, self.formats.activation_bits)

    def innovation_words(self, d: npt.NDArray[Any], h: npt.NDArray[Any] | None = None) -> npt.NDArray[np.int32]:
        """Return saturate(d - prediction) of displacement words d (T, m, N), and activation words h; (T, m, N) int32.

        The prediction is that of a draw, of the words d themselves, without private noise; rounded half up, saturating.
        Units with `share` or `rank` predict from their neighbors alone, not from their own earlier channels.
        """
        f, top = self.field, self.formats.word_limit
        words = as_array("d", d).astype(np.int64)
        if isinstance(f, NarrowWords):
            read = None if h is None else as_array("h", h).astype(np.int64)
            return np.asarray(np.clip(words - f.predicted(words, read, self.formats), -top - 1, top), np.int32)
        out = np.empty(d.shape, np.int32)
        for u in range(f.units):
            near, read = (slots[u][slots[u] >= 0] for slots in (f.parents, f.readers))
            own = np.einsum("ij,tj->ti", f.L[u].astype(np.int64), words[:, :, u])
            acc = (_rows(f.B[u], f.parents[u] >= 0, words[:, :, near]) + own) << int(f.lift[u, 1])
            if h is not None:
                acc += f.bias[u] + (
                    _rows(f.G[u], f.readers[u] >= 0, as_array("h", h).astype(np.int64)[:, :, read]) << int(f.lift[u, 0])
                )
            bits = int(f.fraction[u])
            guess = np.clip((acc + (1 << bits >> 1)) >> bits, -top - 1, top)
            out[:, :, u] = np.clip(words[:, :, u] - guess, -top - 1, top)
        return out

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
        """Sigma of `realised`, (n, n): without rounding noise and overflow."""
        return self.realised.covariance(max_bytes)

    # Size

    @property
    def parameters(self) -> int:
        """Integers that the chip stores: weights, those that are shared once; biases of signal-dependent units."""
        f = self.field
        shared = f.shared if isinstance(f, NarrowWords) else 0
        return int(f.weights.sum()) + shared + (self.config.neurons if f.signal else 0)

    @property
    def bytes_per_unit(self) -> float:
        """Mean bytes of weights and biases per unit, densely packed; what is shared, once."""
        f = self.field
        narrow = isinstance(f, NarrowWords)
        bits = (f.weights.sum() + (f.shared if isinstance(f, NarrowWords) else 0)) * self.formats.weight_bits
        bits += self.config.neurons * (BIAS_BITS if narrow else self.formats.accumulator_bits) * f.signal
        return float(bits / 8 / self.config.units)

    @property
    def wire_length(self) -> int:
        """As `UnitGrid.wire_length`."""
        return self.realised.wire_length

    def save(self, path: str | Path, *, state: bool = True) -> Path:
        """Write the chip grid to HDF5, aside and renamed. Without `state` it is small, but learning begins anew."""
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
        f, generator = self.formats, GENERATORS[self.formats.generator]
        more = generator.steps(4) if f.rounding == "stochastic" else 0
        return self.config.channels * (generator.steps(f.normal_bytes) + more)

    @property
    def _layout(self) -> tuple[int, tuple[int, int], str]:
        return self.config.channels, self.config.shape, "float32"

    @cached_property
    def _integers(self) -> tuple[Any, ...]:
        """The arrays in the order and dtype in which the kernels take them."""
        f, dtype = self.field, np.int64 if self.formats.wide else np.int32
        if isinstance(f, NarrowWords):
            a = {name: array.astype(dtype) if name in MAPS else array for name, array in f.arrays.items()}
            a["outward"] = np.ascontiguousarray(a["inward"].T)
            return tuple(a[name] for name in SWEPT)
        G, B, L = (w.astype(dtype) for w in (f.G, f.B, f.L))
        return (f.order, f.parents, f.readers, f.bias, G, B, L, f.s, f.lift, f.fraction)

    def _draw(self, out: Any, h: Any, seed: int, start: Start, *, signal: bool, noisy: bool = True) -> Any:
        f, formats = self.field, self.formats
        if isinstance(f, NarrowWords):
            from localnoise.hardware.kernels.narrow import draw_narrow as draw
        else:
            from localnoise.hardware.kernels.sweep import draw
        positions, key = as_positions(start, len(out)), int(as_seed(seed))
        most = _TILE if 4 * _TILE * self.config.neurons <= _BUFFER else _TILE // 2
        together = min(most, -(-max(len(out), 1) // (16 * worker_count())) * 16)
        apart = np.any(positions[1:] != positions[:-1] + np.uint64(1))
        integers, words = self._integers, np.empty((0, *out.shape[1:]), np.int32)
        if signal:
            words = h if h.dtype == np.int32 else to_words(h, f.activation_scale, formats.activation_bits)
        else:  # no unit reads
            at = next(k for k, array in enumerate(integers) if array is f.bias)
            integers = (*integers[:2], f.readers[:, :0], *integers[3:at], np.zeros_like(f.bias), *integers[at + 1 :])
        rules = (ROUNDINGS.index(formats.rounding), np.int64(formats.word_limit + 1), formats.overflow == "saturate")
        generator = GENERATORS[formats.generator]
        source = (generator.kind, formats.normal_bytes, NORMALS.index(formats.normal))
        gain = np.ones(len(f.scale), np.int64) if out.dtype == np.int32 else np.ldexp(1.0, -f.scale).astype(np.float32)
        seeds = self._seeds(key)
        for rows in _runs(len(out), apart):  # a draw by itself where positions are not consecutive
            tiles = -(-len(out[rows]) // together)
            steps = self.steps_per_draw
            begin = leaps(generator, seeds, int(positions[rows][0]) * steps, together * steps, tiles)
            part = words[rows] if signal else words
            draw(out[rows], part, begin, integers, (*rules, noisy), gain, source, together, parts=tiles)
        return out

    def _seeds(self, seed: int) -> npt.NDArray[np.uint32]:
        """Return the units' states at the start of the stream; the last seed's are kept."""
        if self._kept is None or self._kept[0] != seed:
            self._kept = (seed, states(GENERATORS[self.formats.generator], self.field.units, seed))
        return self._kept[1]

    def _shaped(self, flat: Any) -> Any:
        return flat.reshape(len(flat), self.config.channels, *self.config.shape)


def _runs(count: int, apart: Any) -> list[slice]:
    return [slice(t, t + 1) for t in range(count)] if apart else [slice(0, count)] if count else []


def _rows(weights: npt.NDArray[Any], there: npt.NDArray[np.bool_], words: npt.NDArray[np.int64]) -> Any:
    """Products (T, m) of a unit's weights (m, k m) with the words (T, m, l) of its l existing neighbours."""
    kept = weights[:, np.repeat(there, weights.shape[0])].astype(np.int64)
    return np.einsum("ij,tj->ti", kept, words.transpose(0, 2, 1).reshape(len(words), kept.shape[1]))
