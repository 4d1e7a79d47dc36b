"""Sweeps over layers, sources and trainings: trials stand beside baselines of their own network and source."""

from pathlib import Path
from typing import Any

import pytest

from localnoise.errors import ArgumentError, MixedRecordsError
from localnoise.sims.results.records import RecordFile
from localnoise.sims.sweeps.keeping import TrialStore
from localnoise.sims.sweeps.rows import baselines
from localnoise.sims.sweeps.study import Study
from localnoise.sims.sweeps.study_files import parse_study
from localnoise.sims.sweeps.summary import command_of, content_of
from localnoise.sims.sweeps.trials import Trial, arm_name, baselines_of, cells_of, config_of, fitted, settings_of

STUDY = """name = "cut"
holdout = 200
sources = ["rotate@2"]
goals = ["robust"]
trials = 4

[space]
rule = "lms"
layer = [1, 2]
"""


def results(study: Study, cell: Any, robust: float) -> dict[str, float]:
    known = {"accuracy.clean": 0.8, "parameters": 0, "bytes_per_unit": 0.0, "energy": 0.0}
    return known | {f"accuracy.{threat.label}": robust for threat in cell.threats[1:]}


def kept_in(path: Path, text: str, robust: Any) -> tuple[Study, TrialStore]:
    """Records of a sweep that was never run; `robust`: (arm, layer, source) -> accuracy."""
    study, text = parse_study(text, "cut.toml")
    kept, settings, entries = TrialStore(path), settings_of(study, "f" * 64), []
    kept.begin(study, text, resume=False)
    for network in study.networks:
        for cell in baselines_of(study):
            found = robust(cell.arm, network.get("layer"), cell.threats[1].label)
            entries.append((config_of(study, cell, fitted(settings, network), None), results(study, cell, found), 1.0))
    for parameters in ({"rule": "lms"} | own for own in combined(study)):
        for cell in cells_of(study, parameters, 0):
            found = robust("grid", parameters.get("layer"), cell.threats[1].label)
            entries.append((config_of(study, cell, settings, parameters), results(study, cell, found), 1.0))
    kept.add(entries)
    return study, kept


def combined(study: Study) -> list[dict[str, Any]]:
    name = next(name for name in study.space if name != "rule")
    return [{name: value} for value in study.space[name].discrete or ()]


def test_what_is_kept_of_a_gain_is_kept_of_that_layers(tmp_path: Path) -> None:
    known = {("none", 1): 0.2, ("full", 1): 0.9, ("grid", 1): 0.8, ("none", 2): 0.2, ("full", 2): 0.6, ("grid", 2): 0.4}
    study, kept = kept_in(tmp_path / "s.sqlite", STUDY, lambda arm, layer, source: known[arm, layer])
    content = content_of(kept.path)
    shares = {trial.parameters["layer"]: trial.values["retention"] for trial in content.trials}
    assert shares == pytest.approx({1: 0.6 / 0.7, 2: 0.2 / 0.4})
    found = {row.label: row.values["robust"] for row in baselines(study, list(kept.file))}
    expected = {f"{label}, layer {n}": known[arm, n] for n in (1, 2)
                for arm, label in (("none", "no noise"), ("full", "full covariance, central"))}  # fmt: skip
    assert found == pytest.approx(expected)


def test_baselines_stand_beside_trials_of_their_source(tmp_path: Path) -> None:
    text = STUDY.replace('sources = ["rotate@2"]\n', "").replace(
        "layer = [1, 2]", 'source = ["rotate@2", "contrast@5"]'
    )
    known = {"rotate@2": 0.2, "contrast@5": 0.6}
    study, kept = kept_in(tmp_path / "s.sqlite", text, lambda arm, layer, source: known[source] + 0.1 * (arm == "full"))
    found = {row.label: row.values["robust"] for row in baselines(study, list(kept.file))}
    assert found["no noise, rotate@2"] == pytest.approx(0.2)
    assert found["no noise, contrast@5"] == pytest.approx(0.6)
    assert len(found) == 4


def test_trials_of_other_data_are_never_mixed_in(tmp_path: Path) -> None:
    _, kept = kept_in(tmp_path / "s.sqlite", STUDY, lambda arm, layer, source: 0.5)
    for code in (False, True):
        with pytest.raises(MixedRecordsError, match="records of data ffffffffffff, these images are eeeeeeeeeeee"):
            kept.file.refuse_to_mix("e" * 64, code=code)
    RecordFile(kept.path).refuse_to_mix("f" * 64, code=False)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('["rotate@2"]', '["rotate@2", "rotate@2"]', "'rotate@2' and 'rotate@2' are the same"),
        ('["rotate@2"]', '["rotate", "rotate@1.6"]', "are the same: expected each once"),
        ('goals = ["robust"]', 'defense = "repair"\ngoals = ["robust", "work"]', "no hyperparameter of a repair"),
    ],
)
def test_what_cannot_be_compared_is_refused(old: str, new: str, said: str) -> None:
    with pytest.raises(ArgumentError, match=said):
        parse_study(STUDY.replace(old, new, 1), "cut.toml")


def test_a_repair_that_repairs_nothing_is_no_trial_and_the_usual_one_has_its_short_name() -> None:
    text = STUDY.replace('goals = ["robust"]', 'defense = "repair"\ngoals = ["robust", "work"]')
    text = text.replace('rule = "lms"\nlayer = [1, 2]', 'layers = ["all", "none"]')
    with pytest.raises(ArgumentError, match="layers='none' repairs nothing"):
        parse_study(text, "cut.toml")
    study, _ = parse_study(text.replace(', "none"', ""), "cut.toml")
    assert arm_name(study, {"layers": "all"}) == "repair"
    assert cells_of(study, {"layers": "all"}, 0)[0].arm == "repair"


def test_a_trial_without_a_goals_value_has_failed(tmp_path: Path) -> None:
    study, kept = kept_in(tmp_path / "s.sqlite", STUDY, lambda arm, layer, source: 0.5)
    (record,) = [r for r in kept.file if r.config.get("hyperparameters") == {"rule": "lms", "layer": 1}]
    trial = Trial(0, {"rule": "lms", "layer": 1}, [record])
    assert trial.state(study) == "complete"
    assert trial.state(study.model_copy(update={"goals": ["robust", "links"]})) == "failed"
    assert "--task 'my task.py'" in command_of(study.model_copy(update={"network": "my task.py"}), trial)
