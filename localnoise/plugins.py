"""Plug-ins: modules of other people that register rules, orders, exporters and more when they are imported.

A plug-in is found in one of three ways: it is installed and names its parts as entry points (`localnoise.rules`,
`localnoise.orders`, ...); `load("my.module")` imports it; or the environment variable LOCALNOISE_PLUGINS names it,
modules separated by commas. `load` adds to that variable, so that processes started afterwards find the same parts.
Modules are only ever imported because a user or an installed package names them, never because a file does.
"""

import importlib
import os
import re
import sys
import warnings
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from typing import Any, Self

from localnoise.errors import ArgumentError, MissingDependencyError, PluginError, PluginWarning, first_line, is_text

__all__ = ["load", "loaded"]
VARIABLE = "LOCALNOISE_PLUGINS"
_MODULE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII)
_NAME = re.compile(r"[\w][\w.+!-]{0,99}", re.ASCII)  # of a distribution, of its version


def load(*modules: str) -> None:
    """Import modules that register parts, here and in every process that this one starts from now on.

    A process that is already running, such as a worker of a cluster, calls `load(*names)` with the names that
    `loaded()` returned; a module that is imported already is not imported again.

    Parameters
    ----------
    *modules : str
        Names, as in an import: "my_package.my_module".

    Raises
    ------
    ArgumentError
        No name of a module.
    PluginError
        There is no such module, or it raises when it is imported: what it raised.
    """
    for name in modules:
        if not is_text(name, _MODULE):
            raise ArgumentError(
                f"plugin={str(name)[:100]!r}: expected the name of a module, as in an import: 'my_package.my_module'"
            )
        _import(name)
        if name not in _named():
            os.environ[VARIABLE] = ",".join([*_named(), name])


def loaded() -> tuple[str, ...]:
    """Return the names of the modules that `load` or LOCALNOISE_PLUGINS named and that could be imported.

    Returns
    -------
    tuple of str
        In the order in which they were named.
    """
    load_named()
    return tuple(name for name in _named() if name in sys.modules)


def load_named() -> None:
    """Import what LOCALNOISE_PLUGINS names; warn of a module that cannot be imported, and go on."""
    for name in _named():
        if name not in sys.modules and (fault := _fault(name)):
            warnings.warn(f"{fault}; {VARIABLE} names it", PluginWarning, stacklevel=3)


def _named() -> list[str]:
    return [name for part in os.environ.get(VARIABLE, "").split(",") if (name := part.strip())]


@cache
def _fault(name: str) -> str:
    """Return what is wrong with a module, or ""; one that fails is not tried at every look-up."""
    try:
        _import(name)
    except PluginError as error:
        return str(error)
    return ""


def _import(name: str) -> None:
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(f"{error.name}.")):
            raise PluginError(
                f"plugin={name!r}: no module named {error.name!r}: expected one that Python can import; install it, "
                "or put its folder on PYTHONPATH"
            ) from None
        raise PluginError(broken(f"plugin={name!r}", error)) from error
    except Exception as error:  # whatever somebody else's module raises
        raise PluginError(broken(f"plugin={name!r}", error)) from error


def broken(what: str, error: BaseException) -> str:
    """Return the sentence that says why a plug-in cannot be used."""
    return f"{what} cannot be imported ({type(error).__name__}: {first_line(error)}): mend or uninstall it"


@dataclass(frozen=True, kw_only=True)
class Origin:
    """The origin of a part, as files name it.

    Attributes
    ----------
    module : str
        That defines it.
    distribution, version : str
        That installed the module; "" where none did.
    """

    module: str
    distribution: str = ""
    version: str = ""

    @classmethod
    def of(cls, module: str, distribution: str = "") -> Self:
        """Return the origin of a module; without a distribution it is looked up among those that are installed."""
        name = distribution or next(iter(_distributions().get(module.partition(".")[0], ())), "")
        try:
            return cls(module=module, distribution=name, version=version(name) if name else "")
        except PackageNotFoundError:
            return cls(module=module)

    @classmethod
    def read(cls, said: Any) -> Self:
        """Return what a file says.

        Raises
        ------
        ValueError
            It is not what a file of ours says: an error message would show it, and advise to install it.
        """
        found = cls(**said)
        if not is_text(found.module, _MODULE):
            raise ValueError(f"plugin: module is {str(found.module)[:60]!r}, expected a module's name")
        for text in (found.distribution, found.version):
            if text != "" and not is_text(text, _NAME):
                raise ValueError(f"plugin: holds {str(text)[:60]!r}, expected the name or version of a distribution")
        return found

    def __str__(self) -> str:
        if self.distribution:
            return f"{self.distribution} {self.version} (module {self.module})"
        return f"module {self.module}"


@cache
def _distributions() -> dict[str, list[str]]:
    return dict(packages_distributions())


def missing(what: str, origin: Origin, otherwise: str) -> MissingDependencyError:
    """Return the error that says what to install or to load; `otherwise` ends the sentence: "or load ..."."""
    if origin.module == "__main__":
        fix = "import the script that registers it first"
    else:
        fix = f'load it with --plugin {origin.module}, or localnoise.plugins.load("{origin.module}") in Python'
        if origin.distribution:
            fix = f"install {origin.distribution}, or {fix}"
    return MissingDependencyError(f"{what} is of {origin}, which is not here: {fix}; {otherwise}")
