"""Instructions of a Cortex-M4, as they are estimated and as they are counted."""

import numpy as np
import pytest
import torch
from torch import nn

import localnoise as ln
from localnoise.hardware import Formats, quantise
from localnoise.hardware.export import export
from localnoise.hardware.export.network_machines import NetworkCortexM
from localnoise.hardware.fitting.cycles import ERROR, draw_instructions, shares
from localnoise.hardware.fitting.wiring import Wiring
from localnoise.hardware.network import defend
from localnoise.hardware.network import quantise as to_program


def network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.Tanh(), nn.MaxPool2d(2), nn.Conv2d(6, 10, 3), nn.ReLU(), nn.AvgPool2d(2),
        nn.Flatten(), nn.Linear(10 * 3 * 3, 24), nn.Tanh(), nn.Linear(24, 5),
    ).eval()  # fmt: skip


def noise():
    d = 0.3 * np.random.default_rng(0).normal(size=(900, 10, 6, 6)).astype(np.float32)
    return quantise(ln.UnitGrid(shape=(6, 6), channels=10, parents=6).learn(d), Formats(), feedback=False)


def test_shares_add_up_and_grow_with_draws():
    images = torch.rand(32, 1, 16, 16)
    alone = shares(to_program(network(), images).program)
    few, many = (shares(defend(network(), images, noise(), "4", draws=draws)) for draws in (2, 4))
    assert [one.runs for one in alone] == [1] * len(alone)
    own = {one.what: one for one in many}
    assert own["noise"].instructions == 2 * {one.what: one for one in few}["noise"].instructions
    assert own["noise"].runs == 4
    assert sum(one.instructions for one in many) > sum(one.instructions for one in few)
    first = alone[0].instructions
    assert (few[0].instructions, many[0].instructions) == (first, first)


def test_formats_that_were_not_counted_have_no_estimate():
    grid = ln.UnitGrid(shape=(3, 3), channels=2, parents=2)
    grid = grid.learn(np.random.default_rng(0).normal(size=(200, 2, 3, 3)).astype(np.float32))
    for more in ({"generator": "lfsr16"}, {"accumulator_bits": 48}, {"normal": "popcount"}):
        chip = quantise(grid, Formats(**more))
        assert draw_instructions(Wiring.of(chip), chip.formats) is None
    assert shares(to_program(network(), torch.rand(32, 1, 16, 16), activation_bits=10).program) is None


@pytest.mark.slow
@pytest.mark.toolchain
@pytest.mark.parametrize("defended", ["", "mean logits", "votes"])
def test_estimates_are_within_their_error(tmp_path, defended):
    images, vote = torch.rand(64, 1, 16, 16), defended == "votes"
    if defended:
        made = defend(network(), images, noise(), "4", draws=3, vote=vote)
    else:
        made = to_program(network(), images).program
    machine = NetworkCortexM(export(made, tmp_path / "c"), tmp_path, made)
    machine.cost()
    found = shares(made)
    assert found is not None
    assert sum(one.instructions for one in found) == pytest.approx(machine.instructions, rel=ERROR)
    counted = {what: count for what, _, count in machine.spent(made)}
    for one in found:
        if one.instructions > 0.1 * machine.instructions:  # a part that matters
            assert one.instructions == pytest.approx(counted[one.what], rel=1.5 * ERROR), one.what
