"""A repair's artefact on this computer and on an emulated Cortex-M4."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from localnoise.hardware.export.cortex import RAM, CortexM, cross_compiled
from localnoise.hardware.export.host import Host, started
from localnoise.hardware.export.layout import Words, channel_major, unit_major
from localnoise.hardware.export.naming import USUAL, prefix
from localnoise.hardware.repair import ChipRepair

Ints = npt.NDArray[np.integer[Any]]


def checked(name: str) -> str:
    """Return the compiler's flag with which an artefact of this name also says what decides."""
    return f"-D{prefix(name).upper()}_CHECKED"


def numbers_in(chip: ChipRepair) -> int:
    """Return how many numbers `ln_numbers` gives."""
    return chip.field.members * (4 + bool(len(chip.field.among))) + len(chip.field.worth)


class RepairHost(Host):
    """The artefact in `folder`, compiled into `build` and run with limits (`confined`)."""

    def __init__(self, folder: Path, build: Path, chip: ChipRepair, name: str = USUAL) -> None:
        self.neurons, self.m = chip.config.neurons, chip.config.channels
        self._numbers = numbers_in(chip)
        self._running = started(folder, build, "drive_repair.c", name, checked(name))

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
        """Return what `repair` does where the sources (T,) are known."""
        return self._told(b"k", source, h)

    def squares(self, member: Ints, h: Ints) -> Ints:
        """Sums of squares (T,) under these members' laws."""
        found = []
        for one, words in zip(member, unit_major(h), strict=True):
            self._running.send(b"q", np.int16(one).tobytes(), words.tobytes())
            found.append(np.frombuffer(self._running.receive(8), np.uint64)[0])
        return np.array(found).astype(np.int64)

    def numbers(self, h: Ints) -> Ints:
        """Return what decides on each of the words h (T, m, N), as `ln_numbers` gives it."""
        found = []
        for words in unit_major(h):
            self._running.send(b"n", np.int16(0).tobytes(), words.tobytes())
            found.append(np.frombuffer(self._running.receive(8 * self._numbers), np.int64))
        return np.stack(found)


class RepairCortexM(CortexM):
    """The artefact in `folder` on an emulated Cortex-M4; the same calls as `RepairHost`."""

    def __init__(self, folder: Path, build: Path, chip: ChipRepair, name: str = USUAL) -> None:
        self._prefix, self._state = prefix(name), 0
        self.m, self.neurons = chip.config.channels, chip.config.neurons
        self._load(cross_compiled(folder, build, f"{self._prefix}_repair", checked(name)))
        own = self._sizes[f"{self._prefix}_numbers"]  # which a device does without
        self.footprint = replace(self.footprint, code=self.footprint.code - own)
        self._numbers, words = numbers_in(chip), -(-2 * self.neurons // 16) * 16
        self._h, self._eta, self._asked = (RAM + 16 + k * words for k in range(3))
        self._some: Words | None = None
        self._last, self._deep = int(chip.field.backs.argmax()), chip.stack

    def repair(self, h: Ints) -> tuple[Ints, Words]:
        """Members (T,) and repaired words (T, m, N) of activation words h (T, m, N)."""
        return self._chosen(h, lambda t: ("repair",))

    def undo(self, member: Ints, h: Ints) -> Words:
        """Words (T, m, N) from which these members are undone."""
        read = unit_major(h)
        self._some = read[0]
        return self._each(len(h), lambda t: self._with(self._h, read[t], "undo", int(member[t]), self._h, self._eta))

    def repair_as(self, source: Ints, h: Ints) -> tuple[Ints, Words]:
        """Return what `repair` does where the sources (T,) are known."""
        return self._chosen(h, lambda t: ("repair_as", int(source[t])))

    def _chosen(self, h: Ints, call: Callable[[int], tuple[Any, ...]]) -> tuple[Ints, Words]:
        """Call a function, and what it is told, for each of the words h; it returns the member."""
        read, members = unit_major(h), []

        def act(t: int) -> None:
            members.append(self._with(self._h, read[t], *call(t), self._h, self._eta))

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

    def numbers(self, h: Ints) -> Ints:
        """Return what decides on each of the words h (T, m, N), as `ln_numbers` gives it."""
        found = []
        for words in unit_major(h):
            self._with(self._h, words, "numbers", self._h, self._eta, self._asked)
            found.append(self._held(self._asked, self._numbers, np.int64))
        return np.stack(found)

    def cost(self) -> str:
        """Decide and undo once, and say what they and the program take."""
        if self._some is not None:
            self._uc.mem_write(self._h, self._some.tobytes())
        self.call("decide", self._h, self._eta, counted=True)
        decides = self.instructions
        self.call("undo", self._last, self._h, self._eta, counted=True)
        f = self.footprint
        return (
            f"{f.code:,} bytes of code, {f.tables:,} of tables in flash; {2 * f.words:,} of words in RAM"
            f"{f' and {self._deep:,} of stack for bends' if self._deep else ''}; {decides:,} "
            f"instructions to decide, {self.instructions:,} to repair"
        )


MACHINES: dict[str, Any] = {"host": RepairHost, "cortex-m": RepairCortexM}
