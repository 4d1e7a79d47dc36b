"""Compiled kernels on disk, in a folder that is named by the content of every source that they are compiled from.

Numba's own cache asks whether one file has changed, and keeps a caller's machine code in which its callee's old code
lies inlined. Here an edit of any kernel, another Numba, llvmlite, NumPy or Python, another processor or another option
of the compiler lead to another folder: what lies in one cannot go stale. Checkouts of the same content share it.
"""

import hashlib
import multiprocessing
import os
import pickle
import shutil
import sys
import time
import warnings
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile

import llvmlite
import numba
import numpy as np
from llvmlite import binding
from numba.core import config
from numba.core.caching import _Cache
from numba.core.compiler import CompileResult
from numba.core.serialize import dumps
from numba.misc.appdirs import AppDirs

from localnoise.kernels import ahead

_OPTIONS = (
    "BOUNDSCHECK",
    "CPU_FEATURES",
    "CPU_NAME",
    "DEBUGINFO_DEFAULT",
    "DISABLE_INTEL_SVML",
    "ENABLE_AVX",
    "LOOP_VECTORIZE",
    "OPT",
    "SLP_VECTORIZE",
)
_UNUSED = 30 * 86_400  # seconds after which the folder of other sources is removed


class CacheWarning(UserWarning):
    """Compiled kernels cannot be kept, so that each process compiles them again."""


class Sources:
    """The files that kernels are compiled from, as they were when this process began to import them.

    Parameters
    ----------
    rooms : Path
        Modules, and folders of modules: every kernel and whatever it calls or takes a constant from.
    """

    def __init__(self, *rooms):
        self.files = sorted(file for room in rooms for file in ([room] if room.is_file() else room.rglob("*.py")))
        self._stamps = self._look()
        content = b"".join(hashlib.sha256(file.read_bytes()).digest() for file in self.files)
        self.key, self.key_ahead = (
            hashlib.sha256(repr(made_by).encode() + content).hexdigest()[:20]
            for made_by in (_compiler(), ahead.frontend())
        )

    @property
    def folder(self):
        """Where kernels of these sources are kept: below NUMBA_CACHE_DIR, else below the user's cache folder."""
        base = getattr(config, "CACHE_DIR", "") or AppDirs(appname="numba", appauthor=False).user_cache_dir
        return Path(base) / "localnoise" / self.key

    def unchanged(self):
        """Return whether the files are still `key`'s: a process may import one kernel before an update, one after."""
        return bool(self.files) and self._stamps == self._look()

    def _look(self):
        try:
            return [(state.st_mtime_ns, state.st_size) for state in map(os.stat, self.files)]
        except OSError:  # moved away meanwhile
            return []


def _compiler():
    """Return all else that machine code depends on."""
    versions = numba.__version__, llvmlite.__version__, np.__version__, sys.implementation.cache_tag, sys.platform
    processor = binding.get_host_cpu_name(), binding.get_host_cpu_features().flatten()
    return versions, processor, [(name, getattr(config, name, None)) for name in _OPTIONS]


class KernelCache(_Cache):
    """Keeps what Numba compiles of one function: a file for each signature, whole or not there at all.

    A file that cannot be read is compiled anew; one that cannot be written is compiled in each process, with one
    warning.
    """

    _told = False

    def __init__(self, function, sources, variant=""):
        self._sources, self._enabled = sources, True
        self._name = f"{function.__module__}.{function.__qualname__}{variant}"

    @property
    def cache_path(self):
        """The folder."""
        return str(self._sources.folder)

    def load_overload(self, sig, target_context):
        """Return the machine code of a signature, None where there is none."""
        target_context.refresh()
        if not (self._enabled and self._sources.unchanged()):
            return None
        payload = self._read(self._file(sig, target_context.codegen()))
        return self._ahead(sig, target_context) if payload is None else self._rebuilt(target_context, payload)

    def _read(self, file):
        try:
            stated, content = _split(file.read_bytes())
        except OSError:
            return None
        return pickle.loads(content) if hashlib.sha256(content).digest() == stated else None

    def _ahead(self, sig, target_context):
        """Finish a kernel that the wheel carries, and keep it as if it had been compiled here."""
        found = ahead.load(self._sources.key_ahead, self._name, sig, target_context)
        if found is not None:
            self._keep(sig, found)
        return found

    def _rebuilt(self, target_context, payload):
        return CompileResult._rebuild(target_context, *payload)

    def save_overload(self, sig, data):
        """Keep the machine code of a signature."""
        lasting = not (data.lifted or data.library.has_dynamic_globals)
        if self._enabled and lasting and self._sources.unchanged():
            ahead.keep(self._sources.key_ahead, self._name, sig, data, self._keep(sig, data))

    def _keep(self, sig, data):
        reduced = data._reduce()
        content = dumps(reduced)
        try:
            _write(self._file(sig, data.codegen), hashlib.sha256(content).digest() + content)
        except OSError as error:
            self._tell(error)
        return reduced

    def enable(self):
        """Use the files."""
        self._enabled = True

    def disable(self):
        """Leave the files alone."""
        self._enabled = False

    def flush(self):
        """Remove this function's files."""
        for file in self._sources.folder.glob(f"{self._name}-*.nbc"):
            file.unlink(missing_ok=True)

    def _file(self, sig, codegen):
        signature = hashlib.sha256(repr((sig, codegen.magic_tuple())).encode()).hexdigest()[:16]
        return self._sources.folder / f"{self._name}-{signature}.nbc"

    def _tell(self, error):
        if KernelCache._told or multiprocessing.parent_process() is not None:
            return
        KernelCache._told = True
        warnings.warn(
            f"compiled kernels cannot be kept in {self._sources.folder} ({error.strerror or error}): each process "
            "compiles them again, which can take some seconds; set NUMBA_CACHE_DIR to a folder that can be written",
            CacheWarning,
            stacklevel=2,
        )


def _split(content):
    size = hashlib.sha256().digest_size
    return content[:size], content[size:]


def _write(file, content):
    """Write a file aside and rename it; the first one of its folder clears away folders that nobody uses."""
    if not file.parent.is_dir():
        file.parent.mkdir(parents=True, exist_ok=True)
        _remove_unused(file.parent)
    with NamedTemporaryFile(dir=file.parent, prefix=f"{file.stem}-", suffix=".part", delete=False) as aside:
        try:
            aside.write(content)
            aside.close()
            os.replace(aside.name, file)
            os.utime(file.parent)
        except BaseException:
            with suppress(OSError):
                os.unlink(aside.name)
            raise


def _remove_unused(folder):
    """Remove the folders of other sources that were not written to for a month."""
    for other in folder.parent.iterdir():
        ours = len(other.name) == len(folder.name) and set(other.name) <= set("0123456789abcdef")
        if ours and other != folder and time.time() - other.stat().st_mtime > _UNUSED:
            shutil.rmtree(other, ignore_errors=True)
