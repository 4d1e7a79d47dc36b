"""The C99 artefact on a Cortex-M4: cross-compiled by zig, run by the Unicorn emulator, instruction by instruction.

The program lies in flash at 0x08000000, words and state in RAM at 0x20000000, the stack at its end, as on an STM32. A
function is called as the ARM procedure call standard has it: arguments in r0 to r3, return to an address that
ends the emulation.
"""

import importlib
import sys
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from localnoise.errors import LocalnoiseError, MissingDependencyError
from localnoise.hardware.bank import ChipBank
from localnoise.hardware.emulator import ChipGrid
from localnoise.hardware.export.backends import BACKENDS
from localnoise.hardware.export.host import FAULT_BYTES, compiled
from localnoise.hardware.export.layout import Words, channel_major, unit_major
from localnoise.hardware.export.naming import USUAL, prefix
from localnoise.hardware.narrow import NarrowWords

FLAGS = (
    "-target", "thumb-freestanding-eabi", "-mcpu=cortex_m4", "-std=c99", "-O2", "-Wall", "-Wextra", "-Wconversion",
    "-pedantic", "-Werror", "-ffreestanding", "-nostdlib", "-Wl,--image-base=0x08000000", "-Wl,--no-gc-sections",
)  # fmt: skip
FLASH, RAM, STOP = 0x08000000, 0x20000000, 0x0FFFFFF0
_PATIENCE = 300  # seconds that one function may take


@dataclass(frozen=True, kw_only=True)
class Footprint:
    """Memory of the program, in bytes: code and tables in flash; state and one set of words in RAM; less the stack."""

    code: int
    tables: int
    state: int
    words: int


def tool(name: str) -> Any:
    """Import a Python package of the extra `hardware`, or say how to install it."""
    try:
        return importlib.import_module(name)
    except ImportError:
        raise MissingDependencyError(
            f"cortex-m needs {name}: pip install 'localnoise[hardware]', or verify on the host alone"
        ) from None


def cross_compiled(folder: Path, build: Path, entry: str, *defined: str) -> Path:
    """Compile an artefact's sources in `folder`, with more flags, and return the program, which begins at `entry`."""
    program, sources = build / "localnoise.elf", sorted(map(str, folder.glob("*.c")))
    command = [sys.executable, "-m", "ziglang", "cc", *FLAGS, *defined, f"-Wl,-e,{entry}", "-I", str(folder), *sources]
    done = compiled([*command, "-o", str(program)])
    if done.returncode:
        raise LocalnoiseError(f"{folder} does not compile for a Cortex-M4: {done.stderr.strip()[:2000]}")
    return program


@BACKENDS.register("cortex-m")
class CortexM:
    """The artefact in `folder`, compiled into `build` and loaded; the same calls as `Host`.

    Attributes
    ----------
    footprint : Footprint
    instructions : int
        Of the last call, where it was counted.
    """

    formats: ClassVar = ("c99",)
    functions: ClassVar = ("perturb", "mean", "seed", "innovation", "learn", "reward", "test")

    @staticmethod
    def require() -> None:
        """Raise a MissingDependencyError unless all that it needs is there."""
        for name in ("ziglang", "unicorn", "elftools"):
            tool(name)

    def __init__(self, folder: Path, build: Path, chip: ChipGrid | ChipBank, name: str = USUAL) -> None:
        self._prefix, one = prefix(name), chip.members[0] if isinstance(chip, ChipBank) else chip
        self._bank = isinstance(chip, ChipBank)
        self.m, self.neurons, self._units = chip.config.channels, chip.config.neurons, chip.config.units
        self._weights = int(one.field.weights.sum())
        self._narrow, self._wide = chip.formats.weight_bits <= 8, chip.formats.accumulator_bits > 32
        program = cross_compiled(folder, build, f"{self._prefix}_draw")
        self._state = 4 * self._units + (8 if not self._bank else 24 + 4 * (self._units % 2))  # of ln_noise
        if isinstance(one.field, NarrowWords):
            self._state = 4 * self._units + -(-2 * self._units * one.field.rank * (1 + one.field.signal) // 4) * 4
        self._load(program)
        self._noise, at = RAM, RAM + self._state + 16
        self._eta, self._d, self._h = (at + 2 * self.neurons * k + 8 for k in range(3))
        self._free = -(-(self._h + 2 * self.neurons) // 16) * 16
        self.call("init", self._noise)

    def _load(self, program: Path) -> None:
        unicorn, arm = tool("unicorn"), tool("unicorn.arm_const")
        elf = tool("elftools.elf.elffile").ELFFile(BytesIO(program.read_bytes()))
        self._uc = uc = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB | unicorn.UC_MODE_MCLASS)
        uc.ctl_set_cpu_model(arm.UC_CPU_ARM_CORTEX_M4)
        uc.mem_map(FLASH, (16 + program.stat().st_size // 2**20) * 2**20)  # sections may lie apart
        self._top = RAM + 64 * 2**20  # as much as the emulator likes: `footprint` says what is used
        uc.mem_map(RAM, 64 * 2**20)
        loads = [segment for segment in elf.iter_segments() if segment["p_type"] == "PT_LOAD"]
        for segment in loads:
            uc.mem_write(segment["p_vaddr"], segment.data())
        symbols = elf.get_section_by_name(".symtab")
        self._at = {symbol.name: symbol["st_value"] for symbol in symbols.iter_symbols()}
        self._sizes = {symbol.name: int(symbol["st_size"]) for symbol in symbols.iter_symbols()}
        code = sum(segment["p_memsz"] for segment in loads if segment["p_flags"] & 1)
        tables = sum(segment["p_memsz"] for segment in loads if not segment["p_flags"] & 1)
        self.footprint = Footprint(code=code, tables=tables, state=self._state, words=2 * self.neurons)
        self._registers = [getattr(arm, f"UC_ARM_REG_{name}") for name in ("R0", "R1", "R2", "R3")]
        self._sp, self._lr, self._pc = arm.UC_ARM_REG_SP, arm.UC_ARM_REG_LR, arm.UC_ARM_REG_PC
        self._code_hook = unicorn.UC_HOOK_CODE
        self.instructions = 0

    def call(self, name: str, *arguments: int, counted: bool = False) -> int:
        """Run one function to its end, and return what it does; counting its instructions takes a second a million."""
        uc = self._uc
        for register, value in zip(self._registers, arguments, strict=False):
            uc.reg_write(register, value)
        uc.reg_write(self._sp, self._top - 64)
        uc.reg_write(self._lr, STOP | 1)
        hook = None
        if counted:
            self.instructions = 0
            uc.ctl_flush_tb()  # code translated without the hook would not call it
            hook = uc.hook_add(self._code_hook, self._count)
        uc.emu_start(self._at[f"{self._prefix}_{name}"] | 1, STOP, timeout=_PATIENCE * 10**6)
        if uc.reg_read(self._pc) & ~1 != STOP:
            raise LocalnoiseError(f"the artefact's {name} took more than {_PATIENCE} s on the emulated Cortex-M4")
        if hook is not None:
            uc.hook_del(hook)
            uc.ctl_flush_tb()
        found = int(uc.reg_read(self._registers[0]))
        return found - 2**32 if found >= 2**31 else found

    def _count(self, uc: Any, address: int, size: int, data: Any) -> None:
        self.instructions += 1

    def close(self) -> None:
        """Nothing to end."""

    def cost(self) -> str:
        """Run one draw, and say what it and the program take."""
        self.call("draw", self._noise, self._eta, counted=True)
        f = self.footprint
        return (
            f"{f.code:,} bytes of code, {f.tables:,} of tables in flash; {f.state:,} of state, {f.words:,} of words in "
            f"RAM; {self.instructions:,} instructions a draw"
        )

    def draw(self, count: int) -> Words:
        """The next `count` draws, (count, m, N)."""
        return self._each(count, lambda t: self.call("draw", self._noise, self._eta))

    def perturb(self, h: npt.NDArray[np.integer[Any]]) -> Words:
        """The next draw for each of the activation words h (T, m, N)."""
        read = unit_major(h)
        return self._each(len(h), lambda t: self._with(self._h, read[t], "perturb", self._noise, self._h, self._eta))

    def mean(self, h: npt.NDArray[np.integer[Any]]) -> Words:
        """The field without private noise for each of the activation words h (T, m, N)."""
        read = unit_major(h)
        return self._each(len(h), lambda t: self._with(self._h, read[t], "mean", self._noise, self._h, self._eta))

    def seed(self, seed: int) -> None:
        """Begin the stream of `seed`, which the procedure call standard passes in r2 and r3."""
        self.call("seed", self._noise, 0, seed & 0xFFFFFFFF, seed >> 32)

    def innovation(self, d: npt.NDArray[np.integer[Any]], h: npt.NDArray[np.integer[Any]] | None) -> Words:
        """Innovation words of displacement words d (T, m, N), activation words h with signal dependence."""
        own, read = unit_major(d), unit_major(d if h is None else h)

        def act(t: int) -> None:
            self._uc.mem_write(self._d, own[t].tobytes())
            self._with(self._h, read[t], "innovation", self._noise, self._d, self._h, self._eta)

        return self._each(len(d), act)

    def learn(self, d: npt.NDArray[np.integer[Any]], h: npt.NDArray[np.integer[Any]] | None) -> tuple[Any, Any]:
        """Learn from d (T, m, N) in order, settle; draw so from then on. Return weights, packed, and biases (N, m)."""
        weights, bias, learner = self._places()
        own, read = unit_major(d), unit_major(d if h is None else h)
        self.call("learn_init", learner)
        for t in range(len(d)):
            self._uc.mem_write(self._d, own[t].tobytes())
            self._with(self._h, read[t], "learn", learner, self._d, self._h)
        self.call("settle", learner, weights, bias)
        self.call("use", self._noise, weights, bias)
        found = self._held(bias, self.neurons, np.int64 if self._wide else np.int32)
        return self._held_weights(weights), found.reshape(self._units, self.m)

    def reward(self, d: Words, h: Words | None, told: npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.int64]:
        """Learn what draws d (T, m, N) were worth, told (T,), settle; draw so from then on. Return weights, packed."""
        weights, _, learner = self._places()
        own, read = unit_major(d), unit_major(d if h is None else h)
        self.call("learn_init", learner, self._noise)
        for t, word in enumerate(told.astype(np.int32)):
            self._uc.mem_write(self._d, own[t].tobytes())
            self._uc.mem_write(self._top - 64, word.tobytes())  # the fifth argument lies on the stack
            self._with(self._h, read[t], "reward", learner, self._noise, self._d, self._h)
        self.call("settle", learner, self._noise, weights)
        self.call("use", self._noise, weights, self._pointer(self._noise + 4 * self._units + 4))
        return self._held_weights(weights)

    def _places(self) -> tuple[int, int, int]:
        """Return where learned weights and biases and the learner lie."""
        weights = self._free
        bias = weights + -(-self._weights * (1 if self._narrow else 2) // 8) * 8
        return weights, bias, bias + self.neurons * (8 if self._wide else 4) + 8

    def _held_weights(self, at: int) -> npt.NDArray[np.int64]:
        return self._held(at, self._weights, np.int8 if self._narrow else np.int16)

    def _held(self, at: int, count: int, kind: Any) -> npt.NDArray[np.int64]:
        return np.frombuffer(self._uc.mem_read(at, count * np.dtype(kind).itemsize), kind).astype(np.int64)

    def _pointer(self, at: int) -> int:
        return int.from_bytes(self._uc.mem_read(at, 4), "little")

    def begin_test(self, unit: int) -> None:
        """Begin the self-test of a unit."""
        self.call("test_begin", self._free, unit)

    def test(self, words: npt.NDArray[np.integer[Any]], h: npt.NDArray[np.integer[Any]] | None) -> None:
        """Let the self-test take the draws words (T, m, N), made for activation words h; None: at mean zero."""
        read = None if h is None else unit_major(h)
        for t, own in enumerate(unit_major(words)):
            if read is not None:
                self._uc.mem_write(self._h, read[t].tobytes())
            self._with(self._d, own, "test_add", self._free, self._d, 0 if read is None else self._h)

    def judge(self, state: int) -> tuple[int, bytes, bytes]:
        """Return how many statistics are off (-1: too few draws), `ln_fault`, and `ln_unit_test`, of `state` bytes."""
        fault = self._free + -(-state // 8) * 8
        off = self.call("test_judge", self._free, fault)
        return off, bytes(self._uc.mem_read(fault, FAULT_BYTES)), bytes(self._uc.mem_read(self._free, state))

    def test_all(self, count: int, state: int) -> tuple[int, bytes]:
        """Test all units, `count` at a time: how many are off, and the first one's fault."""
        fault = self._free + -(-count * state // 8) * 8
        self._uc.mem_write(self._top - 64, fault.to_bytes(4, "little"))  # the fifth argument lies on the stack
        off = self.call("selftest", self._noise, self._free, count, self._eta)
        return off, bytes(self._uc.mem_read(fault, FAULT_BYTES))

    def _with(self, at: int, words: Words, name: str, *arguments: int) -> int:
        self._uc.mem_write(at, words.tobytes())
        return self.call(name, *arguments)

    def _each(self, count: int, act: Any) -> Words:
        out = np.empty((count, self.neurons), np.int16)
        for t in range(count):
            act(t)
            out[t] = np.frombuffer(self._uc.mem_read(self._eta, 2 * self.neurons), np.int16)
        return channel_major(out, self.m)
