"""`localnoise train`: rows beside backpropagation, resumed and made again; what it refuses before anything runs."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from localnoise.errors import ArgumentError
from localnoise.records import read_records
from localnoise.sims.compare import compare
from localnoise.sims.evaluation import Adaptive
from localnoise.sims.evaluation.equal import CURVE, equals
from localnoise.sims.experiments import presets
from localnoise.sims.experiments.chosen import Chosen
from localnoise.sims.experiments.runner import Runner
from localnoise.sims.experiments.testbed import network_path
from localnoise.sims.experiments.worker import held_out
from localnoise.sims.models.training import activations, answered
from localnoise.sims.reports.commands.trained import Train
from localnoise.sims.reports.figures import kinds
from localnoise.sims.reports.locality import central_arms
from localnoise.sims.reports.protocols import ran
from localnoise.sims.reports.trained_rows import row_of
from localnoise.sims.results.records import Record, RecordFile
from localnoise.sims.retention import report_of, retention
from localnoise.sims.tools.fit import fit
from localnoise.sims.tools.remade import remade
from localnoise.sims.train import train


@pytest.fixture(autouse=True)
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    few = replace(presets.PRESETS["quick"], data="full", base_epochs=1, images=50)
    monkeypatch.setitem(presets.PRESETS, "quick", few)


def test_networks_are_trained_once_and_set_beside_each_other(
    tmp_path: Path, small_dir: Path, in_threads: None, capsys: pytest.CaptureFixture[str]
) -> None:
    names = "backprop,local-heads,softhebb"
    train(training=names, task="v3", seeds=1, out=tmp_path, data_dir=small_dir, jobs=1)
    assert "3 of 3 cells" in capsys.readouterr().out
    table = (tmp_path / "table.md").read_text()
    assert [line.split(" | ")[0].strip("| ") for line in table.splitlines()[2:5]] == names.split(",")
    rows = read_records(tmp_path / "record.sqlite")
    assert [row.get("config.training", "backprop") for row in rows] == names.split(",")
    assert len(list(tmp_path.glob("v3-*.pt"))) == 3

    train(training=names, task="v3", seeds=1, out=tmp_path, data_dir=small_dir, jobs=1)
    assert "0 of 3 cells" in capsys.readouterr().out
    report, records = remade(tmp_path / "record.sqlite")
    drawn = kinds("accuracy.png")
    before = [(tmp_path / name).read_bytes() for name in drawn]
    assert report.write(records, tmp_path) == ["table.md", *drawn]
    assert (tmp_path / "table.md").read_text() == table
    assert [(tmp_path / name).read_bytes() for name in drawn] == before
    (tmp_path / "experiment.json").unlink()
    report, records = remade(tmp_path / "record.sqlite", "train")
    assert report.trainings == names.split(",")  # type: ignore[attr-defined]


def test_rows_are_tested_alike_and_set_beside_one_of_them(
    tmp_path: Path, small_dir: Path, in_threads: None, capsys: pytest.CaptureFixture[str]
) -> None:
    names = "backprop,backprop@2,local-heads"
    how = {"task": "v3", "seeds": 1, "out": tmp_path, "data_dir": small_dir, "jobs": 1, "against": "backprop@2"}
    train(training=names, threats="rotate@2,pgd@0.02", **how)  # type: ignore[arg-type]
    capsys.readouterr()
    rows = read_records(tmp_path / "record.sqlite")
    of = {
        (row.get("config.training", "backprop"), row["config.base_epochs"], row["config.threats.0.name"])
        for row in rows
    }
    rules = [("backprop", 1), ("backprop", 2), ("local-heads", 1)]
    assert of == {(*rule, threat) for rule in rules for threat in ("clean", "rotate", "pgd")}
    lines = (tmp_path / "table.md").read_text().splitlines()
    heads, *table = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    assert [row[0] for row in table[1:]] == ["clean", "rotate@2", "pgd@0.02"]
    assert heads[1:] == [
        "backprop",
        "backprop, less backprop@2",
        "backprop@2",
        "local-heads",
        "local-heads, less backprop@2",
    ]
    right = {
        (row.get("config.training", "backprop"), row["config.base_epochs"]): row["correct.rotate@2"]
        for row in rows
        if "correct.rotate@2" in row
    }
    less = right["local-heads", 1].mean() - right["backprop", 2].mean()
    assert table[2][heads.index("local-heads, less backprop@2")].startswith(f"{less:+.3f}")
    report, _ = remade(tmp_path / "record.sqlite", "train")
    assert (report.threats, report.epochs) == (["rotate@2", "pgd@0.02"], 2)  # type: ignore[attr-defined]


@pytest.mark.slow
def test_the_backprop_twin_is_attacked_too(
    tmp_path: Path, small_dir: Path, in_threads: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trained and kept as any network; an earlier record, which did not try it, does not stand for this evaluation."""
    small = Adaptive(steps=2, ladder=(1,), queries=2, tries=2, votes=1, checked=8)
    few = replace(presets.PRESETS["quick"], base_epochs=8, attacked_test=8, adaptive=small)
    monkeypatch.setitem(presets.PRESETS, "quick", few)
    how = {"training": "local-heads", "task": "v1", "seeds": 1, "out": tmp_path, "data_dir": small_dir, "jobs": 1}
    train(threats="adaptive@0.1", attacked=5, steps=3, **how)  # type: ignore[arg-type]
    assert {path.name.split("-")[1] for path in tmp_path.glob("v1-*.pt")} == {"by", read_fingerprint(tmp_path)}
    (row,) = (row for row in read_records(tmp_path / "record.sqlite") if "config.verdict" in row)
    assert row["config.twin"] == "backprop"
    (config,) = (record.config for record in RecordFile(tmp_path / "record.sqlite") if "verdict" in record.config)
    assert (config["threats"][0]["images"], config["adaptive"]["steps"]) == (5, 3)
    assert row["adaptive.broken_by.transfer-backprop"] >= 0
    table = (tmp_path / "table.md").read_text()
    assert "adaptive@0.1: an image's gradients of two draws have a cosine of 1.00, averaged 1.00 (local-heads)" in table
    said = ran({"name": "adaptive", "level": 0.1}, {"verdict": 2, "twin": "backprop"})
    assert "transfer from the undefended network and its backprop twin" in said
    assert "twin" not in ran({"name": "adaptive", "level": 0.1}, {"verdict": 2})


def read_fingerprint(folder: Path) -> str:
    return str(read_records(folder / "record.sqlite")[0]["config.fingerprint"])[:12]


def test_backpropagation_is_made_as_accurate_as_a_local_rule(
    tmp_path: Path, small_dir: Path, in_threads: None, capsys: pytest.CaptureFixture[str]
) -> None:
    """By learning curves on held-out training images; the row that they choose is that of the curve's nearest epoch."""
    how = {"task": "v3", "seeds": 2, "epochs": 3, "out": tmp_path, "data_dir": small_dir, "jobs": 1, "equal": True}
    train(training="backprop,softhebb", **how)  # type: ignore[arg-type]
    records = list(RecordFile(tmp_path / "record.sqlite"))
    curves = {
        (record.config.get("training", "backprop"), record.config["seed"]): record.results[CURVE]
        for record in records
        if CURVE in record.results
    }
    assert len(curves) == 4
    assert all(len(curve) == 3 for curve in curves.values())
    mean = (curves["backprop", 0] + curves["backprop", 1]) / 2
    wanted = (curves["softhebb", 0][-1] + curves["softhebb", 1][-1]) / 2
    at = 1 + int(np.abs(mean - wanted).argmin())
    assert equals(records)["softhebb"].epoch == at
    row = "backprop" if at == 3 else f"backprop@{at}"
    table = (tmp_path / "table.md").read_text()
    assert (
        f"{row} is as accurate as softhebb: on 40 held-out training images {mean[at - 1]:.3f} and {wanted:.3f}" in table
    )
    assert table.count("\n| backprop@") == (at < 3)
    capsys.readouterr()
    train(training="backprop,softhebb", **how)  # type: ignore[arg-type]
    assert "0 of " in capsys.readouterr().out
    report, again = remade(tmp_path / "record.sqlite")
    report.write(again, tmp_path)
    assert (tmp_path / "table.md").read_text() == table


def test_the_row_that_is_as_accurate_is_named_whatever_else_was_asked_for() -> None:
    """Of a rate that falls the row is a stopped one, also beside one of as many epochs."""
    shared = {"seed": 0, "arm": "undefended", "held_out": 100, "base_epochs": 5}
    curve = {"backprop": [0.1, 0.2, 0.5, 0.7, 0.8], "local-heads": [0.1, 0.2, 0.3, 0.4, 0.5]}
    records = [Record({"training": by} | shared, {CURVE: np.array(own)}, {}, 0.0) for by, own in curve.items()]
    for by, more, hit in (
        ("backprop", {}, 8),
        ("backprop", {"base_epochs": 3}, 2),
        ("local-heads", {}, 5),
        ("backprop", {"stopped": 3}, 5),
    ):
        right = (np.arange(10) < hit).astype(np.uint8)
        config = shared | {"training": by} | more
        records.append(Record(config, {"accuracy.clean": hit / 10, "correct.clean": right}, {}, 0.0))
    made = Train(trainings=["backprop", "backprop@3", "local-heads", "backprop@3/5"], epochs=5, title="")
    (said,) = [line for line in made._notes(records) if "as accurate as" in line]
    assert said.startswith("backprop@3/5 is as accurate as local-heads")
    assert "local-heads less backprop@3/5 is +0.000" in said


def test_arms_that_train_all_layers_are_no_arms_of_a_stopped_training(tmp_path: Path, small_dir: Path) -> None:
    how = {"task": "conv3", "out": tmp_path, "data_dir": small_dir, "noise": "augmentation-whole", "seeds": 1}
    with pytest.raises(ArgumentError, match="trains all layers, to the end also in the row 'backprop@1/3'"):
        train(training="backprop@1/3", **how)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="expected an eps from 0 to 1"):
        train(training="backprop", task="v3", threats="pgd@2", out=tmp_path, data_dir=small_dir)


def test_a_stopped_training_is_a_checkpoint_of_the_whole_one(tmp_path: Path, small_dir: Path) -> None:
    """Of a rate that falls over all epochs: the network stopped at an epoch has the accuracy of the curve there."""
    settings = presets.PRESETS["quick"].settings(small_dir, Chosen.of("conv3"))
    settings = replace(settings, base_epochs=2, stopped=1)
    assert network_path(settings, tmp_path, 0).name.endswith("-epochs1of2-seed0.pt")
    data = held_out(settings, 100, small_dir)
    bench = Runner(settings, data, tmp_path).bench(0)
    curve = bench.learning_curve()
    logits = activations(torch.nn.Sequential(bench.network.front, bench.network.back), bench.test[0])
    assert curve[0] == pytest.approx(answered(logits, bench.test[1]).double().mean().item())
    assert len(curve) == 2
    with pytest.raises(ArgumentError, match="stopped=2: expected an epoch before the last, 2"):
        replace(settings, stopped=2)


def test_what_is_refused_before_anything_runs(tmp_path: Path, small_dir: Path) -> None:
    for training, said in (("", "training is empty"), ("local", "expected one of 'backprop', 'local-heads'")):
        with pytest.raises(ArgumentError, match=said):
            train(training=training, task="v3", out=tmp_path, data_dir=small_dir)
    with pytest.raises(ArgumentError, match="training='backprop@1': as many epochs as all rows have"):
        train(training="backprop@1", task="v3", out=tmp_path, data_dir=small_dir)
    with pytest.raises(ArgumentError, match="train='fog' was given without --noise"):
        train(source="fog", task="v3", out=tmp_path, data_dir=small_dir)
    with pytest.raises(ArgumentError, match="equal: no local rule among backprop"):
        train(training="backprop", equal=True, task="v3", out=tmp_path, data_dir=small_dir)
    wrong = [("backprop@x", "expected NAME, or NAME@EPOCHS"), ("backprop@0", "such as backprop@3")]
    for training, said in (*wrong, ("backprop@3/3", "or backprop@3/10")):
        with pytest.raises(ArgumentError, match=said):
            train(training=training, task="v3", out=tmp_path, data_dir=small_dir)
    with pytest.raises(ArgumentError, match="against='backprop@2'"):
        train(task="v3", out=tmp_path, data_dir=small_dir, against="backprop@2")
    with pytest.raises(ArgumentError, match="threat='fogg'"):
        train(task="v3", out=tmp_path, data_dir=small_dir, threats="fogg")
    for arm in ("wca", "penalty-8", "rewarded:reward=lesson", "int8:wca"):
        with pytest.raises(ArgumentError, match=f"defense='{arm}' learns from gradients that cross the layers"):
            train(noise=arm, task="v3", out=tmp_path, data_dir=small_dir)
        for other in (compare, retention):
            with pytest.raises(ArgumentError, match="training='local-heads' has none"):
                other(training="local-heads", arms=f"none,{arm}", task="v3", out=tmp_path)
    with pytest.raises(ArgumentError, match="6 channels for 10 classes"):
        train(training="local-heads,channels", task="v2", out=tmp_path, data_dir=small_dir)
    assert not list(tmp_path.iterdir())


def test_a_title_names_the_network_and_its_training() -> None:
    for task, by, title in (
        ("v2", "backprop", "full set, 3 seeds"),
        ("conv3", "similarity", "conv3, full set, 3 seeds, trained by similarity"),
    ):
        assert report_of(Chosen.of(task, training=by), "full", 3).title == title


def test_a_grid_is_not_fitted_by_a_rule_that_displacements_do_not_teach(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="rule='three-factor' learns from rewards"):
        fit(tmp_path / "grid.h5", rule="three-factor", cache=tmp_path / "networks")
    assert not list(tmp_path.iterdir())


def test_each_row_is_set_beside_the_one_of_the_same_noise() -> None:
    """A network with noise less the other training's with the same noise, not less an undefended one."""
    right = {
        ("backprop", "undefended"): 9, ("backprop", "test-8"): 5,
        ("local-heads", "undefended"): 8, ("local-heads", "test-8"): 6,
    }  # fmt: skip
    records = []
    for (by, arm), count in right.items():
        config = {"seed": 0, "arm": arm, "base_epochs": 1, "sources": [], "threats": [{"name": "clean", "level": 0.0}]}
        hit = (np.arange(10) < count).astype(np.uint8)
        own = {"accuracy.clean": count / 10, "correct.clean": hit}
        records.append(Record(config | ({} if by == "backprop" else {"training": by}), own, {}, 0.0))
    rows = [row_of(*name) for name in right]
    frame = Train(trainings=rows).frame(records)
    less = dict(zip(rows, frame.iloc[:, -1], strict=True))
    assert less["backprop"] == less["backprop, test-8"] == ""
    assert less["local-heads"].startswith("-0.100")
    assert less["local-heads, test-8"].startswith("+0.100")
    assert not central_arms(records)
    records[-1].config["arm"] = "adversarial-90"
    assert central_arms(records)[0].startswith("! Central, though the layers learn by local-heads: 90 % adversarial")


def test_networks_learn_noise_by_local_rules_too(
    tmp_path: Path, small_dir: Path, in_threads: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presets, "PRESETS", presets.PRESETS | {"quick": replace(presets.PRESETS["quick"], epochs=1)})
    how = {"training": "local-heads", "task": "v1", "seeds": 1, "out": tmp_path, "data_dir": small_dir, "jobs": 1}
    train(noise="three-factor,local-gain-8", source="obstruction", **how)
    lines = (tmp_path / "table.md").read_text().splitlines()[:5]
    assert [cell.strip() for cell in lines[0].strip("| ").split(" | ")] == [
        "local-heads",
        "local-heads, grid:rule=three-factor:parents=8",
        "local-heads, local-gain-8",
    ]
    assert lines[3].startswith("| obstruction@")
    with pytest.raises(ArgumentError, match="did you mean 'three-factor-8'"):
        train(noise="three-factors", **how)
