"""Tasks for worker processes that kill, and are killed: for tests of what a pool survives."""

import os
import signal
import time
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
