"""What a sweep's report says: intervals and baselines in every table, and importances of what was measured alone."""

import io
from pathlib import Path

import numpy as np
import pytest

from localnoise.sims.results.statistics import over_seeds
from localnoise.sims.runtime.console import PlainConsole
from localnoise.sims.sweeps.display import front_table
from localnoise.sims.sweeps.keeping import TrialStore
from localnoise.sims.sweeps.rows import baselines, row
from localnoise.sims.sweeps.study_files import parse_study
from localnoise.sims.sweeps.summary import content_of, markdown
from localnoise.sims.sweeps.trials import Front, baselines_of, cells_of, config_of, settings_of, trials_of
from localnoise.sims.tools.report import report

STUDY = """name = "said"
holdout = 200
seeds = 2
attacked = 50
sources = ["rotate@2", "pgd"]
goals = ["robust", "bytes", "energy", "links"]
trials = 20

[space]
rule = ["moments", "lms"]
parents = { low = 1, high = 12 }
"""


def swept(path: Path, failed: str = "") -> TrialStore:
    """Records of a sweep that was never run: robustness by rule alone, bytes by parents alone but for the sample."""
    study, text = parse_study(STUDY, "said.toml")
    kept, settings, rng = TrialStore(path), settings_of(study, "f" * 64), np.random.default_rng(0)
    kept.begin(study, text, resume=False)
    entries = []
    for cell in baselines_of(study):
        results = {"accuracy.clean": 0.8, "parameters": 0, "bytes_per_unit": 0.0, "energy": 0.0}
        own = cell.threats[1].label
        results |= {f"accuracy.{own}": 0.2 + 0.1 * cell.seed + 0.3 * (cell.arm == "full")}
        entries.append(
            (config_of(study, cell, settings, None), {"error": "no"} if cell.arm == failed else results, 1.0)
        )
    for rule in ("moments", "lms"):
        for parents in range(1, 13) if rule == "moments" else range(1, 9):  # the better has more bytes
            parameters = {"rule": rule, "parents": parents}
            for seed in range(2):
                for cell in cells_of(study, parameters, seed):
                    good = 0.7 if rule == "moments" else 0.4
                    robust = good + 0.01 * float(rng.random())
                    results = {"accuracy.clean": 0.8, f"accuracy.{cell.threats[1].label}": robust}
                    results |= {"bytes_per_unit": 100.0 * parents, "energy": 1e6 * parents, "noise.links": 10 * parents}
                    entries.append((config_of(study, cell, settings, parameters), results, 1.0))
    kept.add(entries)
    return kept


def test_importances_are_of_measured_goals_alone(tmp_path: Path) -> None:
    content = content_of(swept(tmp_path / "s.sqlite").path)
    assert set(content.importance) == {"robust"}
    assert content.importance["robust"] == {"rule": 1.0}
    report(tmp_path / "s.sqlite", tmp_path / "page.html", tmp_path, "")
    page = (tmp_path / "page.html").read_text()
    assert "Not of parameters per unit, energy per draw, links: what follows from the configuration" in page


def test_page_terminal_and_markdown_show_the_same_intervals_and_baselines(tmp_path: Path) -> None:
    kept = swept(tmp_path / "s.sqlite")
    study, _ = parse_study(STUDY, "said.toml")
    records = list(kept.file)
    report(kept.path, tmp_path / "page.html", tmp_path, "")
    text, page = markdown(kept.path), (tmp_path / "page.html").read_text()
    out = io.StringIO()
    table = front_table(list(Front(study, trials_of(records))), study, records)
    PlainConsole(file=out, width=200).print(table)
    none = over_seeds([0.2, 0.3], 50)  # of the attack's images, the fewest
    expected = f".250 ±{none.half_width:.3f}".replace("±0.", "±.")
    assert f"| no noise | {expected} |" in text
    assert expected in out.getvalue()
    assert f"0.250 ± {none.half_width:.3f}" in page
    for said in (text, out.getvalue(), page):
        assert "full covariance, central" in said
        assert said.count("±") >= 2 * 3


def test_one_seed_has_wilsons_interval_over_the_images_that_judged_it(tmp_path: Path) -> None:
    kept = swept(tmp_path / "s.sqlite")
    own = [r for r in kept.file if r.config.get("arm") == "none" and r.config["seed"] == 0]
    said = row("none", own)
    assert said.half_widths["robust"] == pytest.approx(over_seeds([0.2], 50).half_width)
    assert said.half_widths["clean"] == pytest.approx(over_seeds([0.8], 200).half_width)


@pytest.mark.parametrize("failed", ["none", "full"])
def test_a_failed_baseline_leaves_the_report_whole(failed: str, tmp_path: Path) -> None:
    kept = swept(tmp_path / "s.sqlite", failed)
    study, _ = parse_study(STUDY, "said.toml")
    report(kept.path, tmp_path / "page.html", tmp_path / "figures", "")
    text = (tmp_path / "figures" / "table.md").read_text()
    (line,) = [line for line in text.splitlines() if "cells failed" in line]
    assert "(4 of 4 cells failed) |  |  |  |  |  |" in line
    assert "cells failed" in (tmp_path / "page.html").read_text()
    (lost,) = [one for one in baselines(study, list(kept.file)) if not one.values]
    assert lost.text("robust") == lost.text("energy") == ""
