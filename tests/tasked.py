"""Tasks for worker processes that kill, and are killed, and a comparison of seconds: for tests of what survives."""

import os
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

_held: dict[str, Any] = {}


def prepare(messages: Any, stop: Any, folder: Path) -> None:
    _held.update(messages=messages, stop=stop, folder=folder)


def work(name: str) -> None:
    """Tell that it ran; "mortal" kills its process the first time, "doomed" each time."""
    marker = _held["folder"] / name
    if name == "doomed" or (name == "mortal" and not marker.exists()):
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.3)
    _held["messages"].put(("ran", name))


def fail(name: str) -> None:
    raise FileNotFoundError(name)


def compared(data: Path, out: Path) -> None:
    """Ten cells of a few hundred images."""
    from localnoise.sims import compare
    from localnoise.sims.experiments import presets as budget

    before = budget.PRESETS["quick"]
    budget.PRESETS["quick"] = replace(before, data="full", base_epochs=1, epochs=1, images=40)
    try:
        compare.compare(
            arms="none,identity,raster-1", threats="rotate,obstruction", against="none", seeds=1, out=out, data_dir=data
        )
    finally:
        budget.PRESETS["quick"] = before


if __name__ == "__main__":
    compared(Path(sys.argv[1]), Path(sys.argv[2]))
