"""The repair layer: what `Repair` does, exact gradients, an ordinary module."""

import copy
import pickle

import numpy as np
import pytest
import torch
from repair_layers import CHANNELS, SHAPE, activations, learned
from torch import nn
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils.flop_counter import FlopCounterMode

import localnoise as ln
from localnoise import nn as lnn
from localnoise.errors import ArgumentError


@pytest.fixture(scope="module")
def repair():
    return learned()


@pytest.fixture(scope="module")
def x():
    return torch.from_numpy(np.concatenate([activations(6, 1), np.roll(activations(6, 2), 1, 3)]))


@pytest.mark.parametrize(("share", "asks"), [("none", 1), ("places", 1), ("none", 2), ("places", 3)])
@pytest.mark.parametrize("known", [None, "shift", "clean"])
def test_the_layer_does_what_the_repair_does(x, share, asks, known):
    repair = learned(share=share, asks=asks)
    layer = lnn.RepairLayer(repair, source=known)
    fixed, posterior = repair(x.numpy(), known)
    assert np.allclose(layer(x), fixed, atol=1e-5)
    assert np.allclose(layer.posterior, posterior, atol=1e-4)
    assert layer(x[:0]).shape == x[:0].shape
    assert lnn.RepairLayer(repair, when="train").eval()(x) is x


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("share", "asks"), [("none", 1), ("places", 3), ("all", 2)])
def test_what_is_differentiated_is_what_kernels_give(x, share, asks, dtype):
    """Without a gradient kernels decide and repair; a gradient, a tangent or a transform goes through torch."""
    layer = lnn.RepairLayer(learned(dtype, share=share, asks=asks))
    given = x.to(getattr(torch, dtype))
    by_kernels, said = layer(given), layer.posterior
    assert torch.is_grad_enabled()
    by_tensors = layer(given.clone().requires_grad_())
    torch.testing.assert_close(by_tensors.detach(), by_kernels, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(layer.posterior.detach(), said, atol=1e-4, rtol=1e-4)
    assert not torch.equal(by_kernels, given)
    along = torch.ones_like(given)
    with torch.autograd.forward_ad.dual_level():
        moved = torch.autograd.forward_ad.unpack_dual(layer(torch.autograd.forward_ad.make_dual(given, along)))
        assert moved.tangent is not None
    torch.testing.assert_close(torch.func.jvp(layer, (given,), (along,))[1], moved.tangent)


@pytest.mark.parametrize("known", [None, "near"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_not_finite_passes_with_and_without_gradients(repair, x, known, value):
    layer, strange = lnn.RepairLayer(repair.only("near"), source=known), x.clone()
    strange[3, 1, 0, 2] = value
    with torch.no_grad():
        found = layer(strange)
    torch.testing.assert_close(layer(strange.clone().requires_grad_()).detach(), found, equal_nan=True)
    others = torch.arange(len(x)) != 3
    torch.testing.assert_close(found[others], layer(x)[others], atol=1e-5, rtol=1e-5)
    assert not found[3].isfinite().all()


def jitted(layer, x):
    return torch.jit.trace(layer, x, check_trace=False)


def functional(layer, x):
    return make_fx(layer)(x)


def before_dispatch(layer, x):
    return make_fx(layer, pre_dispatch=True)(x)


@pytest.mark.parametrize("traced", [jitted, functional, before_dispatch])
@pytest.mark.parametrize("known", [None, "near"])
@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning", "ignore:.*torch.jit.*:DeprecationWarning")
def test_what_is_traced_repairs_what_it_is_given(repair, x, known, traced):
    """Batches that the trace does not fit may raise; none is answered with the repair of the example."""
    layer, answers = lnn.RepairLayer(repair, source=known), 0
    with torch.no_grad():
        made = traced(layer, x)
        for other in (x, x.flip(0), torch.from_numpy(activations(len(x), 7)), torch.cat([x, x])):
            try:
                found = made(other)
            except (RuntimeError, AssertionError):
                continue
            torch.testing.assert_close(found, layer(other), atol=1e-5, rtol=1e-5)
            answers += 1
    assert answers > 1


def test_operations_of_a_repair_are_counted(repair, x):
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        lnn.RepairLayer(repair)(x)
    assert counter.get_total_flops() > 0


def test_later_lessons_are_not_seen(x):
    repair = learned()
    layer = lnn.RepairLayer(repair)
    before = layer(x)
    h = activations(1200, 0)
    repair.learn("near", 2 * h, h)
    repair.learn("dark", 0.1 * h, h)
    torch.testing.assert_close(layer(x), before)
    for back in (member.back for member in repair.members if member.back is not None):
        back.field.G[:] = back.field.a[:] = 9
    torch.testing.assert_close(layer(x), before)
    torch.testing.assert_close(copy.deepcopy(layer)(x), before)
    moved = copy.deepcopy(layer).double()
    torch.testing.assert_close(moved(x), before, atol=1e-5, rtol=1e-5)
    layer.repair = repair
    assert not torch.allclose(layer(x), before, atol=0.1)


def test_a_state_holds_the_repair_that_is_made(x):
    h, repair = activations(1200, 0), learned()
    layer = lnn.RepairLayer(repair)
    assert layer.repair is repair
    before, said = layer(x), layer.posterior
    repair.adapt("near", 0.5 * h, h)
    repair.margins["near"] = 50.0
    repair.decide_among("shift")
    for _ in range(2):
        loaded = lnn.RepairLayer(learned(parents=2))
        loaded.load_state_dict(layer.state_dict())
        torch.testing.assert_close(layer(x), before)
        torch.testing.assert_close(loaded(x), before)
        torch.testing.assert_close(loaded.posterior, said)
        assert not layer.repair.margins.keys() & loaded.repair.margins.keys()
        repair.learn("dark", 0.1 * h, h)
    assert "dark" not in repr(layer)
    later = lnn.RepairLayer(learned(), layer)  # of the sources that the layer knows
    assert (layer.decides, later.decides) == (True, False)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda s: None, "_extra_state is NoneType: expected 'repair'"),
        (lambda s: {}, "expected 'repair'"),
        (lambda s: {"repair": 3}, "kind None"),
        (lambda s: {"repair": {"kind": "grid"}}, "expected 'file'"),
        (lambda s: {"repair": {"kind": "grid", "file": "r.h5"}}, "a file of str: expected a tensor of bytes"),
        (lambda s: {"repair": {"kind": "grid", "file": s["repair"]["file"][:100]}}, "expected what state_dict"),
        (
            lambda s: {"repair": lnn.NoiseLayer(noise()).get_extra_state()["noise"]},
            "holds a UnitGrid: expected a Repair",
        ),
        (lambda s: {"repair": {"kind": "bank", "members": 3}}, "members is int"),
    ],
)
def test_a_damaged_state_is_one_sentence(repair, x, damage, words):
    layer = lnn.RepairLayer(repair)
    before, state = layer(x), layer.state_dict()
    state["_extra_state"] = damage(state["_extra_state"])
    with pytest.raises(ArgumentError, match=words) as caught:
        layer.load_state_dict(state)
    assert "\n" not in str(caught.value)
    assert torch.equal(layer(x), before)
    other = lnn.NoiseLayer(noise())
    with pytest.raises(ArgumentError, match="state_dict"):
        other.load_state_dict({"_extra_state": damage(layer.get_extra_state())})


def noise():
    return ln.UnitGrid(SHAPE, CHANNELS).learn(activations(300, 5), ridge=1e-3)


def test_a_layer_asks_for_the_margins_of_now_and_keeps_its_laws(x):
    h, repair = activations(1200, 0), learned()
    layer, asked = lnn.RepairLayer(repair), learned()
    repair.adapt("near", 0.5 * h, h)
    repair.margins = asked.margins = {"shift": 1e3}
    layer.decide_as_now()
    layer(x)
    expected = asked.posterior(x.numpy())
    assert np.allclose(layer.posterior, expected, atol=1e-4)
    loaded = lnn.RepairLayer(learned())
    loaded.load_state_dict(layer.state_dict())
    loaded(x)
    assert np.allclose(loaded.posterior, expected, atol=1e-4)
    repair.learn("dark", 0.1 * h, h)
    with pytest.raises(ArgumentError, match=r"near, shift, dark: expected the sources .*; set layer.repair = repair"):
        layer.decide_as_now()


def test_a_network_that_was_trained_under_noise_is_repaired_behind_it():
    generator = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 2))
    inputs = torch.randn(500, 3, generator=generator)
    noisy = {
        when: lnn.attach(net, "1", lnn.NoiseLayer(ln.UnitGrid(shape=(1, 8)), when=when)).eval()
        for when in ("train", "both")
    }
    bare = lnn.learn_repairs(net, ["1"], inputs, {"dark": lambda x: 0.3 * x})
    found = lnn.learn_repairs(noisy["train"], ["1"], inputs, {"dark": lambda x: 0.3 * x})
    lnn.calibrate_repairs(noisy["train"], found, inputs[:300])
    mended = lnn.attach_repairs(noisy["train"], found, source="dark").eval()
    expected = lnn.attach_repairs(net, bare, source="dark").eval()
    torch.testing.assert_close(mended(0.3 * inputs), expected(0.3 * inputs))  # at test there is no noise
    mended.train()
    assert not torch.allclose(mended(inputs), mended(inputs))
    assert any(key.startswith("1.noise.1") for key in mended.state_dict())
    again = lnn.attach_repairs(noisy["train"], found, source="dark")
    again.load_state_dict(mended.state_dict())
    torch.testing.assert_close(again.eval()(inputs), mended.eval()(inputs))
    with pytest.raises(ArgumentError, match="on at test: expected a layer without"):
        lnn.attach_repairs(noisy["both"], bare)
    with pytest.raises(ArgumentError, match="on at test"):
        lnn.attach_repairs(mended, bare)


def test_gradients_are_exact_through_ways_back_and_gate(x):
    torch.set_default_dtype(torch.float64)
    try:
        layer = lnn.RepairLayer(learned("float64"))
    finally:
        torch.set_default_dtype(torch.float32)
    soft = torch.nn.Parameter(x[:3].double())
    layer._scale.fill_(3.0)  # a gate that is in two minds, where its gradient counts
    assert torch.autograd.gradcheck(layer, (soft,))
    with torch.no_grad():
        assert ((layer.posterior > 0.02) & (layer.posterior < 0.98)).any()


def test_a_later_layer_decides_anew_as_the_repair_does(x):
    """What a third layer follows is the posterior of the second."""
    first, second = learned(), learned(parents=2).decide_among("shift")
    layers = [lnn.RepairLayer(first)]
    layers.append(lnn.RepairLayer(second, layers[0]))
    layers.append(lnn.RepairLayer(learned(), layers[1]))
    h, said = x, None
    for layer in layers:
        expected, said = layer.repair(h.numpy(), said)
        h = layer(h)
        assert np.allclose(h, expected, atol=1e-4)
        assert np.allclose(layer.posterior, said, atol=1e-4)
    assert [layer.decides for layer in layers] == [True, True, False]
    assert not np.allclose(layers[0].posterior, said, atol=1e-3)


def test_gradients_are_exact_where_a_layer_decides_anew(x):
    torch.set_default_dtype(torch.float64)
    try:
        first = lnn.RepairLayer(learned("float64"))
        second = lnn.RepairLayer(learned("float64").decide_among("shift"), first)
    finally:
        torch.set_default_dtype(torch.float32)
    first._scale.fill_(3.0)
    second._among_scale.fill_(3.0)
    assert torch.autograd.gradcheck(lambda h: second(first(h)), (torch.nn.Parameter(x[:3].double()),))


def test_another_repair_takes_the_place_of_all_ways_back(repair, x):
    """Also where it has fewer of them."""
    h = activations(1200, 0)
    alone = ln.Repair(SHAPE, CHANNELS, radius=1).learn("near", h + 0.2, h, way_back=False)
    layer = lnn.RepairLayer(repair)
    layer.repair = alone
    assert torch.equal(layer(x), x)
    assert torch.equal(layer(x + 0.2), x + 0.2)


def test_a_replica_of_a_layer_that_decides_does_what_the_layer_does(repair, x):
    layer = lnn.RepairLayer(repair)
    replica = layer._replicate_for_data_parallel()  # as DataParallel makes them, where there is more than one device
    assert torch.equal(replica(x), layer(x))


def test_any_floating_dtype_comes_back_as_it_was(repair, x):
    layer = lnn.RepairLayer(repair)
    for dtype in (torch.float64, torch.bfloat16):
        assert layer(x.to(dtype)).dtype == dtype
    assert torch.allclose(layer(x.double()).float(), layer(x), atol=1e-6)


def test_it_is_an_ordinary_module(repair, x):
    net = nn.Sequential(nn.Conv2d(CHANNELS, CHANNELS, 1), nn.Tanh(), nn.Flatten(), nn.Linear(24, 3))
    mended = lnn.attach(net, "1", lnn.RepairLayer(repair))
    for other in (copy.deepcopy(mended), pickle.loads(pickle.dumps(mended))):
        assert torch.equal(other(x), mended(x))
    fresh = lnn.attach(net, "1", lnn.RepairLayer(learned().learn("flip", -activations(300, 4), activations(300, 4))))
    fresh.load_state_dict(mended.state_dict())
    assert torch.equal(fresh(x), mended(x))
    assert torch.equal(lnn.detach(mended, "1")(x), net(x))
