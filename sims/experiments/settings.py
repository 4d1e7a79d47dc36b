"""Settings that all cells of an experiment share: data, network, training, tests. Stored with every record."""

from dataclasses import dataclass, field

from localnoise.errors import ArgumentError, choose
from localnoise.sims.attacks import PGD
from localnoise.sims.evaluation import Adaptive
from localnoise.sims.models.training import BACKPROP, trainings
from localnoise.sims.results.plain import LATER
from localnoise.sims.tasks import OWN_DATA


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings by which networks are trained and tested.

    Attributes
    ----------
    data : str
        "embedded" or "full"; of a task with data of its own "task".
    fingerprint : str
        Of the data set, so that a record never stands for other images; of a task of one's own also of its file.
    base_epochs, epochs : int
        Of training all layers, and of retraining those after the noise.
    draws : int
        Noisy logits that the deployed predictor averages.
    attack : PGD
        The attack that the source and the threat "pgd" stand for; its eps is that of a cell's source or threat.
    attacked_train, attacked_test : int
        Images attacked to learn from, and to test.
    adaptive : Adaptive
        What the threat "adaptive" stands for; its eps is the threat's.
    network : str
        Name of the task; v1, v2 and v3 are the paper's networks on Fashion-MNIST.
    activation, layer
        Of the paper's networks: the nonlinearity, and the hidden layer after which the noise enters. Of another task
        the layer's name.
    training : str
        How networks learn, before the noise and after it: "backprop", or a local rule.
    stopped : int or None
        The epoch after which training all layers stops, its rate falling as if it went on; None: after the last one.
    """

    data: str
    fingerprint: str
    base_epochs: int = 10
    epochs: int = 3
    draws: int = 10
    attack: PGD = field(default_factory=PGD)
    attacked_train: int = 20_000
    attacked_test: int = 1_000
    network: str = field(default="v2", metadata=LATER)
    activation: str = field(default="tanh", metadata=LATER)
    layer: int | str = field(default=2, metadata=LATER)
    adaptive: Adaptive = field(default=Adaptive(), metadata=LATER)
    training: str = field(default=BACKPROP, metadata=LATER)
    stopped: int | None = field(default=None, metadata=LATER)

    def __post_init__(self) -> None:
        choose("data", self.data, ("embedded", "full", OWN_DATA))
        if self.training != BACKPROP:
            choose("training", self.training, trainings())
        for name in ("base_epochs", "epochs", "draws", "attacked_train", "attacked_test"):
            if getattr(self, name) < 1:
                raise ArgumentError(f"{name}={getattr(self, name)!r}: expected a whole number >= 1")
        if self.stopped is not None and not 1 <= self.stopped < self.base_epochs:
            raise ArgumentError(f"stopped={self.stopped!r}: expected an epoch before the last, {self.base_epochs}")
