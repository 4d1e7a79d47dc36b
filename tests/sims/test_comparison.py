"""Comparisons: cells, what the tables say of records, and the commands on a few images."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from localnoise.errors import ArgumentError
from localnoise.sims import compare, paper, tradeoff, transfer
from localnoise.sims.attacks import PGD
from localnoise.sims.defenses import DEFENSES
from localnoise.sims.evaluation import Adaptive
from localnoise.sims.evaluation.names import check_eps, name_and_level, variances_of
from localnoise.sims.evaluation.source import Source
from localnoise.sims.evaluation.threat import threat
from localnoise.sims.experiments import presets as budgets
from localnoise.sims.experiments.design import matched, trained_on
from localnoise.sims.experiments.settings import Settings
from localnoise.sims.reports import comparing, heat, retained, side_by_side, stated
from localnoise.sims.reports.comparison import CLEAN, OWN, Level, Outcome, Place, outcomes
from localnoise.sims.results.records import Record, RecordFile
from localnoise.sims.results.statistics import difference, over_seeds

ROTATED = Level("rotate", 2)
LEARNED, NONE = Place("full", (ROTATED,), 0.5, ROTATED), Place("none", (), None, ROTATED)


def record(arm: str, seed: int, hits: list[int], level: float = 2.0, trace: float | None = None) -> Record:
    sources = [] if trace is not None or arm == "none" else [{"name": "rotate", "level": level, "trace": 0.5}]
    config = {
        "arm": arm,
        "seed": seed,
        "sources": sources,
        "threats": [{"name": "rotate", "level": level, "images": 4}],
    }
    results = {f"correct.rotate@{level:g}": np.array(hits, np.uint8), "parameters": 7, "bytes_per_unit": 2.0}
    return Record(config | ({} if trace is None else {"trace": trace}), results, {}, 0.0)


def test_names_and_levels_are_read() -> None:
    assert name_and_level("rotate@1.5") == ("rotate", 1.5)
    assert name_and_level(" pgd ") == ("pgd", None)
    with pytest.raises(ArgumentError, match=r"rotate@two.*NAME@LEVEL"):
        name_and_level("rotate@two")
    with pytest.raises(ArgumentError, match=r"epochs=0: expected a whole number >= 1"):
        budgets.preset("quick", epochs=0)
    assert budgets.preset("quick", seeds=7).seeds == 7
    with pytest.raises(ArgumentError, match=r"attacked=0: expected a whole number >= 1"):
        budgets.preset("quick", attacked=0)
    with pytest.raises(ArgumentError, match=r"attacked=301: expected at most the 300 test images.*'quick'"):
        budgets.preset("quick", attacked=301)
    with pytest.raises(ArgumentError, match=r"steps=0: expected a whole number >= 1"):
        budgets.preset("quick", steps=0)
    assert budgets.preset("quick", steps=80).adaptive == replace(budgets.PRESETS["quick"].adaptive, steps=80)
    assert budgets.preset("standard", attacked=1_000) == replace(budgets.PRESETS["standard"], attacked_test=1_000)
    for bad in ("2,x", "-1", "nan"):
        with pytest.raises(ArgumentError, match=r"traces=.*expected numbers > 0"):
            variances_of(bad)
    with pytest.raises(ArgumentError, match="did you mean 'rotate'"):
        threat("rotat", 10, 5)
    assert threat("adaptive", 10, 5).images == 5


def test_arms_that_learn_nothing_are_trained_once() -> None:
    wanted = [threat(name, 10, 5) for name in ("rotate", "obstruction", "art-pgd@0.1")]
    cells = matched((0, 1), ["none", "identity", "full"], wanted)
    assert len(cells) == len(set(cells))
    nets = {cell.trained for cell in cells if cell.seed == 0}
    assert sum(cell.arm == "none" for cell in nets) == 1
    assert sum(cell.arm == "identity" for cell in nets) == 2  # traces 0.5 and 2
    assert sum(cell.arm == "full" for cell in nets) == 3
    assert {cell.threats[0].label for cell in cells if cell.arm == "none"} == {
        "clean", "rotate@1.6", "obstruction@2", "art-pgd@0.1"
    }  # fmt: skip
    with pytest.raises(ArgumentError, match="did you mean 'full'"):
        trained_on(0, (Source.default("rotate"),), ["ful"], wanted)


def test_outcomes_pair_seeds_and_images() -> None:
    found = outcomes([record("none", 0, [0, 0, 1, 0]), record("full", 0, [1, 1, 1, 0])])
    full, none = found[LEARNED], found[NONE]
    gap = full.less(none)
    assert gap is not None
    assert gap.mean == 0.5
    assert gap == difference([0, 0, 1, 0], [1, 1, 1, 0])
    two = outcomes(
        [record("none", s, [0, 0, 1, s]) for s in (0, 1)] + [record("full", s, [1, 1, 1, s]) for s in (0, 1)]
    )
    own = two[LEARNED].less(two[NONE])
    assert own == over_seeds([0.5, 0.5], 4)
    assert full.less(Outcome(0, 0.0)) is None


def test_unreliable_evaluations_are_marked_and_explained() -> None:
    bad = record("full", 0, [1, 1, 1, 0])
    bad.results["adaptive.unreliable"] = "gradient_exists: zero."
    table = comparing.Comparison(outcomes([bad, record("none", 0, [0, 0, 1, 0])]), ["none", "full"], ["rotate@2"])
    assert "full covariance, central, rotate@2, seed 0 is unreliable: gradient_exists: zero." in comparing.footnote(
        table
    )
    assert comparing.markdown(table, "none").count("+0.500") == 1
    assert "n = 4" in comparing.footnote(table)


def test_many_threats_have_a_row_each_and_their_means() -> None:
    levels = [0.2 * i for i in range(1, 9)]
    names = [f"rotate@{level:g}" for level in levels]
    hits = {"none": 0, "full": 2}
    found = outcomes(
        record(arm, seed, [1] * (more + seed) + [0] * (4 - more - seed), level)
        for arm, more in hits.items() for seed in (0, 1) for level in levels
    )  # fmt: skip
    for arm in hits:  # each strength its own net: one net for all, as `compare --train` trains it
        found |= {place._replace(train=()): own for place, own in list(found.items()) if place.defense == arm}
    one = {place: own for place, own in found.items() if not place.train}
    table = comparing.Comparison(one, list(hits), names, {"mean of the first two": names[:2]})
    text = comparing.markdown(table, "none")
    assert "| rotate@0.2 | 0.125 ± " in text
    assert "| mean of the first two | 0.125 ± 1.588 | 0.625 ± 1.588 |" in text
    assert "| mean of the first two | +0.000 ± 0.000 | +0.500 ± 0.000 |" in text
    assert text.splitlines()[0] == "| | no noise | full covariance, central |"
    lone = comparing.Comparison(one, list(hits), names, {"mean": [*names, "elastic@2"]})
    assert lone.estimate("none", "mean") is None  # one of them is not measured


def test_what_the_paper_states_is_read() -> None:
    rows = {(row.source, row.level, row.arm): row for row in stated.table()}
    assert len(stated.table()) == 4 * 91
    assert rows["art-autopgd", 0.2, "full"].mean == 0.17
    assert stated.transfer()["rotate", "rotate"] == 0.57
    assert stated.strengths("rotate", 4)[-1] == max(stated.strengths("rotate", 99))
    assert len(stated.strengths("motion_blur", 4)) == 3
    row = rows["rotate", 1.0, "full"] if ("rotate", 1.0, "full") in rows else rows["art-pgd", 0.2, "full"]
    exact = over_seeds([row.mean] * 3, 100)
    assert row.agrees(exact)
    assert not row.agrees(over_seeds([row.mean + 0.2] * 3, 100))
    assert isinstance(row.agrees(exact), bool)


def test_a_measured_row_stands_beside_the_papers() -> None:
    level = stated.strengths("rotate", 1)[0]
    found = outcomes([record("none", 0, [1, 0, 0, 0], level), record("full", 0, [1, 1, 0, 0], level),
                      record("identity", 0, [1, 1, 0, 0], level, trace=0.5)])  # fmt: skip
    rows = side_by_side.rows(found, ["rotate"])
    assert [(row.arm, row.trace) for row in rows] == [("none", 0.5), ("identity", 0.5), ("full", 0.5)]
    assert all(row.stated is not None for row in rows)
    assert side_by_side.markdown(rows).count("\n") == 2


def test_heat_map_takes_each_place(tmp_path: Path) -> None:
    found = outcomes([record("none", 0, [1, 0, 0, 0]), record("full", 0, [1, 1, 0, 0])])
    one = heat.measured(found, "full", [ROTATED], [ROTATED])
    assert one.accuracy.tolist() == [[0.25, 0.5]]
    assert "+0.250" in heat.summary(one)
    own = heat.measured(found, "full", [ROTATED], [OWN])
    assert np.isnan(own.accuracy[0, 0])
    assert own.accuracy[0, 1] == 0.5
    assert "+0.250" in heat.summary(own)
    heat.figure([one, *heat.stated_beside([one])], tmp_path / "heat.png")
    assert Image.open(tmp_path / "heat.png").width > 300


def test_a_row_with_a_missing_cell_has_no_mean() -> None:
    """It would be one of other places than the rows beside it."""
    gain = over_seeds([0.4, 0.4, 0.4], 100)
    share = retained.RetainedGain(gain, over_seeds([0.75, 0.75, 0.75], 100))
    nothing = retained.RetainedGain(gain, None)
    rows = [[share, share, None], [share, None, None], [share, nothing, None]]  # the last place has no central method
    lines = retained.markdown(["whole", "missing", "unsure"], ["a", "b", "c"], lambda i, j: rows[i][j]).splitlines()
    ends = {line.split("|")[1].strip(): [part.strip() for part in line.split("|")[-3:-1]] for line in lines[2:5]}
    assert ends == {"whole": ["0.75", "0.75"], "missing": ["", ""], "unsure": ["0.75", "0.75"]}


def test_retention_is_of_a_sure_gain_only() -> None:
    def seeds(arm: str, right: int, of: int = 100) -> list[Record]:
        return [record(arm, s, [1] * (right + s) + [0] * (of - right - s)) for s in (0, 1, 2)]

    found = outcomes([*seeds("none", 20), *seeds("full", 60), *seeds("multiscale-8", 50), *seeds("identity", 20)])
    none, full, local, same = (
        heat.outcome(found, arm, ROTATED, OWN) for arm in ("none", "full", "multiscale-8", "identity")
    )
    share = retained.kept(local, none, full)
    assert share is not None
    assert share.share is not None
    assert share.share.mean == pytest.approx(0.75)
    assert share.gain.mean == pytest.approx(0.4)
    nothing = retained.kept(local, none, same)  # a central method that gains nothing has no share to keep
    assert nothing is not None
    assert nothing.share is None
    assert retained.kept(local, None, full) is None
    text = heat.retention(found, "multiscale-8", [ROTATED], [CLEAN, OWN])
    assert "| own | 0.75 ± 0.00 | 0.75 | 0.75 |" in text
    assert "clean" not in text
    table = comparing.Comparison(found, ["none", "full", "multiscale-8"], ["rotate@2"])
    text = comparing.markdown(table, None)
    assert "| multiscale K=8 | 0.75 ± 0.00 | 0.75 | 0.75 |" in text
    assert "± is t s / sqrt(S)" in text


def test_what_brackets_and_retentions_intervals_are_is_said_where_they_are_shown() -> None:
    none, full = [1] * 60 + [0] * 40, [1] * 20 + [0] * 80
    for first, second, shown in ((none, full, "(-0.400 ± "), (full, none, "| 1.00 |")):  # it harms; it gains, one seed
        found = outcomes([record("none", 0, first), record("full", 0, second), record("multiscale-8", 0, second)])
        text = comparing.markdown(comparing.Comparison(found, ["none", "full", "multiscale-8"], ["rotate@2"]), None)
        assert shown in text
        assert "where it is not surely above 0 (the 95 % interval reaches 0, or lies below it)" in text
        assert "sqrt(S)" not in text


def squeezed(text: str) -> str:
    """Text as it was before the terminal wrapped it."""
    return " ".join(text.split())


def test_a_threat_s_name_means_one_thing_and_the_table_says_what_was_run() -> None:
    """At first `pgd` was the worst case over all attacks in `compare`, and one attack elsewhere."""

    def judged(threat: str, **more: object) -> str:
        base = record("full", 0, [1, 0, 1, 1])
        threats = [{"name": threat, "level": 0.1, "images": 4}]
        attack = {"eps": 0.1, "steps": 20, "draws": 8, "step": None}
        results = base.results | {f"correct.{threat}@0.1": base.results["correct.rotate@2"]}
        results |= {"adaptive.bias": 0.25} if "verdict" in more else {}
        one = Record(base.config | {"threats": threats, "attack": attack} | more, results, {}, 0.0)
        table = comparing.Comparison(outcomes([one]), ["full"], [f"{threat}@0.1"])
        assert table.rows == [f"{threat}@0.1"]
        return comparing.markdown(table, None)

    assert "pgd@0.1: PGD alone, 20 steps of eps / 4, 8 draws a gradient." in judged("pgd")
    assert "art-pgd@0.1: ART's PGD with its defaults, as the paper has it, one draw a gradient." in judged("art-pgd")
    assert "apgd-ce@0.1: APGD with cross-entropy alone, 8 draws" in judged("apgd-ce")
    old = judged("adaptive", adaptive={"steps": 7, "ladder": [1, 5], "queries": 3, "tries": 2, "votes": 5})
    assert "adaptive@0.1: worst case, image by image, over APGD-CE, APGD-DLR and PGD (7 steps), FGSM, up to 5" in old
    assert "judged by the 5 votes on each example (revision 1), which is too low" in old
    new = judged("adaptive", verdict=2)
    assert "chosen by 15 votes and judged by a fresh one." in new
    assert "adaptive@0.1 is too high, for that choice, by at most .250 (full covariance, central)." in new
    assert "rotate@2:" not in comparing.footnote(
        comparing.Comparison(outcomes([record("full", 0, [1, 0, 1, 1])]), ["full"], ["rotate@2"])
    )
    with pytest.raises(ArgumentError, match=r"threat='fgm'.*did you mean 'art-fgm'"):
        threat("fgm@0.1", 10, 5)
    with pytest.raises(ArgumentError, match=r"source='autopgd'.*did you mean 'art-autopgd'"):
        Source.default("autopgd")
    with pytest.raises(ArgumentError, match=r"pgd@8: expected an eps from 0 to 1"):
        check_eps([("rotate", 2), ("pgd", 8)], (0, 1))
    check_eps([("pgd", 8)], None)  # inputs without bounds
    with pytest.raises(ArgumentError, match=r"pgd@-1: expected an eps >= 0"):
        threat("pgd@-1", 10, 5)


@pytest.mark.parametrize(
    ("protocol", "threats", "instead"),
    [
        ("paper", "pgd@0.08", r"art-pgd@0\.08"),
        ("paper", "adaptive", r"art-pgd@0\.1"),
        ("adaptive", "pgd", r"adaptive@"),
    ],
)
def test_a_protocol_refuses_the_attacks_of_another(protocol: str, threats: str, instead: str, tmp_path: Path) -> None:
    common = {"arms": "none", "sources": "matched", "spend": "quick", "out": tmp_path, "data_dir": None, "jobs": 1}
    with pytest.raises(ArgumentError, match=rf"no attack of --protocol {protocol}: expected one such as {instead}"):
        compare.compare(threats=threats, **(DEFAULTS | {"protocol": protocol}), **common)


def test_the_verdict_s_revision_is_in_the_key_of_what_it_judged() -> None:
    """A record of revision 1 does not stand for an evaluation of this one; all other records do."""
    settings = Settings(data="embedded", fingerprint="f")
    (one, other) = (matched([0], ["none"], [threat(name, 10, 5)])[-1].config(settings) for name in ("adaptive", "pgd"))
    assert one["verdict"] == 2
    assert "verdict" not in other


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch, small_network: None) -> None:
    """A budget of seconds: two epochs on a few hundred images."""
    adaptive = Adaptive(steps=2, ladder=(1, 2), queries=4, tries=2, votes=1, checked=6)
    few = replace(
        budgets.PRESETS["quick"], data="full", base_epochs=1, epochs=1, images=40, attacked_train=50, attacked_test=8,
        adaptive=adaptive, pgd=PGD(steps=2, draws=2),
    )  # fmt: skip
    monkeypatch.setitem(budgets.PRESETS, "quick", few)


@pytest.mark.usefixtures("in_threads")
def test_compare_writes_a_table_and_goes_on(
    small_dir: Path, tmp_path: Path, tiny: None, capsys: pytest.CaptureFixture[str]
) -> None:
    common = {"out": tmp_path, "data_dir": small_dir, "jobs": 1, "spend": "quick"}
    compare.compare(arms="none,raster-1", threats="obstruction,adaptive", sources="matched", **DEFAULTS, **common)
    text = capsys.readouterr().out
    assert "raster r=1" in text
    assert "n = 8, 40" in text
    assert "adaptive@0.1: worst case, image by image, over APGD-CE, APGD-DLR and PGD (2 steps)" in squeezed(text)
    assert "adaptive@0.1 is too high, for that choice, by at most .000 (no noise), " in squeezed(text)
    assert "7 of 7 cells run" in text  # no noise: one net, three tests; raster-1: two nets, two tests each
    assert (tmp_path / "table.md").read_text().count("| raster r=1 |") == 2  # accuracies, differences
    assert Image.open(tmp_path / "accuracy.png").width > 300
    kept = [r for r in RecordFile(tmp_path / "record.sqlite") if r.config["threats"][0]["name"] == "adaptive"]
    assert all("adaptive.unreliable" in r.results for r in kept)
    compare.compare(arms="none,raster-1", threats="obstruction,adaptive", sources="matched", **DEFAULTS, **common)
    assert "0 of 7 cells run" in capsys.readouterr().out


DEFAULTS = {
    "protocol": "any", "against": "none", "task": "v2", "activation": "tanh", "layer": None, "mix": False
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.usefixtures("in_threads")
def test_paper_and_transfer_write_their_tables(
    small_dir: Path, tmp_path: Path, tiny: None, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("art")
    common = {"data_dir": small_dir, "jobs": 1, "spend": "quick", "mix": False}
    paper.paper(sources="art-fgm,elastic", arms="none,identity", traces="0.5", out=tmp_path / "p", **common)
    text = (tmp_path / "p" / "table.md").read_text()
    assert "variance 2, attacks: " in text
    assert "variance 0.5, modifications: " in text
    (line,) = [line for line in text.splitlines() if "elastic" in line]
    starred = line.count("*")
    assert f"variance 0.5, modifications: {2 - starred} of 2 agree" in text
    assert Image.open(tmp_path / "p" / "paper.png").width > 300
    tradeoff.tradeoff(
        source="obstruction@2", tested="", arms="none,raster-1", traces="0.5,2", out=tmp_path / "o", **common
    )
    assert (tmp_path / "o" / "table.md").read_text().count("| raster r=1 |") == 2
    assert Image.open(tmp_path / "o" / "tradeoff.png").width > 300
    transfer.transfer(sources="rotate@2,obstruction@2", threats="", arms="raster-1", out=tmp_path / "t", **common)
    assert "| rotate 2 |" in (tmp_path / "t" / "table.md").read_text()
    assert "on others" in capsys.readouterr().out
    assert Image.open(tmp_path / "t" / "transfer.png").width > 300
    transfer.transfer(sources="rotate@2,brighten", threats="own", arms="full,raster-1", out=tmp_path / "w", **common)
    text = (tmp_path / "w" / "table.md").read_text()
    assert text.count("| own |") == 3  # two maps, and what of the central gain is kept
    assert "Retention of the central gain, raster r=1" in text


def test_every_arm_is_listed_with_what_it_is(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    common = {"threats": "rotate", "sources": "matched", "spend": "quick", "out": tmp_path, "data_dir": None, "jobs": 1}
    compare.compare(arms="list", **DEFAULTS, **common)
    told = capsys.readouterr().out
    assert all(f"\n{name} " in told and (one.summary or one.label) in told for name, one in DEFENSES.items())
