"""One behaviour suite over every back end: emulator, C here, C on a Cortex-M4, Verilog: all give the golden words."""

import json
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from golden import vectors

from localnoise.hardware import OnChip, load_chip
from localnoise.hardware.configuration import read_json
from localnoise.hardware.export import export
from localnoise.hardware.export.backends import BACKENDS
from localnoise.hardware.export.exporters import EXPORTERS
from localnoise.hardware.export.tables import packed

GOLDEN = Path(__file__).parent / "golden"
SAID = json.loads((GOLDEN / "words.json").read_text())
DRAWS, ACTIVATIONS, DISPLACEMENTS = (np.array(SAID[name]) for name in ("draws", "activations", "displacements"))
KIND = {"host": "c99", "cortex-m": "c99", "verilator": "verilog", "file": "json"}
LEARNING = sorted(set(BACKENDS) - {"verilator"})  # Verilog draws; its weights may be loaded


@pytest.fixture(scope="module")
def golden():
    return read_json(GOLDEN / "grid.json")


SLOW = {"verilator": pytest.mark.slow}  # which compiles C++ for each


@pytest.fixture(params=[pytest.param(name, marks=SLOW.get(name, ())) for name in sorted(BACKENDS)])
def machine(request, golden, tmp_path):
    """The golden grid, exported and built: at the start of its stream."""
    kind, learner = KIND[request.param], golden.chip.rule if request.param in LEARNING else None
    assert kind in BACKENDS[request.param].formats
    folder = export(golden.chip, tmp_path / "a", kind, seed=golden.seed, learner=learner)
    (tmp_path / "build").mkdir()
    with closing(BACKENDS[request.param](folder, tmp_path / "build", golden.chip)) as running:
        yield running


def test_there_are_a_thousand_golden_words():
    assert DRAWS.size >= 1000
    assert len(np.unique(DRAWS)) > 100


def test_golden_vectors_are_what_the_oracles_say(golden):
    assert vectors(golden.chip) == SAID


def test_the_first_words_are_golden(machine):
    np.testing.assert_array_equal(machine.draw(len(DRAWS)), DRAWS)


def test_a_stream_does_not_depend_on_how_it_is_cut(machine):
    parts = [machine.draw(n) for n in (1, 20, len(DRAWS) - 21)]
    np.testing.assert_array_equal(np.concatenate(parts), DRAWS)


def test_an_activation_changes_the_draw_as_in_the_emulator(machine, golden):
    first = machine.perturb(ACTIVATIONS[:30])
    np.testing.assert_array_equal(first, golden.chip.words(30, golden.seed, 0, ACTIVATIONS[:30]).reshape(first.shape))
    assert (first != DRAWS[:30]).mean() > 0.5
    np.testing.assert_array_equal(machine.draw(26), DRAWS[30:])


def test_extreme_words_saturate_as_in_the_emulator(machine, golden):
    limit = golden.chip.formats.activation_limit
    h = np.stack([np.full(ACTIVATIONS.shape[1:], value) for value in (limit, -limit - 1, 0)])
    first = machine.perturb(h)
    np.testing.assert_array_equal(first, golden.chip.words(3, golden.seed, 0, h).reshape(first.shape))


@pytest.mark.parametrize("machine", LEARNING, indirect=True)
def test_it_learns_what_the_oracles_learned(machine, golden):
    weights, bias = machine.learn(DISPLACEMENTS, ACTIVATIONS)
    expected = read_json(GOLDEN / "grid.json").chip
    for name, values in SAID["learned"].items():
        expected.field.arrays[name][:] = values
    np.testing.assert_array_equal(weights, packed(expected)[0])
    np.testing.assert_array_equal(bias, SAID["learned"]["bias"])
    after = machine.draw(20)
    np.testing.assert_array_equal(after, expected.words(20, golden.seed).reshape(after.shape))
    assert (after != DRAWS[:20]).any()


@pytest.mark.parametrize("machine", LEARNING, indirect=True)
def test_innovations_are_those_of_the_emulator(machine, golden):
    found = machine.innovation(DISPLACEMENTS, ACTIVATIONS)
    np.testing.assert_array_equal(found, golden.chip.innovation_words(DISPLACEMENTS, ACTIVATIONS))


def test_the_golden_chip_is_in_every_artefact(golden, tmp_path):
    for kind in EXPORTERS:
        learner = None if kind == "verilog" else OnChip()
        chip = load_chip(export(golden.chip, tmp_path / kind, kind, learner=learner) / "chip.h5")
        assert all(np.array_equal(a, golden.chip.field.arrays[name]) for name, a in chip.field.arrays.items())
