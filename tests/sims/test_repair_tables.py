"""Tables of a repair's evaluation, of invented results: rows, harm, attacks, ablations, the front."""

from pathlib import Path
from typing import Any

import pytest
from pages import PUBLISHED

from localnoise.errors import ArgumentError
from localnoise.sims import repair as command
from localnoise.sims.defenses import Repairing
from localnoise.sims.experiments import presets, repair_points
from localnoise.sims.experiments.cell import Cell
from localnoise.sims.experiments.command import Run
from localnoise.sims.experiments.rehearsal import invented
from localnoise.sims.experiments.settings import Settings
from localnoise.sims.reports import harm
from localnoise.sims.reports.commands import Repair
from localnoise.sims.reports.figures import looks
from localnoise.sims.results.experiment import draft
from localnoise.sims.results.records import RecordFile
from localnoise.sims.results.statistics import Estimate
from localnoise.sims.tools.remade import remade


def test_an_ablation_varies_one_thing() -> None:
    what, found = repair_points.ablation("radius=0,2", Repairing(causes=4))
    assert what == "radius"
    assert [one.plan for one in found] == [Repairing(causes=4, radius=0), Repairing(causes=4)]
    assert [one.displaced for one in repair_points.ablation("displacements=10,20", Repairing())[1]] == [10, 20]
    gates = {one.value: one.plan for one in repair_points.ablation("gate", Repairing(causes=4))[1]}
    assert gates["calibrated"] == Repairing(causes=4)
    assert gates["margins in the place of worth"] == Repairing(causes=4, worth=False)
    assert gates["worth without margins"] == Repairing(causes=4, gate="worth-alone")
    assert gates["neither margins nor worth"] == Repairing(causes=4, gate="no-margin")
    assert gates["no second look"] == Repairing(causes=4, anew=False)
    assert len(set(gates.values())) == len(gates) == 7
    assert [one.plan.asks for one in repair_points.ablation("asks=1,2,3", Repairing())[1]] == [1, 2, 3]
    dense = [one.plan for one in repair_points.ablation("dense", Repairing(causes=4, bends=1))[1]]
    assert dense == [Repairing(bends=1), Repairing(dense=True)]
    bends = [one.plan for one in repair_points.ablation("bends=none,0,1", Repairing(causes=4))[1]]
    assert bends == [Repairing(causes=4), Repairing(causes=4, bends=0), Repairing(causes=4, bends=1)]
    for bad, message in (
        ("bends=none,-1", "'-1' is no whole number"),
        ("radios=1,2", "did you mean 'radius'"),
        ("radius=1", "two values or more"),
        ("radius=1,x", "'x' is no whole number"),
        ("gate=1,2", "expected gate alone"),
    ):
        with pytest.raises(ArgumentError, match=message):
            repair_points.ablation(bad, Repairing())


def test_records_of_several_repairs_are_those_of_the_one_that_is_told_nothing() -> None:
    records = list(RecordFile(PUBLISHED / "repair-beside.sqlite"))
    made = Repair.of(sorted(records, key=lambda record: "retrained" not in record.config["arm"]))
    assert made.arm == "repair:causes=16:bends=1"
    heads = [made._head(arm) for arm in (made.arm, *made.beside)]
    assert len(set(heads)) == len(heads)
    assert heads[0] == "repaired"
    assert {"told the source", "repair, 16 causes, bends, later layers retrained"} < set(heads)


def test_colors_differ_as_long_as_there_are_any() -> None:
    arms = ["undefended", "repair", "repair-oracle", "repair-dense", "augmentation-converged", "augmentation:width=2"]
    assert len({look.colour for look in looks(arms).values()}) == len(arms)


@pytest.fixture
def designed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Run the command up to its cells; write the report of invented results."""

    def run(**options: Any) -> tuple[list[Cell], Any]:
        held: dict[str, Any] = {}
        monkeypatch.setattr(Run, "conduct", lambda own, cells, chosen, report, **how: held.update(c=cells, r=report))
        command.repair(out=tmp_path, **options)
        cells, report = list(dict.fromkeys(held["c"])), held["r"]
        with draft():
            report.write(invented(cells, Settings(data="embedded", fingerprint="0")), tmp_path)
        return cells, report

    return run


def test_a_repair_that_is_told_what_happened_is_tested_on_what_it_learned(designed: Any, tmp_path: Path) -> None:
    """Elsewhere it leaves inputs alone, or undoes more than happened: nobody asks a perfect gate for that."""
    named = "fog,brighten@-0.2,adaptive@0.02,brighten@-0.2+rotate@0.4"
    cells, _ = designed(sources="brighten,rotate@1", threats=named, severities="1", dense=False, spend="quick", seeds=1)
    arms = {cell.arm for cell in cells}
    tested = {arm: {one.label for cell in cells if cell.arm == arm for one in cell.threats} for arm in arms}
    told, whole = tested["repair-oracle"], tested["repair"]
    assert told == {"clean", "brighten@0.5", "rotate@1"}
    levels = {"brighten@-0.2", "brighten@0.1", "rotate@0.2"}
    assert whole - told == levels | {"fog@5", "adaptive@0.02", "brighten@-0.2+rotate@0.4"}
    lines = (tmp_path / "table.md").read_text().splitlines()
    head = [one.strip() for one in lines[0].split("|")]
    row = {line.split("|")[1].strip(): line.split("|") for line in lines[: lines.index("")]}
    assert row["fog@5"][head.index("told the source")].strip() == ""
    assert row["rotate@1"][head.index("told the source")].strip() != ""


def test_the_terminal_shows_every_row_that_was_named_and_means_of_the_rest(designed: Any) -> None:
    cells, report = designed(
        sources="brighten,rotate@1", threats="rotate@0.1", severities="2,3", mixtures=True, dense=False,
        layers="first", seeds=1,
    )  # fmt: skip
    table, _ = report.show(invented(cells, Settings(data="embedded", fingerprint="0")))
    assert [str(cell) for cell in table.columns[0].cells] == [
        "clean", "brighten@0.5", "rotate@1", "brighten@0.5+rotate@1", "rotate@0.1", "mean of 2 learned",
        "mean of 5 milder",
    ]  # fmt: skip


def test_levels_of_no_known_order_are_called_other_levels_and_count(designed: Any, tmp_path: Path) -> None:
    designed(sources="brighten,rotate@1", threats="rotate@2", dense=False, layers="first", seeds=1)
    text = (tmp_path / "table.md").read_text()
    assert "Worst of the 1 other level: rotate@2" in text
    assert "Do no harm (clean, other levels):" in text
    assert "of 2 rows fall" in text
    assert "milder" not in text
    assert not (tmp_path / "milder.png").exists()


def test_the_command_takes_what_the_spelled_form_does(designed: Any) -> None:
    how: dict[str, Any] = {"sources": "brighten,rotate@1", "dense": False, "layers": "first", "seeds": 1}
    cells, report = designed(parents=2, asks=2, worth=False, causes=4, radius=1, **how)
    spelled = "repair:layers=first:radius=1:parents=2:asks=2:causes=4:worth=no"
    assert report.arm == spelled
    assert {cell.arm for cell in cells} == {"undefended", spelled, f"{spelled}:told=yes"}
    cells, report = designed(beside="repair-augmented,repair-noise", retrained=True, causes=4, **how)
    own = "repair:layers=first:causes=4"
    assert report.beside[1:] == [
        f"{own}:retrained=yes", f"{own}:after=augmentation-whole", f"{own}:after=signal-8"
    ]  # fmt: skip


def test_attacks_count_neither_in_means_nor_as_harm(designed: Any, tmp_path: Path) -> None:
    how: dict[str, Any] = {"sources": "brighten,rotate@1", "dense": False, "layers": "first"}
    cells, report = designed(threats="others,pgd@0.1,adaptive@0.02,rotate@0.1", seeds=2, **how)
    assert rows_of(tmp_path / "table.md")[-4:] == [
        "pgd@0.1", "adaptive@0.02", "mean of 2 learned", "mean of 6 never learned"
    ]  # fmt: skip
    text = (tmp_path / "table.md").read_text()
    assert "Do no harm (clean, never learned, milder):" in text
    assert "of 8 rows fall" in text  # clean, six corruptions, a milder rotation
    assert "Attacks count neither in means nor as harm: of 2, " in text
    table = report._table(invented(cells, Settings(data="embedded", fingerprint="0")))
    for row in ("pgd@0.1", "adaptive@0.02"):
        line = next(line for line in text.splitlines() if line.startswith(f"| {row} |"))
        assert ("not a defense" in line) == (table.less(report.arm, row, "undefended").low <= 0)
    assert harm.attacked(Estimate(0.1, 0.05, 0.15, 1, 100), harm.ATTACK) == ""
    assert harm.attacked(Estimate(0.1, -0.05, 0.25, 1, 100), harm.ATTACK) == ", not a defense"
    assert harm.attacked(Estimate(-0.1, -0.15, -0.05, 1, 100), harm.NEVER) == ""
    assert harm.kind("pgd@0.1", ["pgd@0.1"]) == harm.LEARNED


def rows_of(path: Path) -> list[str]:
    return [line.split("|")[1].strip() for line in path.read_text().split("\n\n")[0].splitlines()[2:]]


def test_the_table_says_what_is_harmed(designed: Any, tmp_path: Path) -> None:
    cells, report = designed(
        sources="brighten,rotate@1", threats="obstruction,rotate@0.1", severities="2", mixtures=True, dense=False,
        layers="first", beside="augmentation-converged,equal-work", seeds=2,
    )  # fmt: skip
    assert rows_of(tmp_path / "table.md") == [
        "clean", "brighten@0.5", "rotate@1", "obstruction@2", "brighten@0.5+rotate@1", "rotate@0.1", "brighten@0.2",
        "rotate@0.4", "mean of 2 learned", "mean of 3 milder",
    ]  # fmt: skip
    text = (tmp_path / "table.md").read_text()
    for said in ("Worst of the 3 milder", "(clean, never learned, mixed, milder)", "of 6 rows fall", "equal work"):
        assert said in text
    assert (tmp_path / "milder.png").exists()
    assert {cell.arm for cell in cells} == {"undefended", report.arm, *report.beside}
    assert type(report).model_validate(report.model_dump()) == report
    with pytest.raises(ArgumentError, match="no milder levels are known of pgd"):
        designed(sources="pgd", severities="1,2")


def test_a_repair_that_bends_stands_beside_a_dense_one_that_does_not(designed: Any) -> None:
    cells, report = designed(sources="brighten", bends=1)
    assert report.arm == "repair:bends=1"
    assert {cell.arm for cell in cells} >= {"undefended", "repair:bends=1", "repair:told=yes:bends=1", "repair-dense"}


def test_ablations_and_the_front_have_a_table_and_a_figure_each(designed: Any, tmp_path: Path) -> None:
    cells, report = designed(sources="brighten,rotate@1", ablate="displacements=100,400")
    assert {source.images for cell in cells for source in cell.sources} == {100, 400}
    assert rows_of(tmp_path / "ablation-displacements.md") == ["undefended", "100", "400"]
    assert report.default == "100"
    designed(sources="brighten,rotate@1", ablate="gate", seeds=2)
    lines = (tmp_path / "ablation-gate.md").read_text().splitlines()
    assert "less calibrated" in lines[0]
    assert next(line for line in lines if line.startswith("| calibrated")).split("|")[4:6] == ["  ", "  "]
    assert next(line for line in lines if line.startswith("| told the source")).count(" ±") == 4
    assert rows_of(tmp_path / "ablation-gate.md")[-1] == "told the source"
    cells, report = designed(sources="brighten,rotate@1", front=True)
    assert len(rows_of(tmp_path / "front.md")) == 1 + len(repair_points.front_designs())
    assert (tmp_path / "front.png").exists()
    assert type(report).of(invented(cells, Settings(data="embedded", fingerprint="0"))).points
    with pytest.raises(ArgumentError, match="expected one of them"):
        designed(front=True, ablate="gate")


@pytest.mark.usefixtures("in_threads", "small_network")
def test_an_ablation_runs_and_goes_on(small_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quick = presets.PRESETS["quick"]
    monkeypatch.setitem(presets.PRESETS, "quick", presets.replace(quick, data="full", base_epochs=1, images=40))
    how: dict[str, Any] = {"out": tmp_path, "data_dir": small_dir, "jobs": 1, "layers": "first", "sources": "brighten"}
    with draft():
        command.repair(ablate="bits=0,8", **how)
        text = (tmp_path / "ablation-bits.md").read_text()
        assert rows_of(tmp_path / "ablation-bits.md") == ["undefended", "0", "8"]
        assert "less 0" in text
        before = len(list(RecordFile(tmp_path / "record.sqlite")))
        command.repair(ablate="bits=0,8", **how)
    assert len(list(RecordFile(tmp_path / "record.sqlite"))) == before == 3 * 2
    report, records = remade(tmp_path / "record.sqlite")
    with draft():
        report.write(records, tmp_path)
    assert (tmp_path / "ablation-bits.md").read_text() == text
