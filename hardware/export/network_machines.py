"""A network's artefact on this computer and on an emulated Cortex-M4."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from localnoise.errors import LocalnoiseError
from localnoise.hardware.export.cortex import RAM, CortexM, cross_compiled, tool
from localnoise.hardware.export.host import Host, started
from localnoise.hardware.export.naming import USUAL, prefix
from localnoise.hardware.export.network_tables import places_first
from localnoise.hardware.network.defense import ChipDefense
from localnoise.hardware.network.memory import planned
from localnoise.hardware.network.program import Program
from localnoise.hardware.network.sizes import word_bytes

Ints = npt.NDArray[np.integer[Any]]
IMAGES = {"host": 1000, "cortex-m": 24}  # that are compared where nobody says how many
_NAMED = 5  # parts of an image's instructions
_STACK, _PAINT = 2**16, 0xA5  # bytes that are painted below what bends take of the stack, and with what


class NetworkHost(Host):
    """The artefact in `folder`, compiled into `build` and run with limits (`confined`)."""

    def __init__(self, folder: Path, build: Path, chip: Program | ChipDefense, name: str = USUAL) -> None:
        self._outputs = _program(chip).outputs
        defends = f"-DDRIVE_DEFENDS={int(isinstance(chip, ChipDefense))}"
        self._running = started(folder, build, "drive_network.c", name, defends, without=f"{name}_main.c")

    def classify(self, words: Ints) -> tuple[Ints, Ints]:
        """Classes (T,) and logits (T, N) of input words (T, C, H, W)."""
        answers = []
        for image in places_first(words).astype(np.int16):
            self._running.send(b"c", image.tobytes())
            answers.append(np.frombuffer(self._running.receive(2 + 2 * self._outputs), np.int16))
        found = np.stack(answers)
        return found[:, 0], found[:, 1:]

    def start(self) -> None:
        """Begin the noise's stream."""
        self._running.send(b"i")

    def defend(self, words: Ints) -> tuple[Ints, Ints]:
        """Classes (T,) and scores (T, N) of input words (T, C, H, W), from where the stream is."""
        classes, scores = [], []
        for image in places_first(words).astype(np.int16):
            self._running.send(b"d", image.tobytes())
            classes.append(np.frombuffer(self._running.receive(2), np.int16)[0])
            scores.append(np.frombuffer(self._running.receive(4 * self._outputs), np.int32))
        return np.array(classes), np.stack(scores)

    def selftest(self) -> int:
        """Return how many golden images differ."""
        self._running.send(b"t")
        return int(np.frombuffer(self._running.receive(2), np.int16)[0])


class NetworkCortexM(CortexM):
    """The artefact in `folder` on an emulated Cortex-M4, its main included; the same calls as `NetworkHost`."""

    def __init__(self, folder: Path, build: Path, chip: Program | ChipDefense, name: str = USUAL) -> None:
        program, self._defended = _program(chip), isinstance(chip, ChipDefense)
        self._chip = chip
        self._prefix, self._outputs = prefix(name), program.outputs
        self._word = np.int8 if word_bytes(program) == 1 else np.int16
        size = word_bytes(program)
        self._inputs = int(np.prod(program.shape))
        self._state, self.neurons = planned(program)[1] * size, self._inputs
        binary = cross_compiled(folder, build, "main")
        self._load(binary)
        self._at[f"{self._prefix}_main"] = self._at["main"]
        self._own = RAM + 2**20
        self._image = self._own + 16 * 2**20  # whatever is larger, the emulator has room
        self._logits = self._image + -(-self._inputs * size // 16) * 16
        self._lengths: dict[tuple[int, int], int] = {}
        self._flash, sizes = _stored(binary)
        self._extra = sum(sizes.get(f"{self._prefix}_golden_{one}", 0) for one in ("image", "logit", "score"))
        self._state = sizes["defense" if self._defended else "memory"]
        self.stack = 0

    def classify(self, words: Ints) -> tuple[Ints, Ints]:
        """Classes (T,) and logits (T, N) of input words (T, C, H, W)."""
        classes, logits = np.empty(len(words), np.int16), np.empty((len(words), self._outputs), np.int16)
        for t, image in enumerate(places_first(words).astype(self._word)):
            self._uc.mem_write(self._image, image.tobytes())
            self.call("classify", self._own, self._image, self._logits)
            classes[t] = self._uc.reg_read(self._registers[0])
            logits[t] = np.frombuffer(self._uc.mem_read(self._logits, 2 * self._outputs), np.int16)
        return classes, logits

    def start(self) -> None:
        """Begin the noise's stream."""
        self.call("defense_init", self._own)

    def seed(self, seed: int) -> None:
        """Begin the noise's stream of another seed, which the procedure call standard passes in r2 and r3."""
        self.call("defense_seed", self._own, 0, seed & 0xFFFFFFFF, seed >> 32)

    def defend(self, words: Ints) -> tuple[Ints, Ints]:
        """Classes (T,) and scores (T, N) of input words (T, C, H, W), from where the stream is."""
        classes, scores = np.empty(len(words), np.int16), np.empty((len(words), self._outputs), np.int32)
        for t, image in enumerate(places_first(words).astype(self._word)):
            self._uc.mem_write(self._image, image.tobytes())
            self.call("defend", self._own, self._image, self._logits)
            classes[t] = self._uc.reg_read(self._registers[0])
            scores[t] = np.frombuffer(self._uc.mem_read(self._logits, 4 * self._outputs), np.int32)
        return classes, scores

    def selftest(self) -> int:
        """Return what main returns: how many golden images differ."""
        self.call("main")
        return int(self._uc.reg_read(self._registers[0]))

    def layer(self, k: int) -> int:
        """Return the instructions that layer k takes, on whatever words lie there."""
        self._code_hook = tool("unicorn").UC_HOOK_BLOCK  # a tenth of the time
        self._uc.mem_write(self._top - 64, (k + 1).to_bytes(4, "little"))  # the fifth argument lies on the stack
        self.call("run", self._own, self._image, self._logits, k, counted=True)
        return self.instructions

    def spent(self, chip: Program | ChipDefense) -> list[tuple[str, int, int]]:
        """Return where the instructions of an image go: what, how often it runs, instructions of all runs together."""
        program, total = _program(chip), self.instructions
        mixes = program.mixes if isinstance(chip, ChipDefense) else []
        own = [0 if k in mixes else self.layer(k) for k in range(len(program.layers))]
        at, draws = program.mix, chip.draws if isinstance(chip, ChipDefense) else 1
        self.instructions = total
        found = [
            (one.place, 1 if at is None or k < at else draws, own[k] * (1 if at is None or k < at else draws))
            for k, one in enumerate(program.layers)
            if k not in mixes
        ]
        if isinstance(chip, ChipDefense):
            what = "repair" if chip.entry.repairs else "noise"
            found.append((what, draws, total - sum(count for _, _, count in found)))
        return sorted(found, key=lambda part: -part[2])

    def cost(self) -> str:
        """Classify once more, and say what that and the program take."""
        deep = _STACK + (self._chip.stack if isinstance(self._chip, ChipDefense) else 0)
        self._uc.mem_write(self._top - deep, bytes([_PAINT]) * (deep - 64))
        self._code_hook = tool("unicorn").UC_HOOK_BLOCK  # a tenth of the time
        if self._defended:
            self.start()
        run = "defend" if self._defended else "classify"
        self.call(run, self._own, self._image, self._logits, counted=True)
        painted = bytes(self._uc.mem_read(self._top - deep, deep - 64))
        if painted[0] != _PAINT:
            raise LocalnoiseError(f"the artefact took more than {deep:,} bytes of stack: this is a fault of localnoise")
        self.stack = len(painted) - next(k for k, byte in enumerate(painted) if byte != _PAINT)
        words = self._inputs * np.dtype(self._word).itemsize
        parts = [
            f"{part} {count / self.instructions:.0%}" + f" ({runs} runs)" * (runs > 1)
            for part, runs, count in self.spent(self._chip)[:_NAMED]
        ]
        return (
            f"{self._flash - self._extra:,} bytes of flash ({self.footprint.code:,} of code), and {self._extra:,} of "
            f"golden images; {self._state:,} of working memory, {words:,} of image, "
            f"{(4 if self._defended else 2) * self._outputs:,} of {'scores' if self._defended else 'logits'}, "
            f"{self.stack:,} of stack in RAM; {self.instructions:,} instructions an image, at one a clock of 168 MHz "
            f"{self.instructions / 168e3:.1f} ms: {', '.join(parts)}"
        )

    def _count(self, uc: Any, address: int, size: int, data: Any) -> None:
        """Count a block's instructions: Thumb-2 has some of four bytes."""
        length = self._lengths.get((address, size))
        if length is None:
            halves = np.frombuffer(uc.mem_read(address, size), np.uint16)
            k = length = 0
            while k < len(halves):
                k += 2 if halves[k] >> 11 in (0b11101, 0b11110, 0b11111) else 1
                length += 1
            self._lengths[address, size] = length
        self.instructions += length


def _program(chip: Program | ChipDefense) -> Program:
    return chip.program if isinstance(chip, ChipDefense) else chip


def _stored(binary: Path) -> tuple[int, dict[str, int]]:
    """Bytes of a program that lie in flash, code and constants, not what is zero at its start; and each symbol's."""
    with binary.open("rb") as file:
        elf = tool("elftools.elf.elffile").ELFFile(file)
        sizes = {one.name: int(one["st_size"]) for one in elf.get_section_by_name(".symtab").iter_symbols()}
        loads = [segment["p_filesz"] for segment in elf.iter_segments() if segment["p_type"] == "PT_LOAD"]
        return int(sum(loads)), sizes


MACHINES: dict[str, Any] = {"host": NetworkHost, "cortex-m": NetworkCortexM}
