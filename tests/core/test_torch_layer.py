"""The torch layer: exact gradients, switches, streams, the averaging predictor."""

import numpy as np
import pytest
import torch

import localnoise as ln
from localnoise.errors import ArgumentError
from localnoise.nn import NoiseLayer, Predictor
from localnoise.nn.recomputing import _as_stored

SHAPE, CHANNELS = (2, 3), 2
LAYOUT = (CHANNELS, *SHAPE)


@pytest.fixture(scope="module")
def signal(build):
    return build(SHAPE, CHANNELS, signal="local", dtype="float64")


@pytest.fixture(scope="module")
def plain(build):
    return build(SHAPE, CHANNELS, dtype="float64")


@pytest.fixture(scope="module")
def full():
    return ln.central.full(np.random.default_rng(0).normal(size=(50, *LAYOUT)))


@pytest.fixture(params=["signal", "plain", "full", "bank"])
def noise(request, signal, plain, full):
    return {"signal": signal, "plain": plain, "full": full, "bank": ln.Bank([signal, plain, full], clean=0.2)}[
        request.param
    ]


def activations(count=5, *, grad=False, dtype=torch.float64):
    values = np.random.default_rng(1).normal(size=(count, *LAYOUT))
    return torch.tensor(values, dtype=dtype, requires_grad=grad)


def restarted(layer, position=10):
    """Return the layer as a function: the same noise at each call, from some way along the stream."""

    def function(h):
        layer.reseed(3)
        layer.position = position
        return layer(h)

    return function


# Values


def test_the_layer_adds_a_draw(noise):
    h = activations()
    layer = NoiseLayer(noise, seed=4)
    expected = h.numpy() + noise.perturb(h.numpy(), seed=4)
    np.testing.assert_allclose(layer(h).numpy(), expected, atol=1e-12)


def test_draws_are_fresh_and_can_be_repeated(noise):
    """Presentations are numbered on from call to call: two batches of 5 are one of 10."""
    h = activations(10)
    layer = NoiseLayer(noise, seed=4)
    parts = torch.cat([layer(h[:5]), layer(h[5:])])
    assert layer.position == 10
    assert not torch.equal(layer(h[:5]), parts[:5])
    layer.reseed(4)
    assert layer.position == 0
    assert torch.equal(layer(h), parts)
    layer.reseed(5)
    assert not torch.equal(layer(h), parts)


@pytest.mark.parametrize("when", ["both", "train", "eval", "never"])
@pytest.mark.parametrize("training", [True, False])
def test_switches(plain, when, training):
    layer = NoiseLayer(plain, when=when, seed=0).train(training)
    on = {"both": True, "train": training, "eval": not training, "never": False}[when]
    h = activations()
    assert layer.active == on
    assert torch.equal(layer(h), h) != on
    assert layer.position == (5 if on else 0), "no position is used up while the layer is silent"
    assert layer(h) is h or on


def test_the_mode_of_the_model_switches_the_layer(plain):
    model = torch.nn.Sequential(NoiseLayer(plain, when="train"))
    h = activations()
    assert not torch.equal(model.train()(h), h)
    assert torch.equal(model.eval()(h), h)


def test_dense_activations_are_reshaped(noise):
    h = activations()
    layered, flat = (NoiseLayer(noise, seed=4)(x) for x in (h, h.reshape(5, 12)))
    assert flat.shape == (5, 12)
    assert torch.equal(flat, layered.reshape(5, 12))


def test_activations_need_not_be_contiguous(noise):
    h = activations().permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)
    assert not h.is_contiguous()
    assert torch.equal(NoiseLayer(noise, seed=4)(h), NoiseLayer(noise, seed=4)(h.contiguous()))


def test_an_empty_batch_passes(noise):
    assert NoiseLayer(noise)(torch.zeros(0, *LAYOUT)).shape == (0, *LAYOUT)
    assert NoiseLayer(noise)(torch.zeros(0, 12)).shape == (0, 12)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_the_activations_dtype_is_kept(noise, dtype):
    h = activations(dtype=dtype, grad=True)
    out = NoiseLayer(noise, seed=4)(h)
    assert out.dtype == dtype
    out.sum().backward()
    assert h.grad.dtype == dtype
    exact = NoiseLayer(noise, seed=4)(h.detach().double())
    eps = torch.finfo(dtype).eps  # activation, noise, gain and their sum each round, at a size of up to 10
    torch.testing.assert_close(out.detach().double(), exact, rtol=0, atol=4 * 10 * max(eps, 2.0**-23))


def test_a_sequence_becomes_a_bank(signal, plain):
    h = activations(40)
    joined, explicit = NoiseLayer([signal, plain], seed=2), NoiseLayer(ln.Bank([signal, plain]), seed=2)
    assert torch.equal(joined(h), explicit(h))
    assert isinstance(NoiseLayer((signal,)).noise, ln.Bank)


def test_activations_and_draws_cross_without_a_copy(monkeypatch):
    """The noise reads the tensor's own memory, and the tensor that is added is the draw's own memory."""

    class Recorder(ln.UnitGrid):
        def perturb(self, h, seed=0, start=0):
            self.read, self.drawn = h, super().perturb(h, seed, start)
            return self.drawn

    recorder, added = Recorder(SHAPE, CHANNELS, signal="local"), []
    monkeypatch.setattr(torch.Tensor, "__add__", lambda h, eta: added.append(eta) or torch.add(h, eta))
    h = activations(dtype=torch.float32)
    NoiseLayer(recorder)(h)
    assert np.shares_memory(recorder.read, h.numpy())
    (eta,) = added
    assert eta.data_ptr() == recorder.drawn.ctypes.data
    NoiseLayer(recorder)(h.double())  # another precision needs a copy
    assert added[1].data_ptr() != recorder.drawn.ctypes.data


def test_the_activation_is_left_alone(noise):
    h = activations()
    kept = h.clone()
    NoiseLayer(noise)(h)
    assert torch.equal(h, kept)


# Gradients


@pytest.mark.parametrize("shape", [(2, *LAYOUT), (2, 12)], ids=str)
def test_gradients_are_exact(signal, shape):
    """Against finite differences, in float64."""
    h = activations(2).reshape(shape).requires_grad_()
    assert torch.autograd.gradcheck(restarted(NoiseLayer(signal)), (h,))


def test_gradients_of_a_bank_are_exact(signal, plain):
    """Each presentation's gradient is that of the member whose turn it was, a plain one or none included."""
    bank = ln.Bank([signal, plain], clean=0.3)
    turns = bank.turns(5, seed=3, start=10)
    assert set(turns.tolist()) == {-1, 0, 1}
    assert (turns != bank.turns(5, seed=3)).any()
    assert torch.autograd.gradcheck(restarted(NoiseLayer(bank)), (activations(5, grad=True),))


def test_gradcheck_would_notice_a_missing_mean(signal):
    class Forgetful(ln.UnitGrid):
        def pull_back(self, gradient):
            return np.zeros_like(gradient)

    forgetful = Forgetful(SHAPE, CHANNELS, signal="local", dtype="float64")
    for name in ("a", "G", "B", "S", "gain"):
        getattr(forgetful.field, name)[:] = getattr(signal.field, name)
    h = activations(1, grad=True)
    assert not torch.autograd.gradcheck(restarted(NoiseLayer(forgetful)), (h,), raise_exception=False)


def test_without_signal_the_gradient_goes_straight_through(plain, full):
    for source in (plain, full):
        h = activations(grad=True)
        weights = torch.randn(h.shape, dtype=h.dtype)
        (NoiseLayer(source)(h) * weights).sum().backward()
        assert torch.equal(h.grad, weights)


def test_gradients_pass_through_a_network(signal):
    """The chain rule around the layer: dy/dx = W (I + M) V for linear maps V before and W after it."""
    torch.manual_seed(0)
    before, after = torch.nn.Linear(4, 12, dtype=torch.float64), torch.nn.Linear(12, 3, dtype=torch.float64)
    layer = NoiseLayer(signal)
    x = torch.randn(4, dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(lambda x: after(layer(before(x[None])))[0], x)
    basis = np.eye(12).reshape(12, *LAYOUT)
    M = (signal.mean(basis) - signal.mean(0 * basis)).reshape(12, 12).T
    expected = after.weight.detach().numpy() @ (np.eye(12) + M) @ before.weight.detach().numpy()
    np.testing.assert_allclose(jacobian.numpy(), expected, atol=1e-12)


def test_second_derivatives_are_refused_rather_than_wrong(signal):
    h = activations(grad=True)
    (gradient,) = torch.autograd.grad(NoiseLayer(signal)(h).square().sum(), h, create_graph=True)
    with pytest.raises(RuntimeError, match="no autograd formula"):
        gradient.sum().backward()


def test_weights_before_the_noise_learn_through_it(signal):
    """Descent on a loss behind the layer moves what lies before it as the exact gradient says."""
    scale = torch.ones(1, dtype=torch.float64, requires_grad=True)
    h = activations(20)

    def loss(scale):
        return restarted(NoiseLayer(signal))(scale * h).square().mean()

    loss(scale).backward()
    step = 1e-6
    numeric = (loss(scale.detach() + step) - loss(scale.detach() - step)) / (2 * step)
    assert scale.grad.item() == pytest.approx(numeric.item(), rel=1e-6)


# The predictor


def parts():
    torch.manual_seed(0)
    return torch.nn.Linear(7, 12), torch.nn.Sequential(torch.nn.Tanh(), torch.nn.Linear(12, 3))


@pytest.mark.parametrize("draws", [1, 4])
def test_a_predictor_averages_its_draws(noise, draws):
    """Draw k of input t is presentation t K + k; the front runs once."""
    front, back = parts()
    calls = []
    front.register_forward_hook(lambda *_: calls.append(1))
    x = torch.randn(5, 7)
    with torch.no_grad():
        logits = Predictor(front, NoiseLayer(noise, seed=6), back, draws)(x)
        assert len(calls) == 1
        h = front(x)
        stream = noise.perturb(h.repeat_interleave(draws, 0).reshape(-1, *LAYOUT).numpy(), seed=6)
        noisy = h[:, None] + torch.from_numpy(stream).reshape(5, draws, 12).to(h)
        expected = torch.stack([back(noisy[:, k]) for k in range(draws)]).mean(0)
    torch.testing.assert_close(logits, expected, rtol=0, atol=1e-5)


def test_more_draws_scatter_less(plain):
    """The spread over seeds falls as 1 / sqrt(K); a ratio of 4 from 100 seeds is known to about 10 %."""
    front, back = parts()
    x = torch.randn(5, 7)

    def spread(draws):
        predictor = Predictor(front, NoiseLayer(plain), back, draws)
        found = []
        with torch.no_grad():
            for seed in range(100):
                predictor.noise.reseed(seed)
                found.append(predictor(x))
        return torch.stack(found).std(0).mean()

    assert 4 * 0.8 < spread(1) / spread(16) < 4 / 0.8


def test_one_pass_is_enough_where_the_noise_is_off(plain):
    front, back = parts()
    sizes = []
    back.register_forward_pre_hook(lambda _, inputs: sizes.append(len(inputs[0])))
    predictor = Predictor(front, NoiseLayer(plain, when="train"), back, 10)
    x = torch.randn(5, 7)
    predictor.train()(x)
    out = predictor.eval()(x)
    assert sizes == [50, 5]
    torch.testing.assert_close(out, back(front(x)))


def test_decide_starts_from_the_activation(plain):
    front, back = parts()
    predictor = Predictor(front, NoiseLayer(plain, seed=1), back, 3)
    x = torch.randn(5, 7)
    whole = predictor(x)
    predictor.noise.reseed(1)
    assert torch.equal(predictor.decide(front(x)), whole)


def test_the_identity_is_no_noise(plain):
    front, back = parts()
    predictor, x = Predictor(front, torch.nn.Identity(), back, 10), torch.randn(5, 7)
    predictor.noise.reseed(3)
    torch.testing.assert_close(predictor(x), back(front(x)))
    sizes = []
    back.register_forward_hook(lambda module, given, out: sizes.append(len(out)))
    predictor(x)
    assert sizes == [5], "one draw is enough"


def test_a_module_that_is_no_noise_is_refused():
    refused = r"noise is Dropout, without seed or active or reseed: expected .*nn.Identity\(\) for no noise"
    with pytest.raises(ArgumentError, match=refused):
        Predictor(torch.nn.Identity(), torch.nn.Dropout(), torch.nn.Identity())


def test_logits_of_any_shape_are_averaged(plain):
    predictor = Predictor(torch.nn.Identity(), NoiseLayer(plain), torch.nn.Identity(), 3)
    assert predictor(torch.zeros(5, *LAYOUT)).shape == (5, *LAYOUT)
    assert predictor(torch.zeros(0, 12)).shape == (0, 12)


# Bad input


@pytest.mark.parametrize(
    "shape",
    [(12,), LAYOUT, (5, 3, 2, 2), (5, *SHAPE, CHANNELS), (5, 11), (5, 6, 2), (5, 2, 2, 3, 1)],
    ids=str,
)
def test_other_shapes_are_refused(noise, shape):
    layer = NoiseLayer(noise)
    with pytest.raises(ArgumentError, match=r"h has shape .*: expected \(T, 2, 2, 3\) or \(T, 12\)"):
        layer(torch.zeros(shape))
    assert layer.position == 0


def test_whole_numbers_are_refused(plain):
    with pytest.raises(ArgumentError, match=r"h has dtype torch.int64: expected a floating dtype; use h.float\(\)"):
        NoiseLayer(plain)(torch.zeros(5, 12, dtype=torch.int64))


def test_other_noises_switches_and_seeds_are_refused(plain):
    with pytest.raises(ArgumentError, match=r"noise=0.5: expected a UnitGrid, a CentralNoise or a Bank"):
        NoiseLayer(0.5)
    with pytest.raises(ArgumentError, match=r"when='training': expected one of .*; did you mean 'train'"):
        NoiseLayer(plain, when="training")
    for seed in (-1, 0.5, "x", 2**64):
        with pytest.raises(ArgumentError, match=r"seed=.*expected"):
            NoiseLayer(plain, seed=seed)
    for draws in (0, -1, 2.5, "ten"):
        with pytest.raises(ArgumentError, match=r"draws=.*expected a whole number >= 1"):
            Predictor(torch.nn.Identity(), NoiseLayer(plain), torch.nn.Identity(), draws)


def test_nan_activations_are_named_where_the_noise_reads_them(plain, signal):
    h = torch.full((1, 12), float("nan"))
    with pytest.raises(ArgumentError, match=r"h has 12 values that are NaN.*presentation 0"):
        NoiseLayer(signal)(h)
    assert NoiseLayer(plain)(h).isnan().all(), "as of any other layer: a loss scaler skips such a step"
    assert NoiseLayer(plain)(torch.full((1, 12), torch.inf, dtype=torch.float16)).isinf().all()


def test_print_shows_the_noise(plain):
    assert "UnitGrid(2x3 units x 2" in repr(NoiseLayer(plain, when="train", seed=7))
    assert "when='train', seed=7" in repr(NoiseLayer(plain, when="train", seed=7))


@pytest.mark.parametrize("form", ["contiguous", "channels last", "expanded", "every other"])
def test_an_activation_is_told_by_its_values_without_a_copy_where_it_lies_in_one_piece(form):
    h = torch.rand(4, 3, 5, 6)
    made = {
        "contiguous": h[1:],
        "channels last": h.to(memory_format=torch.channels_last)[1:],
        "expanded": h[:1].expand(4, -1, -1, -1),
        "every other": h[:, :, ::2],
    }[form]
    stored = _as_stored(made)
    assert torch.equal(stored.sort().values, made.flatten().sort().values)
    assert (stored.data_ptr() == made.data_ptr()) == (form in ("contiguous", "channels last"))
