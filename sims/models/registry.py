"""The makeup of the networks v1, v2 and v3 of Preble et al. 2026 (arXiv 2606.13801), and of their twins."""

from dataclasses import dataclass, replace

from torch import nn

CLASSES, SIDE = 10, 28
ACTIVATIONS: dict[str, type[nn.Module]] = {"tanh": nn.Tanh, "relu": nn.ReLU}


@dataclass(frozen=True, kw_only=True)
class Convolution:
    """A convolution `channels`@`kernel` x `kernel`, zero `padding`; a nonlinearity; a maximum over 2 x 2 if `pool`.

    patches : its windows lie side by side, without padding, and its weights are orthonormal.
    """

    channels: int
    kernel: int
    padding: int = 0
    pool: bool = False
    patches: bool = False

    def side(self, before: int) -> int:
        """Side of the activation, before pooling, from the side of the input."""
        return before // self.kernel if self.patches else before + 2 * self.padding - self.kernel + 1


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """Hidden layers in order; a dense layer of 10 logits ends every network.

    Attributes
    ----------
    convolutions : tuple of Convolution
    dense : tuple of int
        Neurons of the hidden dense layers.
    restart : int
        The initial weights of layers 1 .. restart are drawn from one generator, those after it from another of the same
        seed. v2 restarts after layer 2, as it was first published here: every record of v2 rests on these weights.
        0: one generator for all layers.
    norm : bool
        Whether each convolution is followed by batch normalisation, before its nonlinearity.
    activation : str
        Its nonlinearity, whatever is asked for; "": what is asked for.
    falling : bool
        Whether Adam's rate falls from epoch to epoch while all layers are trained; the paper's networks keep theirs.
    """

    convolutions: tuple[Convolution, ...]
    dense: tuple[int, ...]
    restart: int = 0
    norm: bool = False
    activation: str = ""
    falling: bool = False

    @property
    def hidden(self) -> int:
        """Hidden layers: those that can be cut."""
        return len(self.convolutions) + len(self.dense)


ARCHITECTURES: dict[str, Architecture] = {
    "v1": Architecture(
        convolutions=(Convolution(channels=32, kernel=3, padding=1, pool=True),),
        dense=(128, 64, 32, 16),
    ),
    "v2": Architecture(
        convolutions=(
            Convolution(channels=6, kernel=5, padding=2, pool=True),
            Convolution(channels=16, kernel=3, padding=1),
            Convolution(channels=16, kernel=5, pool=True),
        ),
        dense=(32, 16),
        restart=2,
    ),
    "v3": Architecture(
        convolutions=(
            Convolution(channels=6, kernel=5, padding=2, pool=True),
            Convolution(channels=16, kernel=5, pool=True),
        ),
        dense=(32, 16),
    ),
}
NETWORKS: dict[str, int] = {
    name: plan.hidden for name, plan in ARCHITECTURES.items()
}  # name -> number of hidden layers
TWIN = "-bn"
ARCHITECTURES |= {f"{name}{TWIN}": replace(plan, norm=True) for name, plan in ARCHITECTURES.items()}
"""With their twins, which have batch normalisation: "v2-bn". Methods that adapt it need a network that has it."""
ARCHITECTURES["orthogonal"] = Architecture(
    convolutions=(
        Convolution(channels=16, kernel=2, patches=True),
        Convolution(channels=64, kernel=2, patches=True),
        Convolution(channels=32, kernel=3, padding=1, pool=True),
    ),
    dense=(32, 16),
    activation="tanh",
)
"""Up to its second layer, of 3,136 neurons as v2's, it moves nothing further apart: what is certified there is so for
inputs."""
ARCHITECTURES["conv3"] = Architecture(
    convolutions=tuple(Convolution(channels=m, kernel=3, padding=1, pool=True) for m in (32, 64, 128)),
    dense=(),
    norm=True,
    activation="relu",
    falling=True,
)
"""A small convolutional network of today, beside the paper's: of which local rules are asked what they reach."""
