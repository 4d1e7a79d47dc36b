"""Let a network learn by a local rule, batch by batch: the network itself stays an ordinary one."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from localnoise.errors import ArgumentError, listed
from localnoise.nn.local.base import LOCAL_RULES, LocalRule
from localnoise.nn.local.running import stepping
from localnoise.nn.local.stages import Stage, Still, stages_of
from localnoise.validate import as_seed, check_positive


class LocalLearner:
    """Trains each stage of a network from its own input, its own output and the labels, by Adam.

    Between stages every value is a constant. A stage learns as soon as it has its output, and its activations are
    freed before the next one runs: memory is that of the largest stage, not the sum of all. The last stage's output are
    the logits, and it learns from their cross-entropy.

    Parameters
    ----------
    model : Module
        Its weights are changed; hooks are there during `step` alone.
    x : Tensor, (T, ...)
        A few inputs, with which it is tried out.
    rule : str or LocalRule
        "local-heads", "similarity", "channels", "softhebb", a plug-in's name, or a rule that is built.
    rate : float
        Of Adam.
    seed : int
        Of the heads' initial weights; torch's own generator is left as it was.

    Attributes
    ----------
    stages : tuple of Stage
        In the order in which they run.
    heads : dict of str to Module
        By the stages' names; of all but the last. What `softhebb` has holds no weights.

    Raises
    ------
    ArgumentError
        An unknown rule, or a network that cannot learn so (`stages_of`).
    """

    def __init__(
        self, model: nn.Module, x: Tensor, rule: str | LocalRule = "local-heads", *, rate: float = 1e-3, seed: int = 0
    ) -> None:
        self.model = model
        self.rule: LocalRule = LOCAL_RULES.find(rule, "rule")() if isinstance(rule, str) else rule
        check_positive("rate", rate)
        self.stages = tuple(stages_of(model, x))
        classes = self._many = self._classes(x)
        self._learns = [weight for stage in self.stages for weight in stage.parameters()]
        dtype = self._learns[0].dtype
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(as_seed(seed)))
            hidden = self.stages[:-1]
            self.heads = {stage.name: self.rule.head(stage, classes).to(x.device, dtype) for stage in hidden}
        weights = self._learns + [weight for head in self.heads.values() for weight in head.parameters()]
        self.optimiser = torch.optim.Adam(weights, rate, fused=True)

    def step(self, x: Tensor, labels: Tensor) -> Tensor:
        """Learn from one batch.

        Parameters
        ----------
        x : Tensor, (T, ...)
            Finite, of the weights' dtype: one NaN would become all weights.
        labels : Tensor, (T,)
            Whole numbers, a class each; read by the last stage whatever the rule.

        Returns
        -------
        Tensor, (T, classes)
            Its logits before the step, without gradients.

        Raises
        ------
        ArgumentError
            Other inputs or labels; no weight is changed.
        """
        self._check(x, labels)
        labels = labels.long()
        self.optimiser.zero_grad()

        def taught(stage: Stage, own: Tensor, out: Tensor) -> None:
            if any(weight.requires_grad for weight in stage.parameters()):  # else it is frozen
                self.rule.teach(stage, self.heads[stage.name], own, out, labels)

        with self._cut(taught):
            logits: Tensor = self.model(x)
        nn.functional.cross_entropy(logits, labels).backward()
        self.optimiser.step()
        return logits.detach()

    def _check(self, x: Any, labels: Any) -> None:
        dtype = self._learns[0].dtype
        if not isinstance(x, Tensor) or not len(x) or x.dtype != dtype or not x.isfinite().all():
            said = f"{len(x)} inputs of {x.dtype}" if isinstance(x, Tensor) else type(x).__name__
            raise ArgumentError(f"x is {said}: expected a tensor of finite inputs, one or more, of {dtype}")
        if not isinstance(labels, Tensor) or labels.shape != (len(x),) or labels.is_floating_point():
            said = f"{labels.dtype} {tuple(labels.shape)}" if isinstance(labels, Tensor) else type(labels).__name__
            raise ArgumentError(f"labels is {said}: expected the number of its class for each of {len(x)} inputs")
        if labels.min() < 0 or labels.max() >= self._many:
            raise ArgumentError(
                f"labels: from {int(labels.min())} to {int(labels.max())}: expected classes 0 to {self._many - 1}"
            )

    def answers(self, x: Tensor, layer: str) -> Tensor:
        """Return the logits of one hidden layer's own head, of the network in evaluation mode.

        Parameters
        ----------
        x : Tensor, (T, ...)
            Inputs.
        layer : str
            Its name, one of `heads`.

        Returns
        -------
        Tensor, (T, classes)
            Without gradients.

        Raises
        ------
        ArgumentError
            There is no such layer, or the rule reads no labels and has no heads.
        """
        if not self.rule.labels:
            raise ArgumentError(
                f"rule={self.rule.name!r} reads no labels, so that layer {layer!r} has no head that answers: expected "
                "a rule with labels, as rule='local-heads'"
            )
        if layer not in self.heads:
            raise ArgumentError(f"layer={layer!r}: expected a hidden layer, {listed(map(repr, self.heads))}")
        found: list[Tensor] = []

        def asked(stage: Stage, own: Tensor, out: Tensor) -> None:
            if stage.name == layer:
                found.append(self.heads[layer](out))

        with Still(self.model), torch.no_grad(), self._cut(asked):
            self.model(x)
        return found[0]

    @contextmanager
    def _cut(self, met: Any) -> Iterator[None]:
        """Let constants pass between stages; `met(stage, input, output)` at the end of each hidden one."""
        firsts, lasts = {stage.weighted: stage for stage in self.stages}, {stage.last: stage for stage in self.stages}
        final, given = self.stages[-1], dict[str, Tensor]()

        def before(number: int, module: nn.Module, args: Any) -> Any:
            stage = firsts.get(module)
            if stage is None:
                return None
            if number != stage.first:
                raise ArgumentError(
                    f"model: layer {stage.name!r} is step {number} of this forward, and was step {stage.first} when the"
                    " network was tried: expected the same modules and functions in the same order, in training too"
                )
            given[stage.name] = args[0].detach()
            return None if stage is self.stages[0] else (given[stage.name], *args[1:])

        def after(number: int, step: Any, out: Any) -> Any:
            stage = lasts.get(number)
            if stage is None or stage is final:
                return None
            met(stage, given.pop(stage.name), out)
            return out.detach()

        with stepping(self.model, after, before):
            yield

    def _classes(self, x: Tensor) -> int:
        """Return how many logits there are, once no gradient is seen to leave its stage."""
        weights = {id(weight): stage.name for stage in self.stages for weight in stage.parameters()}
        frozen = [weight for stage in self.stages for weight in stage.parameters() if not weight.requires_grad]

        def local(stage: Stage, own: Any, out: Tensor) -> None:
            learning = [weight for other in self.stages for weight in other.parameters()]
            found: Any = torch.autograd.grad(out.sum(), learning, allow_unused=True, retain_graph=True)
            for weight, gradient in zip(learning, found, strict=True):
                if gradient is not None and weights[id(weight)] != stage.name:
                    raise ArgumentError(
                        f"model: a gradient of layer {stage.name!r} reaches layer {weights[id(weight)]!r}, since a "
                        "value goes around the end of that layer: expected one that leaves after its nonlinearity; "
                        "else train it by backpropagation"
                    )

        for weight in frozen:
            weight.requires_grad_(True)
        try:
            with Still(self.model), torch.enable_grad(), self._cut(local):
                logits = self.model(x)
                if not isinstance(logits, Tensor) or logits.ndim != 2 or len(logits) != len(x):
                    raise ArgumentError("model: its output is no (T, classes): expected the logits of a classifier")
                local(self.stages[-1], None, logits)
        finally:
            for weight in frozen:
                weight.requires_grad_(False)
        return int(logits.shape[1])
