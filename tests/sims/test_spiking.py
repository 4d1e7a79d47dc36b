"""Variability measures against what is known, the read-out's table against spikes, and the command as a whole."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import typer
from torch import nn

from localnoise import UnitGrid
from localnoise.errors import ArgumentError, MixedRecordsError
from localnoise.nn import Predictor
from localnoise.sims.attacks import PGD
from localnoise.sims.data.tensors import PIXELS
from localnoise.sims.evaluation.gradients import gradient_exists, gradient_points_uphill
from localnoise.sims.evaluation.source import Source
from localnoise.sims.results.records import Record, RecordFile
from localnoise.sims.spikes import spiking
from localnoise.sims.spiking import jobs, plan, readout, variability
from localnoise.sims.spiking.accuracies import gains
from localnoise.sims.spiking.arms import VARIABILITIES, field_of, independent, layer_of
from localnoise.sims.spiking.figures import published
from localnoise.sims.spiking.readout import HIGH, LOW, RUNGS, Readout, Table
from localnoise.sims.spiking.study import SpikingStudy

RNG = np.random.default_rng(0)


def gaussian(covariance, stimuli=3, trials=300, mean=20.0):
    factor = np.linalg.cholesky(covariance)
    return mean + RNG.normal(size=(stimuli, trials, len(covariance))) @ factor.T


def test_fano_factor_of_poisson_counts_is_one_and_silent_neurons_are_left_out():
    counts = RNG.poisson(RNG.uniform(2, 30, size=(4, 1, 50)), size=(4, 400, 50))
    counts[:, :, :5] = 0
    assert abs(variability.fano(counts) - 1) < 5 * np.sqrt(2 / 400 / 180)
    assert len(variability.mean_and_variance(counts)[0]) == 4 * 45
    assert np.isnan(variability.fano(np.zeros((2, 10, 3))))


def test_pairs_find_noise_and_signal_correlations_and_distances():
    covariance = np.array([[1, 0.6, 0], [0.6, 1, 0], [0, 0, 1.0]])
    tuning = RNG.normal(size=(6, 1, 1)) * np.array([3.0, 3.0, -3.0])
    found = variability.pairs(gaussian(covariance, 6, 2000) + tuning, [[0, 0], [3, 4], [0, 1]])
    np.testing.assert_allclose(found.noise, [0.6, 0, 0], atol=5 / np.sqrt(12_000))
    np.testing.assert_allclose(found.signal, [1, -1, -1], atol=0.02)
    np.testing.assert_allclose(found.distance, [5, 1, np.hypot(3, 3)])


@pytest.mark.parametrize("trials", [10, 40, 400])
def test_participation_ratio_is_that_of_the_covariance_however_few_the_trials(trials):
    basis = np.linalg.qr(np.random.default_rng(1).normal(size=(60, 60)))[0]
    spectrum = np.r_[np.full(5, 10.0), np.full(55, 0.1)]
    truth = spectrum.sum() ** 2 / np.square(spectrum).sum()
    many = gaussian(basis * spectrum @ basis.T, stimuli=60, trials=trials)
    assert abs(variability.participation_ratio(many) / truth - 1) < 0.12
    flat = variability.participation_ratio(gaussian(np.eye(60), stimuli=60, trials=trials))
    assert abs(flat / 60 - 1) < 0.12  # the uncorrected ratio would be below the number of trials


def test_alignment_is_one_for_isotropic_noise_and_the_variance_ratio_along_an_axis():
    spectrum = np.ones(20)
    spectrum[0] = 9.0
    counts = gaussian(np.diag(spectrum), stimuli=10, trials=2000)
    axis, other = np.zeros((10, 20)), np.zeros((10, 20))
    axis[:, 0], other[:, 5] = 3.0, -2.0
    assert abs(variability.alignment(counts, axis) / (9 / spectrum.mean()) - 1) < 0.05
    assert abs(variability.alignment(counts, other) / (1 / spectrum.mean()) - 1) < 0.05
    assert np.isnan(variability.alignment(counts, np.zeros((10, 20))))


def test_binned_means():
    mean, error, count = variability.binned(np.array([0.5, 0.6, 2.5]), np.array([1.0, 3.0, 5.0]), [0, 1, 2, 3])
    np.testing.assert_allclose(mean, [2, np.nan, 5])
    np.testing.assert_allclose(count, [2, 0, 1])
    np.testing.assert_allclose(error, [1 / np.sqrt(2), np.nan, 0])


def test_the_independent_field_keeps_variances_and_drops_correlations():
    grid = UnitGrid((3, 3), 2, order="raster", radius=1)
    grid.field.B[:] = 0.3
    grid.normalise(0.5)
    alone = independent(grid).covariance()
    np.testing.assert_allclose(np.diag(alone), np.diag(grid.covariance()), rtol=1e-5)
    assert np.abs(alone - np.diag(np.diag(alone))).max() == 0


@pytest.mark.parametrize("name", ["membrane", "poisson", "none"])
def test_the_table_s_counts_are_those_of_spikes(name, monkeypatch):
    monkeypatch.setattr(readout, "_SIDE_BY_SIDE", readout.TRIALS)
    kind = VARIABILITIES[name]
    table = Table.measure(kind, seed=0, target="numpy")
    between = np.array([-0.33, 0.117, 0.62])  # between rungs, too
    layer = layer_of(kind, (3, 1, 1), None, target="numpy", copies=400)
    counts = layer.counts(between.reshape(1, 3, 1, 1), trials=400, seed=9)
    real = counts.reshape(400, 3)
    drawn = table.draw(torch.from_numpy(np.tile(between, (4000, 1))).float(), torch.Generator().manual_seed(1)).numpy()
    drawn = drawn * table.slope + table.offset
    error = np.sqrt(real.var(0) / 400 + drawn.var(0) / 400) + 0.3  # 400 trials a rung; rungs are .05 apart
    assert (np.abs(real.mean(0) - drawn.mean(0)) < 4 * error).all()
    assert (np.abs(real.std(0) - drawn.std(0)) < 0.5).all()


def test_the_read_out_is_a_noise_that_predictors_can_reseed():
    table = Table(torch.arange(161.0)[:, None] + torch.tensor([0.0, 1.0]), 80.0, 10.0)
    spikes = Readout(table, UnitGrid((2, 2), 1), seed=1)
    h = torch.zeros(50, 1, 2, 2)
    first = spikes(h)
    spikes.reseed(1)
    assert torch.equal(first, spikes(h))
    assert not torch.equal(first, spikes(h))
    assert first.shape == h.shape


LADDER = torch.linspace(LOW, HIGH, RUNGS)


def test_the_slope_that_an_attacker_uses_is_that_of_the_mean_count_steps_smoothed():
    stairs = Table((60 * torch.sigmoid(LADDER)).round()[:, None], 30.0, 15.0)
    rise = 60 * torch.sigmoid(LADDER) * torch.sigmoid(-LADDER) / 15.0
    np.testing.assert_allclose(stairs.slope_at(LADDER)[10:-10], rise[10:-10], atol=0.15)
    assert (stairs.slope_at(torch.tensor([-1.0, 0.0, 1.0])) > 0.5).all()


def test_an_attacker_s_gradient_changes_no_spike_and_points_uphill():
    torch.manual_seed(0)
    counts = 20 * torch.sigmoid(LADDER)[:, None] + torch.randn(RUNGS, 50)
    spikes = Readout(Table(counts, 10.0, 5.0), None, seed=1)
    images, back = torch.rand(40, 1, 5, 5), nn.Sequential(nn.Flatten(), nn.Linear(25, 3))
    predictor = Predictor(nn.Identity(), spikes, back, 4)
    labels = predictor(images).argmax(1)
    assert gradient_points_uphill(predictor, images, labels, eps=0.4, bounds=PIXELS).passed
    assert gradient_exists(predictor, images, labels).passed
    spikes.reseed(3)
    shown = spikes(images.requires_grad_())
    spikes.reseed(3)
    assert torch.equal(shown, spikes(images.detach()))


def test_a_quiet_field_is_the_same_with_less_variance():
    grid = UnitGrid((3, 3), 2, order="raster", radius=1)
    grid.field.B[:] = 0.3
    grid.normalise(0.5)
    loud, quiet = grid.covariance(), field_of(VARIABILITIES["quiet"], grid).covariance()
    np.testing.assert_allclose(quiet, VARIABILITIES["quiet"].share * loud, rtol=1e-5)
    np.testing.assert_array_equal(grid.covariance(), loud)


@pytest.fixture
def small(monkeypatch, small_dir):
    """A plan of seconds; returns the folder of its few hundred images."""
    tiny = replace(
        plan.PLANS["quick"],
        data="full",
        base_epochs=1,
        displaced=300,
        stimuli=2,
        trials=5,
        images=6,
        attacked=3,
        attack=PGD(steps=2, draws=2),
        draws=40,
        shown=120,
        network="v1",  # of 128 neurons
    )
    monkeypatch.setitem(plan.PLANS, "quick", tiny)
    monkeypatch.setattr(readout, "TRIALS", 100)
    monkeypatch.setattr(readout, "_SIDE_BY_SIDE", 100)
    return str(small_dir)


def run(out, **options):
    app = typer.Typer()
    app.command()(spiking)
    from typer.testing import CliRunner

    arguments = [part for name, value in options.items() for part in (f"--{name}", value) if part]
    return CliRunner().invoke(app, ["--out", str(out), *arguments], catch_exceptions=False)


@pytest.mark.parametrize(
    ("parts", "count"),
    [("variability", 6), pytest.param("field,defence", 9, marks=pytest.mark.slow)],
)
def test_the_command_runs_every_part_keeps_it_and_goes_on(small, tmp_path, in_threads, parts, count):
    options = {"parts": parts, "train": "motion_blur@5", "target": "numpy", "data-dir": small}
    first = run(tmp_path, **options)
    assert first.exit_code == 0
    records = list(RecordFile(tmp_path / "record.sqlite"))
    assert {r.config["part"] for r in records} == set(parts.split(","))
    assert f"{count} of {count} parts run" in first.output
    for name in ("tables.md", *(f"{part}.png" for part in parts.split(",") if part != "field")):
        assert (tmp_path / name).stat().st_size > 500
    again = run(tmp_path, **options)
    assert f"0 of {count} parts run" in again.output
    structured = {r.config["variability"]: r.results for r in records if r.config["part"] == "variability"}
    if "variability" in parts:
        assert structured["structured"]["participation"] < 0.2 * structured["independent"]["participation"]
        assert structured["structured"]["alignment"] > 10
    for field in (r for r in records if r.config["part"] == "field"):
        assert field.results["field.difference"] < 1e-3
        assert 0.01 < field.results["field.p"] <= 1
        assert len(field.results["field.numba_mean_square_z"]) == 199


@pytest.mark.slow
def test_rules_learn_in_spikes_from_a_patch_of_images(small, tmp_path, monkeypatch):
    monkeypatch.setitem(
        plan.PLANS, "quick", replace(plan.PLANS["quick"], network="v3")
    )  # whose layer is of two dimensions
    done = run(tmp_path, parts="learning", train="motion_blur@5", target="numpy", **{"data-dir": small})
    assert "2 of 2 parts run" in done.output
    assert (tmp_path / "learning.png").stat().st_size > 500
    lms = next(iter(RecordFile(tmp_path / "record.sqlite"))).results
    assert lms["lms.difference"] < 1e-9 < 1e-3 < lms["lms.largest"]


@pytest.mark.slow
def test_seeds_side_by_side_are_interrupted_lose_nothing_and_go_on(small, tmp_path, monkeypatch):
    own, kept = RecordFile.append, []

    def interrupted(records, *record, **options):
        if kept:
            raise KeyboardInterrupt
        own(records, *record, **options)
        kept.append(record)

    options = {"parts": "field", "seeds": "2", "jobs": "2", "target": "numpy", "data-dir": small}
    with monkeypatch.context() as patched:
        patched.setattr(RecordFile, "append", interrupted)
        assert run(tmp_path, **options).exit_code != 0
    assert len(list(RecordFile(tmp_path / "record.sqlite"))) == 1
    assert "5 of 6 parts run" in run(tmp_path, **options).output
    records = list(RecordFile(tmp_path / "record.sqlite"))
    assert sorted(r.config["seed"] for r in records) == [0, 0, 0, 1, 1, 1]
    monkeypatch.setattr("localnoise.sims.results.records.source_hash", lambda: "another")
    with pytest.raises(MixedRecordsError, match="--mix"):
        run(tmp_path, **options)
    assert "0 of 6 parts run" in run(tmp_path, mix=None, **options).output


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"variance": "-1"}, "variance=-1.0"),
        ({"jobs": "0"}, "jobs=0"),
        ({"parts": "variabilty"}, "did you mean 'variability'?"),
        ({"target": "gpu"}, "target='gpu': expected one of"),
        ({"preset": "quik"}, "did you mean 'quick'?"),
        ({"train": "blur@5"}, "source='blur'"),
    ],
)
def test_wrong_options_get_one_sentence(options, message, tmp_path):
    with pytest.raises(ArgumentError) as caught:
        run(tmp_path, **options)
    assert message in str(caught.value)


def test_gains_are_those_over_none_of_the_same_seed():
    def record(name, seed, right):
        config = {"variability": name, "seed": seed, "sources": [{"name": "rotate", "level": 2}]}
        hit = np.arange(100) < right
        return Record(config, {"accuracy.clean": hit.mean(), "correct.clean": hit}, {}, 0.0)

    pair = [record("none", 0, 50), record("quiet", 0, 60)]
    (one,) = gains(pair).values()
    assert one.mean == pytest.approx(0.1)
    assert one.low < 0.1 < one.high
    (two,) = gains([*pair, record("none", 1, 10), record("quiet", 1, 30)]).values()
    assert (two.mean, two.seeds) == (pytest.approx(0.15), 2)
    assert two.half_width == pytest.approx(12.706 * np.std([0.1, 0.2], ddof=1) / np.sqrt(2))
    assert gains([record("quiet", 0, 60)]) == {}


def test_published_findings_have_a_source_and_a_status():
    for quantity in ("fano factor", "noise correlation", "alignment"):
        for finding in published(quantity):
            assert finding["source"]
            assert finding["status"] in ("checked", "from memory")
            assert finding["low"] <= finding["high"]


@pytest.mark.slow
def test_the_example_runs_and_its_correlations_fall_with_distance(tmp_path):
    script = (
        (Path(__file__).parents[2] / "sims/spiking/example.py")
        .read_text()
        .replace("TRIALS, SIDE = 300, 6", "TRIALS, SIDE = 120, 6")
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    r = [float(line.split()[-1]) for line in done.stdout.splitlines() if line.startswith("noise correlation")]
    assert r[0] > 0.1
    assert r[0] > r[1] > r[2]


def test_other_images_or_code_on_a_worker_end_it(small):
    source = Source.default("motion_blur", 5)
    study = SpikingStudy(plan.PLANS["quick"], 0, Path("nowhere"), Path(small))
    config, _ = study.tasks(["field"], (source,))[0]
    job = jobs.PartJob(
        plan=study.plan, seed=0, parts=("field",), sources=(source,), config=config, data_dir=small, threads=1
    )  # fmt: skip
    with pytest.raises(ArgumentError, match="are not those of this command"):
        jobs.run(replace(job, config=config | {"fingerprint": "0" * 64}), lambda what, done, of: None)
    with pytest.raises(ArgumentError, match="a worker runs other code"):
        jobs.run(replace(job, source="another"), lambda what, done, of: None)
