"""A repair's worth: it is made only where all laws together say that it pays."""

import copy

import h5py
import numpy as np
import pytest
import torch

import localnoise as ln
from localnoise import nn as lnn
from localnoise.errors import ArgumentError, FewInputsWarning, FileFormatError
from localnoise.repair.worth import Worth, fitted

SHAPE, CHANNELS = (4, 5), 2
T = 300


def activations(count, seed):
    rng = np.random.default_rng(seed)
    return np.tanh(rng.normal(size=(count, CHANNELS, *SHAPE)).cumsum(axis=3) / 2).astype(np.float32)


def dimmed(h):
    return 0.3 * h


def other(h):
    """Something else that the gate takes for `dim`: no law of its own was learned."""
    return dimmed((h + np.roll(h, 1, 3) + np.roll(h, 1, 2)) / 3)


def noisy(h, seed=5):
    return (h + np.random.default_rng(seed).normal(size=h.shape)).astype(np.float32)


@pytest.fixture(scope="module")
def learned():
    clean = activations(1500, 0)
    return ln.Repair(SHAPE, CHANNELS, radius=1).learn("dim", dimmed(clean), clean).learn("noise", noisy(clean), clean)


@pytest.fixture
def repair(learned):
    return copy.copy(learned)


def taught(repair, least=0.05):
    """Worth of examples in which `dim` pays where all is dim, and only there."""
    held = activations(T, 1)
    h = np.concatenate([held, dimmed(held), other(held), noisy(held)])
    gain = np.repeat([0.0, 1.0, -1.0, 1.0], T)
    return repair.expect_worth(repair.log_densities(h), repair.posterior(h).argmax(axis=1), gain, least)


def test_worth_is_a_ridge_regression_for_each_source_that_is_likeliest():
    """Written out: a source's own densities standardised, and five examples of worth 0 in every direction."""
    rng = np.random.default_rng(0)
    density, likeliest = rng.normal(size=(90, 3)) * [1, 20, 0.1] + [0, -7, 4], rng.integers(0, 2, 90)
    gain = rng.integers(-1, 2, 90).astype(float)
    worth = fitted(density, likeliest, gain)
    for t in (0, 1):
        own = likeliest == t
        z = np.c_[np.ones(90), (density - density[own].mean(axis=0)) / density[own].std(axis=0)]
        w = np.linalg.solve(z[own].T @ z[own] + 5 * np.eye(4), z[own].T @ gain[own])
        assert np.allclose(worth.of(density, np.full(90, t)), z @ w)
    assert not worth.of(density, np.full(90, 2)).any()  # never seen: worth nothing


def test_what_does_not_pay_is_left_alone_and_what_pays_is_done(repair):
    """What the gate takes for a dimming is left alone by what that is worth."""
    held = activations(T, 2)
    strange, full = other(held), dimmed(held)
    assert (repair(strange)[1].argmax(axis=1) == 1).mean() > 0.9
    before = repair(full)[0]
    taught(repair)
    fixed, posterior = repair(strange)
    left = ~posterior.any(axis=1)
    assert left.mean() > 0.9
    assert np.array_equal(fixed[left], strange[left])
    fixed, posterior = repair(full)
    assert np.isclose(posterior.sum(axis=1), 1).mean() > 0.9
    kept = posterior.any(axis=1)
    assert np.array_equal(fixed[kept], before[kept])


def test_a_layer_and_a_stream_expect_the_same(repair):
    held = activations(40, 3)
    h = np.concatenate([held, dimmed(held), other(held), noisy(held)])
    layer = lnn.RepairLayer(taught(repair))
    fixed, posterior = repair(h)
    assert 0.2 < posterior.any(axis=1).mean() < 0.8
    out = layer(torch.from_numpy(h))
    assert np.allclose(layer.posterior, posterior, atol=1e-4)
    assert np.allclose(out, fixed, atol=1e-4)
    assert np.allclose(layer.density, repair.log_densities(h), atol=1e-4)
    stream = ln.RepairStream(repair, stay=0.5)
    assert (stream(dimmed(held))[1].sum(axis=1) > 0.99).mean() > 0.9
    assert not stream(other(held))[1][5:].any()


def test_no_later_layer_looks_again_at_what_is_left_alone(repair):
    taught(repair)
    strange = other(activations(20, 4))
    said = repair.posterior(strange)
    left = ~said.any(axis=1)
    assert left.sum() > 15
    again = copy.copy(repair).decide_among("dim")
    again.worth = None
    fixed, posterior = again(strange, said)
    assert not posterior[left].any()
    assert np.array_equal(fixed[left], strange[left])
    first = lnn.RepairLayer(repair)
    second = lnn.RepairLayer(again, first)
    first(torch.from_numpy(strange))
    assert np.array_equal(second(torch.from_numpy(strange))[left], strange[left])


def test_a_source_that_another_layer_asks_about_passes(repair):
    held = activations(T, 1)
    h = np.concatenate([held, dimmed(held), other(held), noisy(held)])
    density, likeliest = repair.log_densities(h), repair.posterior(h).argmax(axis=1)
    repair.expect_worth(density, likeliest, np.full(len(h), -1.0), passed=["dim"])
    said = repair.posterior(h)
    assert said[likeliest == 1].any(axis=1).all()
    assert not said[likeliest != 1].any()
    with pytest.raises(ArgumentError, match="passed='dimm'"):
        repair.expect_worth(density, likeliest, np.zeros(len(h)), passed=["dimm"])


def test_a_second_look_asks_what_it_is_worth_and_a_layer_does_the_same(learned):
    """What an earlier layer took for clean or `dim` is decided anew, and left alone where that does not pay."""
    first, second = copy.copy(learned), taught(copy.copy(learned).decide_among("dim"))
    held = activations(40, 3)
    h = np.concatenate([dimmed(held), other(held), noisy(held)])
    said = first.posterior(h)
    fixed, posterior = second(h, said)
    left = ~posterior.any(axis=1)
    assert left[:40].mean() < 0.1
    assert left[40:80].mean() > 0.8
    assert np.array_equal(fixed[left], h[left])
    before = lnn.RepairLayer(first)
    after = lnn.RepairLayer(second, before)
    before(torch.from_numpy(h))
    assert np.allclose(after(torch.from_numpy(h)), fixed, atol=1e-4)
    assert np.allclose(after.posterior, posterior, atol=1e-4)
    assert second(h, "dim")[1].any(axis=1).all(), "a name is sure"


def test_a_second_look_does_not_ask_about_what_the_earlier_layer_decided(learned):
    """Here nothing pays; `noise` is not looked at again, so that the earlier layer's word stands."""
    first, second = copy.copy(learned), copy.copy(learned).decide_among("dim")
    h = np.concatenate([dimmed(activations(40, 3)), noisy(activations(40, 4))])
    density, likeliest = second.log_densities(h), second.posterior(h).argmax(axis=1)
    second.expect_worth(density, likeliest, np.full(len(h), -1.0))
    said = first.posterior(h)
    taken = said.argmax(axis=1) == second.sources.index("noise")
    assert taken[40:].mean() > 0.9
    fixed, posterior = second(h, said)
    assert np.allclose(posterior[taken], said[taken])
    assert not posterior[~taken].any()
    before = lnn.RepairLayer(first)
    after = lnn.RepairLayer(second, before)
    before(torch.from_numpy(h))
    assert np.allclose(after(torch.from_numpy(h)), fixed, atol=1e-4)
    assert np.allclose(after.posterior, posterior, atol=1e-4)


def test_worth_is_kept_in_files_and_forgotten_with_a_lesson(repair, tmp_path):
    taught(repair, least=0.1)
    for state in (True, False):
        kept = ln.load(repair.save(tmp_path / "r.h5", state=state)).worth
        assert kept.least == 0.1
        assert np.array_equal(kept.offset, repair.worth.offset)
        assert np.array_equal(kept.slope, repair.worth.slope)
    layer = lnn.RepairLayer(repair)
    other = lnn.RepairLayer(ln.load(tmp_path / "r.h5"))
    other.load_state_dict(layer.state_dict())
    assert other.repair.worth.least == 0.1
    assert repair.only("dim").worth is None
    h = activations(900, 6)
    assert copy.copy(repair).learn("turned", h[:, :, ::-1].copy(), h).worth is None
    assert copy.copy(repair).calibrate(h[:200]).worth is None


def test_edited_files_are_refused(repair, tmp_path):
    taught(repair).save(tmp_path / "r.h5")
    with h5py.File(tmp_path / "r.h5", "r+") as file:
        file["worth"][-1] = np.nan
    with pytest.raises(FileFormatError, match="worth"):
        ln.load(tmp_path / "r.h5")


def test_a_network_shows_what_its_repairs_are_worth():
    """A shift is undone; halfway there a repair does harm, and what it is worth keeps most of that off."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        x = torch.randn(2400, 12)
        y = (x[:, :4].sum(1) > 0).long() + 2 * (x[:, 4:8].sum(1) > 1.5).long()
        net = torch.nn.Sequential(torch.nn.Linear(12, 24), torch.nn.Tanh(), torch.nn.Linear(24, 4))
        optimizer = torch.optim.Adam(net.parameters(), 0.02)
        for _ in range(150):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(net(x), y).backward()
            optimizer.step()

    def shifted(x, by=1.0):
        return x + by * torch.tensor([2.0] * 6 + [-2.0] * 6)

    repairs = lnn.learn_repairs(net, "1", x[:1500], {"shifted": shifted})
    held, test = x[1500:1900], x[1900:]
    lnn.calibrate_repairs(net, repairs, held)

    def right(by, model):
        with torch.no_grad():
            return (model(shifted(test, by)).argmax(1) == net(test).argmax(1)).float().mean().item()

    milder = (0, 0.15, 0.3, 0.4)
    gate = lnn.attach_repairs(net, repairs).eval()
    lnn.expect_worth(net, repairs, [(shifted(held, by), held) for by in (0, 0.1, 0.2, 0.35, 0.5, 0.7, 0.9, 1)])
    careful = lnn.attach_repairs(net, repairs).eval()
    lost = [sum(right(by, net) - right(by, model) for by in milder) for model in (gate, careful)]
    assert lost[0] > 0.08
    assert lost[1] < 0.5 * lost[0]
    assert right(1, careful) > right(1, net) + 0.1


def test_loaders_and_pairs_may_use_their_memory_again():
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.Tanh(), torch.nn.Linear(8, 2))
    x = torch.randn(800, 3)
    held, ways = x[400:], [0.3, 0.5, 0.7, 0.9, 1.0]

    class Reused:
        """Batches that all lie in the same memory."""

        def __init__(self, *columns):
            self.columns = columns

        def __iter__(self):
            kept = [torch.empty_like(column[:100]) for column in self.columns]
            for first in range(0, len(self.columns[0]), 100):
                for one, column in zip(kept, self.columns, strict=True):
                    one[:] = column[first : first + 100]
                yield tuple(kept)

    def found(pairs, clean):
        repairs = lnn.learn_repairs(net, ["1"], x[:400], {"dark": lambda x: 0.3 * x})
        lnn.calibrate_repairs(net, repairs, clean, most=0.02)
        margins = repairs["1"].margins
        lnn.expect_worth(net, repairs, pairs, most=0.02)
        return margins, repairs["1"].margins, repairs["1"].worth.offset.tolist()

    altered = torch.cat([by * held for by in ways])
    columns = altered, held.repeat(len(ways), 1)
    assert found(Reused(*columns), Reused(held)) == found(
        list(zip(*(column.split(100) for column in columns), strict=True)), held
    )


def test_every_layer_that_decides_learns_what_its_sources_are_worth():
    """The first one lets pass what the second one looks at again; margins are set behind both."""
    torch.manual_seed(0)
    net = torch.nn.Sequential(
        torch.nn.Linear(6, 12), torch.nn.Tanh(), torch.nn.Linear(12, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3)
    )
    x = torch.randn(900, 6, generator=torch.Generator().manual_seed(0))
    kinds = {"dark": lambda x: 0.3 * x, "turned": lambda x: x.flip(1)}
    repairs = lnn.learn_repairs(net, ["1", "3"], x[:600], kinds)
    repairs["3"].decide_among("turned")
    repairs["1"].margins = repairs["3"].margins = {"dark": 99.0}
    held = x[600:]
    changes = (lambda x: x, lambda x: 0.8 * x, *kinds.values())
    lnn.expect_worth(net, repairs, [(change(held), held) for change in changes], most=0.02)
    first, second = repairs["1"].worth, repairs["3"].worth
    assert repairs["1"].sources == ["clean", "dark", "turned"]
    assert (first.offset[[0, 2]] == 1).all()
    assert not first.slope[[0, 2]].any()
    assert first.slope[1].any()
    assert (second.offset[1], second.slope[1].any()) == (1, False)
    assert repairs["1"].margins["dark"] < 99
    with torch.no_grad():
        changed = lnn.attach_repairs(net, repairs)(held).argmax(1) != net(held).argmax(1)
    assert changed.double().mean() <= 0.02


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda r, d: r.expect_worth(d[:, :2], np.zeros(9, int), np.zeros(9)), "density has shape"),
        (lambda r, d: r.expect_worth(d[:0], np.zeros(0, int), np.zeros(0)), "density has shape"),
        (lambda r, d: r.expect_worth(d, np.zeros(8, int), np.zeros(9)), "likeliest has shape"),
        (lambda r, d: r.expect_worth(d, np.full(9, 3), np.zeros(9)), "likeliest: expected whole numbers 0 to 2"),
        (lambda r, d: r.expect_worth(d, np.zeros(9), np.zeros(9)), "whole numbers"),
        (lambda r, d: r.expect_worth(d, np.zeros(9, int), np.full(9, np.nan)), "finite gain"),
        (lambda r, d: r.expect_worth(d, np.zeros(9, int), np.zeros(9), 1.0), "least=1.0"),
    ],
)
def test_bad_input_is_one_sentence(repair, call, words):
    with pytest.raises(ArgumentError, match=words) as caught:
        call(repair, repair.log_densities(activations(9, 0)))
    assert "\n" not in str(caught.value)
    assert repair.worth is None


def test_pairs_must_belong_together():
    net = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.Tanh(), torch.nn.Linear(8, 2))
    x = torch.randn(500, 3, generator=torch.Generator().manual_seed(0))
    repairs = lnn.learn_repairs(net, "1", x, {"dark": lambda x: 0.3 * x})
    with pytest.raises(ArgumentError, match="pairs is empty"):
        lnn.expect_worth(net, repairs, [])
    with pytest.raises(ArgumentError, match=r"\(9, 3\) altered, \(8, 3\) unaltered"):
        lnn.expect_worth(net, repairs, [(x[:9], x[:8])])
    with pytest.raises(ArgumentError, match="repairs is empty"):
        lnn.expect_worth(net, {}, [(x, x)])


def test_worth_needs_all_sources():
    worth = Worth(offset=np.zeros(2), slope=np.array([[0.0, 1.0], [0.0, -1.0]]), least=0.5, more=np.zeros(2))
    own = [np.array([0]), np.array([1, 2])]
    density = np.array([[0.0, 0.2, 0.9], [0.0, 0.2, -0.9]])
    weights = np.array([[0.8, 0.1, 0.1], [0.1, 0.5, 0.4]])
    assert np.array_equal(worth.kept(weights, density, own), weights * [[1], [0]])


def test_sources_that_no_pair_shows_are_warned_of():
    """Their repair would never be made."""
    net = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.Tanh(), torch.nn.Linear(8, 2))
    x = torch.randn(600, 3, generator=torch.Generator().manual_seed(0))
    repairs = lnn.learn_repairs(net, ["1"], x[:400], {"dark": lambda x: 0.3 * x})
    with pytest.warns(FewInputsWarning, match="repair of 'dark' puts none of their decisions right, so"):
        lnn.expect_worth(net, repairs, [(x[400:], x[400:])])
    for wrong in (lambda x: x, {"dark": [lambda x: x]}):
        with pytest.raises(ArgumentError, match=r"sources is .*: expected a dict of names to functions of a batch"):
            lnn.learn_repairs(net, ["1"], x, wrong)
    with pytest.raises(ArgumentError, match=r"option='bend': expected one of .*did you mean 'bends'"):
        lnn.learn_repairs(net, ["1"], x, {"dark": lambda x: 0.3 * x}, bend=1)
    with pytest.raises(ArgumentError, match=r"expected a name, such as 'blur', the activations next") as caught:
        ln.Repair((3, 3)).learn(np.zeros((500, 1, 3, 3)), "dark", np.zeros((500, 1, 3, 3)))
    assert len(str(caught.value)) < 300
