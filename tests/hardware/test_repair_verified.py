"""`verify` notices a number of an exported repair's gate that is not the emulator's, however little it is off."""

import hashlib
import json
import re
from copy import copy

import numpy as np
import pytest
from naive_repair_chip import learned, looking_twice

from localnoise.hardware import quantise
from localnoise.hardware.export import export, verify
from localnoise.hardware.export.repair_parts import plausible, undecided

TABLES = "localnoise_tables.c"
OFF = {
    "ranges removed": ("low", lambda v: [0] * len(v)),
    "one end of a range": ("low", lambda v: [*v[:-1], v[-1] * 11 // 10]),
    "the other end": ("high", lambda v: [v[0], v[1] - 1, *v[2:]]),
    "a score": ("score", lambda v: [*v[:-1], v[-1] + 1]),
    "a density": ("log", lambda v: [v[0], v[1] - 1, *v[2:]]),
    "a weight of a worth": ("worth", lambda v: [*v[:-1], v[-1] + 1]),
    "weights of a worth": ("worth", lambda v: [0] * len(v)),
    "a worth": ("worth_bias", lambda v: [v[0], v[1] - 1, *v[2:]]),
    "a score of the second look": ("among_score", lambda v: [v[0] - 1, *v[1:]]),
    "a member's source": ("source", lambda v: [*v[:-1], v[-1] - 1]),
}


@pytest.fixture(scope="module")
def chip():
    return quantise(looking_twice(copy(learned(share="places"))))


@pytest.fixture
def artefact(chip, tmp_path):
    return export(chip, tmp_path / "c")


def alter(folder, name, change):
    """Change the numbers of one table, and renew its checksum."""
    text = (folder / TABLES).read_text()
    pattern = rf"(\bln_{name}\[[^\]]*\]\s*=\s*\{{)([^}}]*)(\}})"
    numbers = [int(number) for number in re.findall(r"-?\d+", re.search(pattern, text)[2])]
    suffix = "U" if name in ("low", "high") else ""
    changed = ", ".join(f"{number}{suffix}" for number in change(numbers))
    text, count = re.subn(pattern, rf"\g<1>{changed}\g<3>", text)
    assert count == 1
    (folder / TABLES).write_text(text)
    said = json.loads((folder / "manifest.json").read_text())
    said["files"][TABLES] = hashlib.sha256(text.encode()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(said))


@pytest.mark.parametrize("what", OFF)
def test_a_gate_that_is_off_is_noticed(artefact, what):
    alter(artefact, *OFF[what])
    checks, _ = verify(artefact, 400, ["host"])
    assert [check.name for check in checks if check.mismatch], what


def test_what_decides_is_compared_by_name(artefact):
    checks, _ = verify(artefact, 400, ["host"])
    assert {"scores", "ranges", "sources", "scores, second look", "worth"} < {check.name for check in checks}
    assert not any(check.mismatch for check in checks)


def test_what_is_compared_lies_at_the_edges_of_the_ranges(chip):
    """Within a few hundredths, on either side of either edge, of every member."""
    f, count = chip.field, 40 * chip.field.members
    member = np.arange(count) % f.members
    Q = chip.squares(plausible(chip, count, np.random.default_rng(0)))[np.arange(count), member]
    for edge in (f.low, f.high):
        off = Q / edge[member] - 1
        for side in (-off, off):
            assert set(member[(side > 0) & (side < 0.05)]) == set(range(f.members))


def test_what_is_compared_lies_where_a_worth_turns(chip):
    """Nearer to nothing than what is about the centres."""
    words = plausible(chip, 60, np.random.default_rng(0))
    before, after = (chip.worths(chip.squares(h)) for h in (words, undecided(chip, words)))
    assert np.median(np.abs(after).min(axis=1)) < 0.05 * np.median(np.abs(before).min(axis=1))
