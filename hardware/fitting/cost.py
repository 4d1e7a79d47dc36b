"""Operations of a draw and of a learning step, counted; of the dense form too, to compare.

A draw, per unit with w weights, l links and m channels (the arithmetic is `hardware.fixedpoint`'s):

    multiplies    w                               every weight once
    adds          w + m                           products onto the bias; rounding
    shifts        m (groups + 1)                  the lift of each partial sum (private, near, read); rounding
    reads         weights, biases, shifts, topology and generator once; l m words
    writes        m words, the generator's state
    random bytes  k m, and 4 m with stochastic rounding; the additions that make words of them go with them
    messages      words that cross cores, once to each other core (`Placement.multicast`)

Of a grid with `share` or `rank` a unit multiplies by weights that are shared as well: w counts all of its products
(`Wiring.products`), each of which reads a weight. It shifts and rounds q mixed, r or 2 r carried and m private numbers
more, and reads the words that its links carry.

A learning step (`hardware.learning`), v = w - m weights but the noise's, z the l m words that the unit reads:

    multiplies    2 v + m; "lms" v + l m more     predictions by masters and by means, powers; e z, and |z|^2
    adds          5 v + 4 m; "lms" l m more       predictions, steps, two for a running mean; rounding, powers
    shifts        2 v + 4 m; "lms" v more         running means, rounding, powers; the step
    reads, writes the learner's state; weights are not read; l m + m words read
    random bytes  4 m                             steps are rounded stochastically
    messages      as of a draw: displacements cross as words do

With signal dependence a channel's bias is learned, too: one more of v, read as a weight whose input is 1.

A step of "three-factor" (`hardware.rewarding`), v = l m^2 weights of links, m (m - 1) / 2 of own channels:

    multiplies    2 v + m (m - 1) / 2 + m + l m   predictions; r e, r e z, and |z|^2
    adds          3 v + m (m - 1) / 2 + 2 m + l m predictions, rounded steps; rounding, innovations, |z|^2
    shifts        v + m groups                    steps; the lift of each partial sum (near, read), rounding
    reads         weights, biases, shifts, topology, masters and the generator; l m + m words
    writes        masters and the generator; weights change when learning settles, which is not counted
    random bytes  4 m
    messages      as of a draw, beside the reward's word, which all units hear

The dense form draws eta = L xi: n (n + 1) / 2 weights, each read, multiplied and added once, n Gaussian words.
"""

from dataclasses import dataclass
from typing import final

from localnoise.errors import choose
from localnoise.hardware.fitting.memory import LEARNERS, dense_bits, map_of
from localnoise.hardware.fitting.placement import Placement
from localnoise.hardware.fitting.wiring import Wiring
from localnoise.hardware.formats import Formats
from localnoise.hardware.generators import GENERATORS
from localnoise.hardware.rewarding import THREE_FACTOR


@final
@dataclass(frozen=True, kw_only=True)
class Operations:
    """Counts, of the whole grid.

    Attributes
    ----------
    multiplies, adds, shifts : int
    read_bits, write_bits : int
    random_bytes, random_words : int
        Bytes used, and Gaussian or rounding words made of them.
    generator_steps : int
    messages, hops : int or None
        None where the placement is unknown.
    neurons : int
        Neurons updated.
    """

    multiplies: int
    adds: int
    shifts: int
    read_bits: int
    write_bits: int
    random_bytes: int
    random_words: int
    generator_steps: int
    messages: int | None
    hops: int | None
    neurons: int


def draw_operations(wiring: Wiring, formats: Formats, placement: Placement | None) -> Operations:
    """Count one draw of the field. Cost O(N K)."""
    m, memory = wiring.channels, map_of(wiring.with_members(0), formats)  # of a bank one member draws
    weights, neurons = int(wiring.products.sum()), wiring.neurons
    parents, readers = int((wiring.parents >= 0).sum()), int((wiring.readers >= 0).sum())
    words = parents * m * formats.word_bits + readers * m * formats.activation_bits
    groups = 3 if wiring.signal else 2
    fixed = memory.weights + memory.biases + memory.shifts + memory.topology + memory.generator
    rounded = 0
    if wiring.narrow is not None:
        q, r = wiring.carried, wiring.narrow.rank
        rounded = wiring.units * ((q if r else 0) + r * (1 + wiring.signal) + m)
        words = parents * q * formats.word_bits + readers * q * (formats.word_bits if r else formats.activation_bits)
        fixed += weights * formats.weight_bits - memory.weights
    return Operations(
        multiplies=weights,
        adds=weights + neurons + rounded,
        shifts=neurons * (groups + 1) + rounded,
        read_bits=fixed + words,
        write_bits=neurons * formats.word_bits + memory.generator,
        **_random(neurons, formats),
        messages=None if placement is None else placement.multicast,
        hops=None if placement is None else placement.hops,
        neurons=neurons,
    )


def learning_operations(
    wiring: Wiring, formats: Formats, placement: Placement | None, learner: str = "sign-lms"
) -> Operations:
    """Count one learning step, from one displacement, or from one draw's reward; `learner`: its rule. Cost O(N K)."""
    choose("learner", learner, LEARNERS[1:])
    m, memory, neurons = wiring.channels, map_of(wiring, formats, learner=learner), wiring.neurons
    parents, readers = int((wiring.parents >= 0).sum()), int((wiring.readers >= 0).sum())
    words = (parents * m + neurons) * formats.word_bits + readers * m * formats.activation_bits
    state, regressors = memory.learner + memory.generator, (parents + readers) * m
    if learner == THREE_FACTOR:
        counts = _of_reward(wiring, regressors)
        read = state + memory.weights + memory.biases
    else:
        counts = _of_displacement(wiring, learner, regressors)
        read = state = state + memory.biases
    return Operations(
        **counts,
        read_bits=read + words + memory.shifts + memory.topology,
        write_bits=state,
        random_bytes=4 * neurons,
        random_words=neurons,
        generator_steps=neurons * GENERATORS[formats.generator].steps(4),
        messages=None if placement is None else placement.multicast,
        hops=None if placement is None else placement.hops,
        neurons=neurons,
    )


def _of_displacement(wiring: Wiring, learner: str, regressors: int) -> dict[str, int]:
    """Arithmetic of a step of "lms", whose regressors are squared, or of "sign-lms"."""
    neurons = wiring.neurons
    learned = int(wiring.weights.sum()) - (0 if wiring.signal else neurons)
    squares, step = (regressors, learned) if learner == "lms" else (0, 0)
    return {
        "multiplies": 2 * learned + neurons + squares + step,
        "adds": 5 * learned + 4 * neurons + squares,
        "shifts": 2 * learned + 4 * neurons + step,
    }


def _of_reward(wiring: Wiring, squares: int) -> dict[str, int]:
    """Arithmetic of a step of "three-factor"."""
    m, neurons = wiring.channels, wiring.neurons
    inner = neurons * (m - 1) // 2
    links = int(wiring.weights.sum()) - neurons - inner
    return {
        "multiplies": 2 * links + inner + neurons + squares,
        "adds": 3 * links + inner + 2 * neurons + squares,
        "shifts": links + neurons * (3 if wiring.signal else 2),
    }


def dense_operations(neurons: int, formats: Formats) -> Operations:
    """Count one draw of the dense form in one memory: nothing is sent."""
    weights, state = neurons * (neurons + 1) // 2, GENERATORS[formats.generator].width
    return Operations(
        multiplies=weights,
        adds=weights + neurons,
        shifts=neurons,
        read_bits=dense_bits(neurons, formats.weight_bits) + state,
        write_bits=neurons * formats.word_bits + state,
        **_random(neurons, formats),
        messages=0,
        hops=0,
        neurons=neurons,
    )


def _random(neurons: int, formats: Formats) -> dict[str, int]:
    """Random numbers of one draw: Gaussian words, and rounding words with stochastic rounding."""
    generator, stochastic = GENERATORS[formats.generator], formats.rounding == "stochastic"
    steps = generator.steps(formats.normal_bytes) + (generator.steps(4) if stochastic else 0)
    return {
        "random_bytes": neurons * formats.random_bytes,
        "random_words": neurons * (2 if stochastic else 1),
        "generator_steps": neurons * steps,
    }
