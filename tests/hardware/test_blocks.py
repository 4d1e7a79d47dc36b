"""What an FPGA's memories take: the tables that are exported, counted in whole blocks, and what the placer says."""

from dataclasses import replace

import pytest
from naive_chip import learned

from localnoise import UnitGrid
from localnoise.errors import FileFormatError
from localnoise.hardware import Formats, quantise
from localnoise.hardware.chips.profile import load_profile
from localnoise.hardware.export import export
from localnoise.hardware.export.verilog.placed import must_load, place_chip
from localnoise.hardware.fitting.blocks import bits_in_blocks, memories, stored_bits
from localnoise.hardware.fitting.fit import fit
from localnoise.hardware.fitting.wiring import Wiring

ICE = load_profile("ice40up5k")


@pytest.mark.parametrize("signal", ["none", "local"])
@pytest.mark.parametrize("generator", ["lfsr16", "xorshift32"])
def test_memories_are_those_that_are_exported(tmp_path, signal, generator):
    grid, h = learned(shape=(5, 6), signal=signal)
    chip = quantise(grid, Formats(generator=generator), h=h)
    folder = export(chip, tmp_path / "a", "verilog")
    found = memories(Wiring.of(chip), chip.formats)
    files = {"units": "units", "links": "links", "weights": "weights", "seed": "seeds"}
    files |= {"bias": "biases"} if signal == "local" else {}
    assert len(list(folder.glob("*.mem"))) == len(files)
    for file, name in files.items():
        lines = (folder / f"localnoise_{file}0.mem").read_text().split()
        width, depth = found[name]
        assert depth <= len(lines) <= max(depth, 2) + depth  # an index's whole range
        digits = -(-width // 4)
        if name == "units":  # shifts of this grid may be narrower than any grid's
            assert len(lines[0]) <= digits
        else:
            assert len(lines[0]) == digits
            assert len(lines) == depth


def test_each_memory_fills_whole_blocks():
    chip = quantise(UnitGrid(shape=(6, 6), channels=4, parents=3), feedback=False)
    wiring = Wiring.of(chip)
    single, block = bits_in_blocks(wiring, chip.formats, ICE)
    assert single == 0
    bits = {name: width * depth for name, (width, depth) in memories(wiring, chip.formats).items()}
    assert block == 4096 * sum(-(-b // 4096) for b in bits.values())
    unknown = replace(ICE, block=load_profile("stm32f407").block)
    assert bits_in_blocks(wiring, chip.formats, unknown) == (0, sum(bits.values()))
    assert bits_in_blocks(wiring, chip.formats, ICE, "lms")[1] > block


def test_weights_leave_block_ram_all_together_and_take_a_half_or_a_whole_byte():
    chip = quantise(UnitGrid(shape=(10, 10), channels=8, parents=4), Formats(weight_bits=5), feedback=False)
    wiring = Wiring.of(chip)
    count = int(wiring.weights.sum())
    single, block = bits_in_blocks(wiring, chip.formats, ICE)
    assert must_load(chip, "ice40up5k")
    assert not must_load(chip, "xc7a35t")
    assert not must_load(chip, "stm32f407")
    assert single == stored_bits(count, 5) == -(-count // 2) * 16
    assert block == 4096 * sum(
        -(-w * d // 4096) for name, (w, d) in memories(wiring, chip.formats).items() if name != "weights"
    )
    assert [stored_bits(16, bits) for bits in (2, 3, 4, 5, 8, 9, 16)] == [32, 64, 64, 128, 128, 256, 256]


@pytest.mark.toolchain
@pytest.mark.parametrize(
    ("shape", "channels", "parents", "weight_bits"),
    [
        ((4, 4), 2, 2, 8),
        pytest.param((8, 8), 4, 4, 6, marks=pytest.mark.slow),
        pytest.param((14, 14), 16, 4, 4, marks=pytest.mark.slow),
    ],
)
def test_the_placer_takes_no_more_than_was_estimated(shape, channels, parents, weight_bits):
    grid, _ = learned(shape, channels, parents=parents)  # zeros would be optimised away
    chip = quantise(grid, Formats(weight_bits=weight_bits), feedback=False)
    placed = place_chip(chip)
    used = {row.limit: row.used for row in fit(chip, "ice40up5k").rows}
    blocks = used["block_ram"] // 4096
    assert blocks - 5 <= placed.used["ram_blocks"] <= blocks
    assert placed.used["single_port_rams"] == -(-used["single_port_ram"] // 262_144)


def test_a_block_is_of_fpgas_alone(tmp_path):
    path = tmp_path / "mine.toml"
    unknown = '{ status = "unknown" }'
    path.write_text(f'title = "x"\nkind = "microcontroller"\nclock = {unknown}\nblock = {unknown}\n[limits]\n')
    with pytest.raises(FileFormatError, match="block is given for kind 'microcontroller': expected it for an fpga"):
        load_profile(path)
