"""The task of a command: which network on which data, and after which layer its noise enters."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from localnoise.sims import tasks
from localnoise.sims.tasks import OWN_DATA, Workload, usual

DEFAULT = "v2"


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """A task, and where its network is cut.

    Attributes
    ----------
    task : Workload
        Its own perturbations are known by their names.
    activation : str
        Of the paper's networks.
    layer : int or str
        Of the paper's networks a number; of another task a module's name.
    """

    task: Workload
    activation: str = "tanh"
    layer: int | str = 2

    @classmethod
    def of(cls, task: str = DEFAULT, activation: str = "tanh", layer: str | int | None = None) -> Self:
        """Return the task of this name or file, its network tried on paper.

        Raises
        ------
        ArgumentError
            No such task or layer, or a file that cannot be used.
        """
        found = tasks.mounted(task)
        return cls(task=found, activation=activation, layer=found.network(0, activation, layer).layer)

    @property
    def own_data(self) -> bool:
        """Whether the task brings data of its own, not Fashion-MNIST's two sets."""
        return not self.task.two_sets

    @property
    def title(self) -> str:
        """Beginning of a title: the task where it is not the paper's v2."""
        return "" if self.task.name == DEFAULT else f"{self.task.name}, "

    def epochs(self, count: int) -> int:
        """Return the epochs of this task where a preset says `count`."""
        return max(1, round(count * self.task.longer))

    def settings(self, data: str, data_dir: Path | None) -> dict[str, Any]:
        """Return the fields of `Settings` that say what is trained on what."""
        said = self.fields(data)
        return said | {"fingerprint": self.task.data(said["data"], data_dir).fingerprint}

    def fields(self, data: str) -> dict[str, Any]:
        """Return those of `settings`, but for the fingerprint, without loading any data."""
        which = OWN_DATA if self.own_data else data
        return {"data": which, "network": self.task.name, "activation": self.activation, "layer": self.layer}

    def usual(self, text: str, default: str) -> str:
        """Return perturbations as they were named; where the default stands, a task's own come in its place."""
        return usual(self.task, text) if text == default else text
