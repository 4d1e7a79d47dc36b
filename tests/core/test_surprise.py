"""Surprise: the scores are sums of innovations, calibrated by rank, two-sided, local; the file keeps all."""

import h5py
import numpy as np
import pytest

import localnoise as ln
from localnoise.errors import ArgumentError, FileFormatError
from localnoise.surprise.statistics import image_statistics, local_mean

SHAPE, CHANNELS = (5, 6), 2


def activations(count, seed):
    rng = np.random.default_rng(seed)
    return np.tanh(rng.normal(size=(count, CHANNELS, *SHAPE)).cumsum(axis=3) / 2).astype(np.float32)


@pytest.fixture(scope="module")
def surprise():
    return ln.UnitGrid(SHAPE, CHANNELS, parents=4).surprise(activations(1600, 0))


@pytest.fixture(scope="module")
def clean():
    return activations(600, 1)


def test_scores_are_means_of_squared_innovations_of_a_neighborhood(surprise, clean):
    scores, _ = surprise.measured(clean[:7])
    e = surprise.law.innovations(clean[:7] - surprise.centre).astype(float)
    for y, x in ((0, 0), (2, 3), (4, 5)):
        near = e[:, :, max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2]
        np.testing.assert_allclose(scores[:, y, x], np.square(near).mean(axis=(1, 2, 3)), rtol=1e-9)


def test_the_law_is_that_of_centred_activations_which_were_not_held_out(surprise):
    learned = activations(1600, 0)[:1200]
    np.testing.assert_allclose(surprise.centre, learned.mean(0), atol=1e-6)
    law = ln.UnitGrid(SHAPE, CHANNELS, parents=4).learn(
        learned - surprise.centre, ridge=1e-3 * float(np.square(learned - learned.mean(0)).mean())
    )
    np.testing.assert_allclose(surprise.law.field.B, law.field.B, atol=1e-4)


def test_p_values_of_clean_activations_are_uniform(surprise, clean):
    found = surprise(clean)
    for p in (found.image_p, found.units_p[:, 2, 3], found.units_p[:, 0, 0]):
        for level in (0.05, 0.2, 0.5):
            assert abs((p <= level).mean() - level) < 4 * np.sqrt(level * (1 - level) * (1 / len(p) + 1 / 200))
    assert abs(found.units.mean()) < 0.1
    assert abs(found.image.mean()) < 0.3


def test_too_regular_is_as_surprising_as_too_strange(surprise, clean):
    noise = np.random.default_rng(3).normal(size=clean.shape) * 0.6
    calm, loud = 0.2 * clean + 0.8 * surprise.centre, clean + noise
    for moved, sign in ((calm, -1), (loud, 1)):
        found = surprise(moved)
        assert sign * found.units.mean() > 0.3
        assert np.median(found.image_p) < 0.02
        assert np.median(found.units_p) < 0.4


def test_a_defect_is_seen_where_it_is(surprise, clean):
    moved = clean.copy()
    moved[:, :, 1, 4] += 1.5
    z = surprise(moved).units
    assert z[:, 1, 4].mean() > z[:, 3:, :2].mean() + 1
    np.testing.assert_allclose(z[:, 4, 0], surprise(clean).units[:, 4, 0])  # what it does not reach stays


def test_a_grid_without_parents_is_a_mahalanobis_distance_of_each_unit(clean):
    alone = ln.UnitGrid(SHAPE, CHANNELS, parents=[[-1]] * 30, dtype="float64").surprise(
        activations(1600, 0), neighbors=0, ridge=1e-9
    )
    learned = activations(1600, 0)[:1200].astype(float)
    scores, _ = alone.measured(clean[:5])
    d = clean[:5, :, 2, 1] - learned.mean(0)[:, 2, 1]
    C = np.cov(learned[:, :, 2, 1].T, bias=True)
    np.testing.assert_allclose(scores[:, 2, 1], np.einsum("ti,ij,tj->t", d, np.linalg.inv(C), d) / CHANNELS, rtol=1e-4)


def test_a_local_mean_ends_at_the_grid():
    ones = np.ones((2, 3, 4))
    assert (local_mean(ones, 5) == 1).all()
    point = np.zeros((1, 3, 4))
    point[0, 0, 0] = 1
    np.testing.assert_allclose(local_mean(point, 1)[0, 0, :3], [1 / 4, 1 / 6, 0], atol=1e-12)


@pytest.mark.parametrize("layout", [(3, 1, 1), (2, 1, 7), (2, 7, 1)])
def test_dense_layers_have_statistics_too(layout):
    found = image_statistics(np.random.default_rng(0).normal(size=(9, *layout)), 1, 14)
    assert len(found) == 9
    assert np.isfinite(found).all()


def test_a_surprise_comes_back_from_its_file(surprise, clean, tmp_path):
    again = ln.load(surprise.save(tmp_path / "surprise.h5"))
    assert isinstance(again, ln.Surprise)
    for name in ("units", "units_p", "image", "image_p"):
        np.testing.assert_array_equal(getattr(again(clean[:20]), name), getattr(surprise(clean[:20]), name))
    assert again.parameters == surprise.parameters
    assert "held out" in repr(again)


@pytest.mark.parametrize(
    ("name", "value"), [("ranks", -1.0), ("unit_deviation", 0.0), ("unit_ranks", np.nan), ("centre", np.inf)]
)
def test_an_edited_file_is_refused(surprise, tmp_path, name, value):
    path = surprise.save(tmp_path / "surprise.h5")
    with h5py.File(path, "r+") as file:
        data = file[name][()]
        data.reshape(-1)[-1] = value
        file[name][...] = data
    with pytest.raises(FileFormatError, match="edited or damaged"):
        ln.load(path)


def test_what_cannot_be_calibrated_is_refused(clean):
    grid = ln.UnitGrid(SHAPE, CHANNELS, parents=4)
    with pytest.raises(ArgumentError, match=r"of which 25 are held out .* expected at least 72 of them; give 288"):
        grid.surprise(clean[:100])
    with pytest.raises(ArgumentError, match="clean has shape"):
        grid.surprise(clean[:, :1])
    with pytest.raises(ArgumentError, match="signal='local': expected signal='none'"):
        ln.UnitGrid(SHAPE, CHANNELS, signal="local").surprise(clean)
    with pytest.raises(ArgumentError, match="neighbors=-1"):
        grid.surprise(clean, neighbors=-1)


def test_regions_are_as_many_as_can_be_calibrated(surprise, clean):
    assert surprise.regions == 14
    assert ln.UnitGrid(SHAPE, CHANNELS, parents=4).surprise(clean[:500]).regions == 3
