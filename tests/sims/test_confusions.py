"""What a gate's confusions cost, of invented outcomes whose costs are known."""

import numpy as np
import pytest

from localnoise.sims.reports.comparing import Comparison
from localnoise.sims.reports.comparison import Level, Outcome, Place
from localnoise.sims.reports.confusions import confusions, frame, said

NAMES = ["clean", "rotate@2", "snow@5"]
T = 400


def comparison(seeds=(0,)):
    """Of 400 rotated images 100 are left alone, of which 60 would be right if told; 100 are called snow, all right."""
    decided = np.repeat([1, 0, 2], [200, 100, 100]).astype(np.uint8)
    told = np.ones(T, np.uint8)
    told[260:300] = 0
    repaired = told.copy()
    repaired[200:260] = 0
    rows = {"repair": repaired, "oracle": told, "undefended": np.zeros(T, np.uint8)}
    found = {}
    for arm, right in rows.items():
        outcome = Outcome(0, 0.0, dict.fromkeys(seeds, right))
        outcome.extra = {seed: {"decided.rotate@2": decided} if arm == "repair" else {} for seed in seeds}
        found[Place(arm, (), None, Level("rotate", 2.0))] = outcome
    return Comparison(found, list(rows), ["rotate@2"])


@pytest.mark.parametrize("seeds", [(0,), (0, 1, 2)])
def test_costs_add_up_to_what_the_gate_loses(seeds):
    table = comparison(seeds)
    found = confusions(table, "repair", "oracle", "undefended", ["rotate@2", "snow@5"], NAMES)
    by = {one.called: one for one in found}
    assert (by["clean"].share, by["clean"].repaired, by["clean"].told) == (0.25, 0.0, pytest.approx(0.6))
    assert by["clean"].cost.mean == pytest.approx(60 / T)
    assert by["clean"].costs
    assert not by["snow@5"].costs
    assert by["rotate@2"].right
    lost = table.estimate("oracle", "rotate@2").mean - table.estimate("repair", "rotate@2").mean
    assert sum(one.cost.mean for one in found) == pytest.approx(lost)
    assert found[0].called == "clean"


def test_the_table_and_the_sentence_say_what_costs():
    found = confusions(comparison(), "repair", "oracle", "undefended", ["rotate@2"], NAMES)
    listed = frame(found)
    assert listed["taken for"].tolist() == ["clean", "snow@5"]
    assert listed["costs"].tolist() == ["yes", "nothing"]
    assert ".500 of the 1 learned rows' images right, .750 where it matters" in said(found)
    assert "1 of its 2 confusions cost nothing" in said(found)


def test_what_is_lost_and_won_image_by_image_adds_up_to_the_cost():
    table = comparison((0, 1))
    own = table.outcomes[Place("repair", (), None, Level("rotate", 2.0))]
    own.correct = {seed: np.where(np.arange(T) // 20 == 13, 1, right) for seed, right in own.correct.items()}
    found = confusions(table, "repair", "oracle", "undefended", ["rotate@2"], NAMES)
    clean = next(one for one in found if one.called == "clean")
    assert (clean.lost, clean.won) == (60 / T, 20 / T)
    assert clean.cost.mean == pytest.approx(clean.lost - clean.won)
    assert "its choice matters to .200: .150 are right only when told, .050 only as the gate has it." in said(found)


def test_records_that_do_not_say_what_was_decided_have_none():
    table = comparison()
    for own in table.outcomes.values():
        own.extra = {}
    assert confusions(table, "repair", "oracle", "undefended", ["rotate@2"], NAMES) == []
    assert said([]) == ""
