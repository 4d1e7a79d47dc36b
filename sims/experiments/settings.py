"""Settings that all cells of an experiment share: data, network, training, tests. Stored with every record."""

from dataclasses import dataclass, field

from localnoise.errors import ArgumentError, choose
from localnoise.sims.attacks import PGD
from localnoise.sims.evaluation import Adaptive
from localnoise.sims.results.plain import LATER


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How networks are trained and tested.

    Attributes
    ----------
    data : str
        "embedded" or "full".
    fingerprint : str
        Of the data set, so that a record never stands for other images.
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
    network, activation, layer
        Which network, its nonlinearity, and after which layer the noise enters.
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
    layer: int = field(default=2, metadata=LATER)
    adaptive: Adaptive = field(default=Adaptive(), metadata=LATER)

    def __post_init__(self) -> None:
        choose("data", self.data, ("embedded", "full"))
        for name in ("base_epochs", "epochs", "draws", "attacked_train", "attacked_test"):
            if getattr(self, name) < 1:
                raise ArgumentError(f"{name}={getattr(self, name)!r}: expected a whole number >= 1")
