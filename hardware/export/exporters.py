"""The protocol that every export format follows, and their registry."""

from pathlib import Path
from typing import Any, Protocol

from localnoise.hardware.emulator import ChipGrid
from localnoise.hardware.learners import Learner
from localnoise.registry import Registry

LEVEL = 0.01  # of a self-test: chance that it finds a sound device to be off, at most


class Exporter(Protocol):
    """A format: writes a chip grid as files that a toolchain or another program reads.

    A class whose `write` is a static method, a module or an object will do.

    Attributes
    ----------
    options : tuple of str
        Names of the keyword arguments that `write` takes of its own; all have a default.
    banks : bool, optional
        True where `write` takes a `ChipBank`, too.
    narrow : bool, optional
        True where `write` takes chip grids with `share` or `rank`, whose field is `NarrowWords`.
    repairs : bool, optional
        True where `write` takes a `ChipRepair`, too.
    networks : bool, optional
        True where `write` takes a network's `Program`, too.
    """

    @property
    def options(self) -> tuple[str, ...]: ...  # noqa: D102

    def write(self, chip: ChipGrid, folder: Path, seed: int, learner: Learner | None, **options: Any) -> None:
        """Write into `folder`, which exists and is empty; equal arguments must give equal bytes.

        Beside what is written come to lie the chip grid itself, chip.h5, and the manifest with every file's checksum.

        Parameters
        ----------
        chip : ChipGrid
            Or what else the format says that it takes: a `ChipBank`, a `ChipRepair`, a network.
        folder : Path
            It exists and is empty.
        seed : int
            The stream that the artefact draws after every start.
        learner : OnChip, OnChipReward or None
            Whether and how it learns on the chip.
        **options
            Those that `options` names.

        Raises
        ------
        ArgumentError
            The format cannot hold this: what it can, and what to do.
        """


EXPORTERS = Registry(
    "format",
    Exporter,
    group="localnoise.exporters",
    home="localnoise.hardware.export",
    first=("c99", "verilog", "json", "hdf5", "nir"),
)
"""Export formats by name. `EXPORTERS.register(name)` enters an `Exporter`."""
