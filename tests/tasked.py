"""Tasks for worker processes that kill, and are killed, and a comparison of seconds: for tests of what survives."""

import os
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

from localnoise.sims.runtime.stage import Stage


def work(given: tuple[str, Path], stage: Stage) -> tuple[str, int]:
    """Return its name and process; "mortal" kills its process the first time, "doomed" each time."""
    name, folder = given
    marker = folder / name
    if name == "doomed" or (name == "mortal" and not marker.exists()):
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.1)
    return name, os.getpid()


def fail(name: str, stage: Stage) -> None:
    raise FileNotFoundError(name)


def steps(of: int, stage: Stage) -> None:
    for step in range(of):
        stage("steps", step, of)


def count(folder: Path, stage: Stage) -> None:
    """Report progress until it is stopped, and write that it was."""
    try:
        for step in range(10_000):
            stage("counting", step, 10_000)
            time.sleep(0.001)
    except InterruptedError:
        (folder / "stopped").touch()
        raise


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
