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
import optuna
import pandas as pd
import pytest
from distributed import LocalCluster
from helping import Done, run_command
from tiers import some_slow

import localnoise as ln
from localnoise.errors import ArgumentError
from localnoise.records import Record
from localnoise.sims.data import load
from localnoise.sims.experiments import worker
from localnoise.sims.experiments.settings import Settings
from localnoise.sims.experiments.worker import Job
from localnoise.sims.results.records import RecordFile
from localnoise.sims.runtime.stage import Stage
from localnoise.sims.sweeps import jobs, summary
from localnoise.sims.sweeps.keeping import TrialStore
from localnoise.sims.sweeps.loop import Sweep
from localnoise.sims.sweeps.search import Search
from localnoise.sims.sweeps.study_files import parse_study
from localnoise.sims.sweeps.summary import content_of
from localnoise.sims.sweeps.trials import Front, Trial, beats, cells_of, config_of, settings_of, trials_of

STUDY = """name = "tiny"
data = "full"
task = "v1"  # 128 neurons: a dense covariance of more takes seconds
holdout = 100
seeds = 2
base_epochs = 1
epochs = 1
displaced = 100
sources = ["rotate@2"]
goals = ["robust", "bytes", "energy"]
sampler = "grid"
trials = 4

[space]
rule = ["lms", "sign-lms"]
parents = [8, 10]
trace = { values = [1e80], when = { rule = ["sign-lms"] } }  # a gain that no float32 holds
weight_bits = 6
"""


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


@pytest.mark.parametrize("sampler", some_slow(["tpe", "nsga2", "grid", "random"], {"nsga2"}))
@pytest.mark.parametrize("url", some_slow([False, True], {True}))
def test_every_sampler_exhausts_a_finite_space_without_repeats(sampler: str, url: bool, tmp_path: Path) -> None:
    text = STUDY.replace('"grid"', f'"{sampler}"').replace("[8, 10]", "{ low = 1, high = 5 }")
    study, _ = parse_study(text, "tiny.toml")
    search, found = Search(study, f"sqlite:///{tmp_path}/o.db" if url else str(tmp_path / "o.journal")), []
    while (given := search.next()) is not None:
        number, parameters = given
        found.append(parameters)
        search.tell(number, _trial(study, number, parameters, 0.5))
    assert len(found) == 10
    assert len({str(sorted(one.items())) for one in found}) == 10


def test_halving_ends_trials_that_most_others_beat(tmp_path: Path) -> None:
    study, _ = parse_study(STUDY.replace('"grid"', '"grid"\npruning = "halving"'), "tiny.toml")
    search, pruned = Search(study, str(tmp_path / "o.journal")), []
    for turn, accuracy in enumerate((0.9, 0.1, 0.95, 0.2)):
        number, parameters = search.next() or (0, {})
        trial, shadow = _trial(study, number, parameters | {"parents": 1}, accuracy, seeds=1), search.begin_pruning()
        if search.prune(shadow, trial, 0):
            pruned.append(turn)
            trial.records[-1].results["pruned"] = 1
        search.tell(number, trial, shadow)
    assert pruned == [1, 3]


def test_the_front_is_what_no_trial_beats() -> None:
    study, _ = parse_study(STUDY.replace('"robust", "bytes", "energy"', '"robust", "bytes"'), "tiny.toml")
    rng = np.random.default_rng(0)
    trials = [_trial(study, n, {"rule": "lms", "parents": n + 1}, float(rng.random())) for n in range(60)]
    for trial in trials:
        for record in trial.records:
            record.results["bytes_per_unit"] = float(rng.integers(1, 9))
    values = [trial.values() for trial in trials]
    slow = [t.number for t, own in zip(trials, values, strict=True) if not any(beats(o, own, study) for o in values)]
    assert sorted(trial.number for trial in Front(study, trials)) == slow
    assert 1 < len(slow) < 9


def test_a_grid_is_kept_if_all_seeds_of_its_trial_reach_the_front(tmp_path: Path) -> None:
    """The second trial begins worse than the first and ends better; the third begins best and ends worst."""
    text = STUDY[: STUDY.index("[space]")].replace('"robust", "bytes", "energy"', '"robust"')
    study, text = parse_study(text + '[space]\nrule = "lms"\nparents = [4, 6, 8]\n', "tiny.toml")
    order.clear()
    with LocalCluster(n_workers=1, processes=False, dashboard_address=":0") as cluster, cluster.get_client() as client:
        for trials in (1, 2, 3):
            plan, kept = study.model_copy(update={"trials": trials}), TrialStore(tmp_path / "tiny.sqlite")
            kept.begin(plan, text, resume=True)
            search = Search(plan, str(kept.journal))
            sweep = Sweep(plan, kept, search, client, settings_of(study, "f"), work=uneven)
            search.restore(sweep.trials.values())
            sweep.run()
    assert [kept.grid(trial).exists() for trial in trials_of(RecordFile(kept.path))] == [True, True, False]


order: list[str] = []  # arms of trials as they came: threads of this process are the workers


def uneven(job: Job, stage: Stage) -> jobs.Outcome:
    """The work of a trial whose seeds differ."""
    arm = job.cell.arm
    if arm.startswith("grid") and arm not in order:
        order.append(arm)
    seeds = ((0.6, 0.6), (0.5, 0.9), (0.9, 0.1))[order.index(arm) if arm in order else 0]
    return jobs.Outcome(
        values={"accuracy.clean": 0.8, "accuracy.rotate@2": seeds[job.cell.seed]}, grid=b"grid" if job.grids else b""
    )


def test_an_unknown_storage_is_refused(tmp_path: Path) -> None:
    study, _ = parse_study(STUDY, "tiny.toml")
    with pytest.raises(ArgumentError, match="cannot be opened"):
        Search(study, "postgresql://nobody@127.0.0.1:1/none")
    assert optuna.logging.get_verbosity() == optuna.logging.ERROR


@pytest.mark.parametrize("url", [False, True])
@pytest.mark.parametrize(
    ("change", "what"),
    [
        (('rule = ["lms", "sign-lms"]', 'rule = ["lms", "sign-lms", "moments"]'), r"rule in \['lms', 'sign-lms'\]"),
        (("parents = [8, 10]", "parents = { low = 8, high = 10 }"), r"parents in \[8, 10\]"),
        (('"robust", "bytes", "energy"', '"robust", "bytes"'), "3 goals"),
    ],
)
def test_a_storage_of_another_space_is_one_sentence(change, what: str, url: bool, tmp_path: Path) -> None:
    study, _ = parse_study(STUDY, "tiny.toml")
    place = f"sqlite:///{tmp_path}/o.db" if url else str(tmp_path / "o.journal")
    number, parameters = (search := Search(study, place)).next() or (0, {})
    search.tell(number, _trial(study, number, parameters, 0.5))
    other, _ = parse_study(STUDY.replace(*change), "tiny.toml")
    with pytest.raises(ArgumentError, match=rf"another study named 'tiny', with {what}: expected .* --storage") as said:
        Search(other, place)
    assert len(str(said.value)) <= 400
    Search(study, place)


def _trial(study, number: int, parameters: dict, accuracy: float, seeds: int = 2) -> Trial:
    records = []
    for seed in range(seeds):
        (cell,) = cells_of(study, parameters, seed)
        results = {"accuracy.clean": 0.8, "accuracy.rotate@2": accuracy, "bytes_per_unit": 4.0, "energy": 1.0}
        records.append(Record(config_of(study, cell, settings_of(study, "f"), parameters), results, {}, 1.0))
    return Trial(number, parameters, records)


@pytest.mark.parametrize(("gain", "kept"), [(0.3, 0.5), (0.05, None), (0.0, None), (-0.3, None)])
def test_no_share_is_taken_of_a_central_gain_that_chance_could_be(gain: float, kept: float | None) -> None:
    def cell(arm: str, robust: float, **more: Any) -> Record:
        threats = [{"name": "clean", "level": 0.0, "images": 200}, {"name": "rotate", "level": 2.0, "images": 200}]
        config = {"arm": arm, "seed": 0, "threats": threats} | more
        return Record(config, {"accuracy.rotate@2": robust}, {}, 0.0)

    records = [cell("none", 0.4), cell("full", 0.4 + gain)]
    references = {name: summary._reference(records, name) for name in ("none", "full")}
    trial = Trial(0, {}, [cell("grid", 0.4 + gain / 2, hyperparameters={})])
    found = summary._retention(trial, references)
    assert found == (None if kept is None else pytest.approx(kept))
