"""A sweep as a user meets it: a few real trials on a few hundred images, interrupted, resumed, read and reported."""

import signal
import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd
import pytest
from distributed import LocalCluster
from helping import Done, run_command
from tiny_study import STUDY

import localnoise as ln
from localnoise.sims.data import load
from localnoise.sims.experiments import worker
from localnoise.sims.experiments.settings import Settings
from localnoise.sims.experiments.worker import Job
from localnoise.sims.results.records import RecordFile
from localnoise.sims.sweeps import jobs
from localnoise.sims.sweeps.study_files import parse_study
from localnoise.sims.sweeps.summary import content_of
from localnoise.sims.sweeps.trials import cells_of, config_of, settings_of, trials_of


def run(*arguments: object) -> Done:
    return run_command(*arguments, columns=200)


def asked(folder: Path, small_dir: Path) -> tuple[object, ...]:
    """Write the study, and return the command that runs it."""
    (folder / "tiny.toml").write_text(STUDY)
    return (
        "sweep",
        folder / "tiny.toml",
        "--output",
        folder / "tiny.sqlite",
        "--data-dir",
        small_dir,
        "--workers",
        2,
        "--resume",
    )


@pytest.fixture(scope="module")
def swept(small_dir: Path, tmp_path_factory: pytest.TempPathFactory, threads_as_workers: Any) -> tuple[Path, str]:
    """A sweep, run to its end; its workers are threads of this process."""
    folder, workers = tmp_path_factory.mktemp("sweep"), nullcontext(threads_as_workers)
    with mock.patch("localnoise.sims.runtime.cluster.connected", return_value=workers):
        done = run(*asked(folder, small_dir))
    assert done.returncode == 0, done.stderr
    return folder / "tiny.sqlite", done.stdout


@pytest.mark.slow
def test_a_sweep_goes_on_after_an_interruption(small_dir: Path, tmp_path: Path) -> None:
    """Interrupted once it has records, and resumed."""
    out, arguments = tmp_path / "tiny.sqlite", asked(tmp_path, small_dir)
    command = [sys.executable, "-m", "localnoise.sims.cli", *map(str, arguments)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as first:
        while first.poll() is None and (not out.exists() or len(ln.read_records(out)) < 3):
            time.sleep(0.1)
        first.send_signal(signal.SIGINT)
        assert "the same command goes on" in first.communicate(timeout=300)[1]
        assert first.returncode == 130
    kept = len(ln.read_records(out))
    assert 3 <= kept < 13
    done = run(*arguments)
    assert done.returncode == 0, done.stderr
    assert len(ln.read_records(out)) > kept
    complete(out, done.stdout)


def test_a_sweep_records_what_failed(swept: tuple[Path, str]) -> None:
    complete(*swept)


def complete(out: Path, printed: str) -> None:
    """Check the records of a whole sweep, and what it printed."""
    assert "4 trials, 0 pruned, 2 failed" in printed
    assert "multiscale lms K=8 6-bit weights, 12-bit words" in printed
    table = pd.DataFrame(ln.read_records(out))
    trials = table[table["config.hyperparameters.rule"].notna()]
    assert len(trials) == 2 * 2 + 2  # two seeds of lms, and the first of sign-lms, which failed
    failed = trials[trials["error"].notna()]
    assert set(failed["config.hyperparameters.rule"]) == {"sign-lms"}
    assert failed["error"].str.contains("gain would leave the range of float32").all()
    good = trials[trials["error"].isna()]
    assert (good["peak_bytes"] > 1e8).all()
    assert (good["seconds"] > 0).all()
    assert good["energy"].nunique() == 2
    assert (good["config.study"] == "tiny").all()
    assert set(table["config.arm"].dropna()) >= {"none", "full"}
    assert not table["config.fingerprint"].duplicated().iloc[1]  # the study's own record has none


def test_trials_are_judged_on_held_out_images_alone(swept: tuple[Path, str], small_dir: Path) -> None:
    settings = Settings(data="full", fingerprint="")
    whole, held = load("full", small_dir), worker.held_out(settings, 100, small_dir)
    seen = {image.tobytes() for image in (*held.train_images, *held.test_images)}
    assert seen == {image.tobytes() for image in whole.train_images}
    assert len(held.test_images) == 100
    recorded = {r.config["fingerprint"] for r in RecordFile(swept[0]) if "fingerprint" in r.config}
    assert recorded == {held.fingerprint}


@pytest.mark.slow
def test_a_trial_is_the_cell_that_its_record_says(swept: tuple[Path, str], small_dir: Path) -> None:
    """Run one cell again in this process: the same network, the same numbers."""
    study, _ = parse_study(STUDY, "tiny.toml")
    settings = settings_of(study, worker.held_out(Settings(data="full", fingerprint=""), 100, small_dir).fingerprint)
    parameters = {"rule": "lms", "parents": 8, "weight_bits": 6}
    (cell,) = cells_of(study, parameters, 1)
    job = Job(cell=cell, settings=settings, holdout=100, data_dir=str(small_dir), grids=True)
    answer = jobs.run(job, lambda what, done, of: None)
    config = config_of(study, cell, settings, parameters)
    (record,) = [r for r in RecordFile(swept[0]) if r.config == config]
    for name in ("accuracy.clean", "accuracy.rotate@2", "bytes_per_unit", "energy", "noise.links"):
        assert record.results[name] == answer.values[name], name
    assert answer.grid[:4] == b"\x89HDF"


def test_the_report_of_a_sweep(swept: tuple[Path, str], tmp_path: Path) -> None:
    out, _ = swept
    content = content_of(out)
    states = [trial.state for trial in content.trials]
    assert sorted(states) == ["complete", "complete", "failed", "failed"]
    assert set(content.grids) == set(content.front)
    complete = [trial for trial in content.trials if trial.state == "complete"]
    assert {"robust", "bytes", "energy", "links", "wire"} <= set(complete[0].values)
    records = list(RecordFile(out))
    none, full = (
        np.array([r.results["accuracy.rotate@2"] for r in records if r.config.get("arm") == arm])
        for arm in ("none", "full")
    )
    gain = full.mean() - none.mean()
    sure = gain > 1.96 * np.sqrt(0.5 / (100 * len(none)))  # of so few images there may be no gain to keep
    for trial in complete:
        assert ("retention" in trial.values) == sure
        if sure:
            assert np.isclose(trial.values["retention"], (trial.values["robust"] - none.mean()) / gain)
    done = run("report", out, "-o", tmp_path / "page.html", "--figures", tmp_path)
    assert done.returncode == 0, done.stderr
    assert "grid:rule=lms:parents=" in (tmp_path / "page.html").read_text()
    assert {path.name for path in tmp_path.glob("*.png")} >= {"front.png", "parallel.png", "retention.png"}


def test_trainings_and_rewards_are_searched(small_dir: Path, tmp_path: Path, threads_as_workers: Any) -> None:
    """A network for each training, and the baselines in both."""
    head = STUDY.partition("[space]")[0].replace("tiny", "learning").replace("seeds = 2", "seeds = 1")
    space = 'rule = "three-factor"\nturns = 1\ndraws = 1\nreward = "change"\ntraining = ["backprop", "local-heads"]\n'
    (tmp_path / "learning.toml").write_text(f"{head}[space]\n{space}")
    out, workers = tmp_path / "learning.sqlite", nullcontext(threads_as_workers)
    with mock.patch("localnoise.sims.runtime.cluster.connected", return_value=workers):
        done = run("sweep", tmp_path / "learning.toml", "-o", out, "--data-dir", small_dir)
    assert done.returncode == 0, done.stderr
    records = [record for record in RecordFile(out) if "arm" in record.config]
    ran = [(record.config["arm"].partition(":")[0], record.config.get("training", "backprop")) for record in records]
    assert sorted(ran) == sorted((arm, by) for arm in ("none", "full", "grid") for by in ("backprop", "local-heads"))
    clean = {of: record.results["correct.clean"] for of, record in zip(ran, records, strict=True)}
    assert (clean["none", "backprop"] != clean["none", "local-heads"]).any()
    content = content_of(out)
    assert [trial.state for trial in content.trials] == ["complete"] * 2
    said = {trial.parameters["training"]: trial.command for trial in content.trials}
    assert "--training local-heads" in said["local-heads"]
    assert "--training" not in said["backprop"]
    assert "reward=change" in said["backprop"]
    labels = [reference.label for reference in content.references]
    assert labels == ["no noise, backprop", "no noise, local-heads", *labels[2:]]


REPAIR = """name = "mended"
data = "full"
defense = "repair"
holdout = 100
base_epochs = 1
displaced = 200
sources = ["contrast@5", "rotate@2"]
baselines = ["none", "repair:layers=first:radius=0"]
goals = ["robust", "work"]
sampler = "grid"
trials = 2

[space]
layers = "first"
radius = [0, 1]
"""


def test_repairs_are_searched(small_dir: Path, tmp_path: Path, threads_as_workers: Any) -> None:
    """One net learns all sources; the mean over them is judged; what is wider reads more, and takes more work."""
    (tmp_path / "mended.toml").write_text(REPAIR)
    command = (tmp_path / "mended.toml", "--output", tmp_path / "mended.sqlite", "--data-dir", small_dir)
    with mock.patch("localnoise.sims.runtime.cluster.connected", return_value=nullcontext(threads_as_workers)):
        done = run("sweep", *command)
    assert done.returncode == 0, done.stderr
    assert "2 trials, 0 pruned, 0 failed" in done.stdout
    trials = trials_of(RecordFile(tmp_path / "mended.sqlite"))
    narrow, wide = sorted((trial.values() for trial in trials), key=lambda values: values["work"])
    assert wide["work"] - narrow["work"] == (sum(map(seen, range(14))) ** 2 - 196) * 16 * 16
    for trial in trials:
        (record,) = trial.records
        own = [record.results[f"accuracy.{name}"] for name in ("contrast@5", "rotate@2")]
        assert trial.values()["robust"] == pytest.approx(sum(own) / 2)
    others = [one for one in RecordFile(tmp_path / "mended.sqlite") if "hyperparameters" not in one.config]
    (twin,) = [one for one in others if one.config.get("arm") == "repair:layers=first:radius=0"]
    (same,) = [trial for trial in trials if trial.parameters["radius"] == 0]
    np.testing.assert_array_equal(same.records[0].results["correct.rotate@2"], twin.results["correct.rotate@2"])
    content = content_of(tmp_path / "mended.sqlite")
    assert not content.grids
    assert not any("retention" in trial.values for trial in content.trials)
    assert "--train contrast@5,rotate@2 --test contrast@5,rotate@2" in content.trials[0].command
    done = run("report", tmp_path / "mended.sqlite", "-o", tmp_path / "page.html", "--figures", tmp_path / "figures")
    assert done.returncode == 0, done.stderr
    assert "multiplications per input" in (tmp_path / "page.html").read_text()


def seen(place: int) -> int:
    """Units of 14 in a row that one sees at radius 1."""
    return len({place - 1, place, place + 1} & {*range(14)})


@pytest.mark.slow
def test_a_scheduler_that_runs_elsewhere_is_used(small_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "tiny.toml").write_text(STUDY)
    with LocalCluster(n_workers=1, threads_per_worker=2, dashboard_address=":0", memory_limit=0) as cluster:
        arguments = ("sweep", tmp_path / "tiny.toml", "--output", tmp_path / "t.sqlite", "--data-dir", small_dir)
        done = run(*arguments, "--trials", 1, "--scheduler", cluster.scheduler_address)
        assert done.returncode == 0, done.stderr
        assert "1 trials, 0 pruned" in done.stdout
        assert len(cluster.scheduler.workers) == 1  # it lives on: its jobs were the sweep's, it is not


def test_bad_input_is_one_sentence(swept: tuple[Path, str], tmp_path: Path) -> None:
    study = swept[0].with_suffix(".toml")
    for arguments, said in (
        (("sweep", "quik"), "did you mean 'quick'"),
        (("sweep", "quick", "--workers", "0"), "workers"),
        (("sweep", study, "--output", swept[0], "--data-dir", tmp_path), "does not hold train-images"),
        (("sweep", "quick", "--output", tmp_path / "a.sqlite", "--storage", "nosql://x"), "storage='nosql://x'"),
        (("sweep", "quick", "--output", tmp_path / "b.sqlite", "--scheduler", "tcp://127.0.0.1:1"), "does not answer"),
        (("report", tmp_path / "none.sqlite"), "no such file"),
        (("report", Path(ln.__file__)), "no file of records"),
    ):
        done = run(*arguments)
        assert done.returncode == 1, (arguments, done.stderr)
        assert said in done.stderr.replace("\n", " "), done.stderr
        assert "Traceback" not in done.stderr
