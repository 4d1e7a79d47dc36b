"""Locality, by perturbation: what a unit learns depends on itself, its parents and its readers, and on nothing else."""

import numpy as np
import pytest

import localnoise as ln

pytestmark = pytest.mark.pairwise

SHAPE, CHANNELS, PRESENTATIONS = (3, 4), 2, 8
RULES = ["moments", "lms", "sign-lms"]
ORDERS = [
    {"order": "raster", "radius": 1},
    {"order": "multiscale", "parents": 3},
    {"order": "multiscale", "parents": 2, "far": 1},
]
BOUNDARIES = ["clipped", "periodic"]


@pytest.fixture(params=[(o, s, b) for o in ORDERS for s in ("none", "local") for b in BOUNDARIES], ids=str)
def wiring(request):
    order, signal, boundary = request.param
    return {**order, "signal": signal, "boundary": boundary}


def data(seed):
    return np.random.default_rng(seed).normal(size=(2, PRESENTATIONS, CHANNELS, *SHAPE)).astype(np.float32)


def learned(wiring, rule, d, h):
    """Learn in two calls (settling in between must not spread anything); one dict of arrays per unit."""
    grid = ln.UnitGrid(SHAPE, CHANNELS, **wiring)
    for part in (slice(0, 5), slice(5, None)):
        grid.learn(d[part], h[part] if wiring["signal"] == "local" else None, rule=rule)
    f = grid.field
    rows = {"a": f.a, "G": f.G, "B": f.B, "S": f.S, "gain": f.gain}
    if rule == "moments":  # neighbours share what they sum; a unit reads its own part
        rows["moments"] = grid.rule.moments(f, grid.state, slice(None))
    else:
        rows |= {name: value for name, value in grid.state.items() if name != "seen"}
    return grid, [{name: value[u].tobytes() for name, value in rows.items()} for u in range(grid.config.units)]


def read_by(grid, u):
    """Units whose displacement u reads, and those whose activation it reads."""
    width = SHAPE[1]
    unit = grid[divmod(u, width)]
    return {u} | {y * width + x for y, x in unit.parents}, {y * width + x for y, x in unit.readers}


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("of", ["displacement", "activation"])
def test_a_unit_learns_from_its_neighbourhood_alone(wiring, rule, of):
    """Change one unit's activity: exactly the units that read it learn something else, the others to the bit the same.

    Both directions are checked for every pair of units, so the test fails for a rule that reads too much and for one
    that does not read its parents.
    """
    d, h = data(0)
    other_d, other_h = data(1)
    grid, before = learned(wiring, rule, d, h)
    for changed in range(grid.config.units):
        where = (..., *divmod(changed, SHAPE[1]))
        d2, h2 = d.copy(), h.copy()
        if of == "displacement":
            d2[where] = other_d[where]
        else:
            h2[where] = other_h[where]
        _, after = learned(wiring, rule, d2, h2)
        for u in range(grid.config.units):
            displacements, activations = read_by(grid, u)
            reads = changed in (displacements if of == "displacement" else activations)
            assert (after[u] != before[u]) == reads, (u, changed)


@pytest.mark.parametrize("rule", RULES)
def test_everything_outside_may_change_at_once(wiring, rule):
    """Replace the whole world outside a unit's neighbourhood, on another scale: its update is bit-identical."""
    d, h = data(0)
    other_d, other_h = 10 * data(1)
    grid, before = learned(wiring, rule, d, h)
    for u in range(grid.config.units):
        displacements, activations = read_by(grid, u)
        d2, h2 = other_d.reshape(*d.shape[:2], -1).copy(), other_h.reshape(*h.shape[:2], -1).copy()
        for mixed, original, kept in ((d2, d, displacements), (h2, h, activations)):
            mixed[..., sorted(kept)] = original.reshape(mixed.shape)[..., sorted(kept)]
        _, after = learned(wiring, rule, d2.reshape(d.shape), h2.reshape(h.shape))
        assert after[u] == before[u], u


@pytest.mark.parametrize("rule", RULES)
def test_a_parent_changes_weights_and_factor(wiring, rule):
    """Not only the statistics: B_u and S_u follow the parent's activity."""
    d, h = data(0)
    grid, before = learned(wiring, rule, d, h)
    for u in range(grid.config.units):
        for parent in grid[divmod(u, SHAPE[1])].parents:
            d2 = d.copy()
            d2[(..., *parent)] = -3 * d[(..., *parent)]
            after = learned(wiring, rule, d2, h)[1][u]
            assert after["B"] != before[u]["B"]
            assert after["S"] != before[u]["S"]


def test_a_homeostatic_gain_follows_ancestors_alone():
    """normalise("local"): a unit's gain depends on its own variance, hence on its ancestors' weights and no others'."""
    grid = ln.UnitGrid(SHAPE, CHANNELS, order="raster").learn(data(0)[0], ridge=0.1)
    grid.normalise(1.0, "local")
    louder = ln.UnitGrid(SHAPE, CHANNELS, order="raster").learn(data(0)[0], ridge=0.1)
    changed = 6
    louder[1, 2].cholesky[:] *= 2
    louder.normalise(1.0, "local")
    descendants = {changed}
    for u in grid.field.order:
        if descendants & set(grid.field.parents[u].tolist()):
            descendants.add(int(u))
    assert 1 < len(descendants) < grid.config.units
    for u in range(grid.config.units):
        assert (grid.field.gain[u] != louder.field.gain[u]) == (u in descendants)


def test_a_global_gain_does_not():
    grid = ln.UnitGrid(SHAPE, CHANNELS, order="raster").learn(data(0)[0], ridge=0.1)
    before = grid.normalise(1.0, "global").field.gain.copy()
    grid[2, 3].cholesky[:] *= 2
    assert (grid.normalise(1.0, "global").field.gain != before).all()
