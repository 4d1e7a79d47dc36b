"""The C99 artefact on this computer: compiled by its compiler without a warning, called through ctypes."""

import ctypes
import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from localnoise.errors import LocalnoiseError, MissingDependencyError
from localnoise.hardware.emulator import ChipGrid
from localnoise.hardware.export.layout import Words, channel_major, unit_major
from localnoise.hardware.export.naming import USUAL, prefix

FLAGS = (
    "-std=c99",
    "-O2",
    "-Wall",
    "-Wextra",
    "-Wconversion",
    "-pedantic",
    "-Werror",
    "-ffreestanding",
    "-fPIC",
    "-shared",
)


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


class Host:
    """The artefact in `folder`, compiled into `build`; its generators begin at the start of the exported stream."""

    @staticmethod
    def require() -> None:
        """Raise a MissingDependencyError unless there is a compiler."""
        compiler()

    def __init__(self, folder: Path, build: Path, chip: ChipGrid, name: str = USUAL) -> None:
        self._prefix = prefix(name)
        self.neurons, self.m = chip.config.neurons, chip.config.channels
        library = build / "localnoise.so"
        sources = sorted(map(str, folder.glob("*.c")))
        command = [*compiler(), *FLAGS, "-I", str(folder), *sources, "-o", str(library)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise LocalnoiseError(f"{folder} does not compile: {done.stderr.strip()[:2000]}")
        self._library = ctypes.CDLL(str(library))
        self._units, self._weights = chip.config.units, int(chip.field.weights.sum())
        wide = ctypes.c_int32 if chip.formats.accumulator_bits <= 32 else ctypes.c_int64
        self._weight = (ctypes.c_int8 if chip.formats.weight_bits <= 8 else ctypes.c_int16) * self._weights
        self._bias = wide * self.neurons
        self._noise = (ctypes.c_uint64 * (self._units // 2 + 4))()  # the generators and two pointers
        self._call("init", self._noise)

    def _call(self, function: str, *arguments: Any) -> None:
        getattr(self._library, f"{self._prefix}_{function}")(*arguments)

    def close(self) -> None:
        """Nothing to end."""

    def cost(self) -> str:
        """Return nothing to tell: a computer is not what the artefact is for."""
        return ""

    def draw(self, count: int) -> Words:
        """The next `count` draws, (count, m, N)."""
        return self._each(count, lambda t, eta: self._call("draw", self._noise, eta))

    def perturb(self, h: npt.NDArray[np.integer[Any]]) -> Words:
        """The next draw for each of the activation words h (T, m, N)."""
        read = unit_major(h)
        return self._each(len(h), lambda t, eta: self._call("perturb", self._noise, _at(read[t]), eta))

    def mean(self, h: npt.NDArray[np.integer[Any]]) -> Words:
        """The field without private noise for each of the activation words h (T, m, N)."""
        read = unit_major(h)
        return self._each(len(h), lambda t, eta: self._call("mean", self._noise, _at(read[t]), eta))

    def seed(self, seed: int) -> None:
        """Begin the stream of `seed`."""
        self._call("seed", self._noise, ctypes.c_uint64(seed))

    def innovation(self, d: npt.NDArray[np.integer[Any]], h: npt.NDArray[np.integer[Any]] | None) -> Words:
        """Innovation words of displacement words d (T, m, N), activation words h with signal dependence."""
        own, read = unit_major(d), unit_major(d if h is None else h)
        return self._each(len(d), lambda t, e: self._call("innovation", self._noise, _at(own[t]), _at(read[t]), e))

    def learn(self, d: npt.NDArray[np.integer[Any]], h: npt.NDArray[np.integer[Any]] | None) -> tuple[Any, Any]:
        """Learn from d (T, m, N) in order, settle; draw so from then on. Return weights, packed, and biases (N, m)."""
        m, n, w = self.m, self.neurons, self._weights
        learner = (ctypes.c_uint64 * (w + 3 * n + -(-w // 2) + self._units + 8))()
        self._call("learn_init", learner)
        own, read = unit_major(d), unit_major(d if h is None else h)
        for t in range(len(d)):
            self._call("learn", learner, _at(own[t]), _at(read[t]))
        self._learned = (self._weight(), self._bias())
        self._call("settle", learner, *self._learned)
        self._call("use", self._noise, *self._learned)
        weights, bias = (np.array(part, np.int64) for part in self._learned)
        return weights, bias.reshape(self._units, m)

    def _each(self, count: int, act: Any) -> Words:
        out = np.empty((count, self.neurons), np.int16)
        for t in range(count):
            act(t, _at(out[t]))
        return channel_major(out, self.m)


def _at(words: Words) -> Any:
    return words.ctypes.data_as(ctypes.POINTER(ctypes.c_int16))
