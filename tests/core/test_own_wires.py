"""Orders and parents of the user's own: arrays and callables, through learning, drawing, scoring and files."""

import inspect

import numpy as np
import pytest

import localnoise as ln
from localnoise.config import SECOND, GridConfig
from localnoise.errors import ArgumentError
from localnoise.orders import ORDERS

SHAPE, CHANNELS = (3, 4), 2
SPIRAL = [5, 6, 10, 9, 8, 4, 0, 1, 2, 3, 7, 11]
NONE = np.full((12, 2), -1)


def spiral(shape, boundary):
    assert shape == SHAPE
    assert boundary in ("clipped", "periodic")
    return SPIRAL


def previous(positions, order, boundary):
    """Give each unit the two units that were drawn just before it."""
    assert positions.tolist() == [list(divmod(u, 4)) for u in range(12)]
    parents = NONE.copy()
    for place, unit in enumerate(order):
        parents[unit, : min(place, 2)] = order[max(0, place - 2) : place][::-1]
    return parents


def data(count=120, seed=0):
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(24, 24)) / 5 + np.eye(24)
    d = (rng.normal(size=(count, 24)) @ mixing).reshape(count, CHANNELS, *SHAPE)
    return d, rng.normal(size=d.shape)


def dense(grid):
    """Sigma by its definition: unit by unit in the order of the sweep."""
    f, m = grid.field, CHANNELS
    A = np.zeros((12 * m, 12 * m))
    for u in f.order:
        rows = slice(u * m, u * m + m)
        A[rows, rows] = f.S[u]
        for k, p in enumerate(f.parents[u]):
            if p >= 0:
                A[rows] += f.B[u][:, k * m : k * m + m] @ A[p * m : p * m + m]
    A *= np.repeat(f.gain, m)[:, None]
    Sigma = (A @ A.T).reshape(12, m, 12, m)
    return Sigma.transpose(1, 0, 3, 2).reshape(12 * m, 12 * m)


@pytest.mark.parametrize(
    "wires",
    [
        {"order": SPIRAL},
        {"order": np.array(SPIRAL, np.uint8), "parents": 3},
        {"order": spiral, "radius": 1},
        {"order": spiral, "parents": 4, "far": 1},
        {"order": tuple(SPIRAL), "parents": previous},
        {"parents": lambda positions, order, boundary: previous(positions, order, boundary).tolist()},
        {"order": "raster", "parents": previous},
    ],
    ids=["array", "few parents", "callable", "hubs", "own parents", "own parents of ours", "of raster"],
)
def test_a_grid_of_own_wires_does_all_that_a_grid_does(wires, tmp_path):
    d, h = data()
    grid = ln.UnitGrid(SHAPE, CHANNELS, signal="local", dtype="float64", **wires).learn(d, h)
    assert grid.config.order == "own"
    assert "own, signal local" in repr(grid)
    if not isinstance(wires.get("order", ""), str):
        assert grid.field.order.tolist() == SPIRAL
    place = np.argsort(grid.field.order)
    for unit, row in enumerate(grid.field.parents):
        assert all(place[parent] < place[unit] for parent in row[row >= 0])
    np.testing.assert_allclose(grid.covariance(), dense(grid), atol=1e-12)
    direct = np.einsum("ti,ij,tj->t", d.reshape(-1, 24), np.linalg.inv(dense(grid)), d.reshape(-1, 24))
    np.testing.assert_allclose(grid.mahalanobis(d), direct, rtol=1e-8)
    np.testing.assert_allclose(grid.perturb(h, 1), grid.mean(h) + grid.sample(len(h), 1), atol=1e-12)
    drawn = grid.sample(4000, seed=3).reshape(4000, -1)
    assert np.abs(drawn.T @ drawn / 4000 - grid.covariance()).max() < 8 * grid.covariance().max() / np.sqrt(4000)
    loaded = ln.load(grid.save(tmp_path / "grid.h5"))
    assert loaded.config == grid.config
    assert loaded.field.wires == grid.field.wires
    np.testing.assert_array_equal(loaded.perturb(h, 2), grid.perturb(h, 2))
    for each in (grid, loaded):
        each.learn(d[:40], h[:40])
    np.testing.assert_array_equal(loaded.field.B, grid.field.B)
    assert grid.blank().field.wires == loaded.blank().field.wires == grid.field.wires
    assert ln.load(loaded.save(tmp_path / "again.h5")).field.wires == grid.field.wires


def test_an_order_of_ours_given_as_an_array_draws_the_same():
    d, _ = data()
    ours = ln.UnitGrid(SHAPE, CHANNELS).learn(d)
    own = ln.UnitGrid(SHAPE, CHANNELS, order=ours.field.order, parents=ours.field.parents).learn(d)
    np.testing.assert_array_equal(own.sample(50, seed=1), ours.sample(50, seed=1))
    named = ln.UnitGrid(SHAPE, CHANNELS, order=ORDERS["multiscale"])
    assert named.config == ours.config


def test_missing_parents_may_stand_anywhere():
    parents = NONE.copy()
    parents[3], parents[5, 1] = (-1, 1), 0
    grid = ln.UnitGrid(SHAPE, order="raster", parents=parents)
    assert grid.field.parents.tolist() == [[1] if u == 3 else [0] if u == 5 else [-1] for u in range(12)]
    assert grid.config.parents == 1
    assert ln.UnitGrid(SHAPE, parents=np.zeros((12, 0), int)).field.parents.tolist() == [[-1]] * 12


def raising(*arguments):
    raise RuntimeError("no such thing\nas an order")


def changed(where, value):
    parents = NONE.copy()
    parents[where] = value
    return parents


BAD = {
    "a short order": ({"order": SPIRAL[:-1]}, r"order=array has shape \(11,\): expected a permutation of 12 units"),
    "a square order": ({"order": np.reshape(SPIRAL, SHAPE)}, r"order=array has shape \(3, 4\): expected a permutation"),
    "twice the same": ({"order": [*SPIRAL[:-1], 5]}, "order=array is no permutation, it names unit 5 twice"),
    "out of range": ({"order": [*SPIRAL[:-1], 12]}, "order=array names unit 12: expected 0 to 11"),
    "below zero": ({"order": [*SPIRAL[:-1], -1]}, "order=array names unit -1: expected 0 to 11"),
    "a float order": ({"order": np.array(SPIRAL, float)}, "order=array has dtype float64: .*astype"),
    "a mask": ({"order": np.ones(12, bool)}, "order=array has dtype bool: expected a permutation"),
    "a ragged order": ({"order": [[1], [2, 3]]}, "order=array is no regular array"),
    "an order that returns nothing": ({"order": lambda s, b: None}, "order=.*lambda> returned None: expected a perm"),
    "an order that raises": (
        {"order": raising},
        r"order=raising raised RuntimeError \(no such thing\): .*orders.Order",
    ),
    "an order of other arguments": ({"order": lambda: SPIRAL}, "order=.*lambda> raised TypeError"),
    "no order": ({"order": 3}, "order=3: expected one of 'raster', 'multiscale'"),
    "own, without arrays": ({"order": "own"}, r"order='own' stands for wires .*grid.blank\(\)"),
    "few rows": ({"parents": NONE[:5]}, r"parents=array has shape \(5, 2\): expected \(12, K\) units"),
    "a list of units": ({"parents": NONE[:, 0]}, r"parents=array has shape \(12,\): expected \(12, K\) units"),
    "float parents": ({"parents": NONE * 1.0}, "parents=array has dtype float64: .*astype"),
    "a later parent": (
        {"order": "raster", "parents": changed((1, 0), 2)},
        r"parents=array: unit \(0, 1\) has parent \(0, 2\), which does not come before it",
    ),
    "its own parent": (
        {"parents": changed((1, 0), 1)},
        r"unit \(0, 1\) has parent \(0, 1\), which does not come before",
    ),
    "a parent twice": ({"order": "raster", "parents": changed(3, 1)}, r"unit \(0, 3\) has a parent twice"),
    "no such parent": ({"parents": changed((1, 0), 12)}, r"unit \(0, 1\) has parent 12: expected units from 0 to 11"),
    "parents below -1": ({"parents": changed((1, 0), -2)}, r"unit \(0, 1\) has parent -2: expected units from 0"),
    "parents that return nothing": ({"parents": lambda p, o, b: None}, "parents=.*lambda> returned None: expected"),
    "parents that raise": ({"parents": raising}, r"parents=raising raised RuntimeError .*topology.Parents"),
    "hubs beside own parents": ({"parents": NONE, "far": 1}, "far=1: expected none with parents of your own"),
    "a radius beside own parents": ({"parents": NONE, "radius": 2}, "radius=2: expected none with parents of your own"),
    "an unknown order of own parents": ({"order": "rastr", "parents": NONE}, "order='rastr': .*did you mean 'raster'"),
}


@pytest.mark.parametrize(("wires", "told"), BAD.values(), ids=BAD)
def test_bad_wires_are_one_sentence(wires, told):
    with pytest.raises(ArgumentError, match=told) as refused:
        ln.UnitGrid(SHAPE, **wires)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 400


def test_a_callable_cannot_change_the_order_that_it_reads():
    def greedy(positions, order, boundary):
        order[:] = 0
        return NONE

    assert ln.UnitGrid(SHAPE, order=SPIRAL, parents=greedy).field.order.tolist() == SPIRAL


def test_the_torch_layer_draws_and_pulls_back():
    torch = pytest.importorskip("torch")
    from localnoise.nn import NoiseLayer

    d, h = data()
    grid = ln.UnitGrid(SHAPE, CHANNELS, signal="local", dtype="float64", order=SPIRAL, parents=previous).learn(d, h)
    layer, x = NoiseLayer(grid, seed=4), torch.tensor(h[:3], requires_grad=True)
    out = layer(x)
    np.testing.assert_allclose(out.detach().numpy(), h[:3] + grid.perturb(h[:3], 4))
    out.backward(torch.ones_like(out))
    np.testing.assert_allclose(x.grad.numpy(), 1 + grid.pull_back(np.ones_like(h[:3])))


def test_the_signature_is_that_of_the_configuration():
    own = {p.name: p.default for p in inspect.signature(ln.UnitGrid).parameters.values() if p.name != "unknown"}
    config = {name: p for name, p in inspect.signature(GridConfig).parameters.items() if name != SECOND}
    assert list(own) == list(config)
    assert own == {name: p.default for name, p in config.items()}
    assert ln.UnitGrid(SHAPE).config == GridConfig(shape=SHAPE)


def test_own_is_a_name_of_no_order():
    with pytest.raises(ln.errors.PluginError, match="another than 'own'"):
        ln.orders.register("own")(spiral)
