"""A network's integer layers in Python's integers, a word at a time: the oracle of the emulator and of the C."""

from itertools import product


def run(program, image):
    """Words that leave the network, in the order of (C, H, W), and the largest magnitude of any accumulator."""
    C, H, W = program.shape
    values = [{(c, y, x): int(image[c, y, x]) for c, y, x in product(range(C), range(H), range(W))}]
    most = 0
    for layer in program.layers:
        read = [values[k] for k in layer.inputs]
        shapes = [program.layouts[k][0] for k in layer.inputs]
        out, reached = RULES[layer.kind](layer, shapes[0], *read)
        most = max(most, reached)
        values.append(out)
    C, H, W = program.layers[-1].shape
    return [values[-1][place] for place in product(range(C), range(H), range(W))], most


def rounded(acc, fraction):
    return (acc + (1 << fraction >> 1)) >> fraction


def finished(finish, value):
    if len(finish.table):
        top = len(finish.table) // 2
        return int(finish.table[min(max(value, -top), top - 1) + top])
    return min(max(value, finish.low), finish.high)


def places(layer):
    return product(*(range(size) for size in layer.shape))


def inside(window, y, x, H, W):
    """Taps (i, j) of a window and where they lie, those inside of the input."""
    for i, j in product(range(window.kernel[0]), range(window.kernel[1])):
        row = y * window.stride[0] - window.padding[0] + i * window.dilation[0]
        column = x * window.stride[1] - window.padding[1] + j * window.dilation[1]
        if 0 <= row < H and 0 <= column < W:
            yield i, j, row, column


def convolution(layer, shape, x):
    C, H, W = shape
    outputs, own = layer.weights.shape[:2]
    out, most = {}, 0
    for o, y, column in places(layer):
        first = o // (outputs // (C // own)) * own
        acc = int(layer.bias[o])
        for i, j, r, c in inside(layer.window, y, column, H, W):
            for k in range(own):
                acc += int(layer.weights[o, k, i, j]) * x[first + k, r, c]
        most = max(most, abs(acc + (1 << int(layer.fraction[o]) >> 1)))
        out[o, y, column] = finished(layer.finish, rounded(acc, int(layer.fraction[o])))
    return out, most


def summed(layer, shape, a, b):
    acc = {at: (a[at] << layer.lift[0]) + (b[at] << layer.lift[1]) for at in a}
    out = {at: finished(layer.finish, rounded(value, layer.fraction)) for at, value in acc.items()}
    return out, max(abs(value) for value in acc.values())


def maximum(layer, shape, x):
    _, H, W = shape
    out = {(c, y, k): max(x[c, r, q] for *_, r, q in inside(layer.window, y, k, H, W)) for c, y, k in places(layer)}
    return out, 0


def mean(layer, shape, x):
    _, H, W = shape
    out, most, top = {}, 0, 2 ** (layer.bits - 1)
    for c, y, k in places(layer):
        words = [x[c, r, q] for *_, r, q in inside(layer.window, y, k, H, W)]
        n = layer.window.kernel[0] * layer.window.kernel[1] if layer.padded else len(words)
        acc = 2 * (sum(words) << layer.lift) + n
        most = max(most, abs(acc))
        out[c, y, k] = min(max(acc // (2 * n), -top), top - 1)
    return out, most


def applied(layer, shape, x):
    return {at: finished(layer.finish, word) for at, word in x.items()}, 0


def reshaped(layer, shape, x):
    return dict(zip(places(layer), x.values(), strict=True)), 0


def mixed(layer, shape, x):
    acc = {at: word << layer.lift for at, word in x.items()}
    return {at: finished(layer.finish, rounded(word, layer.fraction)) for at, word in acc.items()}, 0


RULES = {
    "convolution": convolution,
    "sum": summed,
    "maximum": maximum,
    "mean": mean,
    "apply": applied,
    "reshape": reshaped,
    "mix": mixed,
}
