"""The C99 artefact on this computer: compiled by its compiler without a warning, with a program that calls it."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from localnoise.errors import LocalnoiseError, MissingDependencyError
from localnoise.files import temporary_folder
from localnoise.hardware.bank import ChipBank
from localnoise.hardware.emulator import ChipGrid
from localnoise.hardware.export.backends import BACKENDS
from localnoise.hardware.export.confined import Confined
from localnoise.hardware.export.layout import Words, channel_major, unit_major
from localnoise.hardware.export.naming import USUAL, in_c

FLAGS = (
    "-std=c99",
    "-O2",
    "-Wall",
    "-Wextra",
    "-Wconversion",
    "-pedantic",
    "-Werror",
    "-ffreestanding",
)
_COMPILING = 600  # seconds
_NO_CACHE = re.compile("unable to .* cache directory")  # as zig says it

FAULT_BYTES = 24  # of ln_fault
_COMPILERS = {"cc": ("gcc", "clang", "cc"), "c++": ("g++", "clang++")}


def compiler(language: str = "cc") -> list[str]:
    """Return the command of a compiler of C ("cc") or "c++": one that is installed, else that of the package ziglang.

    Raises
    ------
    MissingDependencyError
        There is none.
    """
    for name in _COMPILERS[language]:
        if found := shutil.which(name):
            return [found]
    if importlib.util.find_spec("ziglang") is not None:
        return [sys.executable, "-m", "ziglang", language]
    wanted = _COMPILERS[language][0]
    raise MissingDependencyError(f"no {wanted}: pip install 'localnoise[hardware]' brings a compiler, or install one")


def compiled(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a compiler or a tool on an artefact's sources, for ten minutes at most.

    Where zig finds no place for its cache, as of a user without a home, it runs again with one that is removed.

    Raises
    ------
    LocalnoiseError
        It takes longer.
    """
    try:
        run = partial(subprocess.run, command, capture_output=True, text=True, check=False, timeout=_COMPILING)
        done: subprocess.CompletedProcess[str] = run(**options)
        if done.returncode and _NO_CACHE.search(done.stdout + done.stderr):
            environment = options.pop("env", None) or os.environ
            with temporary_folder() as folder:
                done = run(env=environment | {"ZIG_GLOBAL_CACHE_DIR": str(folder)}, **options)
        return done
    except subprocess.TimeoutExpired:
        raise LocalnoiseError(
            f"{Path(command[0]).name} took more than {_COMPILING} s on the artefact's sources"
        ) from None


def started(folder: Path, build: Path, driver: str, name: str, *defined: str, without: str = "") -> Confined:
    """Compile an artefact's sources in `folder` with the program `driver`, which calls them, and run it with limits.

    Parameters
    ----------
    build : Path
        Where the program goes.
    name : str
        Under which the artefact was exported.
    defined : str
        More of the compiler's flags.
    without : str
        A source that is left out.

    Raises
    ------
    LocalnoiseError
        It does not compile.
    """
    program, calls = build / "localnoise", build / "drive.c"
    calls.write_text(in_c((Path(__file__).parent / driver).read_text(encoding="ascii"), name), encoding="ascii")
    sources = [*(str(path) for path in sorted(folder.glob("*.c")) if path.name != without), str(calls)]
    done = compiled([*compiler(), *FLAGS, *defined, "-I", str(folder), *sources, "-o", str(program)])
    if done.returncode:
        raise LocalnoiseError(f"{folder} does not compile: {done.stderr.strip()[:2000]}")
    return Confined(program, build)


@BACKENDS.register("host")
class Host:
    """The artefact in `folder`, compiled into `build` and run with limits (`confined`), from its stream's start."""

    formats: ClassVar = ("c99",)
    functions: ClassVar = ("perturb", "mean", "seed", "innovation", "learn", "reward", "test")

    @staticmethod
    def require() -> None:
        """Raise a MissingDependencyError unless there is a compiler."""
        compiler()

    def __init__(self, folder: Path, build: Path, chip: ChipGrid | ChipBank, name: str = USUAL) -> None:
        one = chip.members[0] if isinstance(chip, ChipBank) else chip
        self.neurons, self.m = chip.config.neurons, chip.config.channels
        self._units, self._weights = chip.config.units, int(one.field.weights.sum())
        self._narrow, self._wide = chip.formats.weight_bits <= 8, chip.formats.accumulator_bits > 32
        able = {"LEARNS": f"{name}_learn.h", "REWARDS": f"{name}_reward.h", "TESTS": f"{name}_audit.h"}
        does = [f"-DDRIVE_{what}={int((folder / header).is_file())}" for what, header in able.items()]
        self._running = started(folder, build, "drive.c", name, *does)

    def close(self) -> None:
        """End the program."""
        self._running.close()

    def cost(self) -> str:
        """Return nothing to tell: a computer is not what the artefact is for."""
        return ""

    def draw(self, count: int) -> Words:
        """The next `count` draws, (count, m, N)."""
        self._running.send(b"d", count.to_bytes(4, sys.byteorder))
        return self._words(count)

    def perturb(self, h: npt.NDArray[np.integer[Any]]) -> Words:
        """The next draw for each of the activation words h (T, m, N)."""
        return self._each(b"p", h)

    def mean(self, h: npt.NDArray[np.integer[Any]]) -> Words:
        """The field without private noise for each of the activation words h (T, m, N)."""
        return self._each(b"m", h)

    def seed(self, seed: int) -> None:
        """Begin the stream of `seed`."""
        self._running.send(b"s", seed.to_bytes(8, sys.byteorder))

    def innovation(self, d: npt.NDArray[np.integer[Any]], h: npt.NDArray[np.integer[Any]] | None) -> Words:
        """Innovation words of displacement words d (T, m, N), activation words h with signal dependence."""
        return self._each(b"i", d, d if h is None else h)

    def learn(self, d: npt.NDArray[np.integer[Any]], h: npt.NDArray[np.integer[Any]] | None) -> tuple[Any, Any]:
        """Learn from d (T, m, N) in order, settle; draw so from then on. Return weights, packed, and biases (N, m)."""
        for own, read in zip(unit_major(d), unit_major(d if h is None else h), strict=True):
            self._running.send(b"l", own.tobytes(), read.tobytes())
        self._running.send(b"u")
        weights, bias = self._received_weights(), self._received(self.neurons, np.int64 if self._wide else np.int32)
        return weights, bias.reshape(self._units, self.m)

    def reward(self, d: Words, h: Words | None, told: npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.int64]:
        """Learn what draws d (T, m, N) were worth, told (T,), settle; draw so from then on. Return weights, packed."""
        for own, read, word in zip(
            unit_major(d), unit_major(d if h is None else h), told.astype(np.int32), strict=True
        ):
            self._running.send(b"r", own.tobytes(), read.tobytes(), word.tobytes())
        self._running.send(b"R")
        return self._received_weights()

    def _received_weights(self) -> npt.NDArray[np.int64]:
        return self._received(self._weights, np.int8 if self._narrow else np.int16)

    def _received(self, count: int, kind: Any) -> npt.NDArray[np.int64]:
        return np.frombuffer(self._running.receive(count * np.dtype(kind).itemsize), kind).astype(np.int64)

    def begin_test(self, unit: int) -> None:
        """Begin the self-test of a unit."""
        self._running.send(b"b", unit.to_bytes(4, sys.byteorder))

    def test(self, words: npt.NDArray[np.integer[Any]], h: npt.NDArray[np.integer[Any]] | None) -> None:
        """Let the self-test take the draws words (T, m, N), made for activation words h; None: at mean zero."""
        read = None if h is None else unit_major(h)
        for t, own in enumerate(unit_major(words)):
            if read is None:
                self._running.send(b"a", own.tobytes())
            else:
                self._running.send(b"A", own.tobytes(), read[t].tobytes())

    def judge(self, state: int) -> tuple[int, bytes, bytes]:
        """Return how many statistics are off (-1: too few draws), `ln_fault`, and `ln_unit_test`, of `state` bytes."""
        self._running.send(b"j")
        off, fault, held = (self._running.receive(size) for size in (4, FAULT_BYTES, state))
        return int.from_bytes(off, sys.byteorder, signed=True), fault, held

    def test_all(self, count: int) -> tuple[int, bytes]:
        """Test all units, `count` at a time: how many are off, and the first one's fault."""
        self._running.send(b"S", count.to_bytes(4, sys.byteorder))
        off, fault = (self._running.receive(size) for size in (4, FAULT_BYTES))
        return int.from_bytes(off, sys.byteorder, signed=True), fault

    def _each(self, command: bytes, *words: npt.NDArray[np.integer[Any]]) -> Words:
        """Return the program's answers, a presentation at a time, so that neither waits for the other to read."""
        answers = []
        for parts in zip(*map(unit_major, words), strict=True):
            self._running.send(command, *(part.tobytes() for part in parts))
            answers.append(self._words(1))
        return np.concatenate(answers)

    def _words(self, count: int) -> Words:
        data = self._running.receive(2 * self.neurons * count)
        return channel_major(np.frombuffer(data, np.int16).reshape(count, self.neurons), self.m)
