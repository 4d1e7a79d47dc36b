"""Fields of wide layers: weights that places share, own weights of a low rank, against their expansion and by laws."""

import json

import h5py
import naive
import numpy as np
import pytest

import localnoise as ln
from localnoise.errors import ArgumentError, FewDisplacementsWarning, FileFormatError
from localnoise.hardware import quantise, report
from localnoise.hardware.fitting.pruning import prune
from localnoise.places import classes, levels

pytestmark = [
    pytest.mark.pairwise,
    pytest.mark.filterwarnings("ignore::localnoise.errors.FewDisplacementsWarning"),
]

SHAPE = (4, 5)
FORMS = [{"share": "places"}, {"rank": 2}, {"share": "places", "rank": 1}]
ORDERS = [{"order": "raster"}, {"order": "multiscale", "parents": 3}]


@pytest.fixture(params=FORMS, ids=str)
def form(request):
    return request.param


@pytest.fixture(params=ORDERS, ids=str)
def wiring(request):
    return request.param


@pytest.fixture(params=["none", "local"])
def signal(request):
    return request.param


@pytest.fixture(params=["float32", "float64"])
def dtype(request):
    return request.param


def data(channels=3, count=400, seed=0):
    """Displacements with structure in all directions, and activations that move with them."""
    rng = np.random.default_rng(seed)
    n = channels * SHAPE[0] * SHAPE[1]
    mixing = np.eye(n) + 0.3 * np.random.default_rng(9).normal(size=(n, n)) / np.sqrt(n)
    d = (rng.normal(size=(count, n)) @ mixing).reshape(count, channels, *SHAPE)
    return d, 0.5 * d + rng.normal(size=d.shape) + 1


def learned(form, wiring, signal, dtype="float64", channels=3):
    grid = ln.UnitGrid(SHAPE, channels, signal=signal, dtype=dtype, **form, **wiring)
    d, h = data(channels)
    grid.learn(d, h if signal == "local" else None)
    grid.field = grid.field.with_gain(np.linspace(0.5, 2, grid.config.units), "test")
    return grid


def garble(field):
    """Give weights to what is missing: no kernel may read them."""
    r = field.carried
    for links, weights in ((field.parents, field.past), (field.readers, field.read)):
        for u, k in np.argwhere(links < 0):
            weights[field.kinds[u], :, k * r : k * r + r] = 7


# What is stored, against what it stands for


@pytest.mark.parametrize("channels", [1, 3, 6])
def test_kernels_do_what_the_expanded_weights_say(close, form, wiring, signal, dtype, channels):
    if form.get("rank", 1) > channels:
        form = form | {"rank": 1}
    grid = learned(form, wiring, signal, dtype, channels)
    garble(grid.field)
    dense = naive.Dense(naive.Widened(grid.field))
    d, h = (x[:19].astype(dtype) for x in data(channels, seed=1))
    like = lambda flat: naive.like(flat, channels, SHAPE)  # noqa: E731
    xi = naive.unit_major(ln.UnitGrid(SHAPE, channels, dtype=dtype).sample(19, seed=5))
    noise = dense.noise(xi)
    close(grid.sample(19, seed=5), like(noise), dtype)
    flat_d, flat_h = naive.unit_major(d), naive.unit_major(h)
    given = (h,) if signal == "local" else ()
    e = dense.whiten(flat_d, flat_h if given else None)
    close(grid.innovations(d, *given), like(e), dtype)
    close(grid.mahalanobis(d), np.square(dense.whiten(flat_d)).sum(axis=1), dtype)
    if given:
        close(grid.mean(h), like(dense.mean(flat_h)), dtype)
        close(grid.perturb(h, seed=5), like(dense.mean(flat_h) + noise), dtype)
        close(grid.pull_back(d), like(dense.pull_back(flat_d)), dtype)
    else:
        close(grid.log_density(d), naive.log_density(flat_d, dense.covariance()), dtype)


def test_the_covariance_is_that_of_the_draws(form, wiring):
    """200,000 draws: the largest of 1,800 relative errors of a second moment is about 4 / sqrt(200,000)."""
    grid = learned(form, wiring, "none")
    drawn = grid.sample(200_000, seed=1).reshape(200_000, -1)
    covariance = grid.covariance()
    scale = np.sqrt(np.diag(covariance))
    assert np.abs((drawn.T @ drawn / len(drawn) - covariance) / np.outer(scale, scale)).max() < 5 / np.sqrt(len(drawn))


def test_a_widened_grid_is_of_the_same_law_and_is_edited_freely(form, wiring, signal):
    grid = learned(form, wiring, signal)
    wide = grid.widened()
    assert (wide.config.share, wide.config.rank) == ("none", None)
    np.testing.assert_allclose(wide.sample(5, seed=2), grid.sample(5, seed=2), rtol=1e-9, atol=1e-12)
    wide.field.B[:] = 0
    assert grid.field.B.any()
    with pytest.raises(ValueError, match="read-only"):
        grid.field.B[:] = 0


# Learning


def test_places_share_the_least_squares_of_all_of_them(wiring, signal):
    grid = learned({"share": "places"}, wiring, signal)
    f, (d, h) = grid.field, data()
    d, h = (x.reshape(len(x), 3, -1) for x in (d, h))
    for kind in range(len(f.past)):
        units = np.flatnonzero(f.kinds == kind)
        expected = naive.shared_least_squares(f, units, d, h, grid.rule.ridge)
        found = np.concatenate([f.read[kind], f.past[kind]], axis=1)
        np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-9)


def test_own_weights_of_full_rank_are_those_of_an_untied_grid(wiring, signal):
    full = learned({"rank": 3}, wiring, signal).field
    untied = learned({}, wiring, signal).field
    for name in ("a", "G", "B"):
        np.testing.assert_allclose(getattr(full, name), getattr(untied, name), rtol=1e-7, atol=1e-9)
    variance = [np.square(f.S).sum(axis=2) for f in (full, untied)]
    np.testing.assert_allclose(*variance, rtol=1e-7)


def test_a_class_learns_from_its_places_and_their_neighbors_alone(wiring, signal):
    """Change one unit's activity: the weights of classes that nobody of reads it stay the same to the bit."""
    d, h = data(count=60)
    before = ln.UnitGrid(SHAPE, 3, signal=signal, share="places", **wiring)
    given = (d, h) if signal == "local" else (d,)
    before.learn(*given)
    f = before.field
    for changed in (0, 7, 19):
        other = d.copy()
        other.reshape(len(d), 3, -1)[:, :, changed] += 1 + np.arange(len(d))[:, None] % 3
        after = before.blank().learn(other, *given[1:]).field
        reads = (f.parents == changed).any(axis=1) | (np.arange(20) == changed)
        touched = np.isin(np.arange(len(f.past)), f.kinds[reads])
        same = [np.array_equal(f.past[kind], after.past[kind]) for kind in range(len(f.past))]
        linked = np.isin(np.arange(len(f.past)), f.kinds[(f.parents >= 0).any(axis=1)])
        assert [not one for one in same] == list(touched & linked)


def test_a_law_that_is_the_same_everywhere_is_found_with_few_displacements():
    """Displacements of a shared field: sharing comes nearer its law than untied weights, at a ninth of the numbers."""
    truth = ln.UnitGrid((6, 6), 4, order="raster", share="places", dtype="float64")
    rng = np.random.default_rng(3)
    kinds, m, width = truth.field.past.shape
    there = (truth.field.parents >= 0)[[np.flatnonzero(truth.field.kinds == k)[0] for k in range(kinds)]]
    maps = 0.2 * rng.normal(size=(kinds, m, width)) * np.repeat(there, m, axis=1)[:, None, :]
    vars(truth.field)["past"] = np.ascontiguousarray(maps)
    d, held = truth.sample(150, seed=1), truth.sample(500, seed=2)
    found = {}
    for name, form in {"shared": {"share": "places"}, "untied": {}}.items():
        grid = ln.UnitGrid((6, 6), 4, order="raster", dtype="float64", **form).learn(d)
        found[name] = (truth.log_density(held) - grid.log_density(held)).mean() / truth.config.neurons
    assert 0 < found["shared"] < 0.01 < found["untied"]


def test_what_is_shared_counts_once():
    m, r, own = 64, 8, 256 * (64 + 1)
    places = 1 + 2 + 3 + 4  # parents of the four classes that have any: the top row, two columns, the inside
    factors = 5 * m * (m + 1) // 2  # parents at the distances: none, 1, 1 and 2, 1 twice and 2, both twice
    grid = ln.UnitGrid((16, 16), m, order="raster", share="places")
    assert grid.parameters == places * m * m + factors + own
    grid = ln.UnitGrid((16, 16), m, order="raster", share="places", rank=r)
    assert grid.parameters == places * r * r + r * m + factors + own
    grid = ln.UnitGrid((16, 16), m, order="raster", rank=r)
    assert grid.parameters == int((grid.field.parents >= 0).sum()) * r * r + r * m + factors + own


def test_a_rule_that_writes_each_units_weights_is_refused(form):
    grid = ln.UnitGrid(SHAPE, 3, **form)
    d, _ = data()
    with pytest.raises(ArgumentError, match=r"rule='lms': it writes .* expected rule='moments'"):
        grid.learn(d, rule="lms")
    with pytest.raises(ArgumentError, match="expected rule='moments'"):
        grid.field.assign(np.zeros((20, 3, 3)), np.zeros((20, 3, 3)))


def test_displacements_are_asked_for_by_what_they_pay_for():
    d, _ = data(count=20)
    with pytest.warns(FewDisplacementsWarning, match="up to 3 regressors"):  # the right column: 9, on 3 places
        ln.UnitGrid(SHAPE, 3, order="raster", share="places").learn(d)
    with pytest.warns(FewDisplacementsWarning, match="up to 8 regressors"):
        ln.UnitGrid(SHAPE, 3, order="raster", rank=2).learn(d)


# Classes of places


@pytest.mark.parametrize("radius", [1, 2])
@pytest.mark.parametrize("boundary", ["clipped", "periodic"])
def test_units_of_a_class_have_the_same_neighbors(wiring, radius, boundary):
    grid = ln.UnitGrid(SHAPE, 1, signal="local", signal_radius=radius, boundary=boundary, **wiring)
    f, (height, width) = grid.field, SHAPE
    kinds = classes(f.parents, f.readers, SHAPE, boundary == "periodic")
    seen = {}
    for u in range(height * width):
        offsets = []
        for v in [*f.parents[u], *f.readers[u]]:
            step = (v // width - u // width, v % width - u % width) if v >= 0 else None
            if v >= 0 and boundary == "periodic":
                step = (step[0] % height, step[1] % width)
            offsets.append(step)
        seen.setdefault(tuple(offsets), set()).add(int(kinds[u]))
    assert sorted(next(iter(kind)) for kind in seen.values()) == list(range(len(seen)))
    assert all(len(kind) == 1 for kind in seen.values())


def test_units_of_a_level_have_parents_as_far(wiring):
    grid = ln.UnitGrid(SHAPE, 1, **wiring)
    f, width = grid.field, SHAPE[1]
    found = levels(f.parents, SHAPE, periodic=False)
    far = [
        tuple(sorted(naive.nearness(u, v, *SHAPE, False)[0] for v in f.parents[u] if v >= 0)) for u in range(4 * width)
    ]
    assert len(set(zip(far, found.tolist(), strict=True))) == len(set(far)) == found.max() + 1


# Determinism, files, refusals


def test_a_draw_depends_on_its_position_alone(form, signal):
    grid = learned(form, {"order": "raster"}, signal, "float32")
    h = data(count=300)[1].astype("float32")
    whole = grid.perturb(h, seed=4)
    assert np.array_equal(grid.perturb(h[250:], seed=4, start=250), whole[250:])
    assert np.array_equal(np.concatenate([grid.perturb(h[t : t + 1], seed=4, start=t) for t in range(3)]), whole[:3])


def test_how_displacements_are_cut_changes_nothing(form, signal):
    d, h = data()
    whole = ln.UnitGrid(SHAPE, 3, signal=signal, **form).learn(d, h if signal == "local" else None)
    cut = ln.UnitGrid(SHAPE, 3, signal=signal, **form)
    cut.learn(iter([(d[:170], h[:170]), (d[170:], h[170:])] if signal == "local" else [d[:170], d[170:]]))
    assert np.array_equal(whole.sample(3), cut.sample(3))


def test_a_file_goes_on(tmp_path, form, wiring, signal):
    grid = learned(form, wiring, signal, "float32")
    back = ln.load(grid.save(tmp_path / "grid.h5"))
    assert back.config == grid.config
    assert np.array_equal(back.sample(4, seed=1), grid.sample(4, seed=1))
    d, h = data(seed=2)
    given = (d, h) if signal == "local" else (d,)
    assert np.array_equal(back.learn(*given).sample(2), grid.learn(*given).sample(2))


def test_the_file_holds_what_is_stored_and_no_more(tmp_path):
    form = {"share": "places", "rank": 2}
    grid = ln.UnitGrid((12, 12), 16, order="raster", **form)
    small, large = grid.save(tmp_path / "a.h5"), grid.widened().save(tmp_path / "b.h5")
    with h5py.File(small) as file, h5py.File(large) as other:
        assert file.attrs["schema"] == 3
        assert "B" not in file
        assert sum(file[name].size for name in file) < sum(other[name].size for name in other) / 5


def test_files_without_sharing_are_those_of_before(tmp_path):
    with h5py.File(ln.UnitGrid(SHAPE, 3).save(tmp_path / "grid.h5")) as file:
        assert file.attrs["schema"] == 2
        assert not {"share", "rank"} & json.loads(file.attrs["config"]).keys()


@pytest.mark.parametrize(
    ("name", "index", "value", "fault"),
    [
        ("kinds", 0, 99, "kinds names weights that do not exist"),
        ("levels", 0, -1, "levels names weights that do not exist"),
        ("scale", (0, 0), -1, "L, scale or gain is not positive"),
        ("L", (0, 0, 1), 1, "L is not lower triangular"),
        ("past", (0, 0, 0), np.nan, "past holds NaN"),
    ],
)
def test_a_damaged_file_is_refused(tmp_path, name, index, value, fault):
    path = learned({"share": "places", "rank": 1}, {"order": "raster"}, "none").save(tmp_path / "grid.h5")
    with h5py.File(path, "r+") as file:
        array = file[name][()]
        array[index] = value
        del file[name]
        file[name] = array
    with pytest.raises(FileFormatError, match=fault):
        ln.load(path)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"share": "place"}, "share='place'.*places"),
        ({"rank": 0}, "rank=0: expected a whole number from 1 to channels=3"),
        ({"rank": 4}, "rank=4: expected a whole number from 1 to channels=3"),
        ({"rank": True}, "rank=True"),
    ],
)
def test_options_are_checked(options, said):
    with pytest.raises(ArgumentError, match=said):
        ln.UnitGrid(SHAPE, 3, **options)


def test_a_chip_asks_for_equal_gains_or_a_widened_grid(form):
    grid = learned(form, {"order": "raster"}, "none", "float32")
    with pytest.raises(ArgumentError, match=r"expected equal gains; use .* or quantise grid.widened\(\)"):
        quantise(grid)
    with pytest.raises(ArgumentError, match="expected a grid without, since links are dropped unit by unit"):
        prune(grid, fan_in=1)
    chip = quantise(grid.widened())
    assert report(grid, chip, draws=64).whole_error == report(grid.widened(), chip, draws=64).whole_error


def test_networks_train_with_it(form):
    torch = pytest.importorskip("torch")
    from localnoise.nn import NoiseLayer

    layer = NoiseLayer(learned(form, {"order": "multiscale"}, "local"), seed=1)
    h = torch.from_numpy(data(count=3)[1]).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: fixed(layer, x), (h,), fast_mode=True)
    again = NoiseLayer(learned(form, {"order": "multiscale"}, "none"), seed=2)
    again.load_state_dict(layer.state_dict())
    assert torch.equal(fixed(again, h), fixed(layer, h))


def fixed(layer, x):
    """Draw from the start of the layer's stream."""
    layer.position = 0
    return layer(x)
