"""Perturbations beside those that a repair learned: two in turn, and milder levels."""

import numpy as np
import pytest
import torch

from localnoise.errors import ArgumentError
from localnoise.sims import perturbations
from localnoise.sims.evaluation.source import Source, milder
from localnoise.sims.evaluation.threat import threat
from localnoise.sims.experiments import repair_design
from localnoise.sims.reports import harm
from localnoise.sims.reports.comparison import Level
from localnoise.sims.tasks.own import _modification


def test_a_mixture_is_one_perturbation_after_the_other() -> None:
    x = torch.rand(30, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    one = threat("brighten@0.2+rotate@1", 30, 1)
    assert one.label == "brighten@0.2+rotate@1"
    assert threat("brighten+rotate@1", 30, 1).label == "brighten@0.5+rotate@1"
    assert Level.named(one.label).label == one.label
    assert Level.named(one.label).words == "brighten 0.2 + rotate 1"
    found = perturbations.apply(one.name, x, one.level, 3)
    first = perturbations.apply("brighten", x, 0.2, 3)  # which draws nothing
    plain = perturbations.apply("brighten@0+rotate", first, 1.0, 3)  # levels share their draws
    torch.testing.assert_close(found, plain)
    assert not torch.equal(found, perturbations.apply("rotate@1+brighten", x, 0.2, 3))
    assert "brighten@0.2+rotate" not in list(perturbations.MODIFICATIONS)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("brigten@0.2+rotate@1", "'brigten' is no modification.*did you mean 'brighten'"),
        ("pgd@0.1+rotate", "'pgd' is no modification"),
        ("rotate@9+brighten", "level='9'"),
        ("rotate+brighten@9", "level=9"),
    ],
)
def test_mixtures_that_cannot_be_are_named(text: str, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        threat(text, 10, 1)


def test_only_the_rows_asked_for_are_modified() -> None:
    x = torch.rand(2_500, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    rows = np.flatnonzero(np.random.default_rng(0).random(len(x)) < 0.4)
    whole = perturbations.apply("obstruction", x, 2.0, 5)
    torch.testing.assert_close(perturbations.apply("obstruction", x[rows], 2.0, 5, rows=rows), whole[rows])


def test_milder_levels_are_severities_or_fifths() -> None:
    of = repair_design.severities_of("1,2,4")
    assert milder(Source.default("fog", 3), of) == ["fog@1", "fog@2"]
    assert milder(Source.default("rotate", 2), of) == ["rotate@0.4", "rotate@0.8", "rotate@1.6"]
    assert milder(Source.default("pgd"), of) == []
    with pytest.raises(ArgumentError, match="whole numbers from 1 to 4"):
        repair_design.severities_of("5")
    ten = [Source.default(name) for name in perturbations.PAPER]
    assert repair_design.mixtures(ten) == list(repair_design.PAIRS)
    few = [Source.default("brighten"), Source.default("line_blur")]
    assert repair_design.mixtures(few) == ["brighten@0.5+line_blur@13"]
    with pytest.raises(ArgumentError, match="at least two"):
        repair_design.mixtures(few[:1])


def test_levels_are_milder_only_where_their_order_is_known() -> None:
    function = _modification("dim", lambda x, level=0.3: x * level, (0, 1))
    perturbations.MODIFICATIONS.mount({"dim": function})
    try:
        learned = ["dim@0.3", "rotate@1", "brighten@-0.5", "fog@3", "pgd@0.05"]
        found = {row: harm.kind(row, learned) for row in (
            "clean", "dim@0.3", "dim@0.1", "dim@0.9", "rotate@0.4", "rotate@2", "brighten@-0.2", "brighten@0.2",
            "fog@1", "fog@5", "pgd@0.01", "pgd@0.1", "snow@3", "rotate@0.4+fog@1",
        )}  # fmt: skip
    finally:
        perturbations.MODIFICATIONS.mount({})
    assert found == {
        "clean": "clean", "dim@0.3": "learned", "dim@0.1": "other levels", "dim@0.9": "other levels",
        "rotate@0.4": "milder", "rotate@2": "other levels", "brighten@-0.2": "milder", "brighten@0.2": "other levels",
        "fog@1": "milder", "fog@5": "other levels", "pgd@0.01": "attack", "pgd@0.1": "attack",
        "snow@3": "never learned", "rotate@0.4+fog@1": "mixed",
    }  # fmt: skip
