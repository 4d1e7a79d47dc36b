"""A chip's repair as C99: its tables, and what runs them on this computer and on an emulated Cortex-M4."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from localnoise.errors import LocalnoiseError
from localnoise.files import write_text
from localnoise.hardware.export.confined import Confined
from localnoise.hardware.export.cortex import FLAGS as CORTEX_FLAGS
from localnoise.hardware.export.cortex import RAM, CortexM
from localnoise.hardware.export.host import FLAGS, Host, compiled, compiler
from localnoise.hardware.export.layout import Words, channel_major, unit_major
from localnoise.hardware.export.naming import USUAL, as_identifier, in_c, prefix
from localnoise.hardware.export.tables import Tables, table, type_of
from localnoise.hardware.repair import ChipRepair
from localnoise.hardware.repair_words import lift_of

_HERE = Path(__file__).parent
_SOURCES = ("localnoise_repair.h", "localnoise_repair.c")
_AT_ONCE = 64  # activations compared together
Ints = npt.NDArray[np.integer[Any]]
Pairs = Iterator[tuple[Any, Any]]


def write_repair(chip: ChipRepair, folder: Path, name: str) -> None:
    """Write sources and tables into `folder` under `name`."""
    as_identifier(name, "C")
    texts = {file: (_HERE / "c99" / file).read_text(encoding="ascii") for file in _SOURCES}
    for file, text in (texts | repair_tables(chip).texts).items():
        write_text(folder / file.replace(USUAL, name), in_c(text, name))


def repair_tables(chip: ChipRepair) -> Tables:
    """Return `localnoise_tables` of a repair: weights packed row by row in the order in which they are read."""
    f, formats = chip.field, chip.formats
    nobody = f.units
    law, (way, first) = _laws(chip), _ways(chip)
    constants: dict[str, object] = {
        "UNITS": f.units,
        "CHANNELS": f.channels,
        "PARENTS": f.parents.shape[1],
        "READERS": f.readers.shape[1],
        "KINDS": f.way.shape[1],
        "WAYS": len(f.way),
        "MEMBERS": f.members,
        "SOURCES": len(chip.sources),
        "WORD_BITS": formats.word_bits,
        "ACTIVATION_BITS": f"{formats.activation_bits} /* of an activation word h */",
        "ACTIVATION_SCALE": f"({f.activation_scale}) /* fraction bits of h: its value is h 2^-scale */",
        "LIFT": lift_of(formats),
        "MULTIPLIER": f"{f.multiplier}U",
        "SHIFT": f.shift,
        "NO_UNIT": nobody,
        "LAW_WEIGHTS": f"{f.law_weights}U",
        "WAY_WEIGHTS": f"{f.way_weights}U",
        "WORTHS": int(len(f.worth) > 0),
        "AMONG": int(len(f.among) > 0),
        "AMONG_MULTIPLIER": f"{f.among_multiplier}U",
        "AMONG_SHIFT": f.among_shift,
    }
    types = {
        "weight": type_of(formats.weight_bits),
        "acc": "int32_t" if formats.accumulator_bits <= 32 else "int64_t",
        "index": "uint16_t" if nobody < 2**16 else "uint32_t",
    }
    tables = [
        table("ln_index", "parents", np.where(f.parents >= 0, f.parents, nobody)),
        table("ln_index", "readers", np.where(f.readers >= 0, f.readers, nobody)),
        table("ln_index", "kind", f.kinds),
        table("uint32_t", "first", first),
        table("int16_t", "centre", f.centre),
        table("ln_weight", "law", law),
        table("int8_t", "law_bits", f.law_bits),
        table("int16_t", "back", f.backs),
        table("ln_weight", "way", _some(way)),
        table("int8_t", "way_bits", _some(f.way_bits)),
        table("ln_acc", "way_bias", _some(f.way_bias)),
        table("int64_t", "score", f.bias),
        table("uint64_t", "low", f.low, "U"),
        table("uint64_t", "high", f.high, "U"),
        table("uint8_t", "source", chip.source_of),
    ]
    if len(f.worth):
        tables += [
            table("int64_t", "log", f.log),
            table("int32_t", "worth", f.worth),
            table("int64_t", "worth_bias", f.worth_bias),
        ]
    if len(f.among):
        tables += [table("uint8_t", "among", f.among), table("int64_t", "among_score", f.among_bias)]
    title = f"Tables of a repair of {len(chip.sources) - 1} sources, written by localnoise."
    return Tables(file="localnoise_tables", title=title, constants=constants, types=types, arrays=dict(tables))


def _some(values: Ints) -> Ints:
    """Return the values of a table, or a zero: C has no empty arrays."""
    return values if values.size else np.zeros(1, np.int64)


def _laws(chip: ChipRepair) -> Ints:
    """Weights of all laws: member by member, unit by unit, row by row, existing parents, then own channels."""
    f, m = chip.field, chip.field.channels
    there = np.repeat(f.parents >= 0, m, axis=1)[:, None, :].repeat(m, axis=1)
    own = np.broadcast_to(np.tri(m, dtype=bool), (f.units, m, m))
    return np.asarray(f.law[:, np.concatenate([there, own], axis=2)])


def _ways(chip: ChipRepair) -> tuple[Ints, Ints]:
    """Weights of all ways back, likewise; and where each set begins."""
    f, m = chip.field, chip.field.channels
    reads = np.zeros((f.way.shape[1], f.readers.shape[1]), bool)
    reads[f.kinds] = f.readers >= 0
    there = np.repeat(reads, m, axis=1)[:, None, :].repeat(m, axis=1)
    first = np.concatenate([[0], np.cumsum(reads.sum(axis=1) * m * m)[:-1]])
    return np.asarray(f.way[:, there]), np.asarray(first)


class RepairHost:
    """The artefact in `folder`, compiled into `build` and run with limits (`confined`)."""

    require = staticmethod(Host.require)

    def __init__(self, folder: Path, build: Path, chip: ChipRepair, name: str = USUAL) -> None:
        self.neurons, self.m = chip.config.neurons, chip.config.channels
        program, driver = build / "localnoise", build / "drive.c"
        driver.write_text(in_c((_HERE / "drive_repair.c").read_text(encoding="ascii"), name), encoding="ascii")
        sources = [*sorted(map(str, folder.glob("*.c"))), str(driver)]
        done = compiled([*compiler(), *FLAGS, "-I", str(folder), *sources, "-o", str(program)])
        if done.returncode:
            raise LocalnoiseError(f"{folder} does not compile: {done.stderr.strip()[:2000]}")
        self._running = Confined(program, build)

    def close(self) -> None:
        """End the program."""
        self._running.close()

    def cost(self) -> str:
        """Return nothing to tell: a computer is not what the artefact is for."""
        return ""

    def repair(self, h: Ints) -> tuple[Ints, Words]:
        """Members (T,) and repaired words (T, m, N) of activation words h (T, m, N)."""
        return self._told(b"r", np.zeros(len(h), int), h)

    def _told(self, command: bytes, source: Ints, h: Ints) -> tuple[Ints, Words]:
        members, answers = [], []
        for one, words in zip(source, unit_major(h), strict=True):
            self._running.send(command, np.int16(one).tobytes(), words.tobytes())
            members.append(int(np.frombuffer(self._running.receive(2), np.int16)[0]))
            answers.append(np.frombuffer(self._running.receive(2 * self.neurons), np.int16))
        return np.array(members), channel_major(np.stack(answers), self.m)

    def undo(self, member: Ints, h: Ints) -> Words:
        """Words (T, m, N) from which these members are undone."""
        answers = []
        for one, words in zip(member, unit_major(h), strict=True):
            self._running.send(b"u", np.int16(one).tobytes(), words.tobytes())
            answers.append(np.frombuffer(self._running.receive(2 * self.neurons), np.int16))
        return channel_major(np.stack(answers), self.m)

    def repair_as(self, source: Ints, h: Ints) -> tuple[Ints, Words]:
        """As `repair`, where the sources (T,) are known."""
        return self._told(b"k", source, h)

    def squares(self, member: Ints, h: Ints) -> Ints:
        """Sums of squares (T,) under these members' laws."""
        found = []
        for one, words in zip(member, unit_major(h), strict=True):
            self._running.send(b"q", np.int16(one).tobytes(), words.tobytes())
            found.append(np.frombuffer(self._running.receive(8), np.uint64)[0])
        return np.array(found).astype(np.int64)


class RepairCortexM(CortexM):
    """The artefact in `folder` on an emulated Cortex-M4; the same calls as `RepairHost`."""

    def __init__(self, folder: Path, build: Path, chip: ChipRepair, name: str = USUAL) -> None:
        self._prefix, self._state = prefix(name), 0
        self.m, self.neurons = chip.config.channels, chip.config.neurons
        program = build / "localnoise.elf"
        sources = sorted(map(str, folder.glob("*.c")))
        entry = f"-Wl,-e,{self._prefix}_repair"
        command = [sys.executable, "-m", "ziglang", "cc", *CORTEX_FLAGS, entry, "-I", str(folder), *sources]
        done = compiled([*command, "-o", str(program)])
        if done.returncode:
            raise LocalnoiseError(f"{folder} does not compile for a Cortex-M4: {done.stderr.strip()[:2000]}")
        self._load(program)
        self._h, self._eta = RAM + 16, RAM + 16 + -(-2 * self.neurons // 16) * 16
        self._some: Words | None = None
        self._last = int(chip.field.backs.argmax())

    def repair(self, h: Ints) -> tuple[Ints, Words]:
        """Members (T,) and repaired words (T, m, N) of activation words h (T, m, N)."""
        read, members = unit_major(h), []

        def act(t: int) -> None:
            self._with(self._h, read[t], "repair", self._h, self._eta)
            members.append(_signed(int(self._uc.reg_read(self._registers[0]))))

        out = self._each(len(h), act)
        return np.array(members), out

    def undo(self, member: Ints, h: Ints) -> Words:
        """Words (T, m, N) from which these members are undone."""
        read = unit_major(h)
        self._some = read[0]
        return self._each(len(h), lambda t: self._with(self._h, read[t], "undo", int(member[t]), self._h, self._eta))

    def repair_as(self, source: Ints, h: Ints) -> tuple[Ints, Words]:
        """As `repair`, where the sources (T,) are known."""
        read, members = unit_major(h), []

        def act(t: int) -> None:
            self._with(self._h, read[t], "repair_as", int(source[t]), self._h, self._eta)
            members.append(_signed(int(self._uc.reg_read(self._registers[0]))))

        out = self._each(len(h), act)
        return np.array(members), out

    def squares(self, member: Ints, h: Ints) -> Ints:
        """Sums of squares (T,) under these members' laws."""
        found = []
        for one, words in zip(member, unit_major(h), strict=True):
            self._with(self._h, words, "squares", int(one), self._h, self._eta)
            low, high = (int(self._uc.reg_read(register)) for register in self._registers[:2])
            found.append(high << 32 | low)
        return np.array(found, np.int64)

    def cost(self) -> str:
        """Decide and undo once, and say what they and the program take."""
        if self._some is not None:
            self._uc.mem_write(self._h, self._some.tobytes())
        self.call("decide", self._h, self._eta, counted=True)
        decides = self.instructions
        self.call("undo", self._last, self._h, self._eta, counted=True)
        f = self.footprint
        return (
            f"{f.code:,} bytes of code, {f.tables:,} of tables in flash; {2 * f.words:,} of words in RAM; {decides:,} "
            f"instructions to decide, {self.instructions:,} to repair"
        )


def _signed(register: int) -> int:
    return register - 2**32 if register >= 2**31 else register


MACHINES: dict[str, Any] = {"host": RepairHost, "cortex-m": RepairCortexM}


def repair_parts(machine: Any, chip: ChipRepair, seed: int, count: int) -> Iterator[tuple[str, Pairs]]:
    """Name, and pairs (expected, got), of each function; words (T, m, N), members (T, 1, 1)."""
    rng, shape = np.random.default_rng(seed), (count, chip.config.channels, chip.config.units)
    top = chip.formats.activation_limit + 1
    any_words, member = rng.integers(-top, top, shape), rng.integers(0, chip.field.members, count)
    near = plausible(chip, count, rng)
    cuts = [slice(first, min(first + _AT_ONCE, count)) for first in range(0, count, _AT_ONCE)]
    yield (
        "undo",
        ((chip.words(any_words[k], member[k])[0].reshape(any_words[k].shape), machine.undo(member[k], any_words[k]))
         for k in cuts),
    )  # fmt: skip
    turn = np.arange(count) % chip.field.members
    both = np.where((np.arange(count) % 2)[:, None, None] > 0, near, any_words)
    yield (
        "squares",
        ((np.take_along_axis(chip.squares(both[k]), turn[k][:, None], 1)[:, :, None],
          machine.squares(turn[k], both[k])[:, None, None]) for k in cuts),
    )  # fmt: skip
    told = np.arange(count) % (len(chip.sources) + 1) - 1  # -1: left alone by an earlier layer
    for name, words, source in (
        ("repair", near, None), ("repair, any words", any_words, None), ("repair, told", near, told),
    ):  # fmt: skip
        found: list[tuple[Any, Any]] = []
        parts = [(words[k], None if source is None else source[k]) for k in cuts]
        yield name, _words_of(machine, chip, parts, found)
        yield f"{name}: member", iter(found)


def _words_of(machine: Any, chip: ChipRepair, parts: list[tuple[Ints, Any]], members: list[tuple[Any, Any]]) -> Pairs:
    """Yield words expected and got; the members go to a list, which is compared after them."""
    for part, source in parts:
        expected, own = chip.words(part, chip.likeliest(part, source))
        got, words = machine.repair(part) if source is None else machine.repair_as(source, part)
        members.append((own.reshape(-1, 1, 1), got.reshape(-1, 1, 1)))
        yield expected.reshape(part.shape), words


def plausible(chip: ChipRepair, count: int, rng: np.random.Generator) -> Ints:
    """Return activation words (count, m, N) about the centres of the members in turn, some as loud as their own are."""
    f, formats = chip.field, chip.formats
    top, lift = formats.activation_limit + 1, lift_of(formats)
    shape = (chip.config.channels, chip.config.units)
    member = np.arange(count) % f.members
    centre = f.centre.astype(np.float64).transpose(0, 2, 1)[member] * 0.5**lift
    noise = rng.normal(size=(count, *shape))
    best, least = np.zeros((count, *shape), np.int64), np.full(count, np.inf)
    for loud in 2.0 ** np.arange(-2, np.log2(top), 0.5):
        h = np.clip(np.rint(centre + loud * noise), -top, top - 1).astype(np.int64)
        Q = chip.squares(h)[np.arange(count), member].astype(np.float64)
        off = np.abs(np.log((Q + 1) / ((f.low + f.high) / 2 + 1)[member]))
        better = off < least
        best[better], least[better] = h[better], off[better]
    return best
