"""Parents of the kind `far`: the nearest hubs of the sublattice of stride 4, beside the nearest units."""

import numpy as np
import pytest

import localnoise as ln
from localnoise.errors import ArgumentError


def hubs(grid: ln.UnitGrid) -> set[tuple[int, int]]:
    height, width = grid.config.shape
    lattice = ((y, x) for y in range(height) for x in range(width))
    return {(y, x) for y, x in lattice if (y - height // 2) % 4 == 0 and (x - width // 2) % 4 == 0}


@pytest.mark.parametrize("boundary", ["clipped", "periodic"])
@pytest.mark.parametrize("shape", [(14, 14), (1, 30), (12, 8)])
def test_near_parents_stay_and_far_ones_are_the_nearest_hubs_left(shape, boundary):
    near = ln.UnitGrid(shape, 1, parents=4, boundary=boundary)
    both = ln.UnitGrid(shape, 1, parents=7, far=3, boundary=boundary)
    place = np.argsort(both.field.order)
    lattice = hubs(both)
    for unit in range(shape[0] * shape[1]):
        y, x = divmod(unit, shape[1])
        kept = near[y, x].parents
        mine = both[y, x].parents
        assert mine[: len(kept)] == kept
        far = mine[len(kept) :]
        assert len(set(mine)) == len(mine)
        assert set(far) <= lattice
        assert all(place[py * shape[1] + px] < place[unit] for py, px in far)

        def distance(other, y=y, x=x):
            dy, dx = abs(other[0] - y), abs(other[1] - x)
            if boundary == "periodic":
                dy, dx = min(dy, shape[0] - dy), min(dx, shape[1] - dx)
            return dy * dy + dx * dx

        if boundary == "clipped":
            left = [h for h in lattice if place[h[0] * shape[1] + h[1]] < place[unit] and h not in kept]
            within = [
                h for h in left if max(abs(h[0] - y), abs(h[1] - x)) <= 8
            ]  # the 25 cells around always hold these
            expected = sorted(map(distance, within))[:3]
            assert sorted(map(distance, far))[: len(expected)] == expected


def test_hubs_bring_a_long_correlation_nearer_to_its_target():
    """A field whose units all share one cause: through hubs, distant units know it better."""
    rng = np.random.default_rng(0)
    d = rng.normal(size=(20_000, 1, 1, 1)) + 1.5 * rng.normal(size=(20_000, 1, 14, 14))
    error = {}
    for far in (0, 4):
        sigma = ln.UnitGrid((14, 14), 1, parents=8, far=far).learn(d).covariance()
        error[far] = np.abs(sigma - (np.ones_like(sigma) + 2.25 * np.eye(196))).mean()
    assert error[4] < error[0]


@pytest.mark.parametrize(("parents", "far"), [(4, 4), (4, 9), (None, 4), (8, -1), (8, 1.5)])
def test_far_must_be_a_part_of_the_parents(parents, far):
    with pytest.raises(ArgumentError, match="far="):
        ln.UnitGrid((6, 6), 1, parents=parents, far=far)


def test_far_survives_the_file(tmp_path):
    grid = ln.UnitGrid((8, 8), 2, parents=6, far=2)
    grid.save(tmp_path / "g.h5")
    assert np.array_equal(ln.load(tmp_path / "g.h5").field.parents, grid.field.parents)
