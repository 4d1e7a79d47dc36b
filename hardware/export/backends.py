"""The protocol that every verifying back end follows, and their registry: what builds an artefact, and runs it."""

from typing import Any, ClassVar, Protocol

import numpy as np
import numpy.typing as npt

from localnoise.registry import Registry

Ints = npt.NDArray[np.integer[Any]]


class Verifier(Protocol):
    """A back end: an artefact, built and ready, whose words `verify` compares with the emulator's.

    Called as `backend(folder, build, chip, name)`: `folder` holds the artefact's checked files, `build` is an empty
    folder to build in, `chip` the grid that was exported, `name` what its files and functions begin with. It begins at
    the start of its stream, the one that it was exported with. m channels of N units; T presentations.

    Attributes
    ----------
    formats : tuple of str
        Of the class: the export formats that it runs.
    functions : tuple of str
        Of the class: which of the methods "perturb", "mean", "seed", "innovation", "learn" and "reward" it has beside
        `draw`; "test" for one that tests itself, which has `begin_test`, `test` and `judge`; "hardships" for a circuit,
        which has `clocks`, `press(gaps)` and `reset_after(clocks)`.
    """

    formats: ClassVar[tuple[str, ...]]
    functions: ClassVar[tuple[str, ...]]

    @staticmethod
    def require() -> None:
        """Raise a MissingDependencyError unless all that it needs is there."""

    def close(self) -> None:
        """End what runs."""

    def cost(self) -> str:
        """Return a sentence about the program's size and a draw's price.

        Returns
        -------
        str
            "" where it does not know.
        """

    def draw(self, count: int) -> Ints:
        """Return the next draws.

        Parameters
        ----------
        count : int
            How many.

        Returns
        -------
        ndarray of integers, (count, m, N)
            Words.
        """


BACKENDS = Registry(
    "backend",
    Verifier,
    group="localnoise.backends",
    home="localnoise.hardware.export",
    first=("host", "cortex-m", "verilator", "file"),
)
"""Verifying back ends by name. `BACKENDS.register(name)` enters a `Verifier`."""


def backends_of(kind: str) -> tuple[str, ...]:
    """Return the names of the back ends that run artefacts of this format."""
    return tuple(name for name, backend in BACKENDS.available().items() if kind in backend.formats)
