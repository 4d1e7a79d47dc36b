"""The watch: its splits, what befalls its sensor, and milder levels of that."""

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from own_tasks import COMMON, SPENT, own, some
from torch import Tensor

from localnoise import load
from localnoise.errors import ArgumentError
from localnoise.sims import compare
from localnoise.sims import repair as repairing
from localnoise.sims.data import watch
from localnoise.sims.evaluation.names import name_and_level
from localnoise.sims.evaluation.source import Source, is_milder, milder
from localnoise.sims.experiments.cell import Cell
from localnoise.sims.experiments.conduct import NAME
from localnoise.sims.experiments.settings import Settings
from localnoise.sims.perturbations import MODIFICATIONS, apply
from localnoise.sims.results.records import RecordFile
from localnoise.sims.streaming.schedule import levels
from localnoise.sims.tasks import mounted
from localnoise.sims.tools.remade import remade


@pytest.fixture(autouse=True)
def _unmounted() -> Any:
    yield
    MODIFICATIONS.mount({})


def test_the_watch_splits_by_subject_and_five_splits_test_each_once() -> None:
    whole = watch.everything()
    assert len(np.unique(whole.subject)) == 10
    met = []
    for seed in range(5):
        train, test = watch.windows(seed, "train"), watch.windows(seed, "test")
        assert not set(train.subject) & set(test.subject)
        assert len(train.y) + len(test.y) == len(whole.y)
        met += list(np.unique(test.subject))
    assert sorted(met) == list(range(1, 11))
    assert whole.x.shape[1:] == (6, 128)
    assert set(whole.y) == set(range(7))


def test_the_watchs_file_runs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Harm:
        def __reduce__(self) -> Any:
            return print, ("harm",)

    with pytest.raises(pickle.UnpicklingError, match="print is no part of an array"):
        watch._Arrays(io.BytesIO(pickle.dumps(Harm()))).load()
    monkeypatch.setattr(watch, "_file", lambda: tmp_path / "none.npy")
    watch.everything.cache_clear()
    with pytest.raises(Exception, match="cannot be read"):
        watch.everything()
    (tmp_path / "none.npy").write_bytes(b"other")
    with pytest.raises(Exception, match=r"another file than that of seglearn 1\.2\.5"):
        watch.everything()


def test_what_befalls_the_watchs_sensor() -> None:
    task = mounted("watch")
    x = task.data(seed=0).pair("test")[0][:20]
    moved = {name: apply(name, x, None, 3) for name in task.own}
    lost = (moved["axis_lost"] == 0).all(2)
    assert (lost.sum(1) >= 1).all()
    assert torch.equal(moved["axis_lost"][~lost], x[~lost])
    turned = moved["strap_turned"]
    assert torch.equal(turned[:, [0, 3]], x[:, [0, 3]])
    torch.testing.assert_close(turned.square().sum(1), x.square().sum(1))
    torch.testing.assert_close(apply("packets_dropped", x, 1.0, 3), torch.zeros_like(x))
    held = moved["packets_dropped"]
    assert (held[:, :, 1:] == held[:, :, :-1]).float().mean() > 0.35
    ramp = torch.arange(128.0).expand(20, 6, 128)
    slope = apply("other_rate", ramp, None, 3).diff(dim=2)
    torch.testing.assert_close(slope, slope[:, :1, :1].expand_as(slope), atol=1e-4, rtol=0)
    assert (slope > 1 / 1.5).all()
    assert (slope < 1).all()
    offset = moved["bias_drift"] - x
    torch.testing.assert_close(offset.diff(dim=2), offset.diff(dim=2)[..., :1].expand(-1, -1, 127), atol=1e-5, rtol=0)
    gain = moved["gain_drift"] / x
    torch.testing.assert_close(gain, gain[..., :1].expand_as(gain), atol=1e-3, rtol=1e-3)
    assert abs(float((moved["sensor_noise"] - x).std()) - 0.5) < 0.02


def test_levels_are_milder_towards_the_one_that_a_task_declares() -> None:
    def turned(x: Tensor, level: int = 4) -> Tensor:
        assert isinstance(level, int)
        return x.roll(level, 1)

    dark = {"dark": lambda x, level=0.5: x * level, "dim": lambda x, level=0.5: x * level, "turned": turned}
    task = own(perturbations=dark, harmless={"dark": 1.0, "turned": 0})
    MODIFICATIONS.mount(task.own)
    task.network(0)
    try:
        assert milder(Source.default("dark"), [1, 2, 3, 4]) == ["dark@0.9", "dark@0.8", "dark@0.7", "dark@0.6"]
        assert milder(Source.default("dim"), [1, 2]) == []
        assert milder(Source.default("turned"), [1, 2, 4]) == ["turned@1", "turned@2"]
        assert is_milder(0.8, "dark", 0.5)
        assert not is_milder(0.2, "dark", 0.5)
        assert not is_milder(1.2, "dark", 0.5)
        assert not is_milder(0.4, "dim", 0.5)
        assert torch.equal(apply("turned", some()[0], 2.0, 0), some()[0].roll(2, 1))
        assert levels("dark", 0.5, 0.4)[0] == pytest.approx(0.8)
        declared, unknown = (
            Cell(seed=0, sources=(Source.default(name),), arm="repair").config(Settings(data="task", fingerprint="0"))
            for name in ("dark", "dim")
        )
        assert ("milder" in declared, "milder" in unknown) == (True, False)
    finally:
        MODIFICATIONS.mount({})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"dim": 1.0}, "did you mean 'dark'|harmless='dim'"),
        ({"dark": "none"}, r"harmless\['dark'\]='none': expected the level at which nothing happens"),
        ({"dark": float("nan")}, "harmless"),
        ({"dark": 0.0}, "come back changed"),
        ({"plain": 0.0}, "takes no level"),
        (["dark"], "expected a dict"),
    ],
)
def test_harmless_levels_that_cannot_be_are_refused(given: Any, message: str) -> None:
    known = {"dark": lambda x, level=0.5: x * level, "plain": lambda x: x / 2}
    with pytest.raises(ArgumentError, match=message):
        own(perturbations=known, harmless=given).network(0)


def test_all_that_befalls_the_watch_has_milder_levels() -> None:
    task = mounted("watch")
    x = task.data(seed=0).pair("test")[0][:40]
    found = {name: milder(Source.default(name, 3 if name == "axis_lost" else None), [1, 2, 3, 4]) for name in task.own}
    assert found["other_rate"] == ["other_rate@1.1", "other_rate@1.2", "other_rate@1.3", "other_rate@1.4"]
    assert found["axis_lost"] == ["axis_lost@1", "axis_lost@2"]
    for name, several in found.items():
        moved = [(apply(name, x, name_and_level(text)[1], 3) - x).square().mean() for text in several]
        strongest = (apply(name, x, 3 if name == "axis_lost" else None, 3) - x).square().mean()
        assert 0 < moved[0] < strongest


def test_a_repair_of_a_task_asks_what_it_is_worth_at_levels_that_it_declares(
    file: Path, tmp_path: Path, in_threads: None
) -> None:
    text = file.read_text()
    assert "perturbations=" in text
    mine = tmp_path / "mine.py"
    mine.write_text(text.replace("perturbations=", 'harmless={"dark": 1.0}, perturbations=', 1))
    how: dict[str, Any] = COMMON | {"spend": "quick", "seeds": 1, "dense": False, "severities": "2,3"}
    repairing.repair(sources="dark", threats="none", task=str(mine), out=tmp_path / "out", **how)
    table = (tmp_path / "out" / "table.md").read_text()
    assert "Worst of the 2 milder" in table
    kept = [load(path) for path in (tmp_path / "out").rglob("*.h5")]
    assert any(repair.worth is not None for repair in kept), "of the layer that decides"
    MODIFICATIONS.mount({})  # reports are of records alone
    report, records = remade(tmp_path / "out" / NAME)
    report.write(records, tmp_path)
    assert (tmp_path / "table.md").read_text() == table


def test_its_record_is_of_the_task(file: Path, tmp_path: Path, in_threads: None) -> None:
    compare.compare(arms="none,multiscale-2", threats="hiss", task=str(file), out=tmp_path, layer="conv", **SPENT)
    configs = [record.config for record in RecordFile(tmp_path / NAME)]
    (said,) = [c for c in configs if c["arm"] != "none" and c["threats"][0]["name"] == "hiss"]
    assert said["layer"] == "conv"
    assert said["threats"] == [{"name": "hiss", "level": 1.0, "images": 300}]
