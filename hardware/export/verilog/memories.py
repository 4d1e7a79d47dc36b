"""Contents of an engine's memories, in the order in which it reads them, as lines for `$readmemh`."""

from collections.abc import Sequence

import numpy as np

from localnoise.hardware.emulator import ChipGrid
from localnoise.hardware.export.tables import packed
from localnoise.hardware.export.verilog.plan import NOBODY, Ints
from localnoise.hardware.generators import GENERATORS, states


def sizes_of(members: Sequence[ChipGrid], units: Ints, loaded: bool) -> dict[str, int]:
    """Depths of the memories of one engine, and bits of its indices and fields; of one grid, or of a bank's members."""
    chip, sets = members[0], len(members)
    f, m = chip.field, chip.field.channels
    own = units[units >= 0]
    links = (f.parents >= 0).sum(1) + (f.readers >= 0).sum(1)
    channel, count = _bits(m - 1), max(2, _bits(int(links.max())))
    sizes = {
        "CHANNEL_BITS": channel,
        "COUNT_BITS": count,
        "LIFT_BITS": _bits(max(int(one.field.lift.max()) for one in members)),
        "FRACTION_BITS": _bits(max(int(one.field.fraction.max()) for one in members)),
    }
    slots = 16 >> (chip.formats.weight_bits - 1).bit_length() if loaded else 1  # weights in a word of the store
    memories = {
        "NEURONS": ("INDEX_BITS", f.units * m, channel + 1),
        "RECORDS": ("RECORD_BITS", len(units), 1),
        "UNITS": ("UNIT_BITS", sets * len(units), 1),
        "LINKS": ("LINK_BITS", int(links[own].sum()), count + 1),
        "WEIGHTS": ("WEIGHT_INDEX", sets * int(f.weights[own].sum()), slots.bit_length()),
        "BIASES": ("BIAS_BITS", sets * len(own) * m, 1),
    }
    for name, (index, depth, least) in memories.items():  # an index must be of the width that its memory needs
        sizes[index] = max(_bits(depth - 1), least)
        sizes[name] = max(2, depth, (1 << (sizes[index] - 1)) + 1 if sizes[index] > 1 else 0)
    if loaded:
        sizes["SLOT_LOG"] = (chip.formats.weight_bits - 1).bit_length()
        sizes["WEIGHTS"] = -(-sizes["WEIGHTS"] // _slots(sizes))
    return sizes


def _slots(sizes: dict[str, int]) -> int:
    """Weights in a 16-bit word."""
    return 16 >> sizes["SLOT_LOG"]


def _bits(largest: int) -> int:
    return max(1, int(largest).bit_length())


def starts_of(chip: ChipGrid, units: Ints, index: int) -> tuple[int, int, int]:
    """Return where the records, weights and biases of a bank's member number `index` begin in one engine's memories."""
    own = units[units >= 0]
    weights = int(chip.field.weights[own].sum())
    return index * len(units), index * weights, index * len(own) * chip.field.channels if chip.field.signal else 0


def tables_of(
    members: Sequence[ChipGrid], units: Ints, stops: Ints, seed: int, sizes: dict[str, int]
) -> dict[str, tuple[list[int], int]]:
    """Values and width of each table of one engine: of a bank records, weights and biases a member, all else once."""
    each = [_tables(chip, units, stops, seed, sizes) for chip in members]
    tables = dict(each[0])
    for name in ("units", "weights", *(["bias"] if "bias" in tables else [])):
        tables[name] = ([value for one in each for value in one[name][0]], tables[name][1])
    tables["weights"] = _stored(*tables["weights"], sizes)
    depths = {"units": "UNITS", "links": "LINKS", "weights": "WEIGHTS", "seed": "RECORDS", "bias": "BIASES"}
    return {name: (values + [0] * (sizes[depths[name]] - len(values)), bits) for name, (values, bits) in tables.items()}


def _tables(
    chip: ChipGrid, units: Ints, stops: Ints, seed: int, sizes: dict[str, int]
) -> dict[str, tuple[list[int], int]]:
    f, formats, m = chip.field, chip.formats, chip.field.channels
    weights, first = packed(chip)
    generator = GENERATORS[formats.generator]
    seeds = states(generator, f.units, seed)
    records, links, own = [], [], []
    for u, stop in zip(units.tolist(), stops.tolist(), strict=True):
        if u == NOBODY:
            records.append(_joined([(stop, 1), (1, 1), *[(0, bits) for bits in _record_bits(sizes)]]))
            continue
        readers, parents = (part[u][part[u] >= 0] for part in (f.readers, f.parents))
        values = (len(parents), len(readers), int(f.fraction[u]), *f.lift[u, ::-1].tolist(), u * m)
        records.append(_joined([(stop, 1), (0, 1), *zip(values, _record_bits(sizes), strict=True)]))
        links += (np.concatenate([readers, parents]) * m).tolist()
        own.append(u)
    walked = [weights[first[u] : first[u] + f.weights[u]] for u in own]
    tables = {
        "units": (records, 2 + sum(_record_bits(sizes))),
        "links": (links, sizes["INDEX_BITS"]),
        "weights": (np.concatenate(walked).tolist(), formats.weight_bits),
        "seed": ([0 if u == NOBODY else int(seeds[u]) for u in units], generator.width),
    }
    if f.signal:
        tables["bias"] = (f.bias[own].reshape(-1).tolist(), formats.accumulator_bits)
    return tables


def _stored(weights: list[int], bits: int, sizes: dict[str, int]) -> tuple[list[int], int]:
    """Weights one a word, or several in words of 16 bits, the first lowest."""
    if "SLOT_LOG" not in sizes:
        return weights, bits
    slots, width = _slots(sizes), 1 << sizes["SLOT_LOG"]
    weights = weights + [0] * (-len(weights) % slots)
    masked = [weight & ((1 << bits) - 1) for weight in weights]
    words = [sum(w << (width * k) for k, w in enumerate(masked[i : i + slots])) for i in range(0, len(masked), slots)]
    return words, 16


def _record_bits(sizes: dict[str, int]) -> tuple[int, ...]:
    count, lift = sizes["COUNT_BITS"], sizes["LIFT_BITS"]
    return (count, count, sizes["FRACTION_BITS"], lift, lift, lift, sizes["INDEX_BITS"])


def _joined(fields: Sequence[tuple[int, int]]) -> int:
    value = 0
    for part, bits in fields:
        value = value << bits | part
    return value


def hexadecimal(values: Sequence[int], bits: int) -> str:
    """Words of `bits` bits, two's complement, one a line, as `$readmemh` reads them."""
    digits = -(-bits // 4)
    return "".join(f"{value & ((1 << bits) - 1):0{digits}x}\n" for value in values)
