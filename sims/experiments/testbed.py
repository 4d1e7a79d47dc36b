"""The workbench that the arms of a seed share: its trained network, its activations, each source's displacements."""

from copy import copy
from dataclasses import dataclass, replace
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from localnoise.errors import ArgumentError, FileFormatError, first_line
from localnoise.files import write_bytes
from localnoise.sims import perturbations, tasks
from localnoise.sims.attacks import ATTACKS, PGD, Attack
from localnoise.sims.data.samples import Data
from localnoise.sims.evaluation.source import DRIFT, Source
from localnoise.sims.experiments.settings import Settings
from localnoise.sims.models import CutNetwork, folded, training
from localnoise.sims.runtime.spool import Spool
from localnoise.sims.tasks import Workload

_KEPT = "the FILE.pt of a trained network, as an experiment keeps it in its folder"
_TRAIN, _TEST = 1, 2  # streams of a seed: a test image never meets the draw that a training image met


def weights_in(path: Path) -> dict[str, Any]:
    """Return the weights of a network that was kept, {"front": ..., "back": ...}.

    Raises
    ------
    FileFormatError
        The file is damaged: Torch itself reads a changed byte without a word.
    """
    try:
        return _read(path)
    except Exception as error:  # whatever a damaged archive makes Python and Torch say
        raise FileFormatError(
            f"{path}: damaged ({first_line(error)}); remove it, and the network is trained again"
        ) from error


def given_weights(path: Path, network: CutNetwork) -> None:
    """Put the weights of a file that the user named into a network.

    Raises
    ------
    FileFormatError
        It is missing, holds no network's weights, or another network's. Nothing tells the user to remove it: it is his.
    """
    if not path.is_file():
        raise FileFormatError(f"--weights {path}: no such file; expected {_KEPT}")
    try:
        kept = _read(path)
    except KeyError:
        raise FileFormatError(
            f"--weights {path}: holds no 'front' and 'back'; expected {_KEPT}; weights of your own come in by a task "
            "with trained=True, whose model() loads them"
        ) from None
    except Exception as error:  # whatever a damaged archive makes Python and Torch say
        raise FileFormatError(f"--weights {path}: cannot be read ({first_line(error)}); expected {_KEPT}") from error
    try:
        network.restore(kept)
    except ArgumentError as error:
        said = str(error).removeprefix("weights: ")
        raise FileFormatError(f"--weights {path}: {said}; name the file of this task's network") from None


def _read(path: Path) -> dict[str, Any]:
    with ZipFile(path) as archive:
        wrong = archive.testzip()
    if wrong is not None:
        raise ValueError(f"checksum of {wrong}")
    kept = torch.load(path, weights_only=True)
    return {"front": dict(kept["front"]), "back": dict(kept["back"])}


def network_path(settings: Settings, folder: Path, seed: int) -> Path:
    """Return the file of a seed's trained network under these settings."""
    s = settings
    made = (s.network, s.activation, s.layer, s.training)
    return _network_file(folder, *made, s.fingerprint, s.base_epochs, seed, s.stopped)


def _network_file(
    folder: Path, name: str, activation: str, layer: int | str, by: str, fingerprint: str, epochs: int, seed: int,
    stopped: int | None = None,
) -> Path:  # fmt: skip
    """The file's name holds what the network depends on; the paper's networks are the same wherever they are cut."""
    kind = name if activation == "tanh" else f"{name}-{activation}"
    kind += f"-{layer}" if isinstance(layer, str) else ""
    kind += "" if by == training.BACKPROP else f"-by-{by}"
    trained = str(epochs) if stopped is None else f"{stopped}of{epochs}"
    return folder / f"{kind}-{fingerprint[:12]}-epochs{trained}-seed{seed}.pt"


def with_network(bench: "Testbed", front: nn.Module, back: nn.Module) -> "Testbed":
    """Return the workbench of another network of the same task, cut in the same place; images are shared."""
    own, network = copy(bench), copy(bench.network)
    network.front, network.back = front, back
    for part in (front, back):
        part.requires_grad_(False).eval()
    kept = vars(own)
    kept["network"] = network
    if front is not bench.network.front:
        for name in ("h_train", "h_test"):
            kept.pop(name, None)
    return own


@dataclass
class Testbed:
    """One seed's network, frozen up to the noise, and the images that go through it.

    Attributes
    ----------
    data : Data
    seed : int
        Fixes weights, batches, noise, and every modification.
    epochs : int
        Of training on clean images, all layers.
    attack : PGD
        The attack that the source "pgd" stands for; its eps is the source's.
    attacked_train : int
        How many training images are attacked: the attack is the most expensive step.
    folder : Path
        Where the trained network is kept.
    name, activation, layer
        The task, and where its network is cut.
    by : str
        How its layers learn: "backprop", or a local rule.
    stopped : int or None
        The epoch after which training ends; None: the last one.
    """

    data: Data
    seed: int
    epochs: int
    attack: PGD
    attacked_train: int
    folder: Path
    name: str = "v2"
    activation: str = "tanh"
    layer: int | str = 2
    by: str = training.BACKPROP
    stopped: int | None = None

    @property
    def task(self) -> Workload:
        """The task."""
        return tasks.find(self.name)

    @cached_property
    def train(self) -> tuple[Tensor, Tensor]:
        """Training inputs (T, ...) and classes (T,); images are (T, 1, 28, 28) in [0, 1]."""
        return self.data.pair("train")

    @cached_property
    def test(self) -> tuple[Tensor, Tensor]:
        """Test inputs and classes."""
        return self.data.pair("test")

    @property
    def base_path(self) -> Path:
        """File of the trained network."""
        made = (self.name, self.activation, self.layer, self.by)
        return _network_file(self.folder, *made, self.data.fingerprint, self.epochs, self.seed, self.stopped)

    def train_base(self, tick: training.Tick | None = None) -> None:
        """Train the network and keep it, unless it is kept already."""
        if not self.base_path.exists():
            network = self._fresh()
            if not self.task.trained:
                own: Any = {"epochs": self.epochs, "seed": self.seed, "by": self.by, "stopped": self.stopped}
                training.train_base(network, *self.train, tick=tick, **own)
            held = BytesIO()
            torch.save(network.state(), held)
            write_bytes(self.base_path, held.getbuffer())

    def learning_curve(self, tick: training.Tick | None = None) -> list[float]:
        """Train the network, keeping nothing, and return its accuracy on test images after each epoch."""
        network, found = self._fresh(), list[float]()

        def judged() -> None:
            model = nn.Sequential(network.front, network.back).eval()
            logits = training.activations(model, self.test[0])
            found.append(training.answered(logits, self.test[1]).double().mean().item())

        own: Any = {"epochs": self.epochs, "seed": self.seed, "by": self.by, "judged": judged}
        training.train_base(network, *self.train, tick=tick, **own)
        return found

    @cached_property
    def network(self) -> CutNetwork:
        """The trained network, in evaluation mode, its front frozen."""
        self.train_base()
        network = self._fresh()
        kept = weights_in(self.base_path)
        try:
            network.restore(kept)
        except ArgumentError as error:
            raise FileFormatError(f"{self.base_path}: {error}; remove it, and the network is trained again") from None
        network.front.requires_grad_(False).eval()
        network.back.requires_grad_(False).eval()
        return network

    @cached_property
    def twin(self) -> "Testbed":
        """The workbench of the same seed whose network learns by backpropagation, from the same initial weights."""
        return replace(self, by=training.BACKPROP)

    @cached_property
    def _spool(self) -> Spool:
        return Spool(self.folder)

    def _fresh(self) -> CutNetwork:
        return self.task.network(self.seed, self.activation, self.layer)

    @cached_property
    def h_train(self) -> Tensor:
        """Activations of the clean training images."""
        return training.activations(self.network.front, self.train[0])

    @cached_property
    def h_test(self) -> Tensor:
        """Activations of the clean test images."""
        return training.activations(self.network.front, self.test[0])

    def altered(
        self,
        source: Source,
        draw: int = 0,
        tick: training.Tick | None = None,
        count: int | None = None,
        rows: npt.NDArray[np.int64] | None = None,
    ) -> Tensor:
        """Training images that `source` modified: all, the first `count`, or those of rising `rows`.

        Another `draw` modifies each anew. An attack: `rows`, or those that the settings say, once. A drift's `rows`
        follow each other.
        """
        images, labels = self.train
        if source.name in ATTACKS:
            few: Any = slice(self.attacked_train) if rows is None else torch.from_numpy(rows)
            attack: Attack = ATTACKS[source.name](self.attack, source.level)
            return attack(self.network, images[few], labels[few], bounds=self.task.bounds, seed=self.seed, tick=tick)
        seed = self._stream(_TRAIN, draw)
        if source.name == DRIFT:
            self._refuse_drift()
            first, those = (0, images) if rows is None else (int(rows[0]), images[torch.from_numpy(rows)])
            return perturbations.drift(those, source.level, seed, first, frames=2)[:, 1]
        given = images[:count] if rows is None else images[torch.from_numpy(rows)]

        def made() -> Tensor:
            return perturbations.apply(source.name, given, source.level, seed, rows=rows)

        if draw or count == 0 or rows is not None:
            return made()
        return self._spool.first((source.name, source.level), len(given), made)  # every arm asks for draw 0

    def displacement(self, source: Source, tick: training.Tick | None = None) -> tuple[Tensor, Tensor]:
        """(d, h): how activations h moved under a source, draw 0; both (T, C, H, W)."""
        if source.name == DRIFT:
            self._refuse_drift()
            seed = self._stream(_TRAIN)
            return perturbations.temporal(self.network.front, self.train[0], source.level, seed, frames=2)
        d = training.activations(self.network.front, self.altered(source, tick=tick, count=source.images))
        h = self.h_train[: len(d)]
        d -= h
        return folded(self.network, d), folded(self.network, h)

    def _refuse_drift(self) -> None:
        if not self.task.images:
            raise ArgumentError(
                f"source='drift': a stream of images (1, 28, 28), which {self.name!r} has none of; expected one of its "
                "own perturbations"
            )

    def causes(self, source: str, count: int, parts: int, *, typical: bool = False) -> npt.NDArray[np.int64]:
        """Return which of up to `parts` causes moved each training image of draw 0; one but for modifications."""
        if source not in perturbations.MODIFICATIONS:
            return np.zeros(count, np.int64)
        return perturbations.causes(source, self._stream(_TRAIN), count, parts, typical=typical)

    def modified_test(self, name: str, level: float, count: int) -> Tensor:
        """The first `count` test images, modified: the same image gets the same modification in every arm."""
        return perturbations.apply(name, self.test[0][:count], level, self._stream(_TEST))

    def _stream(self, part: int, draw: int = 0) -> int:
        return (self.seed << 32) + (draw << 8) + part
