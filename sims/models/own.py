"""A user's network, cut after the layer that the task names."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from localnoise.errors import ArgumentError, first_line
from localnoise.nn import Arrangement, cut
from localnoise.nn.tapping import evaluating
from localnoise.sims.models.base import mismatch

_LOGITS = 2  # axes of a network's output


class OwnNetwork:
    """A network of the user's in two parts; logits = back(front(x)).

    Parameters
    ----------
    make : callable
        () -> Module. Its weights are drawn with torch's generator seeded by `seed`.
    layer : str
        Name of the module whose output lies between the parts.
    x : Tensor, (T, ...)
        A few inputs.
    seed : int
    kind, skipped
        As `Arrangement.of` takes them.
    trained : bool
        Whether `make` returns trained weights; fresh ones are then drawn by each module's `reset_parameters`.

    Raises
    ------
    ArgumentError
        `make` raises or returns no network, the network cannot take the inputs, gives no logits (T, classes), or cannot
        be cut there.
    """

    def __init__(
        self,
        make: Callable[[], nn.Module],
        layer: str,
        x: Tensor,
        seed: int,
        *,
        kind: str | None = None,
        skipped: int = 0,
        trained: bool = False,
    ) -> None:
        self._make, self.layer, self._x, self._trained = make, layer, x, trained
        self.front, self.back = self._parts(seed)
        with torch.no_grad(), evaluating(self.back):
            h = self.front.eval()(x)
            out = tuple(self.back(h).shape)
        if len(out) != _LOGITS or out[0] != len(x) or not out[1]:
            raise ArgumentError(
                f"model: of {len(x)} inputs, shape {tuple(x.shape)}, it gave outputs of shape {out}: expected logits "
                f"(T, classes), here ({len(x)}, classes)"
            )
        self.outputs = out[1]
        self._arrangement = Arrangement.of(h, kind, skipped=skipped)

    @property
    def layout(self) -> tuple[int, int, int]:
        """(C, H, W) of the grid that the activation between the parts lies on."""
        return self._arrangement.layout

    @property
    def arrangement(self) -> Arrangement:
        """Its arrangement on the grid."""
        return self._arrangement

    @property
    def falling(self) -> bool:
        """False: its rate stays."""
        return False

    def __call__(self, x: Tensor) -> Tensor:
        """Logits of inputs (T, ...)."""
        logits: Tensor = self.back(self.front(x))
        return logits

    def fresh_back(self, seed: int) -> nn.Module:
        """Layers after the noise with new weights."""
        return self._fresh(seed)[1]

    def fresh_front(self, seed: int) -> nn.Module:
        """Layers up to the noise with new weights."""
        return self._fresh(seed)[0]

    def widened(self, width: float, seed: int) -> tuple[nn.Module, nn.Module]:
        """Refuse: nothing is known of how the user's network would be wider."""
        raise ArgumentError(
            f"width={width:g}: a task's own network has no width: expected 1; bring a wider one as a task of its own"
        )

    def state(self) -> dict[str, Any]:
        """All weights and buffers."""
        return {"front": self.front.state_dict(), "back": self.back.state_dict()}

    def restore(self, state: dict[str, Any]) -> None:
        """Take weights and buffers that `state` gave, of this network cut anywhere."""
        given = [*state["front"].items(), *state["back"].items()]
        own = [*self.front.state_dict().items(), *self.back.state_dict().items()]
        differs = mismatch(given, own)
        if differs:
            raise ArgumentError(f"weights: of another network than the task's ({differs}): expected its own")
        for part, first, other in (("front", self.front, "back"), ("back", self.back, "front")):
            known = {**state[other], **state[part]}  # a module that runs in both parts has weights in each
            first.load_state_dict({name: known[name] for name in first.state_dict()})

    def check_classes(self, part: str, labels: Tensor) -> None:
        """Raise an ArgumentError unless there is an output for each class of a task's labels (N,)."""
        low, high = (int(edge) for edge in labels.aminmax())
        if high >= self.outputs:
            fix = f"subtract {low} from them" if high - low < self.outputs else f"let its last layer give {high + 1}"
            raise ArgumentError(
                f"{part}: labels from {low} to {high}, and the network has {self.outputs} outputs, for classes 0 .. "
                f"{self.outputs - 1}: expected labels from 0, an output for each class; {fix}"
            )

    def _parts(self, seed: int) -> tuple[nn.Module, nn.Module]:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            try:
                model = self._make()
            except Exception as error:  # whatever a user's function raises
                raise ArgumentError(
                    f"model() raised {type(error).__name__}: {first_line(error)}; expected it to return a network"
                ) from error
            if not isinstance(model, nn.Module):
                raise ArgumentError(f"model() returned {type(model).__name__}: expected a torch Module")
            return cut(deepcopy(model).cpu(), self.layer, self._x)  # trained here, and drawn anew: not the user's own

    def _fresh(self, seed: int) -> tuple[nn.Module, nn.Module]:
        parts = self._parts(seed)
        if self._trained:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                for part in parts:
                    _redraw(part)
        return parts


def _redraw(part: nn.Module) -> None:
    """Draw all weights of a part anew, as its modules do when they are made.

    Raises
    ------
    ArgumentError
        It holds weights of a module without `reset_parameters`.
    """
    for name, module in part.named_modules():
        own = [*module.parameters(recurse=False)]
        reset = getattr(module, "reset_parameters", None) or getattr(module, "_reset_parameters", None)
        if reset is not None:
            reset()
        elif own:
            raise ArgumentError(
                f"model: {name or 'the network'} ({type(module).__name__}) has weights but no reset_parameters(): "
                "expected a way to draw them anew; give it one, or let model() return fresh weights with trained=False"
            )
