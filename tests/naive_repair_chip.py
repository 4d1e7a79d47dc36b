"""A chip's repair in Python's integers, a word at a time: the oracle of the integer kernels and of the exported C.

Run, it writes the golden vectors in `hardware/golden/repair.json`: integers of a small repair, activation words, and
what must come of them.
"""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np

import localnoise as ln
from localnoise.hardware import ChipRepair, Formats, quantise
from localnoise.hardware.repair_words import RepairWords

GOLDEN = Path(__file__).parent / "hardware" / "golden" / "repair.json"


def activations(count, seed, shape=(4, 5), channels=2):
    rng = np.random.default_rng(seed)
    return np.tanh(rng.normal(size=(count, channels, *shape)).cumsum(axis=3) / 2).astype(np.float32)


def blurred(h):
    return (h + np.roll(h, 1, 3) + np.roll(h, 1, 2)) / 3


def dimmed(h):
    return 0.3 * h


def learned(shape=(4, 5), channels=2, count=1200, radius=1, **options):
    h = activations(count, 0, shape, channels)
    repair = ln.Repair(shape, channels, radius=radius, **options)
    repair.learn("blur", blurred(h), h)
    shift = np.arange(count) % 2
    return repair.learn("dim", np.where(shift[:, None, None, None] == 0, 0.3, 0.5) * h, h, causes=shift)


def looking_twice(repair):
    """The repair, asked what repairs are worth, that decides anew between clean and "dim"."""
    h = activations(300, 1)
    kinds = [(h, 0.0), (blurred(h), 0.8), (dimmed(h), 0.9), (0.5 * h, 0.6), (0.8 * h, -0.4)]
    density = np.concatenate([repair.log_densities(one) for one, _ in kinds])
    likeliest = np.concatenate([repair.posterior(one).argmax(axis=1) for one, _ in kinds])
    gain = np.repeat([worth for _, worth in kinds], len(h)) * np.random.default_rng(0).uniform(0, 2, len(density))
    return repair.expect_worth(density, likeliest, gain).decide_among("dim")


def round_half_up(acc, bits):
    quotient, rest = divmod(acc, 2**bits)
    return quotient + (2 * rest >= 2**bits) if bits > 0 else acc


def clip(value, bits):
    return max(-(2 ** (bits - 1)), min(2 ** (bits - 1) - 1, value))


def squares_of(chip, h, j):
    """Q of member j for activation words h (m, N)."""
    f, form, m = chip.field, chip.formats, chip.field.channels
    lift, total = 15 - form.activation_bits, 0
    d = [[(int(h[c, u]) << lift) - int(f.centre[j, u, c]) for c in range(m)] for u in range(f.units)]
    for u in range(f.units):
        for i in range(m):
            row, bits, acc = [int(w) for w in f.law[j, u, i]], int(f.law_bits[j, u, i]), 0
            for k, p in enumerate(f.parents[u]):
                acc += sum(row[k * m + c] * d[p][c] for c in range(m)) if p >= 0 else 0
            acc += sum(row[len(f.parents[u]) * m + c] * d[u][c] for c in range(i + 1))
            acc *= 2 ** max(-bits, 0)
            assert abs(acc) + 2 ** max(bits - 1, 0) < 2 ** (form.accumulator_bits - 1)
            total += clip(round_half_up(acc, max(bits, 0)), form.word_bits) ** 2
    assert total * f.multiplier < 2**63
    return total


def typical(chip, winner, Q):
    return winner if int(chip.field.low[winner]) <= Q[winner] <= int(chip.field.high[winner]) else 0


def worthwhile(chip, winner, Q):
    f, names = chip.field, chip.sources
    if not len(f.worth):
        return winner
    t = names.index(chip.member_sources[winner])
    worth = int(f.worth_bias[t])
    for s, name in enumerate(names):
        D = max(int(f.log[j]) - Q[j] for j in range(f.members) if chip.member_sources[j] == name)
        worth += int(f.worth[t, s]) * D
    assert abs(worth) < 2**63
    return winner if worth > 0 else -1


def decided(chip, h):
    f = chip.field
    Q = [squares_of(chip, h, j) for j in range(f.members)]
    scores = [int(f.bias[j]) - Q[j] * f.multiplier // 2**f.shift for j in range(f.members)]
    return worthwhile(chip, typical(chip, scores.index(max(scores)), Q), Q)


def told(chip, h, source):
    """The member that repairs where an earlier layer's word is `source`, an index or -1."""
    f, names = chip.field, chip.sources
    if source < 0:
        return -1
    Q = [squares_of(chip, h, j) for j in range(f.members)]
    if len(f.among) and f.among[source]:
        those = [j for j in range(f.members) if f.among[names.index(chip.member_sources[j])]]
        scores = [int(f.among_bias[j]) - Q[j] * f.among_multiplier // 2**f.among_shift for j in those]
        return worthwhile(chip, typical(chip, those[scores.index(max(scores))], Q), Q)
    own = [j for j in range(f.members) if chip.member_sources[j] == names[source]]
    scores = [int(f.bias[j]) - Q[j] * f.multiplier // 2**f.shift for j in own]
    return own[scores.index(max(scores))]


def undone(chip, h, member):
    """Words (m, N) of activation words h (m, N)."""
    f, form, m = chip.field, chip.formats, chip.field.channels
    out = np.array(h, np.int64)
    back = int(f.backs[member]) if member >= 0 else -1
    lift = 15 - form.activation_bits

    def read(p, c):
        if p < f.units:
            return int(h[c, p])
        return abs(int(h[c, p - f.units]) - round_half_up(int(f.centre[member, p - f.units, c]), lift))

    for u in range(f.units if back >= 0 else 0):
        for i in range(m):
            row, bits = f.way[back, f.kinds[u], i], int(f.way_bits[back, f.kinds[u], i])
            acc = 0
            for r, p in enumerate(f.readers[u]):
                acc += sum(int(row[r * m + c]) * read(p, c) for c in range(m)) if p >= 0 else 0
            acc = acc * 2 ** max(-bits, 0) + int(f.way_bias[back, u, i])
            assert abs(acc) + 2 ** max(bits - 1, 0) < 2 ** (form.accumulator_bits - 1)
            out[i, u] = clip(int(h[i, u]) + round_half_up(acc, max(bits, 0)), form.activation_bits)
    return out


def repaired(chip, h):
    """Words (T, m, N) and members of activation words h (T, m, N)."""
    members = [decided(chip, one) for one in h]
    return np.stack([undone(chip, one, member) for one, member in zip(h, members, strict=True)]), members


def read_golden():
    """The chip's repair of the golden file, and what it says: words, and what comes of them."""
    said = json.loads(GOLDEN.read_text(encoding="ascii"))
    arrays = {name: np.array(values, kind) for name, (kind, values) in said["arrays"].items()}
    config = ln.Repair(tuple(said["shape"]), said["channels"], parents=said["parents"]).config
    words = RepairWords(**arrays, **said["numbers"])
    return ChipRepair(config, Formats(**said["formats"]), words, said["sources"]), said


def main():
    chip = quantise(learned((2, 3), 2, parents=2), Formats(weight_bits=7))
    f = chip.field
    h = np.concatenate([part(activations(12, 5, (2, 3))) for part in (lambda h: h, blurred, dimmed)])
    words = chip.activation_words(h).reshape(len(h), 2, 6)
    fixed, members = repaired(chip, words)
    said = {
        "shape": [2, 3], "channels": 2, "parents": 2, "formats": asdict(chip.formats), "sources": chip.member_sources,
        "numbers": {name: getattr(f, name) for name in ("multiplier", "shift", "activation_scale")},
        "arrays": {name: [str(array.dtype), array.tolist()] for name, array in f.arrays.items()},
        "activations": words.tolist(), "repaired": fixed.tolist(), "members": members,
    }  # fmt: skip
    text = ",\n".join(f'"{key}": {json.dumps(value, separators=(",", ":"))}' for key, value in said.items())
    GOLDEN.write_text("{\n" + text + "\n}\n", encoding="ascii")


if __name__ == "__main__":
    main()
