"""Every kind of file that localnoise reads, changed at random: equal, an error of its own in time, or sound.

A fault prints the command that tries its mutant again.
"""

import os
from pathlib import Path

import pytest
from fuzz.driver import run, told

SEED, MUTANTS = (int(os.environ.get(name, usual)) for name, usual in (("FUZZ_SEED", "0"), ("FUZZ_MUTANTS", "1000")))


@pytest.mark.parametrize(("count", "workers"), [(60, 1), pytest.param(MUTANTS, 2, marks=pytest.mark.slow)])
def test_a_changed_file_is_read_as_it_was_or_refused_or_sound(tmp_path: Path, count: int, workers: int) -> None:
    outcomes, faults = run(tmp_path, count, SEED, workers)
    assert sum(outcomes.values()) == count
    assert not faults, told(faults)
    every = {name for name, _ in outcomes}
    refused = {name for name, outcome in outcomes if outcome.startswith("own error")}
    if count < 1000:  # of damaged records the others are read; most bytes of a .npy are numbers, which may be any
        assert len(refused) > len(every) / 2
    else:
        assert refused == every
