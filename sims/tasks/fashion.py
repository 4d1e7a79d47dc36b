"""Fashion-MNIST with the paper's networks v1, v2, v3, their twins with batch normalisation, orthogonal, and conv3."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from localnoise.errors import ArgumentError
from localnoise.sims import data
from localnoise.sims.data.tensors import PIXELS
from localnoise.sims.models import Network, build
from localnoise.sims.models.registry import ARCHITECTURES, NETWORKS, TWIN
from localnoise.sims.perturbations import Modification
from localnoise.sims.tasks.registry import TASKS

LAYER = 2  # after which the noise enters where nothing else is said


@dataclass(frozen=True, eq=False)
class FashionMNIST:
    """One of the paper's networks on Fashion-MNIST; the noise enters after a hidden layer, by default the second."""

    name: str
    bounds: tuple[float, float] = PIXELS
    own: Mapping[str, Modification] = field(default_factory=dict)
    trained: bool = False
    images: bool = True
    two_sets: bool = True
    longer: float = 1.0

    @property
    def description(self) -> str:
        """One sentence for lists."""
        hidden = ARCHITECTURES[self.name].hidden
        paper = self.name.removesuffix(TWIN)
        if any(layer.patches for layer in ARCHITECTURES[self.name].convolutions):
            return f"Fashion-MNIST, two layers of orthogonal patches, which keep distances; {hidden} hidden layers"
        if paper not in NETWORKS:
            return f"Fashion-MNIST, {hidden} convolutions, normalized, rectified and pooled, and a dense readout"
        with_norm = ", with batch normalisation" * (paper != self.name)
        return f"Fashion-MNIST, the paper's network {paper}{with_norm}, {hidden} hidden layers that noise may follow"

    def data(self, which: str, data_dir: str | Path | None = None, seed: int = 0) -> data.Dataset:
        """Return the embedded subset or the full set, the same for all seeds."""
        return data.load(which, data_dir)

    def network(self, seed: int, activation: str = "tanh", layer: int | str | None = None) -> Network:
        """Return the network with fresh weights, cut after a hidden layer 1, 2, ..."""
        try:
            number = LAYER if layer is None else int(layer)
        except ValueError:
            raise ArgumentError(
                f"layer={layer!r}: expected the number of a hidden layer of {self.name!r}, from 1 on"
            ) from None
        return build(self.name, activation, number, seed)


for _name in ARCHITECTURES:
    TASKS.register(_name, __name__)(FashionMNIST(_name))
