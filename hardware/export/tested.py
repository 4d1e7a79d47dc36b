"""The self-test of a grid in C: tables of its own, which say what a sound device does, and C held against Python."""

from collections.abc import Iterator
from struct import unpack
from typing import Any

import numpy as np

from localnoise.errors import ArgumentError
from localnoise.hardware.audit.selftest import Fault, SelfTest, UnitSums
from localnoise.hardware.bank import ChipBank
from localnoise.hardware.emulator import ChipGrid
from localnoise.hardware.export.tables import Tables, packed, table

_FEW = 512  # draws that are compared
_OWN = 5  # numbers before the signed sums


def checked(chip: Any, learner: Any, draws: int, level: float) -> SelfTest:
    """Return the self-test of what is exported.

    Raises
    ------
    ArgumentError
        A bank, whose draws are each one member's; a learner, whose weights change; what `SelfTest` refuses.
    """
    if isinstance(chip, ChipBank):
        raise ArgumentError(
            f"selftest={draws!r}: the members of a bank draw in turn; expected one chip grid, or export each by itself"
        )
    if learner is not None:
        raise ArgumentError(
            f"selftest={draws!r} was given with a learner, which changes the weights that a self-test holds fast: "
            "expected one of the two"
        )
    return SelfTest(chip, draws, level)


def test_tables(test: SelfTest) -> Tables:
    """Return `localnoise_expected`: what a sound device does, and the limits of each statistic."""
    chip: ChipGrid = test.chip
    f, nobody = chip.field, chip.field.units
    weights, first = packed(chip)
    constants: dict[str, object] = {
        "TEST_DRAWS": f"{test.draws}U",
        "TEST_LIMIT": f"{test.limit} /* of a signed sum */",
        "TEST_LEVEL": f"{test.level!r} /* chance that a sound device fails, at most */",
    }
    tables = [
        table("ln_index", "x_parents", np.where(f.parents >= 0, f.parents, nobody)),
        table("uint32_t", "x_first", first),
        table("uint8_t", "x_lift", f.lift),
        table("uint8_t", "x_fraction", f.fraction),
        table("ln_weight", "x_weights", weights),
        table("uint8_t", "x_down", test.down.T),
        table("int32_t", "x_most", test.most.T),
        table("int32_t", "x_factor", test.factor.T),
        table("uint8_t", "x_shift", test.shift.T),
        table("uint64_t", "x_low", test.low.T, "U"),
        table("uint64_t", "x_high", test.high.T, "U"),
    ]
    if f.signal:
        tables += [
            table("ln_index", "x_readers", np.where(f.readers >= 0, f.readers, nobody)),
            table("ln_acc", "x_bias", f.bias),
        ]
    title = "What a sound device does, for its self-test, written by localnoise."
    return Tables(
        file="localnoise_expected",
        title=title,
        constants=constants,
        types={},
        arrays=dict(tables),
        reads=("localnoise_tables.h",),
    )


def compared(machine: Any, test: SelfTest, seed: int) -> Iterator[tuple[Any, Any]]:
    """Let a machine test a few units by draws of the emulator and by any words; what both find, (1, m, N, numbers).

    The numbers: how many statistics are off, place and value of the furthest, the square, the signed sums.
    """
    chip: ChipGrid = test.chip
    m, units, limit = chip.config.channels, chip.config.units, chip.formats.activation_limit
    rng, some = np.random.default_rng(seed), min(test.draws, _FEW)
    h = rng.integers(-limit - 1, limit + 1, (some, m, units)) if chip.field.signal else None
    drawn = chip.words(some, seed, 0, None if h is None else h.reshape(some, m, *chip.config.shape))
    top = chip.formats.word_limit
    wild = rng.integers(-top - 1, top + 1, (some, m, units))
    for words in (drawn.reshape(some, m, units), wild):
        expected, got = (np.zeros((1, m, units, _OWN + test.places), np.int64) for _ in range(2))
        for unit in sorted({0, units // 2, units - 1}):
            machine.begin_test(unit)
            machine.test(words, h)
            sums = test.sums(unit, words, h)
            off, fault = test.judged(unit, sums) if some == test.draws else (-1, None)
            expected[0, :, unit] = _numbers(off, fault, sums)
            got[0, :, unit] = _numbers(*read(test, *machine.judge(test.state_bytes)))
        yield expected, got


def read(test: SelfTest, off: int, fault: bytes, state: bytes) -> tuple[int, Fault | None, UnitSums]:
    """Return what C found: how many statistics are off, the furthest of them, and the sums."""
    m = test.chip.field.channels
    square, signed = np.frombuffer(state, "<u8", m), np.frombuffer(state, "<i4", m * test.places, 8 * m)
    sums = UnitSums(square=square.astype(np.int64), signed=signed.reshape(m, -1).astype(np.int64))
    return off, read_fault(fault)[1] if off > 0 else None, sums


def read_fault(fault: bytes) -> tuple[int, Fault]:
    """Return the unit and the statistic of `ln_fault`."""
    wide, value, what, unit, channel = unpack("<QiiII", fault)
    return unit, Fault(channel=channel, what=what, value=wide if what < 0 else value)


def _numbers(off: int, fault: Fault | None, sums: UnitSums) -> Any:
    said = [off] + ([0, 0, 0] if fault is None else [fault.channel, fault.what, fault.value])
    return np.concatenate([np.tile(said, (len(sums.square), 1)), sums.square[:, None], sums.signed], axis=1)
