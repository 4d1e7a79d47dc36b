"""Where Brian2 runs: its numpy and Cython targets step in Python, C++ standalone compiles the whole simulation."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import brian2
import numpy as np
from brian2.devices.cpp_standalone.device import CPPStandaloneDevice
from brian2.devices.device import get_device, reset_device, runtime_device

from localnoise.errors import choose
from localnoise.files import temporary_folder
from localnoise.streams import Progress
from localnoise.validate import as_seed, check_progress

TARGETS = ("numpy", "cython", "cpp_standalone")


@contextmanager
def on(target: str, seed: int | None = None) -> Iterator[None]:
    """Build and run Brian2 objects on `target`; Brian2's settings, and the generators that `seed` sets, stay as before.

    On "cpp_standalone" the simulation is compiled and run by `finish`, within the context; read results there.
    """
    choose("target", target, TARGETS)
    before = brian2.prefs.codegen.target
    standalone = target == "cpp_standalone"
    drawn = None if seed is None else runtime_device.get_random_state()  # NumPy's global generator is among them
    with temporary_folder() as folder:
        try:
            if standalone:
                brian2.set_device("cpp_standalone", directory=str(folder / "run"), build_on_run=False)
            else:
                brian2.prefs.codegen.target = target
            if seed is not None:
                brian2.seed(seed)
            yield
        finally:
            brian2.prefs.codegen.target = before
            if standalone:
                brian2.device.reinit()
                reset_device()
            if drawn is not None:
                runtime_device.set_random_state(drawn)


def as_brian_seed(seed: int, more: int = 0) -> int:
    """Return a seed below 2^64, plus `more`, as one of Brian2's 32 bits; what needs more bits is hashed."""
    own = int(as_seed(seed)) + more
    return own if own < 2**32 else int(np.random.SeedSequence(own).generate_state(1)[0])


def finish() -> None:
    """On C++ standalone: compile and run what has been asked for. Elsewhere it has been run already."""
    if isinstance(get_device(), CPPStandaloneDevice):
        brian2.device.build(directory=brian2.device.build_options["directory"], with_output=False)


def reporting(progress: Progress | None, turns: int, each: int = 1) -> dict[str, Any]:
    """Options of `Network.run` by which `progress` hears of `turns` turns, each of which does `each`.

    None on C++ standalone, whose report is C++ text.
    """
    check_progress(progress)
    if progress is None or isinstance(get_device(), CPPStandaloneDevice):
        return {}

    def report(elapsed: object, completed: float, start: object, duration: object) -> None:
        progress(min(int(completed * turns), turns) * each, turns * each)

    return {"report": report, "report_period": 0.5 * brian2.second}
