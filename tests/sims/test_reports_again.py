"""Reports of experiments: tried before the long part, made again from records, for any arm and any outcome."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiers import some_slow

from localnoise.errors import ArgumentError, FileFormatError
from localnoise.sims import bits, compare, demo, paper, repair, retention, tradeoff, transfer, wires
from localnoise.sims.data import load
from localnoise.sims.defenses import DEFENSES, ordered
from localnoise.sims.experiments import command
from localnoise.sims.experiments import conduct as conducting
from localnoise.sims.experiments import presets as budgets
from localnoise.sims.experiments.cell import Cell
from localnoise.sims.experiments.rehearsal import attempt, invented, rehearse
from localnoise.sims.experiments.settings import Settings
from localnoise.sims.reports import figures
from localnoise.sims.reports.commands import Retention
from localnoise.sims.reports.figures import looks
from localnoise.sims.reports.summary import summarise
from localnoise.sims.results import experiment
from localnoise.sims.results.records import RecordFile, key
from localnoise.sims.tools import report
from localnoise.sims.tools.remade import REPORTS, remade

OWN = "grid:order=raster:rule=lms:parents=4"
COMMON = {"out": Path("nowhere"), "data_dir": None, "jobs": 1, "mix": False}
SPENT = COMMON | {"spend": "standard", "seeds": 2, "epochs": 1}
AGAINST = {"protocol": "any", "against": "full", "task": "v2", "activation": "tanh", "layer": None}
ODD = f"none,full,lms-8,raster-2,{OWN}"  # arms without a colour of their own
CALLS: dict[str, tuple[Any, Callable[[], None]]] = {
    "compare": (
        compare,
        lambda: compare.compare(arms=ODD, threats="clean,rotate,pgd,adaptive", sources="matched", **AGAINST, **SPENT),
    ),
    "compare, one net": (
        compare,
        lambda: compare.compare(arms=ODD, threats="fog,rotate@2,snow", sources="rotate@2,fog", **AGAINST, **SPENT),
    ),
    "paper": (paper, lambda: paper.paper(sources="art-fgm,elastic", arms=ODD, traces="1,4", **SPENT)),
    "paper, none": (paper, lambda: paper.paper(sources="elastic", arms="none", traces="2", **SPENT)),
    "transfer": (
        transfer,
        lambda: transfer.transfer(sources="rotate,art-pgd@0.1", threats="own,fog", arms=ODD, **SPENT),
    ),
    "tradeoff": (tradeoff, lambda: tradeoff.tradeoff(source="rotate", tested="", arms=ODD, traces="0.5,2", **SPENT)),
    "bits": (
        bits,
        lambda: bits.bits(sources="rotate", weight_bits="2,8", word_bits="4", also="lms-8,chip-lms-8", **SPENT),
    ),
    "wires": (wires, lambda: wires.wires(sources="rotate,fog", fan_in="1,8", **SPENT)),
    "retention": (
        retention,
        lambda: retention.retention(
            data="embedded", seeds=2, sources="art-fgm,rotate,fog,input_noise", arms=ODD, mixed=OWN, **COMMON
        ),
    ),
    "repair": (
        repair,
        lambda: repair.repair(
            sources="rotate@2,contrast", threats="fog,adaptive", causes=4, spend="standard", seeds=2, **COMMON
        ),
    ),
    "demo": (demo, lambda: demo.demo(out=Path("nowhere"), seed=0, jobs=1)),
}


@pytest.fixture
def design(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], tuple[list[Cell], Settings, Any]]:
    """Cells, settings and report of a command, of which nothing is run."""
    monkeypatch.setitem(budgets.PRESETS, "standard", replace(budgets.PRESETS["standard"], data="embedded"))

    def designed(name: str) -> tuple[list[Cell], Settings, Any]:
        module, call = CALLS[name]
        found: list[Any] = []
        place = module if hasattr(module, "conduct") else command
        monkeypatch.setattr(place, "conduct", lambda *given, **_: found.append(given))
        call()
        cells, settings, _, made = found[0]
        return cells, settings, made

    return designed


@pytest.mark.parametrize("name", some_slow(CALLS, {"compare, one net", "paper", "tradeoff", "wires", "demo"}))
def test_every_arm_that_ran_has_its_row_whatever_came_out(
    name: str, design: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(figures, "KINDS", (".png",))  # the other kinds are drawn where a report is made again
    cells, settings, made = design(name)
    records = invented(cells, settings)
    names = made.write(records, tmp_path)
    if name not in ("demo", "repair"):  # which has columns of its own
        text = (tmp_path / names[0]).read_text()
        shown = {cell.arm for cell in cells} - ({"none"} if name in ("bits", "wires") else set())
        assert [arm for arm in shown if DEFENSES[arm].label not in text] == []
    assert rehearse(made, cells, settings) == names
    for right in (0.0, 1.0):  # no gain, nothing left to gain
        attempt(made, invented(cells, settings, right))
    for some in (records[:1], records[: len(records) // 2]):  # an experiment that is still running
        attempt(made, some)


def test_nets_that_learned_from_more_or_fewer_images_are_told_apart(tmp_path: Path, design: Any) -> None:
    """Rows of an ablation say from how many; other tables would take one for the other."""
    cells, settings, _ = design("repair")
    own = [cell for cell in cells if cell.seed == 0 and cell.arm in ("undefended", "repair:causes=4")]
    fewer = [replace(cell, sources=tuple(one.of(99) for one in cell.sources)) for cell in own if cell.sources]
    file = RecordFile(tmp_path / "record.sqlite")
    for several, right in ((own, 0.9), (fewer, 0.4)):
        file.append_all([(r.config, r.results, 0.0) for r in invented(several, settings, right)])
    with pytest.raises(ArgumentError, match="holds nets of arm 'repair:causes=4' that learned from"):
        remade(file.path, "repair")
    made, records = remade(file.path, "repair-ablation")
    rows = {point.value.partition(", from ")[2]: point.images for point in made.points}  # type: ignore[attr-defined]
    assert rows["99 images"] == 99
    assert len(rows) == 2
    made.write(records, tmp_path)
    table = (tmp_path / "ablation.md").read_text()
    assert len({line.split("|")[2] for line in table.splitlines() if line.startswith("| repair, 4 causes, from")}) == 2


@pytest.mark.parametrize("name", CALLS)
def test_a_report_is_made_again_from_its_records(name: str, design: Any, tmp_path: Path) -> None:
    cells, settings, made = design(name)
    records, file = invented(cells, settings), RecordFile(tmp_path / "record.sqlite")
    other = invented(cells[:1], replace(settings, base_epochs=99))  # of another run in the same folder
    file.append_all([(r.config, r.results, 0.0) for r in (*other, *records)])
    experiment.keep(made, (record.config for record in records), tmp_path)
    found, own = remade(file.path)
    assert found == made
    assert [key(record.config) for record in own] == [key(record.config) for record in records]
    names = made.write(records, tmp_path)
    before = {one: (tmp_path / one).read_bytes() for one in names}
    report.report(tmp_path, out=tmp_path / "again")
    assert {one: (tmp_path / "again" / one).read_bytes() for one in names} == before


def test_a_folder_under_the_options_earlier_name_is_taken_with_a_warning(
    design: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cells, settings, made = design("retention")
    records, file = invented(cells, settings), RecordFile(tmp_path / "record.sqlite")
    file.append_all([(r.config, r.results, 0.0) for r in records])
    experiment.keep(made, (record.config for record in records), tmp_path)
    with pytest.raises(ArgumentError, match="all goes to --out"):
        report.report(tmp_path, tmp_path / "again", out=tmp_path / "other")
    report.report(tmp_path, tmp_path / "again")
    assert (tmp_path / "again").is_dir()
    assert "--output is now --out" in capsys.readouterr().err


def test_records_alone_are_reported_under_the_command_that_is_named(design: Any, tmp_path: Path) -> None:
    cells, settings, _ = design("transfer")
    path = tmp_path / "moved.sqlite"
    RecordFile(path).append_all([(r.config, r.results, 0.0) for r in invented(cells, settings)])
    with pytest.raises(ArgumentError, match=r"does not say which command wrote it: expected --as with bits, compare"):
        remade(path)
    with pytest.raises(ArgumentError, match="did you mean 'transfer'"):
        remade(path, "transfr")
    found, _ = remade(path, "transfer")
    assert found.sources == ["rotate@1.6", "art-pgd@0.1"]
    assert found.threats == ["clean", "fog@5", "own"]
    for name in ("compare", "tradeoff", "paper", "bits", "wires"):
        again, records = remade(path, name)
        attempt(again, records)
    mixed = invented(cells[:1], replace(settings, epochs=7))
    RecordFile(path).append_all([(r.config, r.results, 0.0) for r in mixed])
    with pytest.raises(ArgumentError, match=r"several settings \(epochs: 1, 7\)"):
        remade(path, "transfer")


@pytest.mark.parametrize("content", ["{", "[]", '{"command": "compare"}', '{"command": "x", "report": {}}', "null"])
def test_a_damaged_description_is_one_sentence(content: str, design: Any, tmp_path: Path) -> None:
    cells, settings, made = design("compare")
    RecordFile(tmp_path / "record.sqlite").append_all(
        [(r.config, r.results, 0.0) for r in invented(cells[:1], settings)]
    )
    experiment.keep(made, [], tmp_path)
    edited = json.loads((tmp_path / experiment.NAME).read_text())
    edited["report"]["arms"] = ["nobody"]
    for text in (content, json.dumps(edited)):
        (tmp_path / experiment.NAME).write_text(text)
        with pytest.raises(FileFormatError, match=r"experiment\.json: damaged or edited .* name the command with --as"):
            remade(tmp_path / "record.sqlite")


class Broken(Retention):
    """A report with a fault in its figure."""

    def write(self, records: list[Any], out: Path) -> list[str]:
        raise KeyError("no colour")


def test_a_fault_of_a_report_shows_before_any_cell_runs(
    design: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells, settings, _ = design("retention")
    ran: list[int] = []
    monkeypatch.setattr(conducting, "run_cells", lambda *given, **_: ran.append(1))
    with pytest.raises(KeyError, match="no colour"):
        conducting.conduct(cells, settings, tmp_path, Broken(), data_dir=None, jobs=1)
    assert ran == []
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ArgumentError, match="nothing to run"):
        conducting.conduct([], settings, tmp_path, Retention(), data_dir=None, jobs=1)


@pytest.mark.slow
def test_retention_of_spelled_arms_runs_to_its_end_and_is_reported_again(
    small_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    small = Settings(
        data="full", fingerprint=load("full", small_dir).fingerprint, base_epochs=1, epochs=1, attacked_train=40
    )
    monkeypatch.setattr(retention, "Settings", lambda **_: small)
    given = COMMON | {"out": tmp_path, "data_dir": small_dir}
    retention.retention(data="full", seeds=1, sources="rotate", arms=f"none,{OWN},multiscale-2", mixed="", **given)
    text = (tmp_path / "tables.md").read_text()
    assert DEFENSES[OWN].label in text
    assert DEFENSES["multiscale-2"].label in text
    assert DEFENSES[OWN].label in capsys.readouterr().out
    shutil.copy(tmp_path / "tables.md", tmp_path / "before.md")
    report.report(tmp_path / "record.sqlite", None, None, "")
    assert (tmp_path / "tables.md").read_text() == text


def test_sources_of_any_kind_have_their_column(design: Any) -> None:
    cells, settings, _ = design("retention")
    summary = summarise(invented(cells, settings))
    assert summary.sources == ["rotate", "input_noise", "fog", "art-fgm"]
    assert summary.arms == ["none", "full", "raster-2", "lms-8", OWN]


def test_clean_is_the_mean_over_an_arms_nets_seed_by_seed(design: Any) -> None:
    cells, settings, _ = design("retention")
    records = invented(cells, settings)
    by_seed = [
        np.mean([r.results["accuracy.clean"] for r in records if r.config["seed"] == seed and _matched(r.config, OWN)])
        for seed in (0, 1)
    ]
    found = summarise(records).clean[OWN]
    assert found.mean == pytest.approx(np.mean(by_seed))
    assert found.half_width == pytest.approx(12.706 * abs(by_seed[0] - by_seed[1]) / 2)


def _matched(config: dict[str, Any], arm: str) -> bool:
    return config["arm"] == arm and len(config["sources"]) == 1


def test_any_arms_have_looks_of_their_own_the_same_each_time() -> None:
    arms = [*DEFENSES, *(f"grid:parents={k}" for k in range(1, 9))]
    few = ["none", "full", "multiscale-8", "lms-8", OWN, "signal-4", "signal-8"]
    assert looks(few) == looks(list(reversed(few))) | looks(few)
    assert looks(few)["full"] == ("#0072B2", "s")
    assert len(set(looks(few).values())) == len(few)
    assert set(looks(arms)) == set(arms)
    assert ordered([OWN, "full", "none", OWN]) == ["none", "full", OWN]


def test_every_report_can_be_held_in_a_file(design: Any) -> None:
    kinds = set()
    for name in CALLS:
        _, _, made = design(name)
        assert REPORTS[made.name].model_validate(json.loads(made.model_dump_json())) == made
        kinds.add(made.name)
    others = {"spiking", "stream", "repair-ablation", "repair-front", "audit", "train"}  # have tests of their own
    assert kinds == set(REPORTS) - others
