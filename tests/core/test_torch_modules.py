"""The noise layer does what dropout or a convolution do: streams, copies, states, checkpoints, compilation."""

import copy
import gc
import io
import pickle

import numpy as np
import pytest
import torch
from torch.utils.checkpoint import checkpoint
from torch.utils.data import DataLoader, Dataset

import localnoise as ln
from localnoise.errors import ArgumentError
from localnoise.nn import NoiseLayer, Predictor

SHAPE, CHANNELS = (3, 3), 2
LAYOUT = (CHANNELS, *SHAPE)


def pairs(seed=0):
    d, h = np.random.default_rng(seed).normal(size=(2, 300, *LAYOUT)).astype(np.float32)
    return d + 0.7 * np.roll(d, 1, 3) + 0.5 * h, h


def grid(signal="none", seed=0):
    d, h = pairs(seed)
    return ln.UnitGrid(SHAPE, CHANNELS, parents=2, signal=signal).learn(d, h if signal == "local" else None)


def noises():
    d, h = pairs()
    full = ln.central.full(d)
    return {
        "grid": grid(),
        "signal": grid("local"),
        "full": full,
        "diagonal": ln.central.diagonal(d),
        "none": ln.central.none(d),
        "affine": ln.central.affine(d, h),
        "bank": ln.Bank([grid("local"), grid(seed=1), full], clean=0.3, shares=[1, 2, 3]),
    }


@pytest.fixture(params=["grid", "signal", "full", "diagonal", "none", "affine", "bank"])
def noise(request):
    return noises()[request.param]


H = torch.from_numpy(np.random.default_rng(9).normal(size=(6, *LAYOUT)).astype(np.float32))


# Streams


def test_two_layers_never_share_a_stream_and_a_manual_seed_repeats_both():
    one = grid()
    a, b, x = NoiseLayer(one), NoiseLayer(one), torch.zeros(2000, *LAYOUT)
    torch.manual_seed(5)
    first = torch.stack([a(x), b(x)])
    r = np.corrcoef(first[0].flatten(1).T, first[1].flatten(1).T)[:18, 18:]
    assert abs(r).max() < 6 / np.sqrt(2000)
    assert len(torch.unique(torch.cat([first.flatten(0, 1), a(x)]).flatten(1), dim=0)) == 6000
    torch.manual_seed(5)
    assert torch.equal(first, torch.stack([a(x), b(x)]))
    assert a.position == 0, "it has no stream of its own"


class Noisy(Dataset):
    """Sixteen times nothing but noise."""

    layer = NoiseLayer(grid())

    def __len__(self):
        return 16

    def __getitem__(self, index):
        return self.layer(torch.zeros(1, *LAYOUT))[0]


def test_workers_and_epochs_draw_apart():
    loader = DataLoader(Noisy(), batch_size=4, num_workers=2, multiprocessing_context="fork")
    draws = torch.cat([torch.cat(list(loader)) for _ in range(2)])
    assert len(torch.unique(draws.flatten(1), dim=0)) == 32


# Checkpointing


def network(seed):
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1),
        NoiseLayer(grid("local"), seed=seed),
        torch.nn.Tanh(),
        torch.nn.Conv2d(CHANNELS, 1, 3),
    )


def gone_through(net, run, seed, batches):
    """Outputs, gradients and position after all batches went forward and then back."""
    torch.manual_seed(1)
    net.zero_grad()
    net[1].reseed(seed)
    outs = [run(x.clone().requires_grad_()) for x in batches]
    for out in outs:
        out.square().sum().backward()
    return torch.cat(outs).detach(), torch.cat([p.grad.flatten() for p in net.parameters()]), net[1].position


@pytest.mark.parametrize("reentrant", [False, True])
@pytest.mark.parametrize("seed", [None, 3])
def test_what_is_computed_again_is_the_same_draw(seed, reentrant):
    """Twice: the second time the same activations were seen before."""
    net = network(seed)
    for _ in range(2):
        expected = gone_through(net, net, seed, [H[:3], H[3:]])
        found = gone_through(net, lambda x: checkpoint(net, x, use_reentrant=reentrant), seed, [H[:3], H[3:]])
        assert torch.equal(found[0], expected[0])
        torch.testing.assert_close(found[1], expected[1], rtol=1e-5, atol=1e-6)
        assert found[2] == expected[2] == (6 if seed is not None else 0), "computing again does not move the stream on"


@pytest.mark.parametrize("reentrant", [False, True])
def test_one_activation_twice_is_told_apart_by_torch_s_generator_or_refused(reentrant):
    net, twice = network(None), [H[:3], H[:3]]

    def run(x):
        return checkpoint(net, x, use_reentrant=reentrant)

    expected, found = gone_through(net, net, None, twice), gone_through(net, run, None, twice)
    assert torch.equal(found[0], expected[0])
    assert not torch.equal(found[0][:3], found[0][3:])
    torch.testing.assert_close(found[1], expected[1], rtol=1e-5, atol=1e-6)
    net = network(3)
    with pytest.raises(ArgumentError, match=r"2 forwards of one activation, at positions 0, 3, .* seed=None"):
        gone_through(net, run, 3, twice)


# States and copies


def test_a_state_carries_noise_seed_and_position(noise):
    one, other = NoiseLayer(noise, seed=2**64 - 7), NoiseLayer(ln.UnitGrid(SHAPE, CHANNELS))
    one(H)
    held = io.BytesIO()
    torch.save(one.state_dict(), held)
    held.seek(0)
    other.load_state_dict(torch.load(held, weights_only=True))
    assert (other.seed, other.position) == (2**64 - 7, 6)
    assert type(other.noise) is type(noise)
    torch.testing.assert_close(one(H), other(H), rtol=1e-6, atol=1e-6)


def test_a_state_of_another_layout_or_kind_is_refused():
    state = NoiseLayer(grid()).state_dict()
    with pytest.raises(ArgumentError, match=r"layout \(2, 3, 3\): expected \(2, 4, 4\)"):
        NoiseLayer(ln.UnitGrid((4, 4), 2)).load_state_dict(state)
    state["_extra_state"]["noise"]["kind"] = "of tomorrow"
    with pytest.raises(ArgumentError, match="a noise of kind 'of tomorrow': expected grid, chip"):
        NoiseLayer(grid()).load_state_dict(state)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda layer: pickle.loads(pickle.dumps(layer))])
def test_a_copy_has_a_noise_of_its_own_and_goes_on_from_there(copied):
    one = NoiseLayer(grid("local"), seed=4)
    one(H)
    other, expected = copied(one), one(H)
    other.noise.field.B[:] *= 1  # a copy's own memory
    assert other.noise is not one.noise
    del one
    gc.collect()
    h = H.clone().requires_grad_()
    assert torch.equal(other(h), expected)
    other(h).sum().backward()
    assert h.grad.abs().sum() > 0


def test_a_noise_that_learns_on_or_is_exchanged_is_drawn_as_it_is_now():
    layer, d = NoiseLayer(grid(), seed=0), pairs(3)[0]
    before = layer(H)
    layer.noise.learn(4 * d)
    layer.reseed(0)
    louder = layer(H)
    assert (louder - H).square().mean() > 2 * (before - H).square().mean()
    layer.noise = ln.central.none(d)
    assert torch.equal(layer(H), H)


# Compilation and export


@pytest.mark.slow
@pytest.mark.parametrize("seed", [None, 7])
def test_compiled_whole_it_draws_and_differentiates_the_same(seed):
    layer = NoiseLayer(grid("local"), seed=seed)
    net = torch.nn.Sequential(torch.nn.Conv2d(CHANNELS, CHANNELS, 1), layer, torch.nn.Tanh())
    compiled = torch.compile(net, fullgraph=True, backend="aot_eager")
    found = []
    for run in (net, compiled):
        torch.manual_seed(2)
        layer.reseed(seed)
        net.zero_grad()
        out = torch.cat([run(H), run(H)])
        out.square().sum().backward()
        found.append((out.detach(), net[0].weight.grad.clone(), layer.position))
    assert torch.equal(found[0][0], found[1][0])
    torch.testing.assert_close(found[0][1], found[1][1])
    assert found[0][2] == found[1][2] == (12 if seed is not None else 0)


@pytest.mark.slow
def test_it_is_exported_as_one_operator():
    exported = torch.export.export(torch.nn.Sequential(NoiseLayer(grid(), seed=1)), (H,))
    names = [str(node.target) for node in exported.graph.nodes if node.op == "call_function"]
    assert "localnoise.eta.default" in names


def test_the_operators_hold_what_torch_asks_of_operators():
    layer = NoiseLayer(grid("local"), seed=1)
    where = (torch.tensor(1), torch.tensor(0), layer._number)
    for operator in (torch.ops.localnoise.eta, torch.ops.localnoise.pull_back):
        torch.library.opcheck(operator, (H.clone().requires_grad_(operator is torch.ops.localnoise.eta), *where))
    torch.library.opcheck(torch.ops.localnoise.advance, (torch.tensor(0), H))


def test_a_deployed_predictor_is_silent_in_evaluation_where_it_was_told_to_be():
    predictor = Predictor(torch.nn.Flatten(), NoiseLayer(grid(), when="train"), torch.nn.Linear(18, 3)).eval()
    assert torch.equal(predictor(H), predictor(H))


# Bad input


def test_a_file_is_no_noise():
    with pytest.raises(ArgumentError, match=r"noise='grid\.h5': expected a noise, not its file; use localnoise\.load"):
        NoiseLayer("grid.h5")


def test_a_graph_that_outlives_its_noise_says_so():
    layer = NoiseLayer(grid(), seed=1)
    number = layer._number
    del layer
    gc.collect()
    with pytest.raises(ArgumentError, match=f"noise number {number} is not of this process, or is gone"):
        torch.ops.localnoise.eta(H, torch.tensor(1), torch.tensor(0), number)
