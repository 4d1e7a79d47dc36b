"""The fit: unknown never fits, what exceeds is named with its unit, and what is suggested does fit."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

import localnoise as ln
from localnoise.errors import ArgumentError
from localnoise.hardware.chips.profile import load_profile, profile_names
from localnoise.hardware.chips.profile_schema import Figure
from localnoise.hardware.fitting.fit import check_fits, fit
from localnoise.hardware.fitting.wiring import Wiring
from localnoise.hardware.formats import Formats
from localnoise.hardware.words import IntegerField

IDEAL, LOIHI = load_profile("ideal"), load_profile("loihi1")


def chip_of(shape, channels, formats=None, links=None, **wires):
    """A grid on a chip; `links`: parents instead of the wiring's own."""
    grid = ln.UnitGrid(shape, channels, **wires)
    f, units, m = grid.field, grid.config.units, channels
    links = f.parents if links is None else links
    integers = {"order": f.order, "parents": links, "readers": f.readers, "bias": np.zeros((units, m), np.int64)}
    many = (("G", (m, f.G.shape[2])), ("B", (m, links.shape[1] * m)), ("L", (m, m)), ("s", (m,)), ("lift", (3,)))
    for name, size in many:
        integers[name] = np.zeros((units, *size), np.int32)
    integers |= {"fraction": np.zeros(units, np.int32), "scale": np.zeros(units, np.int32)}
    field = IntegerField(**integers, activation_scale=0)
    return SimpleNamespace(config=grid.config, formats=formats or Formats(), field=field)


def limited(base=IDEAL, **limits):
    """The profile with some limits of a number, or unknown (None)."""
    new = dict(base.limits)
    for name, value in limits.items():
        status = "unknown" if value is None else "datasheet"
        new[name] = Figure(value=value, unit=base.limits[name].unit, source="test", status=status)
    return replace(base, limits=new)


NUMBERS = [name for name in IDEAL.limits if name != "generators"]


def test_everything_fits_a_chip_without_limits():
    found = fit(chip_of((6, 6), 3), "ideal")
    assert found.fits
    assert found.unknown == ()
    assert found.suggestions == ()
    assert {row[2] for row in found.table} == {"no limit"}


@pytest.mark.parametrize("name", profile_names())
def test_an_unknown_limit_never_fits(name):
    profile = load_profile(name)
    found = fit(chip_of((4, 4), 2), profile)
    assert [row.limit for row in found.rows] == list(profile.limits)
    for row, cells in zip(found.rows, found.table, strict=True):
        assert all(isinstance(cell, str) for cell in cells)
        if row.available.status == "unknown":
            assert row.verdict == "unknown"
            assert row.limit in found.unknown
            assert cells[2:4] == ("not published", "")


@pytest.mark.parametrize("name", NUMBERS)
def test_each_limit_fits_at_what_is_used_and_exceeds_one_below(name):
    chip = chip_of((6, 6), 3)
    used = next(row.used for row in fit(chip, IDEAL, units_per_core=9).rows if row.limit == name)
    assert used > 1

    def verdict(value):
        found = fit(chip, limited(**{name: value}), units_per_core=9)
        assert found.fits == (value is None or value >= used)
        assert (name in found.unknown) == (value is None)
        return next(row.verdict for row in found.rows if row.limit == name)

    assert [verdict(value) for value in (used + 1, used, used - 1, None)] == ["fits", "fits", "exceeds", "unknown"]


def test_a_generator_by_another_name_is_unknown():
    profile = limited(generators=("lfsr16", "trng"))
    verdicts = [
        next(row.verdict for row in fit(chip_of((3, 3), 1, Formats(generator=g)), profile).rows if row.limit[0] == "g")
        for g in ("lfsr16", "xorshift32")
    ]
    assert verdicts == ["fits", "unknown"]


def test_units_beyond_the_fan_in_are_named_with_used_and_allowed():
    """A 2 x 3 raster of two channels: unit (1, 1) has four parents, (1, 0) and (1, 2) have fewer."""
    chip = chip_of((2, 3), 2, order="raster", radius=1)
    found = fit(chip, limited(fan_in=7))
    assert [(e.limit, e.unit, e.parent, e.used, e.allowed) for e in found.excesses] == [("fan_in", (1, 1), None, 9, 7)]
    assert {"parents": 3} in found.suggestions


def test_links_beyond_the_length_are_named():
    """A row of four units on four cores of a 2 x 2 mesh: 1 -> 2 is a diagonal of two hops."""
    chip = chip_of((1, 4), 1, order="raster", radius=1)
    found = fit(chip, limited(link_length=1), units_per_core=1)
    assert [(e.unit, e.parent, e.used) for e in found.excesses] == [((0, 2), (0, 1), 2)]


@pytest.mark.parametrize(
    ("base", "limits"),
    [
        (IDEAL, {"fan_in": 12}),
        (IDEAL, {"weights": 900}),
        (IDEAL, {"memory": 1000}),
        (IDEAL, {"neurons": 70}),
        (IDEAL, {"weight_bits": 4, "accumulator_bits": 24}),
        (IDEAL, {"weight_bits": 4, "weights": 700}),
        (IDEAL, {"neurons": 80, "fan_in": 6}),
        (load_profile("ice40up5k"), {"single_port_ram": 3000, "block_ram": 9 * 4096}),
        (load_profile("stm32f407"), {"flash": 900}),
    ],
)
def test_what_is_suggested_fits_and_one_more_does_not(base, limits):
    chip = chip_of((6, 6), 4, order="raster", radius=1)
    profile = limited(base, **limits)
    found = fit(chip, profile)
    assert not found.fits
    assert found.suggestions
    for change in found.suggestions:
        assert fit(changed(chip, **change), profile).fits, change
    for change in (change for change in found.suggestions if len(change) == 1):
        (name, value), *_ = change.items()
        assert not fit(changed(chip, **{name: value + 1}), profile).fits, change


def changed(chip, parents=None, radius=None, channels=None, **widths):
    wiring = Wiring.of(chip)
    wiring = wiring if parents is None else wiring.with_parents(parents)
    wiring = wiring if radius is None else wiring.within(radius)
    return chip_of(chip.config.shape, channels or wiring.channels, replace(chip.formats, **widths), wiring.parents)


def test_no_suggestion_where_nothing_would_fit():
    found = fit(chip_of((6, 6), 3), limited(neurons=35))
    assert not found.fits
    assert found.suggestions == ()


def test_a_unit_too_large_for_a_core_is_reported_not_placed():
    found = fit(chip_of((3, 3), 8), limited(LOIHI, neurons_per_core=5))
    assert found.demand.placement is None
    assert {e.limit for e in found.excesses} == {"neurons_per_core"}
    assert len(found.excesses) == 9


def test_an_unpublished_core_gives_no_placement_unless_one_is_stated():
    chip = chip_of((6, 6), 2)
    assert fit(chip, "loihi2").demand.placement is None
    assert fit(chip, "loihi2", units_per_core=9).demand.placement.cores == 4
    for wrong in (0, -1, 2.5):
        with pytest.raises(ArgumentError, match=f"units_per_core={wrong}: expected a whole number >= 1"):
            fit(chip, "loihi1", units_per_core=wrong)


def test_check_fits_returns_the_fit_or_names_unit_limit_numbers_and_fix():
    chip = chip_of((2, 3), 2, order="raster", radius=1)
    assert check_fits(chip, "ideal").fits
    with pytest.raises(ArgumentError, match=r"unit \(1, 1\) needs fan_in=9: expected at most 7 .*use parents=3"):
        check_fits(chip, limited(fan_in=7))
    with pytest.raises(ArgumentError, match=r"the grid needs neurons=12: expected at most 5 neurons.*smaller shape"):
        check_fits(chip, limited(neurons=5))


def test_a_dense_covariance_of_the_papers_layer_costs_more_energy_than_the_grid():
    found = fit(chip_of((14, 14), 16), "ideal")
    assert found.energy.complete
    assert found.dense_energy.total > found.energy.total


def test_a_grid_that_learns_needs_more_memory_and_prices_its_steps():
    chip = chip_of((6, 6), 3)
    still, learning = fit(chip, "ideal"), fit(chip, "ideal", learner="lms")
    assert still.learning_energy is None
    assert learning.learning_energy.total > 0
    assert learning.memory.bits > still.memory.bits
