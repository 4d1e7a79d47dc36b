"""A program that was compiled from an artefact, in a process of its own: whoever wrote the artefact wrote what it does.

It answers through pipes. On POSIX systems it may not write into files, dump core, take more than 4 GiB of memory or an
hour of processor time; where the kernel lets us (Linux), it has no network, makes, cuts, renames and removes no file,
and signals no other process. It sees no environment variables, and is ended, with what it started, when it says nothing
for five minutes. It reads what its user may read: this is no prison.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread

from localnoise.errors import LocalnoiseError

PATIENCE = 300.0  # seconds without a byte
_LAUNCH = """
import ctypes, os, resource, sys
for name, most in (("AS", 2**32), ("CPU", 3600), ("CORE", 0), ("FSIZE", 0), ("NOFILE", 16)):
    limit = getattr(resource, "RLIMIT_" + name, None)
    try:
        hard = resource.getrlimit(limit)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(limit, (most, most))
    except (OSError, TypeError, ValueError):
        pass  # this system has no such limit
try:  # a network of its own, which has no way out; unprivileged: in a user namespace of its own
    unshare = ctypes.CDLL(None).unshare
    unshare(0x40000000) and unshare(0x50000000)
except (AttributeError, OSError):
    pass
try:  # Landlock (linux/landlock.h): every way to change files is handled, and no place is allowed
    system = ctypes.CDLL(None, use_errno=True)
    version = system.syscall(444, None, ctypes.c_size_t(0), 1)
    files = 0x1FF2 | (0x2000 if version > 1 else 0) | (0x4000 if version > 2 else 0)
    rules = (ctypes.c_uint64 * 3)(files, 0, 2)  # of the third, signals to processes outside
    made = system.syscall(444, rules, ctypes.c_size_t(24 if version > 5 else 8), 0) if version > 0 else -1
    if made >= 0 and system.prctl(38, 1, 0, 0, 0) == 0:  # no new privileges, which the kernel asks for
        system.syscall(446, made, 0)
except (AttributeError, OSError):
    pass
os.execve(sys.argv[1], sys.argv[1:], {})
"""


class Confined:
    """`program`, running in `folder`, with its limits; `close` ends it."""

    def __init__(self, program: Path, folder: Path) -> None:
        launch = [sys.executable, "-I", "-S", "-c", _LAUNCH] if os.name == "posix" else []
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(
            [*launch, str(program)], cwd=folder, stdin=pipe, stdout=pipe, bufsize=0, start_new_session=True
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._to, self._from = self._process.stdin, self._process.stdout
        self._deadline, self._silent, self._done = float("inf"), False, Event()
        Thread(target=self._watch, daemon=True).start()

    def send(self, *parts: bytes) -> None:
        """Write to the program."""
        try:
            with self._impatient():
                self._to.write(b"".join(parts))
                self._to.flush()
        except OSError:
            raise self._ended(0, 0) from None

    def receive(self, size: int) -> bytes:
        """Read `size` bytes.

        Raises
        ------
        LocalnoiseError
            The program ended before, or said nothing for too long.
        """
        found = bytearray()
        while len(found) < size:
            with self._impatient():
                part = os.read(self._from.fileno(), min(size - len(found), 2**16))
            if not part:
                raise self._ended(len(found), size)
            found += part
        return bytes(found)

    def close(self) -> None:
        """End the program."""
        self._done.set()
        self._kill()
        self._process.wait()
        self._from.close()
        with suppress(OSError):  # what was not yet written is lost with it
            self._to.close()

    @contextmanager
    def _impatient(self) -> Iterator[None]:
        self._deadline = time.monotonic() + PATIENCE
        try:
            yield
        finally:
            self._deadline = float("inf")

    def _watch(self) -> None:
        while not self._done.wait(min(PATIENCE / 4, 1.0)):
            if time.monotonic() > self._deadline:
                self._silent = True
                self._kill()
                return

    def _kill(self) -> None:
        """End the program and what it started; of Windows' processes the program alone."""
        if self._process.poll() is None:
            self._process.kill()
        if hasattr(os, "killpg"):
            with suppress(ProcessLookupError, PermissionError):  # nothing of it is left
                os.killpg(self._process.pid, signal.SIGKILL)

    def _ended(self, found: int, size: int) -> LocalnoiseError:
        code = self._process.wait()
        why = f"said nothing for {PATIENCE:g} s" if self._silent else f"ended with code {code}"
        return LocalnoiseError(
            f"the artefact's program {why} after {found} of {size} bytes; its code is wrong or asks for too much"
        )
