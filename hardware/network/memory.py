"""Where each value lies in a network's working memory: planned once, so that values share places when they can."""

from localnoise.hardware.network.program import Program

INPUT, OUTPUT = -1, -2  # lie elsewhere: in the caller's arrays


def planned(program: Program) -> tuple[list[int], int]:
    """Return where each value begins, in words, and how many words there are in all.

    The largest value is placed first, each at the lowest place that no value has which is still read, or written, at
    the same time. The input and the network's output are the caller's.
    """
    count = len(program.layers)
    last = {value: k for k, layer in enumerate(program.layers) for value in layer.inputs}
    if program.mix is not None:  # what the noise is added to is read again by each draw
        last[program.layers[program.mix].inputs[0]] = count - 1
    sizes = [C * H * W for (C, H, W), _, _ in program.layouts]
    alive = {value: (value - 1, last.get(value, value - 1)) for value in range(1, count)}
    at = [INPUT] + [0] * (count - 1) + [OUTPUT]
    placed: list[int] = []
    for value in sorted(alive, key=lambda one: (-sizes[one], one)):
        first, end = alive[value]
        taken = sorted(
            (at[other], at[other] + sizes[other])
            for other in placed
            if alive[other][0] <= end and first <= alive[other][1]
        )
        start = 0
        for begin, stop in taken:
            if start + sizes[value] <= begin:
                break
            start = max(start, stop)
        at[value] = start
        placed.append(value)
    return at, max((at[value] + sizes[value] for value in placed), default=1)
