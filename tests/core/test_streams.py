"""Displacements larger than memory: data sets and iterators give what arrays give, to the last bit."""

import itertools
import tracemalloc

import h5py
import numpy as np
import pytest
import torch
from examples import examples
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix
from torch.utils.data import DataLoader, TensorDataset

import localnoise as ln
from localnoise.errors import ArgumentError

SHAPE, CHANNELS = (3, 4), 2
d = np.random.default_rng(0).normal(size=(300, CHANNELS, *SHAPE)).astype(np.float32)
h = np.random.default_rng(1).normal(size=d.shape).astype(np.float32)
RULES = ("moments", "lms", "sign-lms")


def grid(**wiring):
    return ln.UnitGrid(SHAPE, CHANNELS, **wiring)


def same(one, two):
    for name in ("a", "G", "B", "S"):
        np.testing.assert_array_equal(getattr(one.field, name), getattr(two.field, name))


@pytest.fixture
def small_chunks(monkeypatch):
    """Chunks of 64 presentations, so that 300 are several."""
    monkeypatch.setattr("localnoise.streams._MOST", 64)


@pytest.fixture
def file(tmp_path):
    with h5py.File(tmp_path / "d.h5", "w") as opened:
        opened["d"], opened["h"] = d, h
        yield opened


@pytest.mark.parametrize("rule", RULES)
def test_a_data_set_is_learned_as_the_array_is(rule, file, small_chunks):
    same(grid().learn(file["d"], rule=rule), grid().learn(d, rule=rule))
    signal = {"signal": "local"}
    same(grid(**signal).learn(file["d"], file["h"], rule=rule), grid(**signal).learn(d, h, rule=rule))


@given(st.lists(st.integers(0, 150), max_size=6), st.sampled_from(RULES), st.booleans())
@examples(30, derandomize=True)
def test_how_an_iterator_is_cut_changes_no_bit(cuts, rule, signal):
    wiring = {"signal": "local" if signal else "none"}
    edges = [0, *sorted(min(c * 2, 300) for c in cuts), 300]
    parts = [(d[a:b], h[a:b]) if signal else d[a:b] for a, b in itertools.pairwise(edges)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("localnoise.streams._MOST", 64)
        whole = grid(**wiring).learn(d, h if signal else None, rule=rule)
        same(grid(**wiring).learn(iter(parts), rule=rule), whole)


def test_a_memory_map_is_an_array(tmp_path):
    np.save(tmp_path / "d.npy", d)
    same(grid().learn(np.load(tmp_path / "d.npy", mmap_mode="r")), grid().learn(d))


def test_a_tensor_is_an_array():
    tensors = torch.from_numpy(d), torch.from_numpy(h)
    same(grid(signal="local").learn(*tensors), grid(signal="local").learn(d, h))
    np.testing.assert_array_equal(grid().perturb(tensors[1]), grid().perturb(h))


HALF = torch.from_numpy(d).bfloat16()
TENSORS = {
    "with a gradient": (torch.from_numpy(d).requires_grad_(), d),
    "in bfloat16": (HALF, HALF.float().numpy()),
    "in float16": (torch.from_numpy(d).half(), d.astype(np.float16)),
    "not contiguous": (torch.from_numpy(d.swapaxes(2, 3).copy()).transpose(2, 3), d),
    "in a list": (list(torch.from_numpy(d).requires_grad_()), d),
}


@pytest.mark.parametrize("case", TENSORS)
def test_tensors_of_every_kind_are_learned_as_their_numbers_are(case):
    tensor, numbers = TENSORS[case]
    same(grid().learn(tensor), grid().learn(numbers))
    same(grid().learn(iter([tensor])), grid().learn(numbers))
    np.testing.assert_array_equal(grid().perturb(tensor), grid().perturb(numbers))


def loader(*arrays, batch=37):
    return DataLoader(TensorDataset(*map(torch.from_numpy, arrays)), batch_size=batch)


def test_a_data_loader_is_learned_from_as_often_as_asked(small_chunks):
    """torch makes a list of each batch, of one array as well as of two."""
    same(grid().learn(loader(d)), grid().learn(d))
    same(grid().learn(DataLoader(torch.from_numpy(d), batch_size=37)), grid().learn(d))
    same(grid(signal="local").learn(loader(d, h)), grid(signal="local").learn(d, h))
    source = loader(d)
    same(grid().learn(source).learn(source), grid().learn(d).learn(d))


def test_draws_fill_a_data_set(file, small_chunks):
    noise = grid(signal="local").learn(d, h)
    out = file.create_dataset("noise", (300, CHANNELS, *SHAPE), "float32")
    assert noise.sample(200, seed=3, start=7, out=out) is out
    np.testing.assert_array_equal(out[:200], noise.sample(200, seed=3, start=7))
    assert not out[200:].any()
    for source in (file["h"], h, iter([h[:10], h[10:]])):
        out[:] = 0
        noise.perturb(source, seed=3, start=7, out=out)
        np.testing.assert_array_equal(out[:], noise.perturb(h, seed=3, start=7))


def test_progress_is_told_to_the_end(file, small_chunks):
    calls = []
    grid().learn(file["d"], progress=lambda *now: calls.append(now))
    assert calls == [(64, 300), (128, 300), (192, 300), (256, 300), (300, 300)]
    calls.clear()
    grid().learn(iter([d]), progress=lambda *now: calls.append(now))
    assert calls[-1] == (300, None)
    calls.clear()
    grid().sample(100, out=file.create_dataset("o", d.shape, "float32"), progress=lambda *now: calls.append(now))
    assert calls == [(64, 100), (100, 100)]


def test_memory_does_not_grow_with_the_stream():
    def parts(count):
        rng = np.random.default_rng(0)
        return (rng.normal(size=(500, 1, 8, 8)).astype(np.float32) for _ in range(count))

    def peak(count):
        tracemalloc.start()
        learned.learn(parts(count))
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    learned = ln.UnitGrid((8, 8)).learn(parts(1))
    few, many = peak(10), peak(60)  # 5,000 and 30,000 presentations, 8 MB in all
    assert many < 1.2 * few


def reused(*arrays, tensor=False):
    """Yield parts of 50, all in the same memory, as readers into a buffer do."""
    kept = [np.empty((50, *array.shape[1:]), array.dtype) for array in arrays]
    given = [torch.from_numpy(one) for one in kept] if tensor else kept
    for first in range(0, len(arrays[0]), 50):
        for one, array in zip(kept, arrays, strict=True):
            one[:] = array[first : first + 50]
        yield given[0] if len(given) == 1 else tuple(given)


@pytest.mark.parametrize("most", [50, 64, 2048])  # presentations of a chunk
@pytest.mark.parametrize("tensor", [False, True])
def test_a_source_may_use_its_memory_again(tensor, most, file, monkeypatch):
    monkeypatch.setattr("localnoise.streams._MOST", most)
    for rule in RULES:
        same(grid().learn(reused(d, tensor=tensor), rule=rule), grid().learn(d, rule=rule))
    signal = {"signal": "local"}
    same(grid(**signal).learn(reused(d, h, tensor=tensor)), grid(**signal).learn(d, h))
    noise = grid().learn(d)
    assert noise.score(reused(d, tensor=tensor)) == noise.score(d)
    out = file.create_dataset("noise", d.shape, "float32")
    noise = grid(**signal).learn(d, h)
    np.testing.assert_array_equal(noise.perturb(reused(h, tensor=tensor), out=out)[:], noise.perturb(h))
    with_way, expected = (ln.Repair(SHAPE, CHANNELS, radius=1) for _ in range(2))
    with_way.learn("near", reused(h + d, h, tensor=tensor))
    expected.learn("near", h + d, h)
    np.testing.assert_array_equal(with_way(h)[0], expected(h)[0])


class Variable:
    """As netCDF4 reads: a slice of stored numbers, masked where they are missing."""

    shape, ndim, dtype = d.shape, 4, d.dtype

    def __len__(self):
        return len(d)

    def __getitem__(self, rows):
        return np.ma.masked_greater(d[rows], 2)

    def __setitem__(self, rows, values):
        raise NotImplementedError


MISTAKES = {
    "pairs that no unit reads": (
        r"part 0 of d is a pair: expected displacements alone",
        lambda: grid().learn(iter([(d, h)])),
    ),
    "no pair": (
        r"part 1 of d is no pair but ndarray: expected a pair \(d, h\), as signal='local'",
        lambda: grid(signal="local").learn(iter([(d, h), d])),
    ),
    "h beside pairs": (
        r"h was given, but d is an iterator: expected it to yield pairs \(d, h\); use zip\(d, h\)",
        lambda: grid(signal="local").learn(iter([(d, h)]), h),
    ),
    "unequal pairs": (
        "part 0 has 300 displacements and 299 activations: expected as many of each",
        lambda: grid(signal="local").learn(iter([(d, h[1:])])),
    ),
    "a part of another shape": (
        r"d, part 1 has shape \(5, 2, 4, 3\): expected \(T, 2, 3, 4\)",
        lambda: grid().learn(iter([d, d[:5].swapaxes(2, 3)])),
    ),
    "labels in a loader": (
        "part 0 of d is a pair: expected displacements alone",
        lambda: grid().learn(loader(d, np.arange(300))),
    ),
    "sparse tensors": (
        r"d is sparse \(Tensor\): expected all numbers; use .to_dense\(\)",
        lambda: grid().learn(torch.from_numpy(d).to_sparse()),
    ),
    "sparse matrices": (
        r"d is sparse \(csr_matrix\): expected all numbers; use .toarray\(\)",
        lambda: grid().learn(csr_matrix(d.reshape(300, -1))),
    ),
    "tensors of no numbers": (
        "d is no regular array .*: expected shape",
        lambda: grid().learn(torch.zeros(d.shape, device="meta")),
    ),
    "masked slices of a stored array": ("d has .* masked values", lambda: grid().learn(Variable())),
    "no parts": ("d has 0 samples: expected at least 1 displacement", lambda: grid().learn(iter([]))),
    "NaN far into a stream": (
        r"d has 1 values that are NaN .* presentation 305, channel 1, unit \(0, 3\)",
        lambda: grid().learn(iter([d, np.where(np.arange(d.size).reshape(d.shape) == 5 * 24 + 15, np.nan, d)])),
    ),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_mistakes_get_one_sentence(case):
    message, call = MISTAKES[case]
    with pytest.raises(ArgumentError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_data_sets_of_another_shape_dtype_or_length_are_refused(file):
    noise = grid()
    file["flat"], file["whole"] = d.reshape(300, -1), np.zeros((300, CHANNELS, *SHAPE), np.int16)
    with pytest.raises(ArgumentError, match=r"d has shape \(300, 24\): expected \(T, 2, 3, 4\); use d.reshape"):
        noise.learn(file["flat"])
    with pytest.raises(ArgumentError, match=r"out has dtype int16: expected a floating one"):
        noise.sample(3, out=file["whole"])
    with pytest.raises(ArgumentError, match=r"out holds 300 presentations: expected room for at least 400"):
        noise.sample(400, out=file["d"])
    with pytest.raises(ArgumentError, match=r"h has 299 presentations, d has 300"):
        grid(signal="local").learn(file["d"], h[1:])
