"""Kernels that only other kernels call: LLVM that is linked into its callers, without machine code of its own.

Numba makes of every kernel what Python can call: optimised, and translated to machine code with all kernels that it
calls, at every level anew. Of a kernel that Python never calls, only its last caller's translation ever runs. Here it
goes into its callers as it is, and is optimised and translated there, once: a third of the time.
"""
# mypy: disable-error-code="attr-defined, call-arg, no-untyped-call"
# (Numba builds its options and results when it runs.)

from functools import cached_property

from llvmlite import binding
from numba import njit
from numba.core import config
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler, CompileResult
from numba.core.compiler_machinery import register_pass
from numba.core.environment import lookup_environment
from numba.core.registry import CPUDispatcher
from numba.core.typed_passes import NativeLowering

from localnoise.kernels.ahead import WholeLibrary
from localnoise.kernels.cache import KernelCache

_LINKED = {"nopython": True, "boundscheck": None, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
_ENVIRONMENT = "_ZN08NumbaEnv"  # how the names of Numba's environments begin: constants, and what an error says


class LinkedLibrary(JITCodeLibrary):
    """LLVM of a kernel and of what it calls, for its callers to link."""

    @classmethod
    def of_bitcode(cls, codegen, name, bitcode):
        """Return the library that `serialize_using_object_code` described."""
        library = cls(codegen, name)
        library._final_module = binding.parse_bitcode(bitcode)
        library._finalize_final_module()
        return library

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
        """Make the library and tell the target of it, as Numba does of what it translates."""
        state.library = LinkedLibrary(state.targetctx.codegen(), state.func_id.func_qualname)
        state.flags.no_compile = True
        super().run_pass(state)
        entry = Entry()
        state.targetctx.insert_user_function(entry, state.cr.fndesc, [state.library])
        state.reload_init.extend(state.library._reload_init)
        state.cr = state.cr._replace(cfunc=entry)
        return True


@register_pass(mutates_CFG=True, analysis_only=False)
class WholeLowering(NativeLowering):
    """Lower and translate as Numba does, and give the linked kernels their environments, which lie here now."""

    _name = "whole_lowering"

    def run_pass(self, state):
        """Do both."""
        state.library = WholeLibrary(state.targetctx.codegen(), state.func_id.func_qualname)
        state.library.enable_object_caching()
        super().run_pass(state)
        for variable in state.library._final_module.global_variables:
            environment = lookup_environment(variable.name) if variable.name.startswith(_ENVIRONMENT) else None
            if environment is not None:
                state.library.codegen.set_env(variable.name, environment)
        return True


class LinkedCompiler(Compiler):
    """Numba's pipeline with another last step."""

    lowering: type[NativeLowering] = LinkedLowering

    def define_pipelines(self):
        """Return the pipeline."""
        pipelines = super().define_pipelines()
        for one in pipelines:
            one.passes = [(self.lowering if step is NativeLowering else step, name) for step, name in one.passes]
        return pipelines


class WholeCompiler(LinkedCompiler):
    """The pipeline of a kernel that Python calls."""

    lowering: type[NativeLowering] = WholeLowering


class LinkedCache(KernelCache):
    """Keeps the LLVM of linked kernels, for callers that are compiled later."""

    def _rebuilt(self, target_context, payload):
        (name, _, bitcode), function, environment, signature, objectmode, lifted, annotation, reload, others = payload
        return CompileResult(
            target_context=target_context, typing_context=target_context.typing_context, entry_point=Entry(),
            library=LinkedLibrary.of_bitcode(target_context.codegen(), name, bitcode), fndesc=function,
            environment=environment, type_annotation=annotation, signature=signature, objectmode=objectmode,
            lifted=lifted, typing_error=None, call_helper=None, metadata=None, reload_init=reload,
            referenced_envs=others,
        )  # fmt: skip


class Linked(CPUDispatcher):
    """A kernel for kernels. Where Python calls it all the same, as tests do, it is compiled once more."""

    def __call__(self, *arguments):
        """Run the kernel."""
        return self.whole(*arguments)

    @cached_property
    def whole(self):
        """The kernel as Python can call it."""
        flags = {name: value for name, value in self.targetoptions.items() if name not in _LINKED}
        return njit(pipeline_class=WholeCompiler, **flags)(self.py_func)

    def add_overload(self, result):
        """Keep what callers link; there is nothing that Python could call."""
        self.overloads[tuple(result.signature.args)] = result


def linked(function, sources, **flags):
    """Let Numba compile a function into its callers, and keep its LLVM for these sources."""
    if config.DISABLE_JIT:
        return function
    kernel = Linked(function, targetoptions=_LINKED | flags, pipeline_class=LinkedCompiler)
    kernel._cache = LinkedCache(function, sources, "-linked")
    return kernel
