"""A repair's artefact on this computer and on an emulated Cortex-M4."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from localnoise.errors import LocalnoiseError
from localnoise.hardware.export.confined import Confined
from localnoise.hardware.export.cortex import FLAGS as CORTEX_FLAGS
from localnoise.hardware.export.cortex import RAM, CortexM
from localnoise.hardware.export.host import FLAGS, Host, compiled, compiler
from localnoise.hardware.export.layout import Words, channel_major, unit_major
from localnoise.hardware.export.naming import USUAL, in_c, prefix
from localnoise.hardware.repair import ChipRepair

_HERE = Path(__file__).parent
Ints = npt.NDArray[np.integer[Any]]


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
