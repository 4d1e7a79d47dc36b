"""The interface of a task, as experiments see it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from localnoise.sims.data.samples import Data
from localnoise.sims.models import CutNetwork
from localnoise.sims.perturbations import Modification

Bounds = tuple[float, float] | None
OWN_DATA = "task"  # in the place of "embedded" and "full", in records


class Workload(Protocol):
    """A network, its data, and what happens to its inputs.

    Attributes
    ----------
    name, description : str
        In records and tables; one sentence for lists.
    bounds : pair of float or None
        Of the inputs' values, for attacks.
    own : dict of str to Modification
        Perturbations of its own, which hide others of the same name.
    trained : bool
        Whether its networks come with trained weights.
    images : bool
        Whether its inputs are images (1, 28, 28) in [0, 1], which the modifications that ship are made for.
    longer : float
        Epochs relative to the preset's.
    two_sets : bool
        Whether there are an "embedded" and a "full" set of its data.
    """

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def description(self) -> str: ...  # noqa: D102
    @property
    def bounds(self) -> Bounds: ...  # noqa: D102
    @property
    def own(self) -> Mapping[str, Modification]: ...  # noqa: D102
    @property
    def trained(self) -> bool: ...  # noqa: D102
    @property
    def images(self) -> bool: ...  # noqa: D102
    @property
    def longer(self) -> float: ...  # noqa: D102
    @property
    def two_sets(self) -> bool: ...  # noqa: D102

    def data(self, which: str, data_dir: str | Path | None = None, seed: int = 0) -> Data:
        """Return the data of a seed.

        Parameters
        ----------
        which : str
            "embedded" (a part that ships) or "full", where there are two.
        data_dir : str, Path or None
            Where the full set's files lie; None: the usual place.
        seed : int
            Of the split, where the task has one.

        Returns
        -------
        Data
            For training and for testing.
        """

    def network(self, seed: int, activation: str = "tanh", layer: int | str | None = None) -> CutNetwork:
        """Return the network with the fresh weights of a seed, cut where the noise enters.

        Parameters
        ----------
        seed : int
            Of the weights.
        activation : str
            Name of the nonlinearity, where the task has a choice.
        layer : int, str or None
            After which it is cut; None: where the task says.

        Returns
        -------
        CutNetwork
            Front and back.
        """


def usual(task: Workload, text: str) -> str:
    """Return perturbations to train or test on where none are named: the task's own, or those of `text`."""
    return ",".join(task.own) if task.own else text
