"""Every number in the tables of the documentation stands in a published record, and nowhere else."""

import re
import subprocess
import sys

import pytest
from pages import PUBLISHED, ROOT, page
from pinned import GOLDEN, published

import localnoise as ln
from localnoise.sims import bits
from localnoise.sims.auditing import tables as audited
from localnoise.sims.auditing.document import document
from localnoise.sims.defenses import DEFENSES
from localnoise.sims.defenses.chip_arms import BITS, WIRES
from localnoise.sims.evaluation.names import name_and_level
from localnoise.sims.evaluation.source import Source
from localnoise.sims.paper import SOURCES
from localnoise.sims.reports import comparing, deployed, fitting, harm, heat, own, side_by_side, summarised, trading
from localnoise.sims.reports.commands import Repair, Train
from localnoise.sims.reports.comparison import CLEAN, Level, outcomes
from localnoise.sims.reports.summary import summarise
from localnoise.sims.reports.table import as_markdown
from localnoise.sims.results.records import RecordFile
from localnoise.sims.spiking import report as spiking
from localnoise.sims.sweeps.summary import markdown
from localnoise.sims.transfer import spelled


@pytest.mark.parametrize("value", ["accuracy", "clean", "retention", "lead"])
def test_tables_are_those_of_the_published_record(value):
    """Every number of the full data set stands in the record, and nowhere else."""
    record = RecordFile(published("retention"))
    digits = 2 if value == "retention" else 3
    table = summarised.markdown(summarise(list(record)), lambda entry: getattr(entry, value), digits)
    assert table.count("\n") > 10
    assert table in page("results/retention")


@pytest.mark.parametrize("value", ["accuracy", "clean", "retention"])
def test_what_a_field_keeps_under_local_training_is_that_of_its_record(value):
    record = list(RecordFile(published("retention-local")))
    assert {one.config["training"] for one in record} == {"local-heads"}
    digits = 2 if value == "retention" else 3
    table = summarised.markdown(summarise(record), lambda entry: getattr(entry, value), digits)
    assert table.count("\n") == 4
    assert table in page("results/local")


@pytest.mark.parametrize("value", ["accuracy", "clean", "retention", "lead"])
def test_the_watchs_tables_are_those_of_their_record(value):
    table = summarised.markdown(
        summarise(list(RecordFile(published("watch")))),
        lambda entry: getattr(entry, value),
        2 if value == "retention" else 3,
    )
    assert table.count("\n") > 10
    assert table in page("results/watch")


TEN = spelled("modifications")
SIX = [f"{name}@5" for name in ("fog", "jpeg_compression", "pixelate", "shot_noise", "defocus_blur", "zoom_blur")]


def learned(text):
    return [Level.of(Source.default(*name_and_level(one))) for one in spelled(text)]


def test_the_one_net_is_that_of_its_record():
    arms = ["none", "bank-8", "signal-8", "multiscale-8", "augmentation"]
    groups = {"mean of the 10 learned from": TEN, "mean of the 6 others": SIX}
    table = comparing.Comparison(outcomes(RecordFile(published("one-net"))), arms, [*TEN, *SIX], groups)
    text = comparing.markdown(table, None).partition("\n\n")[0]
    assert text.count("\n") == 20
    assert text in page("results/one-network")


def test_the_network_that_is_augmented_whole_is_that_of_its_record():
    groups = {"mean of the 10 learned from": TEN, "mean of the 6 others": SIX}
    found = outcomes(RecordFile(published("augmentation-whole")))
    table = comparing.Comparison(found, ["undefended", "augmentation-whole"], [*TEN, *SIX], groups)
    text = comparing.markdown(table, None).partition("\n\n")[0]
    assert text.count("\n") == 20
    assert text in page("results/one-network")


def test_the_papers_table_is_that_of_its_record():
    table = side_by_side.rows(outcomes(RecordFile(published("paper"))), list(SOURCES))
    verdict = side_by_side.verdict(table)
    assert (PUBLISHED / "paper.md").read_text() == f"{side_by_side.markdown(table)}\n\n{verdict}\n"
    assert "\n".join(verdict.splitlines()[:3]) in page("results/paper")
    missed = [row for row in table if row.trace == 2 and row.agrees is False]
    assert all(f"{row.measured.mean:.3f}".lstrip("0") in page("results/paper") for row in missed)


def test_ten_epochs_close_the_gap():
    table = side_by_side.rows(outcomes(RecordFile(published("paper-10"))), list(SOURCES))
    verdict = side_by_side.verdict(table)
    assert side_by_side.markdown(table) in page("results/paper")
    assert "\n".join(verdict.splitlines()[:3]) in page("results/paper")
    assert "20 of 24 agree" in verdict
    assert "0.5, modifications: 0 of 11 agree" in verdict


def test_what_a_repair_harms_network_by_network_is_that_of_its_record():
    taught = {
        f"{name}@5" for name in ("brightness", "contrast", "gaussian_noise", "impulse_noise", "motion_blur", "snow")
    }
    taught |= {f"{name}@2" for name in ("elastic", "perspective", "rotate", "obstruction")}
    found: dict[tuple[int, str], dict[str, float]] = {}
    for one in RecordFile(published("repair")):
        for name, value in one.results.items():
            if name.startswith("accuracy."):
                own = found.setdefault((one.config["seed"], name.removeprefix("accuracy.")), {})
                own[one.config["arm"]] = value
    falls = {
        place: own["undefended"] - own["repair:causes=16:bends=1"]
        for place, own in found.items()
        if place[1] not in taught
    }
    assert len(falls) == 265
    worst = sorted((fall for fall in falls.values() if fall > 0.01), reverse=True)
    assert f"{len(worst)} of the 265 fall by more than .01" in page("results/do-no-harm")
    assert [f"{fall:.3f}"[1:] for fall in worst] == [".025", ".022", ".011", ".011"]


def test_the_repaired_network_and_what_it_harms_are_those_of_its_record():
    records = list(RecordFile(published("repair")))
    report = Repair.of(records)
    table = report._table(records)
    frame = report._frame(table)
    text = as_markdown(frame)
    assert text.count("\n") == 68
    assert text in page("results/do-no-harm")
    short = as_markdown(frame[[report.kind(row) not in (harm.MILDER, harm.MIXED) for row in table.rows]])
    assert short.count("\n") == 22
    assert short in page("results/repair")
    others = [row for row in table.rows if row not in (*table.groups, *report.learned)]
    assert len(others) == 53
    less = {row: table.less(report.arm, row, "undefended") for row in others}
    assert not [row for row, fall in less.items() if fall.mean < -0.01]
    worst = less["obstruction@1.2"]
    assert worst.mean == min(fall.mean for fall in less.values())
    fall = f"{-worst.mean:.3f} ±{worst.half_width:.3f}".replace("0.", ".")
    assert f"Obstruction 1.2 falls most, by {fall}" in page("results/do-no-harm")
    assert "None of 53 kinds of inputs falls by more than .01; five seeds." in page("results/index")
    confusions = (GOLDEN / "tables" / "repair.md").read_text()
    costly = [line for line in confusions.splitlines() if line.endswith("| yes |")]
    assert len(costly) == 17
    assert "\n".join(costly) in page("results/repair")


SEEDS = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5}


def test_published_records_hold_the_seeds_that_are_stated():
    """Of the records whose paragraph states a number of seeds: the first of them, the first number."""
    stated = {}
    for paragraph in (PUBLISHED / "README.md").read_text().split("\n\n"):
        name = re.match(r"`([\w-]+)\.sqlite`", paragraph)
        count = re.search(rf"\b({'|'.join(SEEDS)})\s+seeds?\b", paragraph)
        if name and count:
            stated[name[1]] = SEEDS[count[1]]
    assert len(stated) >= 10
    assert stated == {name: len({row["config.seed"] for row in ln.read_records(published(name))}) for name in stated}


@pytest.mark.parametrize("name", ["local", "local-robust"])
def test_networks_that_learned_locally_are_those_of_their_record(name):
    records = list(RecordFile(published(name)))
    text = as_markdown(Train.of(records).frame(records))
    assert text.count("\n") >= 4
    assert text in page("results/local")


def test_what_integers_cost_under_attack_is_that_of_its_record():
    arms = ["none", "multiscale-8", "int8:multiscale-8", "int4:multiscale-8"]
    table = comparing.Comparison(outcomes(RecordFile(published("chip-network-pgd"))), arms, ["pgd@0.1"], {})
    text = comparing.markdown(table, "multiscale-8").partition("\n\n±")[0]
    assert text.count("\n") == 14
    assert text in page("network-on-a-chip")
    assert abs(table.less("int8:multiscale-8", "pgd@0.1", "multiscale-8").mean) <= 0.005


def test_what_integers_cost_a_repaired_network_is_that_of_its_record():
    repair = "repair:radius=1:parents=1:causes=4:share=places:bends=1"
    arms = ["undefended", repair, f"int8:{repair}", "int8:undefended"]
    mean = "mean of the 10 learned from"
    table = comparing.Comparison(outcomes(RecordFile(published("chip-network"))), arms, TEN, {mean: TEN})
    text = comparing.markdown(table, None).partition("\n\n±")[0]
    assert text.count("\n") == 13
    assert text in page("network-on-a-chip")
    means = [table.estimate(arm, mean).mean for arm in arms]
    assert abs(means[2] - means[1]) <= 0.005
    assert abs(means[3] - means[0]) <= 0.005


def test_sources_against_themselves_are_those_of_their_record():
    sources = learned("all,input_noise@0.25")
    arms = ["full", "multiscale-8", "signal-8", "augmentation"]
    text = own.markdown(outcomes(RecordFile(published("transfer"))), arms, sources)
    assert text.count("\n") == 17
    assert text in page("results/transfer")


def test_adaptive_evaluations_are_those_of_their_records():
    some, threats = ["none", "identity", "full", "multiscale-8"], ["adaptive@0.04", "adaptive@0.1"]
    all_arms = [*some, "signal-8", "signal-on-8", "signal-amplified-8", "signal-amplified-on-8", "input-noise"]
    all_arms += ["adversarial-90", "wca"]
    for name, arms in {"adaptive-10": all_arms, "adaptive-10-again": [*some, "adversarial-90"]}.items():
        found = outcomes(RecordFile(published(name)))
        table = comparing.Comparison(found, arms, threats, {"mean of the 2 others": threats})
        text = comparing.markdown(table, None).partition("\n\n")[0]
        assert text.count("\n") == 1 + len(arms)
        assert text in page("results/adaptive")
        assert not any(one.unreliable for one in found.values())


def test_all_sources_under_the_adaptive_attacker_are_those_of_their_record():
    found = outcomes(RecordFile(published("transfer-adaptive")))
    sources = learned("all")
    text = own.markdown(found, ["full", "multiscale-8"], sources, Level("adaptive", 0.04))
    assert text.count("\n") == 16
    assert text in page("results/adaptive")
    again = own.markdown(found, ["full", "multiscale-8"], sources).splitlines()[-1]
    assert again.split("|")[-2].strip() == "0.99, least 0.92"
    failed = [(key, seeds) for key, one in found.items() if (seeds := list(one.unreliable))]
    assert failed == [(("multiscale-8", (("art-square", 0.1),), 2, ("adaptive", 0.04)), [2])]


def test_transfer_between_attacks_is_that_of_its_record():
    found = outcomes(RecordFile(published("transfer-attacks")))
    sources = learned("attacks")
    rows = [CLEAN, *dict.fromkeys(place.test for place in found if place.test.name.startswith("art-"))]
    for arm in ("full", "multiscale-8"):
        assert heat.markdown(heat.measured(found, arm, sources, rows)).split("\n\n", 1)[1] in page("results/transfer")
    assert not any(one.unreliable for one in found.values())


def test_the_price_of_robustness_is_that_of_its_record():
    lines = trading.lines(
        outcomes(RecordFile(published("tradeoff"))), ["none", "full", "multiscale-8", "adversarial-90"], "pgd@0.1"
    )
    text = trading.markdown(lines, "pgd@0.1")
    assert "| full covariance, central | 2 | .741 ±.062 | .388 ±.058 |" in text
    assert "| full covariance, central | 4 | .712 ±.076 | .393 ±.060 |" in text
    assert "| 90 % adversarial |  | .733 ±.009 | .579 ±.004 |" in text


def test_the_price_of_robustness_after_ten_epochs_is_that_of_its_record():
    found = outcomes(RecordFile(published("tradeoff-10")))
    text = trading.markdown(trading.lines(found, ["none", "identity", "full", "multiscale-8"], "pgd@0.1"), "pgd@0.1")
    table = text.partition("\n\n")[0]
    assert table.count("\n") == 17
    assert table in page("results/adaptive")


def test_speeds_are_those_of_their_record():
    command = [sys.executable, "-m", "benchmarks", "--published"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.count("\n") > 15
    for table in done.stdout.strip().split("\n\n"):
        assert table in page("benchmarks") + page("spikes")


def test_what_wide_layers_keep_is_that_of_its_record():
    command = [sys.executable, "-m", "benchmarks.wide", "--published"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.count("\n") == 17
    assert done.stdout.strip() in page("wide-layers")


TAUGHT = ["lms-8", "chip-lms-8", "chip-sign-lms-8", "chip-lfsr32", "chip-lfsr16", "chip-popcount"]


@pytest.mark.parametrize(
    ("arms", "sources", "columns"),
    [
        ([*(arm.name for arm in BITS), *TAUGHT], bits.SOURCES, ("divergence", "covariance_error", "saturated")),
        ([arm.name for arm in WIRES], "motion_blur@5,rotate@2", ("links", "wire_length")),
    ],
)
def test_chip_nets_are_those_of_their_record(arms, sources, columns):
    found = outcomes(RecordFile(published("chip")))
    labels = {name: DEFENSES[name].label for name in ("full", deployed.FLOAT, *arms)}
    table = deployed.rows(found, [*labels], [*map(Level.named, sources.split(","))])
    assert deployed.markdown(table, labels, columns) in page("results/chip")


def test_the_watchs_chip_is_that_of_its_record():
    faults = "axis_lost@1,gain_drift@1,bias_drift@1,strap_turned@45,sensor_noise@0.5,packets_dropped@0.5,other_rate@1.5"
    labels = {n: DEFENSES[n].label for n in ("full", deployed.FLOAT, "chip-w4-d12", "chip-w8-d12", "chip-w8-d8")}
    found = outcomes(RecordFile(published("watch-chip")))
    table = deployed.rows(found, [*labels], [*map(Level.named, faults.split(","))])
    columns = ("divergence", "covariance_error", "saturated")
    assert deployed.markdown(table, labels, columns) in page("results/watch")


def test_the_watchs_attacker_is_that_of_its_record():
    arms = ["none", "full", "multiscale-8", "signal-8", "adversarial-50", "adversarial-50-whole"]
    found = outcomes(RecordFile(published("watch-attacks")))
    table = comparing.Comparison(found, arms, ["pgd@0.1", "adaptive@0.1"], {})
    text = comparing.markdown(table, None).partition("\n\n")[0]
    assert text.count("\n") == 7
    assert text in page("results/watch")
    assert [seeds for one in found.values() if (seeds := list(one.unreliable))] == [[3]]


def test_fits_are_those_of_the_profiles():
    assert fitting.markdown() in page("on-a-chip")


@pytest.mark.parametrize("study", ["rules", "bits-and-wires"])
def test_fronts_are_those_of_their_record(study):
    table = markdown(published(f"sweep-{study}"))
    assert table.count("moments") > 8
    assert table in page("results/sweeps")


def test_spikes_are_those_of_their_record():
    text = spiking.markdown(RecordFile(published("spiking")))
    for table in text.split(":\n\n")[1:]:
        assert table.rpartition("\n\n")[0] or table in page("results/spikes")


def test_audits_are_those_of_their_record():
    text = audited.markdown(document(list(RecordFile(published("audit"))), "v2"))
    tables = [part for part in text.split("\n\n") if part.startswith("|")]
    assert len(tables) == text.count(":\n\n|") > 9
    for table in tables:
        assert table in page("results/audit")
