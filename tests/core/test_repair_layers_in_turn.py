"""Repairs behind several layers: they repair more than one, the first gate decides, calibration bounds what changes."""

import copy

import pytest
import torch
from repair_layers import CHANNELS, SHAPE, learned
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import localnoise as ln
from localnoise import nn as lnn
from localnoise.errors import ArgumentError, FewInputsWarning, RidgeWarning


@pytest.fixture(scope="module")
def repair():
    return learned()


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.Tanh())
        self.pool = nn.MaxPool2d(2)
        self.last = nn.Sequential(nn.Flatten(), nn.Linear(64, 12), nn.Tanh(), nn.Linear(12, 5))

    def forward(self, x):
        return self.last(self.pool(self.first(x)))


def dim(x):
    return 0.3 * x


def turned(x):
    return torch.rot90(x, 1, (2, 3))


@pytest.fixture(scope="module")
def in_turn():
    torch.manual_seed(0)
    net, made = Net(), torch.Generator().manual_seed(1)
    images = torch.nn.functional.avg_pool2d(torch.randn(1600, 1, 10, 10, generator=made), 3, 1)
    before = copy.deepcopy(net.state_dict())
    told = []
    repairs = lnn.learn_repairs(
        net, ["first", "pool", "last.2", "last.3"], images[:1200], {"dim": dim, "turned": turned}, radius=1,
        progress=lambda layer, source: told.append((layer, source)),
    )  # fmt: skip
    assert told[:3] == [("first", "dim"), ("first", "turned"), ("pool", "dim")]
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    return net, repairs, images[1200:]


def test_layers_in_turn_repair_more_than_one(in_turn):
    net, repairs, x = in_turn
    with torch.no_grad():
        alone = lnn.attach_repairs(net, {"first": repairs["first"]}, source="turned")
        all_of_them = lnn.attach_repairs(net, repairs, source="turned")
        errors = [(model(turned(x)) - net(x)).square().mean().item() for model in (net, alone, all_of_them)]
    assert errors[2] < 0.9 * errors[1] < 0.9 * errors[0]


def test_the_first_gate_decides_for_all(in_turn):
    net, repairs, x = in_turn
    mended = lnn.attach_repairs(net, repairs).eval()
    with torch.no_grad():
        mended(torch.cat([x[:50], dim(x[50:100])]))
    layers = [module for module in mended.modules() if isinstance(module, lnn.RepairLayer)]
    assert len(layers) == 4
    assert all(torch.equal(layer.posterior, layers[0].posterior) for layer in layers)
    assert ((layers[0].posterior.argmax(1) == 1) == torch.tensor([False] * 50 + [True] * 50)).float().mean() > 0.95
    again = copy.deepcopy(mended)
    assert torch.equal(again(x), mended(x))


def test_calibration_bounds_the_decisions_that_change(in_turn):
    net, repairs, x = in_turn
    lnn.calibrate_repairs(net, repairs, x, most=0.01)
    with torch.no_grad():
        changed = (lnn.attach_repairs(net, repairs)(x).argmax(1) != net(x).argmax(1)).float().mean()
    assert changed <= 0.01


def test_inputs_of_a_loader_and_arrays_give_what_a_tensor_gives(in_turn):
    net, repairs, x = in_turn
    found = []
    for inputs in (x, x.numpy(), DataLoader(TensorDataset(x, torch.zeros(len(x))), batch_size=70)):
        lnn.calibrate_repairs(net, repairs, inputs, most=0.01)
        found.append({name: dict(repair.margins) for name, repair in repairs.items()})
    assert found[0] == found[1] == found[2]
    for pairs in ([(dim(x), x)], [(dim(x).numpy(), x.numpy())]):
        lnn.expect_worth(net, repairs, pairs)
        found.append(next(iter(repairs.values())).worth.offset.tolist())
    assert found[3] == found[4]


def test_a_call_that_fails_leaves_what_repairs_ask_for(in_turn):
    net, repairs, x = in_turn
    first = next(iter(repairs.values()))
    first.margins = {"dark": 5.0}
    worth = first.worth

    def unattached(*given):
        raise ArgumentError("no copy")

    for call, said in (
        (lambda: lnn.expect_worth(net, repairs, [(x, x[:3])]), "expected the same inputs twice"),
        (lambda: lnn.expect_worth(net, repairs, [(x * float("nan"), x)]), "pairs holds values that are not finite"),
        (lambda: lnn.calibrate_repairs(net, repairs, x * float("nan")), "inputs holds values that are not finite"),
        (lambda: lnn.calibrate_repairs(net, repairs, x, attach=unattached), "no copy"),
    ):
        with pytest.raises(ArgumentError, match=said):
            call()
        assert first.margins == {"dark": 5.0}
        assert first.worth is worth


def test_decisions_on_too_few_inputs_are_warned_of(in_turn):
    net, repairs, x = in_turn
    with pytest.warns(FewInputsWarning, match=r"inputs has 50, of which a share of most=0.01 .* expected at least 100"):
        lnn.calibrate_repairs(net, repairs, x[:50], most=0.01)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda net, r: lnn.RepairLayer("r.h5"), "repair is str"),
        (lambda net, r: lnn.RepairLayer(ln.Repair(SHAPE, CHANNELS)), "nothing is learned"),
        (lambda net, r: lnn.RepairLayer(r, source="fog"), "fog"),
        (lambda net, r: lnn.RepairLayer(r)(torch.zeros(2, 5)), "expected"),
        (lambda net, r: lnn.RepairLayer(r, lnn.RepairLayer(r))(torch.zeros(2, CHANNELS, *SHAPE)), "follows"),
        (lambda net, r: lnn.RepairLayer(r)(torch.zeros(2, CHANNELS, *SHAPE, dtype=torch.int64)), "floating"),
        (
            lambda net, r: lnn.RepairLayer(r, lnn.RepairLayer(r))._replicate_for_data_parallel(),
            "DistributedDataParallel",
        ),
        (lambda net, r: lnn.calibrate_repairs(net, {"first": r}, torch.zeros(0, 1, 8, 8)), "0 inputs"),
        (lambda net, r: lnn.calibrate_repairs(net, {"first": r}, 3), "inputs is int: expected a DataLoader"),
        (lambda net, r: lnn.expect_worth(net, {"first": r}, (torch.zeros(2, 1, 8, 8),) * 3), "pairs holds Tensor"),
        (
            lambda net, r: lnn.expect_worth(net, {"first": r}, [(torch.zeros(2, 1, 8, 8),) * 3]),
            "Tensor, Tensor, Tensor",
        ),
        (lambda net, r: lnn.learn_repairs(net, "first", torch.zeros(9, 1, 8, 8), {"a": dim}, progress=3), "progress=3"),
        (lambda net, r: lnn.attach_repairs(net, {}), "dict"),
        (lambda net, r: lnn.attach_repairs(net, {"frist": r}), "first"),
        (lambda net, r: lnn.learn_repairs(net, "first", torch.zeros(9, 1, 8, 8), {}), "at least one"),
        (lambda net, r: lnn.learn_repairs(net, "first", torch.zeros(9, 1, 8, 8), {"a": lambda x: x}), "as it was"),
        (lambda net, r: lnn.learn_repairs(net, "first", torch.zeros(9, 1, 8, 8), {"a": lambda x: x[:1]}), "shape"),
    ],
)
def test_bad_input_is_one_sentence(in_turn, repair, call, words):
    with pytest.raises(ArgumentError, match=words) as caught:
        call(in_turn[0], repair)
    assert "\n" not in str(caught.value)


def test_a_further_source_is_learned_later_as_if_it_had_been_there(in_turn):
    """Layer by layer, behind what the layers before undo of it; the repairs that were given stay as they are."""
    net, repairs, _ = in_turn
    images = torch.nn.functional.avg_pool2d(
        torch.randn(1600, 1, 10, 10, generator=torch.Generator().manual_seed(1)), 3, 1
    )[:1200]
    names = ["first", "pool"]
    one = lnn.learn_repairs(net, names, images, {"dim": dim}, radius=1)
    lnn.calibrate_repairs(net, one, images[1000:])
    margins = {name: dict(made.margins) for name, made in one.items()}
    two = lnn.learn_repairs(net, one, images, {"turned": turned})
    assert [made.sources for made in one.values()] == [["clean", "dim"]] * 2
    assert [made.sources for made in two.values()] == [["clean", "dim", "turned"]] * 2
    assert all(margins[name].items() <= two[name].margins.items() for name in names)
    lnn.calibrate_repairs(net, two, images[1000:])
    assert margins == {name: dict(made.margins) for name, made in one.items()}
    x = images[:40]
    for source, change in (("dim", dim), ("turned", turned)):
        told = [lnn.attach_repairs(net, {name: made[name] for name in names}, source=source) for made in (two, repairs)]
        with torch.no_grad():
            assert torch.allclose(*(one(change(x)) for one in told), atol=1e-6)


@pytest.mark.parametrize(
    ("layers", "options", "message"),
    [
        (
            {"first": None},
            {},
            r"layers\['first'\] is None: expected a Repair that says how the layer's",
        ),
        ({"first": ln.Repair(SHAPE, CHANNELS)}, {}, "nothing learned\\): expected a Repair that says how"),
        ({"first": None}, {"radius": 1}, "radius was given with repairs, which keep the options"),
    ],
)
def test_what_learns_no_further_source(in_turn, layers, options, message):
    net, _, x = in_turn
    with pytest.raises(ArgumentError, match=message):
        lnn.learn_repairs(net, layers, x, {"dim": dim}, **options)


def test_layers_may_have_options_of_their_own():
    """A convolution as long as the dense layer behind it is wide: which axis has channels must be said of it alone."""
    net = torch.nn.Sequential(torch.nn.Conv1d(1, 6, 3), torch.nn.Tanh(), torch.nn.Flatten(), torch.nn.Linear(24, 4))
    x = torch.randn(400, 1, 6, generator=torch.Generator().manual_seed(0))
    with pytest.raises(ArgumentError, match=r"axis 1 or the last.*kind='channels-first'"):
        lnn.learn_repairs(net, ["1", "3"], x, {"dark": lambda x: 0.3 * x})
    with pytest.raises(ArgumentError, match="as kind='channels-first' says"):
        lnn.learn_repairs(net, ["1", "3"], x, {"dark": lambda x: 0.3 * x}, kind="channels-first")
    conv, dense = lnn.repair_like(net, "1", x, kind="channels-first", radius=1), lnn.repair_like(net, "3", x)
    made = lnn.learn_repairs(net, {"1": conv, "3": dense}, x, {"dark": lambda x: 0.3 * x})
    assert (made["1"].radius, made["3"].radius) == (1, 0)
    assert [one.sources for one in made.values()] == [["clean", "dark"]] * 2
    assert not conv.members + dense.members
    mended = lnn.attach_repairs(net, made, source="dark")
    with torch.no_grad():
        assert (mended(0.3 * x) - net(x)).abs().mean() < 0.3 * (net(0.3 * x) - net(x)).abs().mean()


def test_repairs_of_other_sources_are_not_learned_further(in_turn):
    net, repairs, x = in_turn
    other = {name: lnn.repair_like(net, name, x[:4]) for name in ("first", "pool")}
    with pytest.raises(ArgumentError, match=r"layers\['pool'\] has learned \[\], layers\['first'\] \['clean', "):
        lnn.learn_repairs(net, {"first": repairs["first"], "pool": other["pool"]}, x, {"dim": dim})


def test_errors_and_warnings_name_the_layer():
    net = torch.nn.Sequential(torch.nn.Linear(3, 6), torch.nn.Tanh(), torch.nn.Linear(6, 2))
    x = torch.randn(400, 3, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        net[2].bias += 1000.0
    with pytest.warns(RidgeWarning, match="^layer '2': activations of source 'dark' lie ") as caught:
        lnn.learn_repairs(net, ["1", "2"], x, {"dark": lambda x: 0.3 * x})
    assert [one.filename for one in caught] == [__file__] * len(caught)
    with pytest.raises(ArgumentError, match=r"^layer '1': .*finite"):
        lnn.learn_repairs(net, ["1", "2"], x, {"lost": lambda x: x * float("nan")})
