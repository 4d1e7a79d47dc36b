"""Networks that learn by local rules: no gradient leaves a layer, and a layer learns from its own activity alone."""

import copy
from typing import Any

import pytest
import torch
from torch import nn

import localnoise.nn as lnn
from localnoise.errors import ArgumentError, UnknownNameError
from localnoise.nn.local import LOCAL_RULES, Channels, LocalHeads, Similarity, SoftHebb, stages_of
from localnoise.nn.local.heads import pooled_readout
from localnoise.nn.local.memory import activations_kept
from localnoise.nn.local.similarity import correlations

RULES = ["local-heads", "similarity", "channels", "softhebb"]
CLASSES = 4


def network(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 8, 3, padding=1), nn.Tanh(), nn.Flatten(), nn.Linear(128, 12), nn.Tanh(), nn.Linear(12, CLASSES),
    )  # fmt: skip


def batch(seed: int = 0, count: int = 16) -> tuple[torch.Tensor, torch.Tensor]:
    """Images whose class is the quarter that is bright."""
    generator = torch.Generator().manual_seed(seed)
    y = torch.randint(CLASSES, (count,), generator=generator)
    x = torch.randn(count, 1, 8, 8, generator=generator)
    for image, label in zip(x, y.tolist(), strict=True):
        row, column = divmod(label, 2)
        image[0, 4 * row : 4 * row + 4, 4 * column : 4 * column + 4] += 2
    return x, y


class Residual(nn.Module):
    def __init__(self, early: bool) -> None:
        super().__init__()
        self.early = early
        self.one, self.act = nn.Linear(6, 8), nn.ReLU()
        self.two, self.last, self.out = nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        before = self.one(x)
        h = self.act(before)
        return self.out(self.last(self.two(h) + (before if self.early else h)))


class Twice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer, self.out = nn.Linear(6, 6), nn.Linear(6, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(self.layer(self.layer(x)))


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.out = nn.Linear(6, 6), nn.Linear(6, 6), nn.Linear(6, CLASSES)
        self.two.weight = self.one.weight

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(self.two(self.one(x)))


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.cells, self.out = nn.GRU(6, 6, batch_first=True), nn.Linear(6, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(self.cells(x)[0][:, -1])


class Functional(nn.Module):
    """The layers of `network`, with functions between them."""

    def __init__(self) -> None:
        super().__init__()
        same = network()
        self.one, self.norm, self.two, self.three, self.four = same[0], same[1], same[4], same[7], same[9]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = nn.functional.max_pool2d(nn.functional.relu(self.norm(self.one(x))), 2)
        x = torch.tanh(self.two(x))
        return self.four(self.three(x.view(len(x), -1)).tanh())


class Jumping(nn.Module):
    """Functions of a residual network: what goes around a layer leaves after a nonlinearity, or before it."""

    def __init__(self, early: bool = False) -> None:
        super().__init__()
        self.early, self.one, self.two, self.out = early, nn.Linear(6, 8), nn.Linear(8, 8), nn.Linear(8, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        before = self.one(x)
        h = before.relu()
        return self.out((self.two(h) + (before if self.early else h)).relu())


class Whimsical(nn.Module):
    """Runs one function more in training."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.out = nn.Linear(6, 8), nn.Linear(8, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.one(x)
        return self.out(torch.relu(2 * h if self.training else h))


def test_a_stage_holds_the_functions_that_follow_its_layer() -> None:
    x = batch()[0]
    own, same = (stages_of(model, x) for model in (Functional(), network()))
    assert [stage.shape for stage in own] == [stage.shape for stage in same]
    assert activations_kept(Functional(), x)[1] == activations_kept(network(), x)[1]


@pytest.mark.parametrize("rule", RULES)
def test_a_network_of_functions_learns_what_one_of_modules_learns(rule: str) -> None:
    """To the last bit: heads read values after the nonlinearity and the pooling, wherever these are written."""
    models = Functional(), network()
    for model in models:
        learner = lnn.LocalLearner(model, batch()[0], rule)
        for turn in range(3):
            learner.step(*batch(turn))
    for own, same in zip(*(model.parameters() for model in models), strict=True):
        assert torch.equal(own, same)
    assert torch.equal(*(model.eval()(batch()[0]) for model in models))


def test_values_may_go_around_a_layer_in_functions_too() -> None:
    x, y = torch.randn(8, 6), torch.randint(CLASSES, (8,))
    learner = lnn.LocalLearner(Jumping(), x)
    assert [stage.last for stage in learner.stages] == [1, 3, 4]
    learner.step(x, y)
    with pytest.raises(ArgumentError, match="gradient of layer 'two' reaches layer 'one'"):
        lnn.LocalLearner(Jumping(early=True), x)


def test_a_forward_that_runs_otherwise_in_training_is_refused() -> None:
    x, y = torch.randn(8, 6), torch.randint(CLASSES, (8,))
    model = Whimsical()
    learner = lnn.LocalLearner(model, x)
    before = [weight.clone() for weight in model.parameters()]
    with pytest.raises(ArgumentError, match="layer 'out' is step 3 of this forward, and was step 2"):
        learner.step(x, y)
    assert all(torch.equal(*pair) for pair in zip(before, model.parameters(), strict=True))


def test_stages_are_layers_with_what_follows_them() -> None:
    found = stages_of(network(), batch()[0])
    assert [stage.name for stage in found] == ["0", "4", "7", "9"]
    assert [stage.shape for stage in found] == [(8, 4, 4), (8, 4, 4), (12,), (CLASSES,)]
    assert len(list(found[0].parameters())) == 4  # of the convolution and of its norm


@pytest.mark.parametrize("rule", RULES)
def test_a_network_learns(rule: str) -> None:
    model = network()
    learner = lnn.LocalLearner(model, batch()[0], rule, rate=3e-3)
    for turn in range(60):
        learner.step(*batch(turn + 1))
    x, y = batch(1000, 200)
    with torch.no_grad():
        assert (model.eval()(x).argmax(1) == y).float().mean() > 0.8
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


@pytest.mark.parametrize("rule", RULES)
def test_no_change_of_a_later_layer_is_felt_before_it(rule: str) -> None:
    """Other weights in later layers, other heads there: what earlier layers learn is the same to the last bit."""
    one, other = network(), network()
    with torch.no_grad():
        for layer in (4, 7, 9):
            one[layer].weight.add_(1.0)
    for model in (one, other):
        learner = lnn.LocalLearner(model, batch()[0], rule)
        if model is one:
            for weight in learner.heads["4"].parameters():
                weight.data.add_(1)
        for turn in range(3):
            learner.step(*batch(turn))
    fresh = network()[0].weight
    assert torch.equal(one[0].weight, other[0].weight)
    assert torch.equal(one[1].weight, other[1].weight)
    assert not torch.equal(one[0].weight, fresh)


@pytest.mark.parametrize("rule", RULES)
def test_a_layer_learns_the_same_alone(rule: str) -> None:
    """Given its input, a layer with the same head learns to the last bit what it learns inside the network."""
    model = network()
    learner = lnn.LocalLearner(model, batch()[0], rule)
    stage, head = learner.stages[1], copy.deepcopy(learner.heads["4"])
    alone = copy.deepcopy(model[4:6])
    x, y = batch(5)
    with torch.no_grad():
        h = copy.deepcopy(model)[:4](x)
    learner.optimiser = torch.optim.SGD(learner.optimiser.param_groups[0]["params"], 0.1)
    learner.step(x, y)
    own = stages_of(nn.Sequential(alone, nn.Flatten(), nn.Linear(128, CLASSES)), h)[0]
    learner.rule.teach(own, head, h, alone(h), y)
    if alone[0].weight.grad is not None:
        with torch.no_grad():
            alone[0].weight.add_(alone[0].weight.grad, alpha=-0.1)  # as the optimiser rounds
    assert stage.weighted is model[4]
    assert torch.equal(alone[0].weight, model[4].weight)


def test_without_labels_the_hidden_layers_read_none() -> None:
    one, other = network(), network()
    for model, shift in ((one, 0), (other, 1)):
        learner = lnn.LocalLearner(model, batch()[0], "softhebb")
        for turn in range(3):
            x, y = batch(turn)
            learner.step(x, (y + shift) % CLASSES)
    for layer in (0, 4, 7):
        assert torch.equal(one[layer].weight, other[layer].weight)
    assert not torch.equal(one[9].weight, other[9].weight)


def test_values_may_go_around_a_layer_from_the_end_of_an_earlier_one() -> None:
    x, y = torch.randn(8, 6), torch.randint(CLASSES, (8,))
    learner = lnn.LocalLearner(Residual(early=False), x)
    assert learner.step(x, y).shape == (8, CLASSES)
    with pytest.raises(ArgumentError, match="gradient of layer 'two' reaches layer 'one'"):
        lnn.LocalLearner(Residual(early=True), x)


@pytest.mark.parametrize(
    ("model", "x", "said"),
    [
        (Twice(), torch.zeros(2, 6), "layer runs 2 times.*share weights across depth.*train it by backpropagation"),
        (Tied(), torch.zeros(2, 6), "two.weight and one.weight are the same weights"),
        (Recurrent(), torch.zeros(2, 5, 6), r"cells \(GRU\) holds weights that no local rule is for"),
        (nn.Sequential(nn.Tanh()), torch.zeros(2, 6), "no Linear and no convolution"),
        (nn.Sequential(nn.Conv1d(3, 4, 1)), torch.zeros(2, 3, 5), "logits of a classifier"),
    ],
)
def test_networks_that_cannot_learn_so(model: nn.Module, x: torch.Tensor, said: str) -> None:
    with pytest.raises(ArgumentError, match=said):
        lnn.LocalLearner(model, x)


def test_bad_arguments() -> None:
    x = batch()[0]
    with pytest.raises(UnknownNameError, match="local-heads"):
        lnn.LocalLearner(network(), x, "local-head")
    with pytest.raises(ArgumentError, match="has 8 channels for 20 classes"):
        lnn.LocalLearner(nn.Sequential(*network()[:-1], nn.Linear(12, 20)), x, "channels")
    learner = lnn.LocalLearner(network(), x, "softhebb")
    with pytest.raises(ArgumentError, match="reads no labels, so that layer '4' has no head"):
        learner.answers(x, "4")
    with pytest.raises(ArgumentError, match="layer='9': expected a hidden layer, '0', '4', '7'"):
        lnn.LocalLearner(network(), x).answers(x, "9")
    for bad in (lambda: LocalHeads(inputs=0), lambda: Similarity(share=2), lambda: SoftHebb(rate=0)):
        with pytest.raises(ArgumentError, match="expected"):
            bad()
    with pytest.raises(ArgumentError, match="sharpness"):
        Channels(sharpness=-1)


@pytest.mark.parametrize("rule", ["local-heads", "softhebb"])
@pytest.mark.parametrize(
    ("given", "said"),
    [
        (lambda x, y: (x * float("nan"), y), "expected a tensor of finite inputs"),
        (lambda x, y: (x.bfloat16(), y), r"16 inputs of torch.bfloat16: .* of torch.float32"),
        (lambda x, y: (x.numpy(), y), "x is ndarray"),
        (lambda x, y: (x[:0], y[:0]), "0 inputs"),
        (lambda x, y: (x, y[:9]), r"labels is torch.int64 \(9,\): .* each of 16 inputs"),
        (lambda x, y: (x, y.float()), "labels is torch.float32"),
        (lambda x, y: (x, None), "labels is NoneType"),
        (lambda x, y: (x, y - 1), "expected classes 0 to"),
        (lambda x, y: (x, y + 90), "expected classes 0 to"),
    ],
)
def test_a_batch_that_teaches_nothing_changes_no_weight(rule: str, given: Any, said: str) -> None:
    model, (x, y) = network(), batch()
    learner = lnn.LocalLearner(model, x, rule)
    learner.step(x, y)
    before = [weight.clone() for weight in model.parameters()]
    with pytest.raises(ArgumentError, match=said):
        learner.step(*given(x, y.clamp(0, 0)))
    assert all(torch.equal(one, other) for one, other in zip(before, model.parameters(), strict=True))


def test_heads_answer_and_are_no_larger_than_asked() -> None:
    model, (x, _) = network(), batch()
    learner = lnn.LocalLearner(model, x)
    assert learner.answers(x, "0").shape == (len(x), CLASSES)
    small = pooled_readout(learner.stages[0], CLASSES, 40)
    assert small[-1].in_features == 32
    assert small(torch.zeros(2, 8, 4, 4)).shape == (2, CLASSES)


def test_the_activations_of_one_stage_are_kept_at_a_time() -> None:
    """When a layer learns, the graph of the layer before is gone: its output is a constant without history."""
    model, seen = network(), []
    learner = lnn.LocalLearner(model, batch()[0])
    teach = learner.rule.teach

    class Spy(LocalHeads):
        def teach(self, stage, head, x, out, labels):  # type: ignore[no-untyped-def]
            seen.append((x.grad_fn, out.grad_fn is not None))
            teach(stage, head, x, out, labels)

    learner.rule = Spy()
    learner.step(*batch())
    assert seen == [(None, True)] * 3


def test_correlations_are_those_of_numpy() -> None:
    x = torch.randn(5, 7, dtype=torch.float64)
    torch.testing.assert_close(correlations(x), torch.corrcoef(x), rtol=1e-6, atol=1e-6)


def test_softhebb_takes_the_step_of_its_equation() -> None:
    """Against the sum over inputs, written out."""
    layer, x = nn.Linear(3, 2), torch.randn(6, 3)
    stage = stages_of(nn.Sequential(layer, nn.Linear(2, CLASSES)), x)[0]
    W = layer.weight.detach().clone()
    SoftHebb(rate=0.1).teach(stage, nn.Identity(), x, layer(x), torch.zeros(6, dtype=torch.int64))
    z = x - x.mean(0)
    z /= z.std() + 1e-8
    step = torch.zeros_like(W)
    for row in z:
        u = W @ row
        y = u.softmax(0)
        sign = torch.where(torch.arange(2) == u.argmax(), 1.0, -1.0)
        step += (sign * y)[:, None] * (row - u[:, None] * W)
    rates = 0.1 * (W.norm(dim=1) - 1).abs().sqrt()
    torch.testing.assert_close(layer.weight.detach(), W + rates[:, None] * step / step.abs().max())


def test_rules_are_found_by_name() -> None:
    assert list(LOCAL_RULES)[:4] == RULES


def test_memory_is_that_of_the_largest_layer() -> None:
    every, largest = activations_kept(
        nn.Sequential(nn.Linear(6, 50), nn.ReLU(), nn.Linear(50, CLASSES)), torch.ones(2, 6)
    )
    assert every == 6 + 50 + 50 + CLASSES
    assert largest == 6 + 50 + 50


def test_a_frozen_layer_stays_and_later_ones_learn() -> None:
    model = network()
    lnn.freeze_before(model, "3")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    learner = lnn.LocalLearner(model, batch()[0])
    model.train()
    learner.step(*batch())
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {f"{layer}.{kind}" for layer in (4, 7, 9) for kind in ("weight", "bias")}


def test_asking_a_head_changes_nothing() -> None:
    """Not even the running statistics of a network in training mode: inputs that are asked about are no lesson."""
    model, (x, _) = network().train(), batch()
    learner = lnn.LocalLearner(model, x)
    before = copy.deepcopy(model.state_dict())
    learner.answers(100 + x, "4")
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert model.training


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("dtype", [torch.int32, torch.uint8])
def test_labels_may_be_any_whole_numbers(rule: str, dtype: torch.dtype) -> None:
    (x, y), found = batch(), []
    for labels in (y, y.to(dtype)):
        model = network()
        lnn.LocalLearner(model, x, rule).step(x, labels)
        found.append(model.state_dict())
    assert all(torch.equal(value, found[1][name]) for name, value in found[0].items())


@pytest.mark.parametrize("rule", RULES)
def test_a_network_of_another_precision_learns(rule: str) -> None:
    model, (x, y) = network().double(), batch()
    before = copy.deepcopy(model)
    lnn.LocalLearner(model, x.double(), rule).step(x.double(), y)
    assert not torch.equal(model[0].weight, before[0].weight)
