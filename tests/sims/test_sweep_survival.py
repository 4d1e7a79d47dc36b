"""What a sweep survives: eight kills of workers and of the client, a second sweep, a full disk, a torn journal."""

import errno
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import paced
import psutil
import pytest

import localnoise as ln
from localnoise.errors import ArgumentError, LockedError
from localnoise.sims.results.records import RecordFile, key
from localnoise.sims.sweeps.keeping import TrialStore, alone, study_in
from localnoise.sims.sweeps.search import Search
from localnoise.sims.sweeps.trials import trials_of

KILLS, TRIALS = 6, 24
STUDY = """name = "paced"
holdout = 100
seeds = 2
sources = ["rotate@2"]
goals = ["robust", "bytes"]
baselines = ["none"]
sampler = "random"
trials = {trials}

[space]
rule = "lms"
rate = {{ low = 0.01, high = 1.0, log = true }}
parents = {{ low = 1, high = 8 }}
"""


@pytest.fixture
def study(tmp_path: Path) -> Path:
    path = tmp_path / "paced.toml"
    path.write_text(STUDY.format(trials=TRIALS))
    return path


def start(study: Path, out: Path, **more: str) -> subprocess.Popen[str]:
    environment = os.environ | {"RUNS": str(out.with_suffix(".runs"))} | more
    command = [sys.executable, paced.__file__, str(study), str(out)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def workers_of(client: subprocess.Popen[str]) -> list[psutil.Process]:
    """Dask's workers: the client's children that run from `spawn_main`, less the resource tracker."""
    try:
        children = psutil.Process(client.pid).children(recursive=True)
        return [child for child in children if any("spawn_main" in part for part in child.cmdline())]
    except psutil.Error:
        return []


def recorded(out: Path) -> set[str]:
    return {key(record.config) for record in RecordFile(out)} if out.exists() else set()


@pytest.mark.slow
def test_kills_lose_no_finished_trial_and_run_none_twice_into_the_records(study: Path, tmp_path: Path) -> None:
    out, rng, kills = tmp_path / "paced.sqlite", random.Random(0), 0
    client, seen = start(study, out), set[str]()
    killed = Counter[str]()
    while kills < KILLS:
        if client.poll() is not None:
            assert client.returncode == -signal.SIGKILL, client.communicate()[1]
            client = start(study, out)
        time.sleep(rng.uniform(0.05, 0.4))
        now = recorded(out)  # read while it is being written
        assert seen <= now, "a record was lost"
        workers = workers_of(client)
        if not workers or len(now) == len(seen):
            continue  # each kill hits a sweep at work
        seen = now
        if kills % 2 == 0:
            rng.choice(workers).kill()
            killed["worker"] += 1
        else:
            client.kill()
            client.wait()
            killed["client"] += 1
        kills += 1
    if client.poll() is not None:
        client = start(study, out)
    printed, told = client.communicate(timeout=600)
    assert client.returncode == 0, told
    assert f"done={TRIALS}" in printed
    assert min(killed.values()) == KILLS // 2
    keys = [key(record.config) for record in RecordFile(out)]
    assert len(keys) == len(set(keys)) == 1 + 2 + 2 * TRIALS  # the study, the baseline's seeds, the trials' seeds
    assert seen <= set(keys)
    plan, _ = study_in(out)
    assert [trial.state(plan) for trial in trials_of(RecordFile(out))] == ["complete"] * TRIALS


def test_a_second_sweep_on_one_file_is_refused(tmp_path: Path) -> None:
    with (
        alone(tmp_path / "s.sqlite"),
        pytest.raises(ArgumentError, match="another sweep"),
        alone(tmp_path / "s.sqlite"),
    ):
        pass
    with alone(tmp_path / "s.sqlite"):
        pass


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOTSUP, errno.EIO])
def test_a_file_system_without_locks_is_no_other_sweep(number: int, tmp_path: Path, monkeypatch: Any) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("fcntl.flock", refuse)
    refused = rf"s\.sqlite\.lock: the lock .* cannot be taken \(.*{os.strerror(number)}"
    with pytest.raises(LockedError, match=refused), alone(tmp_path / "s.sqlite"):
        pass


def test_a_folder_that_is_not_ours_is_no_other_sweep(tmp_path: Path, monkeypatch: Any) -> None:
    real = os.open

    def refuse(path: Any, *more: Any) -> int:
        if str(path).endswith(".lock"):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return real(path, *more)

    monkeypatch.setattr(os, "open", refuse)
    with (
        pytest.raises(LockedError, match=r"Permission denied.*expected a folder of yours"),
        alone(tmp_path / "s.sqlite"),
    ):
        pass


def test_the_lock_of_a_killed_sweep_is_given_back(tmp_path: Path) -> None:
    code = f"""if True:
        import time
        from pathlib import Path
        from localnoise.sims.sweeps.keeping import alone
        with alone(Path({str(tmp_path / "s.sqlite")!r})):
            print("held", flush=True)
            time.sleep(600)
    """
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(ArgumentError, match="another sweep"), alone(tmp_path / "s.sqlite"):
            pass
        holder.kill()
        holder.wait()
        with alone(tmp_path / "s.sqlite"):
            pass


@pytest.mark.slow
def test_a_killed_client_leaves_no_worker_behind(study: Path, tmp_path: Path) -> None:
    client = start(study, tmp_path / "s.sqlite")
    while not (workers := workers_of(client)) or not recorded(tmp_path / "s.sqlite"):
        assert client.poll() is None, client.communicate()[1]
        time.sleep(0.2)
    client.kill()
    gone, alive = psutil.wait_procs(workers, timeout=120)
    assert gone
    assert not alive


def test_a_full_disk_is_an_error_and_leaves_the_file_whole(tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text(STUDY.format(trials=3))
    plan, text = paced.load_study(tmp_path / "s.toml")
    kept = TrialStore(tmp_path / "s.sqlite")
    kept.begin(plan, text, resume=False)
    before, size = (tmp_path / "s.sqlite").read_bytes(), (tmp_path / "s.sqlite").stat().st_size
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 4096, hard))  # as many bytes as a disk may have left
        with pytest.raises(OSError, match=r"."):
            kept.add([({"cell": n}, {"text": random.Random(n).randbytes(3000).hex()}, 0.0) for n in range(20)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    assert (tmp_path / "s.sqlite").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".s-")] == []
    assert len(ln.read_records(tmp_path / "s.sqlite")) == 1


@pytest.mark.slow
def test_a_torn_or_lost_journal_is_rebuilt_from_the_records(tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text(STUDY.format(trials=6))
    environment = {"RUNS": str(tmp_path / "runs")}
    client = start(tmp_path / "s.toml", tmp_path / "s.sqlite", **environment)
    assert client.wait(60) == 0
    plan, _ = study_in(tmp_path / "s.sqlite")
    trials, journal = trials_of(RecordFile(tmp_path / "s.sqlite")), tmp_path / "s.journal"
    whole = journal.read_bytes()
    for content in (b"", whole[: len(whole) // 2 + 3], whole + b'{"torn', b"no json\n" + whole):
        journal.write_bytes(content)
        search = Search(plan, str(journal))
        search.restore(trials)
        done = [t for t in search._optuna.trials if t.values is not None]
        assert sorted(t.values for t in done) == sorted([t.values()["robust"], t.values()["bytes"]] for t in trials)
        _number, parameters = search.next() or (None, None)
        assert parameters not in [trial.parameters for trial in trials]
    assert (tmp_path / "s.journal.damaged").exists()


def test_another_study_does_not_go_on_in_the_file(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(STUDY.format(trials=3))
    (tmp_path / "b.toml").write_text(STUDY.format(trials=5).replace("seeds = 2", "seeds = 3"))
    kept = TrialStore(tmp_path / "s.sqlite")
    kept.begin(*paced.load_study(tmp_path / "a.toml"), resume=False)
    with pytest.raises(ArgumentError, match="add --resume"):
        kept.begin(*paced.load_study(tmp_path / "a.toml"), resume=False)
    with pytest.raises(ArgumentError, match=r"seeds differs \(2 there, 3 here\)"):
        kept.begin(*paced.load_study(tmp_path / "b.toml"), resume=True)


@pytest.mark.parametrize(("one", "other"), [("rate-0.1", "rate-0.2"), ("a.sqlite", "a.db")])
def test_sweeps_whose_names_differ_behind_a_dot_share_nothing(one: str, other: str, tmp_path: Path) -> None:
    own, others = (TrialStore(tmp_path / name) for name in (one, other))
    assert own.journal != others.journal
    assert own.grids != others.grids
    assert TrialStore(tmp_path / "a.sqlite").journal == tmp_path / "a.journal", "as before"
