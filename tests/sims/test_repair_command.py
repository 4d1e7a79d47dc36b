"""`localnoise repair` by whole runs: one table, its repairs, networks that learned locally; what it refuses at once."""

from pathlib import Path
from typing import Any

import pytest

from localnoise import Repair, load
from localnoise.errors import ArgumentError
from localnoise.sims import repair as command
from localnoise.sims.experiments import presets
from localnoise.sims.results.records import RecordFile, key
from localnoise.sims.tools.remade import remade


@pytest.mark.usefixtures("in_threads", "small_network")
def test_the_command_writes_one_table_and_its_repairs(
    small_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = presets.PRESETS["quick"]
    monkeypatch.setitem(
        presets.PRESETS, "quick", presets.replace(quick, data="full", base_epochs=1, epochs=1, images=40)
    )
    how: dict[str, Any] = {"out": tmp_path, "data_dir": small_dir, "jobs": 1, "layers": "first"}
    command.repair(sources="brighten,line_blur", threats="obstruction", **how)
    text = (tmp_path / "table.md").read_text()
    head = text.splitlines()[0]
    for word in ("undefended", "repaired", "told the source", "dense", "gate right", "left alone"):
        assert word in head
    rows = [line.split("|")[1].strip() for line in text.split("What the gate")[0].splitlines() if line.startswith("|")]
    assert rows[2:] == ["clean", "brighten@0.5", "line_blur@13", "obstruction@2", "mean of 2 learned"]
    assert "What the gate said" in text
    saved = sorted((tmp_path / "repairs").glob("layer-*.h5"))
    assert saved
    assert isinstance(load(saved[0]), Repair)
    report, records = remade(tmp_path / "record.sqlite")
    assert report.name == "repair"
    report.write(records, tmp_path)
    assert (tmp_path / "table.md").read_text() == text
    before = len(list(RecordFile(tmp_path / "record.sqlite")))
    command.repair(sources="brighten,line_blur", threats="obstruction", **how)
    assert len(list(RecordFile(tmp_path / "record.sqlite"))) == before
    assert remade(tmp_path / "record.sqlite", "repair")[0].learned == ["brighten@0.5", "line_blur@13"]


@pytest.mark.slow
@pytest.mark.usefixtures("in_threads")
def test_a_network_that_learned_locally_is_repaired(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same table; records and networks of another training are others."""
    quick = presets.PRESETS["quick"]
    monkeypatch.setitem(presets.PRESETS, "quick", presets.replace(quick, base_epochs=1, displaced=1000, images=200))
    how: dict[str, Any] = {"out": tmp_path, "jobs": 1, "layers": "first", "task": "v1"}
    command.repair(sources="contrast@5", threats="none", dense=False, worth=False, training="local-heads", **how)
    head = (tmp_path / "table.md").read_text().splitlines()[0]
    assert [word in head for word in ("undefended", "repaired", "told the source", "gate right")] == [True] * 4
    local = list(RecordFile(tmp_path / "record.sqlite"))
    assert {one.config["training"] for one in local} == {"local-heads"}
    for one in local:
        twin = {name: value for name, value in one.config.items() if name != "training"}
        assert key(twin) != key(one.config)
    assert all("-by-local-heads-" in path.name for path in tmp_path.glob("v1-*.pt"))
    tested = "accuracy.contrast@5"
    found = {one.config["arm"]: one.results[tested] for one in local if tested in one.results}
    assert found["repair:layers=first:worth=no"] > found["undefended"] + 0.1
    with pytest.raises(ArgumentError, match="expected one way of training: run the command once for each"):
        command.repair(sources="contrast@5", training="backprop,local-heads", **how)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"layers": "nowhere"}, "no module 'nowhere'"),
        ({"causes": 3, "sources": "obstruction"}, "expected a square number"),
        ({"causes": 4, "typical": True, "sources": "brighten"}, "typical: nothing in --train has typical movements"),
        ({"typical": True, "sources": "perspective"}, "typical=yes with causes=1: expected causes=4"),
        ({"sources": ""}, "train is empty"),
        ({"sources": "brigten"}, "did you mean 'brighten'"),
        ({"radius": -1}, "radius=-1"),
    ],
)
def test_the_command_refuses_at_once(tmp_path: Path, given: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        command.repair(out=tmp_path, **given)
    assert not list(tmp_path.iterdir())
