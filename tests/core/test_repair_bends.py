"""Bends: ways back that also read how far each activation is from its mean, and so need not be affine."""

import json
import pickle
from copy import copy

import h5py
import numpy as np
import pytest
import torch
from small_repairs import CHANNELS, SHAPE, UNITS, activations, dimmed

import localnoise as ln
from localnoise import hardware
from localnoise.errors import ArgumentError, FewDisplacementsWarning, FileFormatError
from localnoise.nn import NoiseLayer, RepairLayer
from localnoise.repair.bends import what_is_read


def folded(h):
    """Return what no affine map undoes: the sign of what lies below -.1 is lost, and part of its size."""
    return np.where(h > -0.1, h, -0.6 * h - 0.16).astype(np.float32)


@pytest.fixture(scope="module", params=["none", "places", "all"])
def repair(clean, request):
    made = ln.Repair(SHAPE, CHANNELS, radius=1, bends=1, share=request.param)
    return made.learn("fold", folded(clean), clean).learn("dim", dimmed(clean), clean)


def neighborhood(u, radius):
    y, x = divmod(u, SHAPE[1])
    rows = range(max(0, y - radius), min(SHAPE[0], y + radius + 1))
    return [r * SHAPE[1] + c for r in rows for c in range(max(0, x - radius), min(SHAPE[1], x + radius + 1))]


@pytest.mark.parametrize(("radius", "bends"), [(0, 0), (2, 1), (1, 2)])
def test_a_way_back_is_the_local_ridge_regression_on_activations_and_bends(clean, radius, bends):
    """Each unit's normal equations, written out, on what is not held out."""
    ridge, learned = 1e-3, slice(0, 1500 - 256)
    made = ln.Repair(SHAPE, CHANNELS, radius=radius, bends=bends, ridge=ridge, dtype="float64")
    made.learn("f", folded(clean), clean)
    x, r = (part.reshape(1500, CHANNELS, UNITS).astype(float) for part in (folded(clean), clean - folded(clean)))
    centre = made.members[1].centre
    assert np.allclose(centre, folded(clean)[learned].mean(axis=0), atol=1e-6)
    bent = np.abs(x - centre.reshape(CHANNELS, UNITS))
    back = made(folded(clean[:50]), "f")[0] - folded(clean[:50])
    for u in range(UNITS):
        parts = [np.ones((1500, 1)), *(x[:, :, v] for v in neighborhood(u, radius))]
        seen = np.concatenate([*parts, *(bent[:, :, v] for v in neighborhood(u, bends))], axis=1)
        A, b = seen[learned].T @ seen[learned], seen[learned].T @ r[learned, :, u]
        penalty = ridge * (1500 - 256) * np.diag([0.0] + [1.0] * (seen.shape[1] - 1))
        expected = seen[:50] @ np.linalg.solve(A + penalty, b)
        assert np.allclose(back.reshape(50, CHANNELS, UNITS)[:, :, u], expected, atol=1e-5)


def test_bends_undo_what_no_affine_map_does(clean, held):
    errors = []
    for bends in (None, 0, 1):
        made = ln.Repair(SHAPE, CHANNELS, radius=1, bends=bends).learn("fold", folded(clean), clean)
        errors.append(np.square(made(folded(held), "fold")[0] - held).mean())
    assert errors[1] < 0.85 * errors[0]
    assert errors[2] < errors[1]


def test_the_layer_does_the_same_and_its_gradients_are_exact(repair, held):
    layer, x = RepairLayer(repair).double(), torch.tensor(folded(held[:40]), requires_grad=True)
    out = layer(x)  # products of tensors
    with torch.no_grad():
        kernels = layer(x)
    assert torch.allclose(out, kernels, atol=1e-5)
    np.testing.assert_allclose(kernels.numpy(), repair(folded(held[:40]))[0], atol=1e-5)
    own = ln.Repair(SHAPE, CHANNELS, radius=1, bends=1, dtype="float64").learn("f", folded(held), held)
    told = RepairLayer(own, source="f")
    point = torch.tensor(folded(held[:3]), dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(told, point)


def test_another_repair_may_be_set_with_bends_or_without(repair, clean, held):
    plain = ln.Repair(SHAPE, CHANNELS, radius=1, share=repair.share)
    plain.learn("fold", folded(clean), clean).learn("dim", dimmed(clean), clean)
    layer = RepairLayer(repair)
    for one in (plain, repair):
        layer.repair = one
        x = torch.tensor(folded(held[:9]), requires_grad=True)
        np.testing.assert_allclose(layer(x).detach().numpy(), one(folded(held[:9]))[0], atol=1e-5)


def test_files_hold_bends_and_old_ones_have_none(repair, clean, held, tmp_path):
    loaded = ln.load(repair.save(tmp_path / "bent.h5"))
    assert (loaded.bends, loaded.parameters) == (1, repair.parameters)
    assert np.array_equal(loaded(folded(held))[0], repair(folded(held))[0])
    more = [one.learn("fold", folded(held), held)(folded(held))[0] for one in (loaded, ln.load(tmp_path / "bent.h5"))]
    assert np.array_equal(*more)
    plain = ln.Repair(SHAPE, CHANNELS, radius=1).learn("dim", dimmed(clean), clean)
    with h5py.File(plain.save(tmp_path / "plain.h5")) as file:
        assert "bends" not in json.loads(file.attrs["options"])
    assert ln.load(tmp_path / "plain.h5").bends is None
    schemas = []
    for path in ("bent.h5", "plain.h5"):
        with h5py.File(tmp_path / path) as file:
            schemas.append(int(file.attrs["schema"]))
    assert schemas == [5, 4]


def test_a_file_whose_wires_were_edited_is_refused(repair, tmp_path):
    path = repair.save(tmp_path / "bent.h5")
    with h5py.File(path, "r+") as file:
        readers = file["1/back/readers"]
        readers[0, 0], readers[0, 1] = readers[0, 1], readers[0, 0]
    with pytest.raises(FileFormatError, match="back of member 1 has another layout"):
        ln.load(path)


def test_a_displacement_that_changes_is_followed_with_bends(clean, held):
    made = ln.Repair(SHAPE, CHANNELS, radius=1, bends=1).learn("fold", folded(clean), clean)
    harder = 0.5 * folded(held)
    before = np.square(made(harder, "fold")[0] - held).mean()
    made.adapt("fold", harder, held, rate=0.02)
    assert np.square(made(harder, "fold")[0] - held).mean() < 0.9 * before


def test_where_activations_bend_does_not_depend_on_how_the_first_ones_are_sorted(clean, held):
    """A cause of which the first chunk has one activation waits for more of them."""
    count = 2600  # beyond a chunk of 2,048
    h = activations(count, 3)
    late = (np.arange(count) >= 2047).astype(int)
    late[-256:] = np.arange(256) % 2
    made = ln.Repair(SHAPE, CHANNELS, radius=1, bends=1).learn("fold", folded(h), h, causes=late)
    first = folded(h)[2047 : count - 256]
    centre = made.members[2].centre
    assert np.abs(centre - folded(h)[2047]).max() > 0.1
    assert np.abs(centre - first.mean(axis=0)).max() < 1e-5
    assert made.members[2].seen == len(first)
    few = ln.Repair(SHAPE, CHANNELS, radius=1, bends=1).learn("fold", folded(held[:40]), held[:40])
    assert np.allclose(few.members[1].centre, folded(held[:32]).mean(axis=0), atol=1e-6)


def test_units_name_those_that_are_there(repair):
    back = repair.members[1].back
    assert sorted(back[0, 0].readers) == [(0, 0), (0, 1), (1, 0), (1, 1)]


def test_wires_of_any_other_grid_stay_within_it():
    grid = ln.UnitGrid(SHAPE, CHANNELS, signal="local")
    grid.field.readers[3, 0] += UNITS
    for act in (grid.mean, grid.pull_back, grid.perturb):
        with pytest.raises(ArgumentError, match="readers names units that do not exist: expected 0 to 19"):
            act(activations(3, 0))


def test_a_repair_of_before_there_were_bends_is_unpickled(clean):
    made = ln.Repair(SHAPE, CHANNELS, radius=1).learn("dim", dimmed(clean), clean)
    old = pickle.loads(pickle.dumps(made))  # our own
    del old.__dict__["bends"]
    assert old.bends is None
    assert repr(old) == repr(made)


def test_numbers_and_names_say_that_there_are_bends(clean):
    plain, bent = (ln.Repair(SHAPE, CHANNELS, radius=1, bends=bends).learn("f", folded(clean), clean)
                   for bends in (None, 0))  # fmt: skip
    assert bent.parameters - plain.parameters == UNITS * CHANNELS**2
    assert "radius 1, bends 0;" in repr(bent)
    sparse = [ln.Repair(SHAPE, CHANNELS, radius=1, bends=bends, asks=3).learn("f", folded(clean), clean)
              for bends in (None, 0)]  # fmt: skip
    seen = sparse[0].members[0].numbers(np.array([6])), sparse[1].members[1].numbers(np.array([6]))
    assert seen[1] > seen[0] + UNITS * CHANNELS**2  # a centre for every unit that bends


@pytest.mark.parametrize("bends", [-1, 1.5, "1"])
def test_what_is_no_radius_is_refused(bends):
    with pytest.raises(ArgumentError, match=r"bends=.*expected a whole number >= 0, or None"):
        ln.Repair(SHAPE, CHANNELS, bends=bends)


def test_whatever_would_leave_the_bends_out_refuses(repair, held):
    back = repair.members[1].back
    with pytest.raises(ArgumentError, match=r"h has shape .*: expected \(T, 2, 8, 5\)"):
        back.mean(held)
    assert back.mean(what_is_read(back, held, repair.members[1].centre)).shape == held.shape
    for name, act in {
        "noise": lambda: NoiseLayer(back),
        "pull_back": lambda: back.pull_back(held),
        "grid": lambda: hardware.quantise(back, h=held),
        "through_mean=True": lambda: back.mahalanobis(held, through_mean=True),
    }.items():
        with pytest.raises(ArgumentError, match=f"{name}: the units read a second activation"):
            act()
    with pytest.raises(ArgumentError, match="second_radius"):
        ln.UnitGrid(SHAPE, CHANNELS, signal="local", second_radius=1)
    with pytest.raises(ArgumentError, match="second_radius=1: expected None with signal='none'"):
        type(back.config)(shape=SHAPE, second_radius=1)


@pytest.mark.parametrize(("name", "value", "own"), [("bends", 2, 1), ("radius", 3, 1), ("parents", 1, 4)])
def test_options_that_were_set_afterwards_are_not_saved(repair, tmp_path, name, value, own):
    edited = copy(repair)
    setattr(edited, name, value)
    with pytest.raises(
        ArgumentError, match=rf"repair.{name}={value}, and it was made with {own}: .*make another Repair"
    ):
        edited.save(tmp_path / "edited.h5")
    assert not list(tmp_path.iterdir())


def test_few_pairs_are_missed_by_name(clean, held):
    made = ln.Repair(SHAPE, CHANNELS, radius=1, bends=1).learn("fold", folded(clean), clean)
    with pytest.warns(FewDisplacementsWarning, match="or a smaller radius"):
        made.adapt("fold", folded(held[:40]), held[:40])
