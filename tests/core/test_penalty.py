"""The covariance penalty: the trace that it estimates, its gradient, and what it makes of later layers."""

import copy

import pytest
import torch
from torch import nn

import localnoise.nn as lnn
from localnoise.errors import ArgumentError


class Noise(nn.Module):
    """Adds A xi + 3: covariance A A', and a mean."""

    def __init__(self, A: torch.Tensor) -> None:
        super().__init__()
        self.A = A

    def forward(self, h: torch.Tensor) -> torch.Tensor:
        return h + torch.randn(len(h), self.A.shape[1]) @ self.A.T + 3 if self.training else h


def trace(J: torch.Tensor, A: torch.Tensor) -> torch.Tensor:
    """tr(C J A A' J' C), C the projection that takes the mean over classes away."""
    return ((J - J.mean(0)) @ A).square().sum()


def test_it_estimates_the_trace_and_its_gradient() -> None:
    """Linear later layers, whose Jacobian are their weights; 40,000 inputs leave a relative error below 3 %."""
    torch.manual_seed(0)
    A, later = torch.randn(5, 5), nn.Linear(5, 3)
    term = lnn.CovariancePenalty(Noise(A), draws=2)(later, torch.randn(20_000, 5))
    (found,) = torch.autograd.grad(term, later.weight)
    exact = trace(later.weight, A)
    (expected,) = torch.autograd.grad(exact, later.weight)
    assert abs(float(term.detach() / exact.detach()) - 1) < 0.03
    assert (found - expected).norm() < 0.03 * expected.norm()


def test_of_curved_layers_it_is_the_trace_at_each_input() -> None:
    torch.manual_seed(0)
    A, h = torch.randn(4, 4), torch.randn(3, 4)
    later = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3))
    J = torch.func.vmap(torch.func.jacrev(later))(h)
    exact = sum(trace(own, A) for own in J) / 3
    found = lnn.CovariancePenalty(Noise(A))(later, h.repeat(10_000, 1))
    assert abs(float(found.detach() / exact.detach()) - 1) < 0.05


def test_decisions_leave_the_directions_of_the_noise() -> None:
    """Two inputs tell the classes apart alike; the noise is large along the first: the penalty turns to the second."""
    torch.manual_seed(0)
    y = torch.arange(400) % 2
    h = torch.randn(400, 2) * 0.3 + (2.0 * y[:, None] - 1)
    noise = Noise(torch.diag(torch.tensor([3.0, 0.1])))
    shares = []
    for weight in (0.0, 0.1):
        later = nn.Linear(2, 2)
        nn.init.ones_(later.weight[0].data).neg_()
        nn.init.ones_(later.weight[1].data)
        optimiser = torch.optim.Adam(later.parameters(), 0.03)
        for _ in range(150):
            optimiser.zero_grad()
            (nn.functional.cross_entropy(later(h), y) + weight * lnn.CovariancePenalty(noise)(later, h)).backward()
            optimiser.step()
        along = (later.weight[1] - later.weight[0]).abs().detach()
        shares.append(float(along[0] / along[1]))
    assert shares[1] < 0.2 < 0.7 < shares[0]


@pytest.mark.parametrize("kind", ["BatchNorm1d", "BatchNorm2d", "InstanceNorm2d"])
def test_norms_in_training_mode_record_the_ordinary_pass_alone(kind: str) -> None:
    """Running statistics are updated once a step, and the term has a gradient in the norm's own weights."""
    torch.manual_seed(0)
    h, y = torch.randn((32, 3, 4, 4) if kind.endswith("2d") else (32, 3)), torch.randint(2, (32,))
    norm: nn.modules.batchnorm._NormBase = getattr(nn, kind)(3, affine=True, track_running_stats=True)
    later = nn.Sequential(norm, nn.ReLU(), nn.Flatten(), nn.Linear(h[0].numel(), 2)).train()
    expected = copy.deepcopy(later)
    expected(h)
    term = lnn.CovariancePenalty(nn.Dropout(0.5), draws=2)(later, h)
    (nn.functional.cross_entropy(later(h), y) + term).backward()
    for name, value in expected.named_buffers():
        assert torch.equal(value, dict(later.named_buffers())[name]), name
    assert norm.track_running_stats
    assert norm.weight is not None
    (own,) = torch.autograd.grad(lnn.CovariancePenalty(nn.Dropout(0.5))(later, h), norm.weight)
    assert own.abs().sum() > 0


def test_bad_arguments() -> None:
    noise, h = Noise(torch.eye(4)), torch.randn(6, 4)
    with pytest.raises(ArgumentError, match="noise is off"):
        lnn.CovariancePenalty(noise.eval())(nn.Linear(4, 3), h)
    with pytest.raises(ArgumentError, match=r"expected logits \(6, classes\)"):
        lnn.CovariancePenalty(noise.train())(nn.Unflatten(1, (2, 2)), h)
    with pytest.raises(ArgumentError, match=r"h is torch.int64: expected activations, of a floating-point dtype"):
        lnn.CovariancePenalty(noise)(nn.Linear(4, 3), torch.ones(6, 4, dtype=torch.int64))
    with pytest.raises(ArgumentError, match="draws=0"):
        lnn.CovariancePenalty(noise, draws=0)
    with pytest.raises(ArgumentError, match="expected a module that adds noise"):
        lnn.CovariancePenalty("noise")  # type: ignore[arg-type]


@pytest.mark.slow
def test_a_noise_layer_is_such_a_module() -> None:
    import localnoise as ln

    layer = lnn.NoiseLayer(ln.UnitGrid((2, 2), 3, parents=2))
    later = nn.Sequential(nn.Flatten(), nn.Linear(12, 4))
    assert lnn.CovariancePenalty(layer)(later, torch.randn(5, 3, 2, 2)).item() > 0
