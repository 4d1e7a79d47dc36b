"""A device judged from its words: observed draw by draw, then a verdict that names the unit and the link."""

from typing import Any, Self

import numpy as np
import numpy.typing as npt

from localnoise.errors import ArgumentError
from localnoise.hardware.audit import judging, power
from localnoise.hardware.audit.reasons import Reasons
from localnoise.hardware.audit.residuals import Residuals, as_level, refuse_other
from localnoise.hardware.audit.sums import KEPT, Sums
from localnoise.hardware.audit.verdict import Verdict
from localnoise.hardware.fixedpoint import to_values, to_words
from localnoise.validate import as_activity, as_array, as_count, as_seed

LEAST = 256  # draws: with fewer the tails of the statistics are not those of a normal law
_CHUNK_NUMBERS = 2**21


class DeviceAudit:
    """An audit: does a device still draw the noise of its chip grid? Judged from the words that it put out.

    A unit's private noise is taken out of its words, exactly, since all that it read is known. In a sound device it is
    of mean 0, variance 1 and independent of everything: each way not to be is tested, unit by unit and link by link,
    with a chance of at most `level` that a sound device is called unsound. Cost O(T m^2 (K + R)) a unit, memory
    O(units x parents) and 2^26 numbers, however long the stream.

    Parameters
    ----------
    chip : ChipGrid
        What the device should draw.
    level : float
        Chance of a false alarm, of a whole device.

    Examples
    --------
    >>> import numpy as np, localnoise as ln
    >>> from localnoise.hardware import quantise
    >>> from localnoise.hardware.audit import DeviceAudit
    >>> d = np.random.default_rng(0).normal(size=(2000, 2, 3, 3)).cumsum(axis=3).astype("float32")
    >>> chip = quantise(ln.UnitGrid((3, 3), 2).learn(d))
    >>> DeviceAudit(chip).observe(chip.words(2000, seed=7)).verdict(seed=7).sound
    True
    """

    def __init__(self, chip: Any, level: float = 0.01) -> None:
        self.level, self.chip = as_level(level), refuse_other(chip)
        self.residuals = Residuals(self.chip)
        self.sums = Sums(self.residuals)
        self._expected = np.zeros((self.chip.config.channels, self.chip.config.units), np.int64)
        self._emulated, self._torn = 0, False

    @property
    def draws_needed(self) -> int:
        """Draws that show a private noise that is off by 10 % in any neuron, nine times of ten."""
        return max(LEAST, power.draws_needed(self.residuals, level=self.level))

    def observe(self, words: Any, h: Any = None) -> Self:
        """Take draws in the order in which the device made them; call again to go on.

        Parameters
        ----------
        words : (T, C, H, W)
            Whole numbers: the words. Floating point: their values, as `ChipGrid.sample` gives them.
        h : (T, C, H, W), optional
            Activations of a signal-dependent grid, words or values, for which the draws were made; None: draws at mean
            zero.

        Returns
        -------
        DeviceAudit
            Itself.

        Raises
        ------
        ArgumentError
            Wrong shape; values that are no words of this grid; activations of a grid that reads none.
        """
        given = self._words("words", words, self.chip.field.scale, self.chip.formats.word_bits)
        read = None
        if h is not None:
            if not self.chip.field.signal:
                raise ArgumentError(
                    "h was given, but the grid reads no activation (signal='none'): expected words alone"
                )
            read = self._words("h", h, self.chip.field.activation_scale, self.chip.formats.activation_bits)
            if len(read) != len(given):
                raise ArgumentError(f"h has {len(read)} activations, words has {len(given)} draws: expected as many")
        self._torn = True
        size = max(_CHUNK_NUMBERS // given[:1].size, 1) if len(given) else 1
        for begin in range(0, len(given), size):
            part = slice(begin, begin + size)
            own = None if read is None else read[part]
            self.sums.add(given[part].astype(np.int64), None if own is None else own.astype(np.int64))
            self._emulate(len(given[part]), own)
        self._torn = False
        return self

    def verdict(self, seed: int | None = None, start: int = 0) -> Verdict:
        """Judge what was observed.

        Parameters
        ----------
        seed : int, optional
            Of the device: then each unit must draw its own stream, from draw `start` on.
        start : int
            Number of the first draw.

        Returns
        -------
        Verdict
            What was found, and what would have been.

        Raises
        ------
        ArgumentError
            Fewer than 256 draws, or `observe` was interrupted.
        """
        if self._torn:
            raise ArgumentError("observe was interrupted, and some sums lack its last draws: begin a new DeviceAudit")
        count = self.sums.count
        if count < LEAST:
            raise ArgumentError(
                f"words has {count} draws: expected at least {LEAST}; {self.draws_needed:,} show a noise that is off "
                "by 10 % in any neuron"
            )
        known = None if seed is None else int(as_seed(seed))
        found = Reasons(self.sums, self.level, self._expected, self._emulated).found(known, as_count("start", start))
        return Verdict(
            draws=count,
            level=self.level,
            findings=found,
            power=power.stated(self.sums, self.level),
            untested=int((~self.residuals.tested).sum()),
            seed=known,
        )

    def p_values(self) -> dict[str, npt.NDArray[np.float64]]:
        """Return each neuron's least p-value by family of tests: for maps. Those of links are of m L tests, L of them.

        Returns
        -------
        dict of str to ndarray of float64, (C, H, W)
            "mean", "prediction", "spread", "past" and "link".
        """
        z, shape = judging.z_of(self.sums), (self.chip.config.channels, *self.chip.config.shape)
        out = {name: judging.normal(z[name]) for name in ("mean", "prediction")}
        out["spread"] = judging.spread(self.sums)
        out["past"] = judging.normal(z["past"]).min(axis=0)
        out["link"] = np.stack([judging.normal(each).min(axis=1) for each in judging.links(self.sums)], axis=1)
        return {name: p.reshape(shape) for name, p in out.items()}

    def _words(self, name: str, given: Any, scale: Any, bits: int) -> npt.NDArray[np.int32]:
        shape, units = self.chip.config.shape, self.chip.config.units
        layout = (self.chip.config.channels, *shape)
        array = as_array(name, given)
        if array.ndim != 4 or array.shape[1:] != layout:
            raise ArgumentError(
                f"{name} has shape {array.shape}: expected (T, {', '.join(map(str, layout))}), draws of this chip "
                "grid; words of another grid?"
            )
        flat = array.reshape(len(array), layout[0], units)
        if np.issubdtype(flat.dtype, np.floating):
            if name == "h":  # as the chip's converter takes them
                flat = as_activity(name, array, layout[0], shape, np.float32)
            words = to_words(flat, scale, bits)
            if name == "words" and not np.array_equal(to_values(words, scale), flat.astype(np.float32)):
                wrong = float(np.mean(to_values(words, scale) != flat.astype(np.float32)))
                raise ArgumentError(
                    f"words has values that are no words of this grid ({wrong:.1%} of them): expected multiples of "
                    "2^-scale within the words' range; words of another grid, or values that were rounded on the way?"
                )
            return words
        least, most = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
        if not np.issubdtype(flat.dtype, np.integer) or flat.min(initial=0) < least or flat.max(initial=0) > most:
            raise ArgumentError(f"{name} of {flat.dtype}: expected whole numbers of {bits} bits, {least} to {most}")
        return flat.astype(np.int32)

    def _emulate(self, count: int, h: Any) -> None:
        """Count how often words of an emulated chip stand at their limit; of the first `KEPT` draws."""
        few = min(count, KEPT - self._emulated)
        if few <= 0:
            return
        layout = (few, self.chip.config.channels, *self.chip.config.shape)
        read = None if h is None else h[:few].reshape(layout)
        limit = self.chip.formats.word_limit
        words = self.chip.words(few, seed=0x5EED, start=self._emulated, h=read).reshape(few, *self._expected.shape)
        self._expected += ((words >= limit) | (words <= -limit - 1)).sum(axis=0)
        self._emulated += few
