"""What joins a network at one place: a grid's noise, or a repair; in the words of the network's value there."""

from typing import Any

import numpy as np
import numpy.typing as npt

from localnoise.errors import ArgumentError
from localnoise.hardware.bank import ChipBank
from localnoise.hardware.emulator import ChipGrid
from localnoise.hardware.network import chain
from localnoise.hardware.network.windows import Shape
from localnoise.hardware.repair import ChipRepair

Ints = npt.NDArray[np.int32]


def rescaled(words: Any, scale: int, to_scale: int, to_bits: int) -> Ints:
    """Return words of one scale as words of another: shifted left, or right and rounded half up; saturated."""
    x, up, top = np.asarray(words, np.int64), to_scale - scale, 2 ** (to_bits - 1)
    moved = x << np.int64(min(up, 40)) if up >= 0 else (x + (np.int64(1) << np.int64(-up - 1))) >> np.int64(-up)
    return np.clip(moved, -top, top - 1).astype(np.int32)


class Entry:
    """A chip's grid, bank or repair at a value of shape (C, H, W).

    Parameters
    ----------
    chip : ChipGrid, ChipBank or ChipRepair
    seed : int
        Of its stream.

    Attributes
    ----------
    repairs : bool
    bits : int
        Of a word of the noise; 0 of a repair.
    scales : (units,) int64
        Of each unit's noise.
    """

    def __init__(self, chip: ChipGrid | ChipBank | ChipRepair, seed: int = 0) -> None:
        given: Any = chip
        if not isinstance(given, (ChipGrid, ChipBank, ChipRepair)):
            raise ArgumentError(f"chip is {type(given).__name__}: expected what localnoise.hardware.quantise returns")
        self.chip, self.seed = chip, seed
        self.one: Any = chip
        if isinstance(chip, ChipBank):
            self.one = chip.members[0]
        self.repairs = isinstance(chip, ChipRepair)
        self.bits = 0 if isinstance(chip, ChipRepair) else chip.formats.word_bits
        self.scales = np.asarray(np.zeros(1) if self.repairs else self.one.field.scale, np.int64)

    @property
    def signal(self) -> bool:
        """True if it reads the activation."""
        return self.repairs or bool(self.one.field.signal)

    def refuse_other(self, place: str, shape: Shape, bits: int, scale: int) -> None:
        """Raise an ArgumentError unless it lies on a value of this shape; a repair: of these words."""
        if isinstance(self.chip, ChipRepair):
            chain.refuse_other(self.chip, place, shape, bits, scale)
            return
        config = self.chip.config
        own = (config.channels, *config.shape)
        vector = shape[1:] == (1, 1) and own == (1, 1, shape[0])
        if own != shape and not vector:
            raise ArgumentError(
                f"place={place!r} gives {shape}, and the chip's units lie on {own}: expected a grid of this layer"
            )

    def read(self, words: Any, scale: int) -> Ints:
        """Return the activation words (T, C, H, W) that it reads, of a network's words at `scale`."""
        config = self.chip.config
        shaped = np.asarray(words).reshape(-1, config.channels, *config.shape)
        return rescaled(shaped, scale, self.one.field.activation_scale, self.chip.formats.activation_bits)

    def words(self, words: Any, bits: int, scale: int, start: int = 0) -> Ints:
        """Return the noise's words, one draw for each activation; of a repair, the repaired words."""
        if isinstance(self.chip, ChipRepair):
            return np.asarray(chain.undone(self.chip, words, None)[0], np.int32)
        read = self.read(words, scale) if self.signal else None
        return self.chip.words(len(words), self.seed, start, read).reshape(np.shape(words))

    def values(self, eta: Ints) -> npt.NDArray[np.float32]:
        """Return the values of the noise's words."""
        config = self.chip.config
        shaped = eta.reshape(-1, config.channels, *config.shape).astype(np.float64)
        return np.ldexp(shaped, -self.scales.reshape(config.shape)).astype(np.float32)
