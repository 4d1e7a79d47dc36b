"""What a sweep tries, ends and keeps: samplers, halving, the front, storages of other spaces."""

from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from distributed import LocalCluster
from tiers import some_slow
from tiny_study import STUDY

from localnoise.errors import ArgumentError
from localnoise.records import Record
from localnoise.sims.experiments.worker import Job
from localnoise.sims.results.records import RecordFile
from localnoise.sims.runtime.stage import Stage
from localnoise.sims.sweeps import jobs, summary
from localnoise.sims.sweeps.keeping import TrialStore
from localnoise.sims.sweeps.loop import Sweep
from localnoise.sims.sweeps.search import Search
from localnoise.sims.sweeps.study_files import parse_study
from localnoise.sims.sweeps.trials import Front, Trial, beats, cells_of, config_of, settings_of, trials_of


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
