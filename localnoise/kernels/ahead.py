"""Kernels compiled ahead as far as no processor matters: LLVM that a wheel carries, and each machine finishes.

Numba spends most of a first call on Python: types, and LLVM in text. What it has then, before LLVM optimises it, is the
same on every processor of a kind; here it is read from a file, and optimised and translated for this very processor as
if it had just been made. So what a kernel computes does not depend on whether it was compiled ahead. Files lie in a
folder named by the content of all sources, of Numba, llvmlite, NumPy and Python, and by the system: whatever differs,
nothing is found, and kernels are compiled whole. A damaged file is not used.
"""
# mypy: disable-error-code="call-arg, no-untyped-call"
# (Numba builds its options and results when it runs.)

import hashlib
import pickle
import platform
import sys
import zlib
from pathlib import Path
from typing import Any

import llvmlite
import numba
import numpy as np
from llvmlite import binding
from numba.core import config
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompileResult
from numba.core.serialize import dumps

FOLDER = Path(__file__).parent / "compiled"
_OPTIONS = "BOUNDSCHECK", "DEBUGINFO_DEFAULT", "DISABLE_INTEL_SVML", "LOOP_VECTORIZE", "OPT", "SLP_VECTORIZE"
_DIGEST = hashlib.sha256().digest_size
_target: Path | None = None  # where to keep what is compiled: set by `keep_in`


def keep_in(folder: Path) -> None:
    """Keep there what this process compiles from now on, for a wheel."""
    global _target
    _target = folder


def frontend() -> Any:
    """Return all that unoptimised LLVM depends on, less the sources."""
    versions = numba.__version__, llvmlite.__version__, np.__version__, sys.implementation.cache_tag
    wide = binding.get_host_cpu_features().get("avx512f")  # `registers` writes other vectors where it is there
    system = sys.platform, platform.machine(), binding.get_process_triple(), wide
    return versions, system, [(name, getattr(config, name, None)) for name in _OPTIONS]


class WholeLibrary(JITCodeLibrary):
    """A kernel with all that it calls, as Numba made it: optimised from bitcode, be it just written or read."""

    unoptimised: bytes | None = None

    def _optimize_final_module(self) -> None:
        bitcode = self._final_module.as_bitcode()
        self._final_module = binding.parse_bitcode(bitcode)
        if _target is not None:
            self.unoptimised = bitcode
        super()._optimize_final_module()

    @classmethod
    def of_bitcode(cls, codegen: Any, name: str, bitcode: bytes) -> Any:
        """Optimise and translate for this machine."""
        library = cls(codegen, name)
        library.enable_object_caching()  # for the cache of this machine
        library._final_module = binding.parse_bitcode(bitcode)
        JITCodeLibrary._optimize_final_module(library)
        library._final_module.verify()
        library._finalize_final_module()
        return library


def keep(key: str, name: str, signature: Any, result: Any, reduced: Any) -> None:
    """Write a kernel's file, if this process is to."""
    bitcode = getattr(result.library, "unoptimised", None)
    if _target is None or bitcode is None:
        return
    content = zlib.compress(dumps((bitcode, *reduced[1:])), 9)
    file = _file(_target, key, name, signature)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(hashlib.sha256(content).digest() + content)


def load(key: str, name: str, signature: Any, target_context: Any) -> Any:
    """Return a kernel, finished for this machine; None where it was not compiled ahead, or its file is damaged."""
    try:
        content = _file(FOLDER, key, name, signature).read_bytes()
    except OSError:
        return None
    if hashlib.sha256(content[_DIGEST:]).digest() != content[:_DIGEST]:
        return None
    bitcode, function, environment, typed, objectmode, lifted, annotation, reload, environments = pickle.loads(
        zlib.decompress(content[_DIGEST:])
    )
    for prepare in reload or ():
        prepare()
    codegen = target_context.codegen()
    library = WholeLibrary.of_bitcode(codegen, function.qualname, bitcode)
    entry = target_context.get_executable(library, function, environment)
    left = {variable.name for variable in library._final_module.global_variables}
    for one in environments:  # of those that optimising has left
        if one.env_name in left:
            codegen.set_env(one.env_name, one)
    return CompileResult(
        target_context=target_context, typing_context=target_context.typing_context, entry_point=entry,
        library=library, fndesc=function, environment=environment, type_annotation=annotation, signature=typed,
        objectmode=objectmode, lifted=lifted, typing_error=None, call_helper=None, metadata=None, reload_init=reload,
        referenced_envs=environments,
    )  # fmt: skip


def _file(folder: Path, key: str, name: str, signature: Any) -> Path:
    digest = hashlib.sha256(repr(signature).encode()).hexdigest()[:16]
    return folder / key / f"{name}-{digest}.bc"
