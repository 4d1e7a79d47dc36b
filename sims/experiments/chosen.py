"""The task of a command: which network on which data, and after which layer its noise enters."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor

from localnoise.errors import ArgumentError
from localnoise.sims import tasks
from localnoise.sims.attacks import ATTACKS
from localnoise.sims.evaluation.names import check_shapes
from localnoise.sims.models.registry import SIDE
from localnoise.sims.models.training import BACKPROP, check_training
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
    training : str
        How its networks learn.
    """

    task: Workload
    activation: str = "tanh"
    layer: int | str = 2
    training: str = BACKPROP

    @classmethod
    def of(
        cls,
        task: str = DEFAULT,
        activation: str = "tanh",
        layer: str | int | None = None,
        training: str = BACKPROP,
    ) -> Self:
        """Return the task of this name or file, its network tried on paper.

        Raises
        ------
        ArgumentError
            No such task, layer or training, a file that cannot be used, or a network that cannot be trained so.
        """
        found = tasks.mounted(task)
        if taken := sorted({*found.own} & {*ATTACKS}):
            raise ArgumentError(
                f"task={task!r}: its perturbation {taken[0]!r} has the name of an attack: expected another one, such "
                f"as {taken[0]}_own"
            )
        network = found.network(0, activation, layer)
        if training != BACKPROP:
            if found.trained:
                raise ArgumentError(
                    f"training={training!r}: the networks of task {found.name!r} come with trained weights: expected a "
                    "task whose networks are trained here; make it with trained=False"
                )
            check_training(training, network, few_of(found))
        return cls(task=found, activation=activation, layer=network.layer, training=training)

    def few(self) -> Tensor:
        """Return a few inputs, with which a network is tried on paper."""
        return few_of(self.task)

    def check_inputs(self, names: Iterable[str]) -> None:
        """Refuse now what workers would refuse after training: modifications that are made for other inputs."""
        check_shapes(names, self.few().shape)

    @property
    def own_data(self) -> bool:
        """True if the task brings data of its own, not Fashion-MNIST's two sets."""
        return not self.task.two_sets

    @property
    def title(self) -> str:
        """Beginning of a title: the task where it is not the paper's v2, the training where it is a local rule."""
        own = "" if self.task.name == DEFAULT else f"{self.task.name}, "
        return own if self.training == BACKPROP else f"{own}trained by {self.training}, "

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
        said = {"data": which, "network": self.task.name, "activation": self.activation, "layer": self.layer}
        return said if self.training == BACKPROP else said | {"training": self.training}

    def usual(self, text: str, default: str) -> str:
        """Return perturbations as they were named; where the default stands, a task's own come in its place."""
        return usual(self.task, text) if text == default else text


def few_of(task: Workload) -> Tensor:
    """Return a few inputs of a task; no image is read for Fashion-MNIST's."""
    return torch.zeros(2, 1, SIDE, SIDE) if task.two_sets else task.data(OWN_DATA).pair("train")[0][:2]
