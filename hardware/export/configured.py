"""A configuration as an artefact, and what reads it back in the place of a machine: the emulator, from that file."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from localnoise.errors import ArgumentError
from localnoise.hardware.bank import ChipBank
from localnoise.hardware.configuration import configure, read_hdf5, read_json, write_hdf5, write_json
from localnoise.hardware.configuration.bank import (
    configure_bank,
    read_bank_hdf5,
    read_bank_json,
    read_bank_nir,
    write_bank_hdf5,
    write_bank_json,
    write_bank_nir,
)
from localnoise.hardware.configuration.graph import read_nir, write_nir
from localnoise.hardware.emulator import ChipGrid
from localnoise.hardware.export.backends import BACKENDS
from localnoise.hardware.export.exporters import EXPORTERS
from localnoise.hardware.export.tables import packed
from localnoise.hardware.fixedpoint import to_values
from localnoise.hardware.learners import Learner, said_of

_Format = tuple[str, Callable[[Any, Path], Path], Callable[[Path], Any]]
_FILES: dict[str, _Format] = {
    "json": ("configuration.json", write_json, read_json),
    "hdf5": ("configuration.h5", write_hdf5, read_hdf5),
    "nir": ("graph.nir", write_nir, read_nir),
}
_BANKS: dict[str, _Format] = {
    "json": ("bank.json", write_bank_json, read_bank_json),
    "hdf5": ("bank.h5", write_bank_hdf5, read_bank_hdf5),
    "nir": ("bank.nir", write_bank_nir, read_bank_nir),
}


@dataclass(frozen=True)
class ConfigurationFile:
    """The configuration, unit by unit, as "json", "hdf5" or "nir"."""

    kind: str
    options: ClassVar = ("target",)
    banks: ClassVar = True

    @property
    def narrow(self) -> bool:
        """JSON and HDF5 hold grids with share or rank; NIR has no node for what units share."""
        return self.kind != "nir"

    def write(
        self, chip: ChipGrid | ChipBank, folder: Path, seed: int, learner: Learner | None, *, target: str = "ideal"
    ) -> None:
        """Write it into `folder`, with the limits of the chip profile `target`."""
        if isinstance(chip, ChipBank):
            if learner is not None:
                raise ArgumentError("learner was given with a bank, which does not learn on a chip: expected none")
            if chip.config.narrow:
                raise ArgumentError(
                    f"a bank was given with grids that have share={chip.config.share!r}, rank={chip.config.rank!r}: "
                    "expected one grid; quantise grid.widened() for more"
                )
            name, written, _ = _BANKS[self.kind]
            written(configure_bank(chip, seed=seed, target=target), folder / name)
            return
        name, written, _ = _FILES[self.kind]
        written(configure(chip, seed=seed, target=target, learner=learner), folder / name)


for _kind in _FILES:
    EXPORTERS.register(_kind)(ConfigurationFile(_kind))


def learn_words(chip: ChipGrid, rule: Learner, d: Any, h: Any, rewards: Any = None) -> None:
    """Let `chip` learn from displacement words d (T, m, N), or draws and their rewards, and activation words h."""
    shape = (len(d), chip.config.channels, *chip.config.shape)
    values = to_values(d, chip.field.scale, np.float64).reshape(shape)
    activation = None if h is None else to_values(h, chip.field.activation_scale, np.float64).reshape(shape)
    chip.learn(values, activation, rewards=rewards, **said_of(rule) or {})


@BACKENDS.register("file")
class Configured:
    """The configuration in `folder`, read back, and drawn from by the emulator; the same calls as `Host`."""

    formats: ClassVar = tuple(_FILES)
    functions: ClassVar = ("perturb", "mean", "seed", "innovation", "learn")

    @staticmethod
    def require() -> None:
        """Nothing: reading says what is missing."""

    def __init__(self, folder: Path, build: Path, chip: ChipGrid | ChipBank, name: str = "") -> None:
        entries = (_BANKS if isinstance(chip, ChipBank) else _FILES).values()
        name, _, read = next(entry for entry in entries if (folder / entry[0]).is_file())
        self._read = read(folder / name)
        self._chip, self._seed, self._drawn = self._read.chip, self._read.seed, 0

    def close(self) -> None:
        """Nothing to end."""

    def cost(self) -> str:
        """Say how much was read."""
        sets = f" of {len(self._chip.members)} members" if isinstance(self._chip, ChipBank) else ""
        return f"{len(self._read)} units{sets}, for {self._read.target}, read back"

    def draw(self, count: int) -> Any:
        """The next `count` draws, (count, m, N)."""
        return self._words(count, None)

    def perturb(self, h: Any) -> Any:
        """The next draw for each of the activation words h (T, m, N)."""
        return self._words(len(h), h)

    def mean(self, h: Any) -> Any:
        """The field without private noise for each of the activation words h (T, m, N)."""
        return self._chip.mean_words(h).reshape(h.shape)

    def seed(self, seed: int) -> None:
        """Begin the stream of `seed`."""
        self._seed, self._drawn = seed, 0

    def innovation(self, d: Any, h: Any) -> Any:
        """Innovation words of displacement words d, activation words h with signal dependence."""
        return self._chip.innovation_words(d, h)

    def learn(self, d: Any, h: Any) -> tuple[Any, Any]:
        """Learn from words d (T, m, N) in order, settle; draw so from then on. Return weights, packed, and biases."""
        assert self._chip.rule is not None
        learn_words(self._chip, self._chip.rule, d, h)
        return packed(self._chip)[0], self._chip.field.bias

    def _words(self, count: int, h: Any) -> Any:
        words = self._chip.words(count, self._seed, self._drawn, h)
        self._drawn += count
        return words.reshape(count, self._chip.config.channels, -1)
