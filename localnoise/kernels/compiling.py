"""Tell a waiting user what the first call of a kernel does: Numba compiles it for this machine, once, and keeps it.

Numba's events say when it compiles; what its cache holds causes none. A line goes to standard error, if that is a
terminal, a second after compiling began, so that short compilations stay silent.
"""

import gc
import multiprocessing
import sys
from threading import Lock, Timer

from numba.core import event

_OURS = ("localnoise.kernels", "localnoise.hardware")
_WORDS = "localnoise: compiling for this machine, once; a first call can take some seconds ...\n"


class Announcer(event.Listener):
    """Writes one line, once, when kernels of this package have been compiling for `patience` seconds."""

    def __init__(self, patience=1.0):
        self.patience, self.said = patience, False
        self._depth, self._timer, self._lock = 0, None, Lock()

    def on_start(self, event):
        """Begin to wait, unless a kernel that calls this one does."""
        if self.said or not _ours(event):
            return
        with self._lock:
            self._depth += 1
            if self._timer is None:
                self._timer = Timer(self.patience, self._say)
                self._timer.daemon = True
                self._timer.start()

    def on_end(self, event):
        """Wait no longer when the outermost kernel is done; what Numba compiles for its own use ends none."""
        if not _ours(event):
            return
        with self._lock:
            self._depth = max(self._depth - 1, 0)
            if self._depth == 0 and self._timer is not None:
                self._timer.cancel()
                self._timer = None

    def _say(self):
        self.said = True
        sys.stderr.write(_WORDS)
        sys.stderr.flush()


class Uninterrupted(event.Listener):
    """Keeps the garbage collector away from a compilation, in a quarter of whose time it would find next to nothing."""

    def __init__(self):
        self._depth, self._enabled = 0, False

    def on_start(self, event):
        """Stop the collector; Numba compiles one kernel at a time, and what that one calls."""
        if self._depth == 0:
            self._enabled = gc.isenabled()
            gc.disable()
        self._depth += 1

    def on_end(self, event):
        """Let it go on after the outermost kernel, compiled or not."""
        self._depth -= 1
        if self._depth == 0 and self._enabled:
            gc.enable()


def _ours(event):
    return event.data["dispatcher"].py_func.__module__.startswith(_OURS)


def announce():
    """Listen to Numba; speak on a terminal of this process's own: workers share their parent's, and stay silent."""
    event.register("numba:compile", Uninterrupted())
    if sys.stderr is not None and sys.stderr.isatty() and multiprocessing.parent_process() is None:
        event.register("numba:compile", Announcer())
