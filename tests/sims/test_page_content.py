"""What a sweep's page is made of: figures, the best first, what is absent, contents that cannot be."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
import pytest
from page_contents import GOALS, Shown, page_of_grids, trial

from localnoise.errors import ArgumentError
from localnoise.sims.sweeps.page import Content, Goal, Reference, explorer, write_page
from localnoise.sims.sweeps.page.figures import figures, unbeaten
from localnoise.sims.sweeps.page.searched import searched


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Shown:
    return page_of_grids(tmp_path_factory.mktemp("a sweep's <grids>"))


def test_scatters_hold_baselines_intervals_and_parameters() -> None:
    some = tuple(replace(trial(n), half_widths={"robust": 0.01 * n}) for n in range(1, 6) if n != 3)
    known = (Reference("no noise", {"robust": 0.2}, {"robust": 0.05}), Reference("full <b>", {"robust": 0.8}, {}))
    content = Content(
        title="", facts={}, goals=GOALS, trials=some, front=(5,), importance={}, grids={}, references=known
    )
    drawn = figures(content)["pareto-bytes"]
    go.Figure(drawn)
    front = next(trace for trace in drawn["data"] if trace["name"].startswith("Pareto"))
    assert front["error_y"]["array"] == [0.05]
    assert not front["error_x"]["visible"]  # bytes are known
    assert front["text"] == [
        "trial 5, 3 seeds<br>order: multiscale<br>parents: 6<br>weight bits: 3<br>word bits: 12<br>rule: moments"
    ]
    levels = [(shape["type"], shape["y0"], shape["y1"]) for shape in drawn["layout"]["shapes"]]
    assert levels == [("rect", pytest.approx(0.15), pytest.approx(0.25)), ("line", 0.2, 0.2), ("line", 0.8, 0.8)]


def test_a_goal_without_importance_is_explained(tmp_path: Path) -> None:
    goals = (GOALS[0], replace(GOALS[1], known=True))
    content = Content(title="", facts={}, goals=goals, trials=(trial(1),), front=(1,), importance={}, grids={})
    text = write_page(content, tmp_path / "p.html").read_text(encoding="utf-8")
    assert "Not of memory a unit: what follows from the configuration alone needs no estimate." in text
    assert "For robust accuracy no parameter stands out from chance." in text


def test_nothing_beats_the_line_of_the_front() -> None:
    rng = np.random.default_rng(2)
    made = [replace(trial(0), values={"robust": a, "bytes": b}) for a, b in rng.integers(0, 6, (30, 2)).tolist()]
    line = unbeaten(made, GOALS[0], GOALS[1])
    pairs = {(t.values["robust"], t.values["bytes"]) for t in made}
    best = {(a, b) for a, b in pairs if not any(c >= a and d <= b and (c, d) != (a, b) for c, d in pairs)}
    assert [(t.values["robust"], t.values["bytes"]) for t in line] == sorted(best)


def test_parallel_coordinates_place_what_is_absent() -> None:
    trials = tuple(replace(trial(0), parameters={"x": 0.1 * n} if n else {}, number=n) for n in range(12))
    content = Content(title="", facts={}, goals=GOALS, trials=trials, front=(), importance={}, grids={})
    drawn = searched(content)
    lines = [trace for trace in drawn["parallel"]["data"] if trace["mode"] == "lines" and "customdata" in trace]
    assert len(lines) == 12
    assert sum(["x", "None"] in line["customdata"] for line in lines) == 1
    assert len(drawn["slice"]["data"][0]["x"]) == 11
    assert len(drawn["history"]["data"][0]["x"]) == 12


def test_large_grids_have_no_correlations(shown: Shown, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explorer, "_LARGE", 10)
    found = explorer.explored(0, shown.files[0])
    assert found["correlation"] is None
    assert "35 units" in found["how"]


def test_a_page_without_grids_or_complete_trials(tmp_path: Path) -> None:
    content = Content(title="t", facts={}, goals=GOALS[:1], trials=(trial(3),), front=(), importance={}, grids={})
    text = write_page(content, tmp_path / "p.html").read_text(encoding="utf-8")
    assert 'id="units"' not in text
    assert "No trial is complete." in text


def test_bad_content() -> None:
    with pytest.raises(ArgumentError, match=r"front: no trials \[99\]"):
        Content(title="", facts={}, goals=GOALS, trials=(trial(0),), front=(99,), importance={}, grids={})
    with pytest.raises(ArgumentError, match="state"):
        replace(trial(0), state="complet")
    with pytest.raises(ArgumentError, match="best"):
        Goal(name="", label="", unit="", best="higher")
