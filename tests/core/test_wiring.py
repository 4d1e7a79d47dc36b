"""Orders, parents and neighbours against a look at all pairs of units."""

import itertools

import naive
import numpy as np
import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st

import localnoise as ln
from localnoise import orders
from localnoise.orders import nearest

sides = st.integers(1, 12)
SHAPES = [(1, 1), (1, 9), (9, 1), (2, 2), (3, 5), (4, 4), (6, 5), (8, 8)]


def as_lists(links):
    return [[int(v) for v in row if v >= 0] for row in links]


@given(
    height=sides,
    width=sides,
    name=st.sampled_from(sorted(orders.ORDERS)),
    count=st.one_of(st.none(), st.integers(1, 12)),
    radius=st.one_of(st.none(), st.integers(1, 8)),
    periodic=st.booleans(),
    direct=st.sampled_from([0, 3, 2048]),
)
@examples(400, derandomize=True)
def test_parents_equal_the_oracle(height, width, name, count, radius, periodic, direct):
    """`direct` moves units between the two ways in which parents are found: by a look at all, and ring by ring."""
    if count is None and radius is None:
        radius = 1
    order = orders.ORDERS[name]((height, width), "clipped")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nearest, "_DIRECT", direct)
        found = orders.parents(order, height, width, count=count, radius=radius, periodic=periodic)
    assert as_lists(found) == naive.parents(order, height, width, count, radius, periodic)


@given(
    height=st.integers(1, 20),
    width=st.integers(1, 20),
    name=st.sampled_from(sorted(orders.ORDERS)),
    near=st.integers(1, 5),
    far=st.integers(1, 5),
)
@examples(100, derandomize=True)
def test_hubs_equal_the_oracle(height, width, name, near, far):
    grid = ln.UnitGrid((height, width), order=name, parents=near + far, far=far)
    order = grid.field.order
    nearest = naive.parents(order, height, width, near, None, False)
    assert as_lists(grid.field.parents) == naive.hubs(nearest, order, height, width, far)
    assert ((grid.field.parents >= 0).cumprod(axis=1) == (grid.field.parents >= 0)).all(), "missing ones come last"


@pytest.mark.parametrize("shape", [(8, 8), (4, 12), (14, 14), (9, 20), (20, 20)])
@pytest.mark.parametrize("name", sorted(orders.ORDERS))
def test_hubs_on_a_torus(shape, name):
    """Each is a hub, comes earlier, comes once, and is no near parent."""
    near = ln.UnitGrid(shape, order=name, parents=4, boundary="periodic")
    both = ln.UnitGrid(shape, order=name, parents=7, far=3, boundary="periodic")
    place = np.argsort(both.field.order)
    counts = []
    for unit, (few, all_) in enumerate(zip(as_lists(near.field.parents), as_lists(both.field.parents), strict=True)):
        assert all_[: len(few)] == few
        assert len(set(all_)) == len(all_)
        for hub in all_[len(few) :]:
            y, x = divmod(hub, shape[1])
            assert (y - shape[0] // 2) % 4 == (x - shape[1] // 2) % 4 == 0
            assert place[hub] < place[unit]
        counts.append(len(all_) - len(few))
    assert 0 < max(counts) <= 3


@given(height=sides, width=sides, radius=st.integers(0, 8), periodic=st.booleans())
@examples(200, derandomize=True)
def test_neighbours_equal_the_oracle(height, width, radius, periodic):
    found = orders.neighbours(height, width, radius, periodic)
    assert as_lists(found) == naive.neighbours(height, width, radius, periodic)
    assert (found[:, 0] == np.arange(height * width)).all(), "a unit reads itself first"
    assert (found >= 0).any(axis=0).all(), "an offset that no unit has costs weights"


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", sorted(orders.ORDERS))
def test_an_order_is_a_permutation(name, shape):
    assert sorted(orders.ORDERS[name](shape, "clipped")) == list(range(shape[0] * shape[1]))


@pytest.mark.parametrize("boundary", ["clipped", "periodic"])
@pytest.mark.parametrize("order", sorted(orders.ORDERS))
@pytest.mark.parametrize("shape", SHAPES)
def test_parents_come_earlier_once_and_no_more_than_asked(shape, order, boundary):
    grid = ln.UnitGrid(shape, order=order, parents=4, boundary=boundary)
    place = np.argsort(grid.field.order)
    for unit, row in enumerate(as_lists(grid.field.parents)):
        assert len(set(row)) == len(row) <= 4
        assert all(place[parent] < place[unit] for parent in row)


def test_raster_at_radius_one_reads_west_north_and_the_corners():
    grid = ln.UnitGrid((3, 4), order="raster")
    assert grid[1, 1].parents == [(0, 1), (1, 0), (0, 0), (0, 2)]
    assert grid[0, 0].parents == []
    assert grid[0, 2].parents == [(0, 1)]
    assert grid[2, 3].parents == [(1, 3), (2, 2), (1, 2)]


def test_multiscale_starts_in_the_middle():
    assert ln.UnitGrid((5, 7)).field.order[0] == 2 * 7 + 3


def separation(units, width):
    """Smallest distance between two of the units."""
    places = [divmod(int(u), width) for u in units]
    return min(np.hypot(y - b, x - a) for (y, x), (b, a) in itertools.combinations(places, 2))


def greedy(shape):
    """Maximin by its definition: the next unit is the one farthest from all placed ones."""
    places = np.array(list(np.ndindex(shape)))
    order = [int(np.argmin(np.square(places - [shape[0] // 2, shape[1] // 2]).sum(axis=1)))]
    while len(order) < len(places):
        apart = np.square(places[:, None] - places[order]).sum(axis=2).min(axis=1)
        order.append(int(np.argmax(apart)))
    return order


@pytest.mark.parametrize("shape", [(8, 8), (7, 10), (1, 16), (13, 13)])
def test_multiscale_prefixes_stay_apart(shape):
    """Every prefix is at least half as far apart as greedy maximin's; the lattice's own loss is at most that factor."""
    placed, best = orders.multiscale(shape), greedy(shape)
    for count in range(2, shape[0] * shape[1] + 1):
        assert separation(placed[:count], shape[1]) >= 0.5 * separation(best[:count], shape[1])


def test_raster_prefixes_do_not():
    placed, best = orders.raster((8, 8)), greedy((8, 8))
    assert separation(placed[:4], 8) < 0.5 * separation(best[:4], 8)


@pytest.mark.parametrize("shape", [(4, 5), (1, 8)])
@pytest.mark.parametrize("signal", ["none", "local"])
def test_parameters_and_wire_count_the_links_that_exist(shape, signal):
    grid = ln.UnitGrid(shape, 3, order="raster", signal=signal)
    units = [grid[y, x] for y, x in np.ndindex(shape)]
    links = sum(len(unit.parents) + len(unit.readers) for unit in units)
    own = 6 + 1 + (3 if signal == "local" else 0)  # S and gain, and the offset a
    assert grid.parameters == 9 * links + own * len(units)
    assert grid.bytes_per_unit == 4 * grid.parameters / len(units)
    wires = [abs(u.position[0] - y) + abs(u.position[1] - x) for u in units for y, x in u.parents]
    assert grid.wire_length == sum(wires)


def test_wires_go_round_a_torus():
    line = ln.UnitGrid((1, 6), order="raster", boundary="periodic", radius=1)
    assert line.wire_length == 5 + 1  # five neighbours in the row, and one wire that closes the ring


def looks(monkeypatch, width):
    """How many units are looked up to find the parents of a line."""
    counted, shift = [], nearest._shift

    def count(*arguments):
        counted.append(len(arguments[-1]))
        return shift(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(nearest, "_shift", count)
        orders.parents(orders.multiscale((1, width)), 1, width, count=4, radius=None, periodic=False)
    return sum(counted)


def test_a_line_is_wired_in_almost_linear_time(monkeypatch):
    """O(N log N): four times as many units take six times the looks; at all offsets of a square, 16 times."""
    few, many = looks(monkeypatch, 40_000), looks(monkeypatch, 160_000)
    assert many < 8 * few
    assert many < 100 * 160_000
