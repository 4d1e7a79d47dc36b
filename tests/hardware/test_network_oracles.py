"""ONNX Runtime and LiteRT as oracles of integer layers: equal to the bit, or apart for a reason that is computed."""

import numpy as np
import pytest
import small_networks

from localnoise.hardware.network import quantise
from localnoise.hardware.network.layers import ConvolutionWords, Finish, MaximumWords, MeanWords
from localnoise.hardware.network.windows import Window

pytestmark = pytest.mark.slow  # a compiler's worth of imports
KINDS = [small_networks.Residual, small_networks.Series, small_networks.Vector]


@pytest.fixture(scope="module")
def onnx():
    import onnx_network

    return onnx_network


@pytest.fixture(scope="module", params=KINDS, ids=lambda kind: kind.__name__)
def program(request):
    model, x = small_networks.network(request.param)
    return quantise(model, x).program


def any_words(shape, count, seed):
    """Words of 8 bits: any, the extremes among them, and inputs of nothing but extremes."""
    rng = np.random.default_rng(seed)
    x = rng.integers(-128, 128, (count, *shape))
    x[0], x[1], x[2] = -128, 127, rng.choice([-128, 127], shape)
    return x.astype(np.int16)


def between(program, count=200):
    """Yield each layer, the shape and scale of what it reads first, and those words."""
    x = any_words(program.shape, count, 1)
    values = [x, *program.values(x)]
    for layer in program.layers:
        shape, _, scale = program.layouts[layer.inputs[0]]
        yield layer, shape, scale, values[layer.inputs[0]].reshape(count, *shape)


def half_even(acc, fraction):
    """Round to the nearest, ties to even."""
    f = fraction.astype(np.int64)
    low, rest, half = acc >> f, acc - (acc >> f << f), np.where(f > 0, 1 << f >> 1, 1)
    return low + ((rest > half) | ((rest == half) & (low % 2 == 1))) * (f > 0)


def tied(acc, fraction):
    f = fraction.astype(np.int64)
    return (f > 0) & (acc - (acc >> f << f) == 1 << f >> 1)


def test_a_whole_network_is_onnx_runtimes_to_the_bit(program, onnx):
    """Sums by ConvInteger and MatMulInteger, pooling and tables by its own operators."""
    x = any_words(program.shape, 1000, 0)
    assert np.array_equal(onnx.whole(program, x), program.words(x))


def test_sums_and_pools_are_onnx_runtimes(program, onnx):
    for layer, before, _, x in between(program):
        if layer.kind == "convolution":
            found = onnx.accumulators(layer, before, x)
            assert found.dtype == np.int32
            assert np.array_equal(found, layer.accumulators(x))
        elif layer.kind == "maximum":
            assert np.array_equal(onnx.pooled(layer, before, x), layer.apply(x))
        elif layer.kind == "mean":
            mean = onnx.pooled(layer, before, x).astype(float) * 2**layer.lift
            top = 2 ** (layer.bits - 1)
            assert np.array_equal(np.clip(np.floor(mean + 0.5), -top, top - 1), layer.apply(x))


def random_layer(seed):
    """A convolution of any window and groups, without a curve, and the shape that it reads."""
    rng = np.random.default_rng(seed)
    groups = int(rng.choice([1, 1, 2, 4]))
    inputs, outputs = groups * int(rng.integers(1, 4)), groups * int(rng.integers(1, 4))
    rows, columns = rng.integers(1, 4, 2)
    height, width = rng.integers(7, 12, 2)
    if seed % 5 == 0:  # dense
        groups, rows, columns, height, width = 1, 1, 1, 1, 1
    stride, dilation = rng.integers(1, 4, 2), rng.integers(1, 3, 2)
    kernel, size = np.array([rows, columns]), np.array([height, width])
    padding = rng.integers(0, (kernel - 1) * dilation + 1)
    after = (size + 2 * padding - (kernel - 1) * dilation - 1) // stride + 1
    window = Window(**{
        name: tuple(map(int, pair))
        for name, pair in (("kernel", kernel), ("stride", stride), ("padding", padding), ("dilation", dilation))
    })  # fmt: skip
    weights = rng.integers(-127, 128, (outputs, inputs // groups, rows, columns)).astype(np.int8)
    fraction = rng.integers(0, 12, outputs).astype(np.uint8)
    bias = rng.integers(-5000, 5000, outputs).astype(np.int32) * (seed % 10 != 0)
    finish = Finish(low=int(rng.integers(-128, -20)), high=int(rng.integers(20, 128)))
    layer = ConvolutionWords(
        place="layer", inputs=(0,), shape=(outputs, *map(int, after)), bits=8, scale=5, weights=weights, bias=bias,
        fraction=fraction, window=window, finish=finish,
    )  # fmt: skip
    return layer, (inputs, int(height), int(width))


def test_layers_of_runtimes_for_phones_differ_in_ties_alone(onnx):
    """QLinearConv and QLinearMatMul round half to even, a chip half up: all else is equal, and so are its ties."""
    differing = ties = words = 0
    for seed in range(40):
        layer, before = random_layer(seed)
        x = any_words(before, 30, seed)
        found = onnx.quantised(layer, before, 7, x)
        acc, fraction = layer.accumulators(x).astype(np.int64), layer.fraction[:, None, None]
        assert np.abs(acc).max() < 2**24, "which float32 holds"
        assert np.array_equal(found, np.clip(half_even(acc, fraction), layer.finish.low, layer.finish.high))
        ours = layer.apply(x)
        apart = ours != found
        assert (tied(acc, fraction) | ~apart).all()
        assert set(np.unique(ours[apart] - found[apart])) <= {1}
        differing, ties, words = differing + apart.sum(), ties + tied(acc, fraction).sum(), words + ours.size
    assert 0 < differing < ties < words / 10


def test_a_networks_own_layers_differ_from_phones_in_ties_alone(program, onnx):
    compared = 0
    for layer, before, scale, x in between(program):
        if layer.kind != "convolution" or len(layer.finish.table):
            continue  # a table's index has more bits than QLinearConv gives
        found = onnx.quantised(layer, before, scale, x)
        acc = layer.accumulators(x).astype(np.int64)
        expected = np.clip(half_even(acc, layer.fraction[:, None, None]), -128, 127)
        assert np.array_equal(found, np.clip(expected, layer.finish.low, layer.finish.high))
        compared += 1
    assert compared >= 2


@pytest.mark.parametrize("function", ["Tanh", "Sigmoid"])
def test_tables_are_onnx_runtimes_functions_rounded_half_up(function, onnx):
    """Where float32 cannot tell on which side of a half a value lies, either word is one."""
    from localnoise.hardware.network.scales import index_of, table

    for out in (4, 7):
        bits, scale = index_of(function.lower(), out)
        index = np.arange(-(2 ** (bits - 1)), 2 ** (bits - 1))
        g = onnx.Graph()
        values = g.run({"x": np.ldexp(index.astype(np.float32), -scale)}, g.add(function, "x")).astype(float) * 2**out
        words = table(function.lower(), bits, scale, 8, out).table
        near = np.abs(values + 0.5 - np.rint(values + 0.5)) < 2.0 ** (out - 21)
        expected = np.clip(np.floor(values + 0.5), -128, 127)
        assert (near | (words == expected)).all()
        assert (np.abs(words - expected) <= near).all()
        assert near.sum() < len(index) / 20


@pytest.fixture(scope="module")
def lite():
    import lite_network

    return lite_network


def twice(acc, fraction):
    """Round as gemmlowp's fixed-point multiplication by 2^-f does: half of it half up, the rest half away from zero."""
    f = fraction.astype(np.int64)
    half = np.where(f > 0, (acc + 1) >> 1, acc)
    rest = np.maximum(f - 1, 0)
    remainder, threshold = half - (half >> rest << rest), ((1 << rest) - 1 >> 1) + (half < 0)
    return (half >> rest) + (remainder > threshold)


def unpadded(seed):
    """A convolution of one group or depthwise, without padding or clamp, and the shape that it reads."""
    rng = np.random.default_rng(seed)
    inputs, height, width = (int(size) for size in (rng.integers(1, 6), *rng.integers(7, 12, 2)))
    rows, columns = (3, 2) if seed % 2 else (1, 1)
    depth = seed % 3 == 0 and inputs > 1
    outputs = inputs if depth else int(rng.integers(1, 5))
    stride, dilation = (1, 1) if seed % 4 else (2, 2), (1, 1) if seed % 4 == 0 or rows == 1 else (2, 2)
    span = [(size - 1) * gap + 1 for size, gap in zip((rows, columns), dilation, strict=True)]
    after = [(size - one) // step + 1 for size, one, step in zip((height, width), span, stride, strict=True)]
    window = Window(kernel=(rows, columns), stride=stride, dilation=dilation)
    weights = rng.integers(-127, 128, (outputs, 1 if depth else inputs, rows, columns)).astype(np.int8)
    return ConvolutionWords(
        place="layer", inputs=(0,), shape=(outputs, *after), bits=8, scale=5, weights=weights,
        bias=rng.integers(-5000, 5000, outputs).astype(np.int32), window=window,
        fraction=rng.integers(1, 12, outputs).astype(np.uint8), finish=Finish(low=-128, high=127),
    ), (inputs, height, width)  # fmt: skip


@pytest.mark.parametrize(("resolver", "rule"), [("reference", twice), ("xnnpack", half_even)])
def test_convolutions_of_lite_differ_by_how_they_round(lite, resolver, rule):
    """The reference kernels, which microcontrollers' runtimes share, round twice; XNNPACK half to even."""
    differing = words = 0
    for seed in range(24):
        layer, before = unpadded(seed)
        x = any_words(before, 40, seed)
        found = lite.convolved(layer, x.astype(np.int8).transpose(0, 2, 3, 1).copy(), 7, resolver)
        acc, fraction = layer.accumulators(x).astype(np.int64), layer.fraction[:, None, None]
        assert np.array_equal(found.transpose(0, 3, 1, 2), np.clip(rule(acc, fraction), -128, 127))
        apart = np.clip(rule(acc, fraction), -128, 127) != layer.apply(x)
        near = np.abs(2 * (acc - (acc >> fraction << fraction)) - (1 << fraction.astype(np.int64))) <= 2
        assert (near | ~apart).all(), "within a unit of the accumulator from a half"
        differing, words = differing + apart.sum(), words + acc.size
    assert 0 < differing < words / 10


@pytest.mark.parametrize("resolver", ["reference", "xnnpack"])
def test_pools_of_lite_differ_in_ties_alone(lite, resolver):
    x = any_words((3, 12, 12), 60, 3)
    lying = x.astype(np.int8).transpose(0, 2, 3, 1).copy()
    for kernel, stride in (((2, 2), (2, 2)), ((3, 3), (3, 3)), ((3, 2), (1, 2))):
        after = [(12 - size) // step + 1 for size, step in zip(kernel, stride, strict=True)]
        own = {"place": "pool", "inputs": (0,), "shape": (3, *after), "bits": 8, "scale": 0}
        window = Window(kernel=kernel, stride=stride)
        most = lite.pooled(kernel, stride, lying, False, resolver).transpose(0, 3, 1, 2)
        assert np.array_equal(most, MaximumWords(**own, window=window).apply(x))
        mean = lite.pooled(kernel, stride, lying, True, resolver).transpose(0, 3, 1, 2)
        n, total = kernel[0] * kernel[1], window.over(x, own["shape"]).sum(axis=(4, 5), dtype=np.int64)
        away = np.sign(total) * ((2 * np.abs(total) + n) // (2 * n))
        ours = MeanWords(**own, window=window, padded=False, lift=0).apply(x)
        assert np.array_equal(mean, away)
        assert ((2 * total % (2 * n) == n) | (ours == mean)).all()
