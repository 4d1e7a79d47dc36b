"""Experiments on chip grids: what the tables say of records, and the two commands on a few images."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from localnoise.errors import ArgumentError
from localnoise.hardware.chips.profile import load_profile
from localnoise.sims import bits, wires
from localnoise.sims.attacks import PGD
from localnoise.sims.evaluation import Adaptive
from localnoise.sims.experiments import presets as budgets
from localnoise.sims.reports import chips, deployed
from localnoise.sims.reports.comparison import Level, outcomes
from localnoise.sims.results.records import Record, RecordFile


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch, small_network: None) -> None:
    few = replace(
        budgets.PRESETS["quick"], data="full", base_epochs=1, epochs=1, images=40, displaced=200, attacked_train=50,
        attacked_test=8, pgd=PGD(steps=2, draws=1), adaptive=Adaptive(steps=2, queries=2, tries=2, votes=1, checked=4),
    )  # fmt: skip
    monkeypatch.setitem(budgets.PRESETS, "quick", few)


def record(arm: str, seed: int, hits: list[int], **facts: float) -> Record:
    sources = [] if arm == "none" else [{"name": "rotate", "level": 2.0, "trace": 0.5}]
    threats = [{"name": "rotate", "level": 2.0, "images": 4}]
    results = {"correct.rotate@2": np.array(hits, np.uint8), "parameters": 7, "bytes_per_unit": 2.0}
    results |= {f"noise.{name}": value for name, value in facts.items()}
    return Record({"arm": arm, "seed": seed, "sources": sources, "threats": threats}, results, {}, 0.0)


def test_rows_pair_seeds_and_average_facts() -> None:
    records = []
    for seed, (none, full, real, own) in enumerate([(0, 4, 3, 2), (1, 4, 3, 4)]):
        for arm, right in (("none", none), ("full", full), ("multiscale-8", real), ("chip-w8-d12", own)):
            facts = {"links": 10.0 + seed} if arm == "chip-w8-d12" else {}
            records.append(record(arm, seed, [1] * right + [0] * (4 - right), **facts))
    table = deployed.rows(outcomes(records), ["multiscale-8", "chip-w8-d12"], [Level("rotate", 2.0)])
    row = table["chip-w8-d12", "rotate@2"]
    assert row.accuracy.mean == 0.75
    assert row.less is not None
    assert row.less.mean == 0.0  # -1/4 and +1/4
    assert row.kept is not None
    assert row.kept.gain.mean == 0.875
    assert row.facts == {"links": 10.5}
    text = deployed.markdown(table, {"multiscale-8": "float", "chip-w8-d12": "chip"}, ["links"])
    assert "| chip | 10.5 | 2 | .750" in text
    assert "+0.000" in text


def test_numbers_are_chosen_from_what_there_is() -> None:
    assert deployed.numbers("weight_bits", "8, 2,8", (2, 4, 8)) == [2, 8]
    with pytest.raises(ArgumentError, match="weight_bits='7': expected one of"):
        deployed.numbers("weight_bits", "7", (2, 4, 8))


def test_a_chips_room_per_unit() -> None:
    assert chips.room(load_profile("stm32f407"), 196) == 2**20 / 196
    assert chips.room(load_profile("ice40up5k"), 196) == (122_880 + 2**20) / 8 / 196
    assert chips.room(load_profile("xylo_audio2"), 196) == 64_000 / 196
    assert chips.room(load_profile("ideal"), 196) is None
    assert chips.room(load_profile("loihi1"), 196) is None  # how many cores is not published


def test_bits_knows_its_arms(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match=r"also='chip-lsm-8'.*did you mean 'chip-lms-8'"):
        bits.bits(also="chip-lsm-8", out=tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("in_threads")
def test_bits_on_a_few_images(tiny: None, small_dir: Path, tmp_path: Path) -> None:
    bits.bits(
        sources="rotate@2",
        weight_bits="4,8",
        word_bits="8",
        also="chip-lms-8",
        out=tmp_path,
        data_dir=small_dir,
        jobs=1,
    )
    records = list(RecordFile(tmp_path / "record.sqlite"))
    by_arm = {r.config["arm"]: r.results for r in records}
    assert set(by_arm) == {"none", "full", "multiscale-8", "chip-w4-d12", "chip-w8-d12", "chip-w8-d8", "chip-lms-8"}
    assert by_arm["chip-w4-d12"]["noise.divergence"] > by_arm["chip-w8-d12"]["noise.divergence"]
    assert by_arm["chip-w4-d12"]["bytes_per_unit"] == by_arm["chip-w8-d12"]["bytes_per_unit"] / 2
    assert Image.open(tmp_path / "bits.png").width > 300
    assert "K=8 on chip, 4-bit weights" in (tmp_path / "table.md").read_text()


@pytest.mark.slow
@pytest.mark.usefixtures("in_threads")
def test_wires_on_a_few_images(tiny: None, small_dir: Path, tmp_path: Path) -> None:
    wires.wires(sources="rotate@2", fan_in="2,8", out=tmp_path, data_dir=small_dir, jobs=1)
    by_arm = {r.config["arm"]: r.results for r in RecordFile(tmp_path / "record.sqlite")}
    for order in ("multiscale", "raster"):
        two, eight = by_arm[f"wires-{order}-2"], by_arm[f"wires-{order}-8"]
        assert two["noise.links"] <= 2 * 128
        if order == "multiscale":  # a unit of a row has no more than two neighbors in raster order
            assert two["noise.wire_length"] < eight["noise.wire_length"]
            assert two["bytes_per_unit"] < eight["bytes_per_unit"]
    assert Image.open(tmp_path / "wires.png").width > 300
