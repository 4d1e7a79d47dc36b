"""The emulator draws what Python's integers draw, however the stream is cut, in every format."""

from dataclasses import replace

import naive_chip as naive
import numba
import numpy as np
import pytest
from examples import examples
from hypothesis import given
from hypothesis import strategies as st

from localnoise.errors import ArgumentError
from localnoise.hardware import ChipGrid, Formats, quantise
from localnoise.hardware.audit import DeviceAudit
from localnoise.hardware.fixedpoint import to_values
from localnoise.hardware.formats import GENERATORS, NORMALS, OVERFLOWS, ROUNDINGS


def made(formats, **options):
    grid, h = naive.learned(**options)
    return quantise(grid, formats, h=h)


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("overflow", OVERFLOWS)
@pytest.mark.parametrize("generator", GENERATORS)
@pytest.mark.parametrize("normal", NORMALS)
def test_words_equal_pythons_integers(rounding, overflow, generator, normal):
    formats = Formats(rounding=rounding, overflow=overflow, generator=generator, normal=normal)
    chip = made(formats, shape=(2, 3), channels=2)
    assert np.array_equal(chip.words(3, seed=5).reshape(3, 2, 6), naive.words(chip, 3, seed=5))


@examples(25, fast=8)
@given(
    shape=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    channels=st.integers(1, 5),
    parents=st.integers(1, 6),
    order=st.sampled_from(["raster", "multiscale"]),
    weight_bits=st.integers(2, 16),
    word_bits=st.integers(4, 16),
    k=st.integers(1, 16),
    signal=st.sampled_from(["none", "local"]),
    seed=st.integers(0, 2**64 - 1),
)
def test_any_small_grid(shape, channels, parents, order, weight_bits, word_bits, k, signal, seed):
    formats = Formats(weight_bits=weight_bits, word_bits=word_bits, normal_bytes=k, accumulator_bits=48)
    grid, h = naive.learned(shape, channels, signal=signal, order=order, parents=parents)
    chip = quantise(grid, formats, h=h)
    inputs = None if h is None else chip.activation_words(h[:2])
    flat = None if h is None else inputs.reshape(2, channels, -1)
    found = chip.words(2, seed=seed, h=inputs).reshape(2, channels, -1)
    assert np.array_equal(found, naive.words(chip, 2, seed, flat))


def test_an_overflowing_word_wraps_or_saturates():
    grid, _ = naive.learned()
    for overflow in OVERFLOWS:
        chip = quantise(grid, Formats(overflow=overflow))
        lift = chip.field.lift + np.array([0, 0, 3], np.int32)  # eight times the private noise: words leave their range
        loud = ChipGrid(chip.config, chip.formats, replace(chip.field, lift=lift))
        found = loud.words(4, seed=1).reshape(4, 3, 12)
        assert np.array_equal(found, naive.words(loud, 4, seed=1))
        assert (found == 2047).any() == (overflow == "saturate")


@pytest.mark.parametrize("signal", ["none", "local"])
def test_how_a_stream_is_cut_changes_no_bit(signal):
    grid, h = naive.learned(shape=(5, 6), channels=2, signal=signal, parents=4)
    chip = quantise(grid, Formats(rounding="stochastic"), h=h)
    h = np.resize(h if h is not None else np.zeros(1, np.float32), (150, 2, 5, 6))
    whole = chip.perturb(h, seed=9)
    parts = [chip.perturb(h[a:b], seed=9, start=a) for a, b in ((0, 1), (1, 70), (70, 150))]
    assert np.array_equal(whole, np.concatenate(parts))
    places = np.array([7, 3, 149, 3])
    assert np.array_equal(chip.perturb(h[places], seed=9, start=places), whole[places])
    threads = numba.get_num_threads()
    try:
        numba.set_num_threads(1)
        assert np.array_equal(chip.perturb(h, seed=9), whole)
    finally:
        numba.set_num_threads(threads)
    assert not np.array_equal(chip.perturb(h, seed=10), whole)


def test_an_accumulator_that_could_overflow_is_refused():
    chip = made(Formats(), parents=4)
    with pytest.raises(ArgumentError, match=r"unit \(\d, \d\): its accumulator can reach .* accumulator_bits=32"):
        ChipGrid(chip.config, chip.formats, replace(chip.field, lift=chip.field.lift + np.int32(16)))


def test_values_are_words_times_their_scale():
    chip = made(Formats(), parents=4)
    scale = np.ldexp(1.0, -chip.field.scale).reshape(3, 4)
    assert np.array_equal(chip.sample(70, seed=2), (chip.words(70, seed=2) * scale).astype(np.float32))


def test_draws_have_the_realised_covariance():
    chip = made(Formats(word_bits=14), parents=4)
    x = chip.sample(100_000, seed=3).reshape(100_000, -1)
    Sigma = chip.covariance()
    error = np.cov(x.T) - Sigma
    deviation = np.sqrt((np.outer(np.diag(Sigma), np.diag(Sigma)) + Sigma**2) / len(x))
    assert (abs(error) / deviation).max() < 6  # 666 entries, rounding noise far below sampling error


def test_mean_and_its_adjoint():
    grid, h = naive.learned(signal="local", parents=4)
    chip = quantise(grid, Formats(weight_bits=12, word_bits=16, activation_bits=12), h=h)
    linear, zero = chip.mean(h[:50]), chip.mean(np.zeros_like(h[:1]))
    scale = abs(linear).max()
    assert abs(linear - grid.mean(h[:50])).max() < 0.02 * scale
    g = np.random.default_rng(1).normal(size=h[:50].shape).astype(np.float32)
    assert np.allclose((g * (linear - zero)).sum(), (chip.pull_back(g) * h[:50]).sum(), rtol=0.02)


def test_torch_layer_takes_it():
    torch = pytest.importorskip("torch")
    from localnoise.nn import NoiseLayer

    grid, h = naive.learned(signal="local", parents=4)
    chip = quantise(grid, h=h)
    x = torch.from_numpy(h[:9]).requires_grad_()
    y = NoiseLayer(chip, seed=4)(x)
    assert np.array_equal((y - x).detach().numpy(), (h[:9] + chip.perturb(h[:9], seed=4)) - h[:9])
    y.sum().backward()
    assert np.allclose(x.grad.numpy(), 1 + chip.pull_back(np.ones_like(h[:9])))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weight_bits": 1}, "weight_bits=1: expected a whole number of 2 to 16"),
        ({"word_bits": 12.5}, "word_bits=12.5"),
        ({"rounding": "half-evn"}, "did you mean 'half-even'"),
        ({"overflow": "clip"}, "overflow='clip'"),
        ({"generator": "lfsr31"}, "did you mean 'lfsr"),
        ({"normal": "sums"}, "did you mean 'sum'"),
        ({"normal_bytes": 0}, "normal_bytes=0"),
        ({"accumulator_bits": 65}, "accumulator_bits=65"),
    ],
)
def test_wrong_formats_get_one_sentence(options, message):
    with pytest.raises(ArgumentError, match=message):
        Formats(**options)


def test_a_layer_s_state_carries_a_chip():
    import torch

    from localnoise.nn import NoiseLayer

    grid, _ = naive.learned()
    chip, h = quantise(grid), torch.zeros(4, grid.config.channels, *grid.config.shape)
    one, other = NoiseLayer(chip, seed=3), NoiseLayer(grid)
    one(h)
    other.load_state_dict(one.state_dict())
    assert isinstance(other.noise, ChipGrid)
    assert torch.equal(one(h), other(h))


def test_innovations_need_what_the_grid_reads():
    """And give what is left of a draw's words, its private noise."""
    grid, h = naive.learned((2, 3), 2, signal="local")
    chip, still = quantise(grid, h=h), quantise(naive.learned((2, 3), 2)[0])
    d, read = np.zeros((4, 2, 6), np.int32), chip.activation_words(h[:4]).reshape(4, 2, 6)
    for one, words, match in (
        (chip, (d,), "h is missing, .* expected activation words"),
        (still, (d, read), "h is given, .* expected displacement words alone"),
        (chip, (d + 0.5, read), r"d is float64 of shape \(4, 2, 6\): expected whole numbers"),
        (chip, (d, read[:3]), r"h is int32 of shape \(3, 2, 6\): expected whole numbers \(4, 2, 6\)"),
        (chip, (d.reshape(4, 2, 2, 3), read), "expected whole numbers"),
    ):
        with pytest.raises(ArgumentError, match=match):
            one.innovation_words(*words)


def test_what_are_no_activations_is_refused():
    grid, h = naive.learned((2, 3), 2, signal="local")
    chip = quantise(grid, h=h)
    words = chip.activation_words(h[:3])
    np.testing.assert_array_equal(chip.activation_words(h[:3].astype(float).tolist()), words)
    expected = to_values(chip.words(3, h=words), chip.field.scale.reshape(2, 3))
    np.testing.assert_array_equal(chip.perturb(h[:3]), expected)
    for wrong, match in (
        (np.where(h == h.max(), np.nan, h), "h has .* values that are NaN or infinite"),
        (h[0], r"h has shape \(2, 2, 3\): expected \(T, 2, 2, 3\)"),
        (h.transpose(0, 2, 3, 1), r"expected \(T, 2, 2, 3\)"),
    ):
        with pytest.raises(ArgumentError, match=match):
            chip.activation_words(wrong)
        with pytest.raises(ArgumentError, match="h has"):
            DeviceAudit(chip).observe(chip.words(len(h)), wrong)


def test_what_are_no_activation_words_is_refused():
    """Sums were bounded for words of 8 bits, and values are not words."""
    grid, h = naive.learned((2, 3), 2, signal="local")
    chip = quantise(grid, h=h)
    for call in (lambda h: chip.words(2, h=h), chip.mean_words):
        for wrong, match in (
            (np.full((2, 2, 2, 3), 0.4), "h is float64"),
            (np.full((2, 2, 2, 3), 128), "h holds 128 to 128: expected words of -128 to 127"),
            (np.full((2, 2, 2, 3), 2**40), "expected words of -128 to 127"),
            (np.zeros((2, 4, 2, 3), int), r"h is int64 \(2, 4, 2, 3\): expected activation words"),
        ):
            with pytest.raises(ArgumentError, match=match):
                call(wrong)
    with pytest.raises(ArgumentError, match=r"expected activation words \(2, 2, 2, 3\)"):
        chip.words(2, h=np.zeros((3, 2, 2, 3), int))
