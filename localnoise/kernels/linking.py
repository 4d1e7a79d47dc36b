"""Kernels that only other kernels call: LLVM that is linked into its callers, without machine code of its own.

Numba would make of every kernel what Python can call: three functions, optimised and translated to machine code with
all kernels that it calls, at every level anew. Of a kernel that Python never calls only the last caller's translation
is ever run. Here it goes into its callers as it is, and is optimised and translated there, once.
"""

from numba import njit
from numba.core import config
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import register_pass
from numba.core.registry import CPUDispatcher
from numba.core.typed_passes import NativeLowering


class LinkedLibrary(JITCodeLibrary):
    """LLVM of a kernel and of what it calls, for its callers to link."""

    def _optimize_final_module(self):
        """Leave it to the caller."""

    def _finalize_final_module(self):
        self._finalize_dynamic_globals()
        self._finalized = True

    def serialize_using_object_code(self):
        """Return what the cache keeps."""
        return self.serialize_using_bitcode()


class Entry:
    """Stands for a linked kernel where Numba asks for what Python calls."""


@register_pass(mutates_CFG=True, analysis_only=False)
class LinkedLowering(NativeLowering):
    """Lower to a `LinkedLibrary`."""

    _name = "linked_lowering"

    def run_pass(self, state):
        """Make the library and tell the target of it, as Numba does for what it translates."""
        state.library = LinkedLibrary(state.targetctx.codegen(), state.func_id.func_qualname)
        state.flags.no_compile = True
        super().run_pass(state)
        entry = Entry()
        state.targetctx.insert_user_function(entry, state.cr.fndesc, [state.library])
        state.reload_init.extend(state.library._reload_init)
        state.cr = state.cr._replace(cfunc=entry)
        return True


class LinkedCompiler(CompilerBase):
    """Numba's pipeline but for its last step."""

    def define_pipelines(self):
        """Return the pipeline."""
        manager = DefaultPassBuilder.define_nopython_pipeline(self.state)
        manager.passes = [(LinkedLowering if step is NativeLowering else step, name) for step, name in manager.passes]
        return [manager]


class Linked(CPUDispatcher):
    """A kernel for kernels. Where Python calls it all the same, as tests do, it is compiled once more."""

    def __call__(self, *arguments):
        """Run the kernel."""
        if not hasattr(self, "whole"):
            self.whole = njit(**{name: flag for name, flag in self.targetoptions.items() if name not in _PART})(
                self.py_func
            )
        return self.whole(*arguments)

    def add_overload(self, result):
        """Keep what callers link; there is nothing that Python could call."""
        self.overloads[tuple(result.signature.args)] = result


_PART = {"nopython": True, "boundscheck": None, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}


def linked(function, sources, **flags):
    """Let Numba compile a function into its callers."""
    if config.DISABLE_JIT:
        return function
    return Linked(function, targetoptions=_PART | flags, pipeline_class=LinkedCompiler)
