"""What the tests of the core share: grids with random weights, white input, tolerances."""

from collections.abc import Callable, Iterator
from typing import Any

import numba
import numpy as np
import pytest
from grid_files import learned
from own_networks import NETWORKS, Own
from small_repairs import CHANNELS, SHAPE, activations, blurred, dimmed

import localnoise as ln
from localnoise.validate import Array

WIRINGS = [
    {"order": order, "boundary": boundary, "signal": signal, **extra}
    for order, extra in (("raster", {"radius": 1}), ("multiscale", {"parents": 3}))
    for boundary in ("clipped", "periodic")
    for signal in ("none", "local")
]


def name(wiring: dict[str, Any]) -> str:
    return "-".join(str(value) for value in wiring.values())


@pytest.fixture(params=WIRINGS, ids=name)
def wiring(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Both orders, both boundaries, with and without signal dependence."""
    return dict(request.param)


@pytest.fixture(scope="session")
def clean() -> Array:
    """Activations that repairs learn from."""
    return activations(1500, 0)


@pytest.fixture(scope="session")
def held() -> Array:
    """Activations that no repair has seen."""
    return activations(400, 1)


@pytest.fixture(scope="module")
def repair(clean: Array) -> ln.Repair:
    """A repair of what blurs and of what dims."""
    return ln.Repair(SHAPE, CHANNELS, radius=1).learn("blur", blurred(clean), clean).learn("dim", dimmed(clean), clean)


def random_grid(
    shape: tuple[int, int] = (3, 4), channels: int = 2, seed: int = 0, strength: float = 0.3, **wiring: Any
) -> ln.UnitGrid:
    """Build a grid whose every weight is random, those of missing neighbours included: no kernel may read these."""
    rng = np.random.default_rng(seed)
    grid = ln.UnitGrid(shape, channels, **wiring)
    field = grid.field
    field.a[:] = rng.normal(size=field.a.shape)
    field.G[:] = rng.normal(size=field.G.shape)
    field.B[:] = strength * rng.normal(size=field.B.shape)
    field.S[:] = np.tril(strength * rng.normal(size=field.S.shape), -1)
    diagonal = rng.uniform(0.3, 1.5, size=field.a.shape)
    field.S[:] += diagonal[:, :, None] * np.eye(channels)
    field.gain[:] = rng.uniform(0.5, 2.0, size=field.gain.shape)
    return grid


def activity(grid: ln.UnitGrid, count: int, seed: int = 1) -> Any:
    """Return white activity (T, C, H, W) for a grid, in its dtype."""
    shape = (count, grid.config.channels, *grid.config.shape)
    return np.random.default_rng(seed).normal(size=shape).astype(grid.config.dtype)


@pytest.fixture(scope="session")
def build() -> Callable[..., ln.UnitGrid]:
    return random_grid


@pytest.fixture(scope="session")
def white() -> Callable[..., Any]:
    return activity


@pytest.fixture
def close() -> Callable[..., None]:
    """Compare with a float64 oracle.

    Values are of order 1 to 10 after sums of up to 100 products; each product and sum rounds to half a unit in the last
    place. 256 units of the largest value leave room for all of them and would not hide a wrong term. `growth` is by how
    much later steps may multiply that rounding.
    """

    def check(actual: Any, expected: Any, dtype: Any, growth: float = 1.0) -> None:
        expected = np.asarray(expected)
        atol = 256 * growth * np.finfo(dtype).eps * max(1.0, float(np.abs(expected).max(initial=0)))
        np.testing.assert_allclose(np.asarray(actual, np.float64), expected, rtol=0, atol=atol)

    return check


@pytest.fixture
def threads() -> Iterator[Callable[[int], None]]:
    """Set Numba's thread count; restored afterwards."""
    before = numba.get_num_threads()
    yield numba.set_num_threads
    numba.set_num_threads(before)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    return learned().save(tmp_path_factory.mktemp("saved") / "grid.h5")


@pytest.fixture(params=NETWORKS)
def own(request):
    return Own(request.param)


@pytest.fixture
def residual():
    return Own("residual")
