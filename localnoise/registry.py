"""Registries: a name is a way to find a part, such as a rule or an order, whoever wrote it.

A registry is a mapping from names to parts. A part enters it by the decorator `register`, from one of our modules or
a plug-in's, or by an entry point of the registry's group in an installed package. Parts that are not known yet are
looked for only when an unknown name is asked for or all names are wanted, so that importing localnoise stays cheap.
"""

import importlib
import pkgutil
import re
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType, ModuleType
from typing import Any, TypeVar, final

from localnoise import plugins
from localnoise.errors import ArgumentError, PluginError, PluginWarning, UnknownNameError, is_text, unknown

Part = TypeVar("Part")
_NONE: Mapping[str, Any] = MappingProxyType({})
_NAME = re.compile(r"[A-Za-z]\w*([.+-]\w+)*", re.ASCII)


@final
class Registry(Mapping[str, Any]):
    """Parts of one kind by name.

    Parameters
    ----------
    kind : str
        What messages call a part: "rule".
    protocol : Protocol class
        Its public methods and annotated attributes are what a part must have.
    group : str
        Entry points of this group name parts: "localnoise.rules".
    home : str
        Package whose modules, at any depth, register parts when they are imported: a file put there is found.
    first : tuple of str
        Names that are listed first, whatever is imported first.
    check : callable
        (name, part) -> "" or what is wrong with the part.
    spelled : callable
        name -> a part that is made of registered ones, as a name spells it out, or None; such names are in no list.
    """

    def __init__(
        self,
        kind: str,
        protocol: Any,
        *,
        group: str,
        home: str = "",
        first: tuple[str, ...] = (),
        check: Callable[[str, Any], str] | None = None,
        spelled: Callable[[str], Any] | None = None,
    ) -> None:
        self.kind, self.protocol, self.group, self.home = kind, protocol, group, home
        self._first, self._check, self._spelled = first, check, spelled
        self._parts: dict[str, Any] = {}
        self._found: dict[str, EntryPoint] = {}  # entry points, imported when their part is asked for
        self._distributions: dict[str, str] = {}  # of parts that came by an entry point
        self._places: dict[str, str] = {}  # "module:name" of each part
        self._searched: tuple[str, ...] | None = None  # sys.path at the last search
        self._context: ContextVar[Mapping[str, Any]] = ContextVar(f"mounted {kind}s")

    def register(self, name: str, module: str = "") -> Callable[[Part], Part]:
        """Return a decorator that enters a class, function or object under a name and returns it as it is.

        Parameters
        ----------
        name : str
            Letters, digits, "-", "_", "+" and ".", a letter first.
        module : str
            Of an object that is no class or function, its module; "": the one that calls.

        Returns
        -------
        callable
            part -> part.

        Raises
        ------
        ArgumentError
            The name is taken by another part, or no plain name.
        PluginError
            The part lacks something that the protocol asks for.
        """
        caller = module or sys._getframe(1).f_globals.get("__name__", "")  # an object does not say of which it is

        def enter(part: Part) -> Part:
            place = _place(part) or f"{caller}:{name}"
            if not is_text(name, _NAME):
                raise ArgumentError(
                    f"name={name!r}: expected letters, digits, '-', '_' and '.', a letter first, as in 'my-{self.kind}'"
                )
            held = self._parts.get(name)
            if held is not None and self._places[name] != place:  # a module that is run again enters the same part
                raise ArgumentError(
                    f"{self.kind} {name!r} is registered already, by {self._places[name]}: expected a name of its own; "
                    f"rename the one of {place}"
                )
            fault = self._fault(name, part)
            if fault:
                raise PluginError(f"{self.kind} {name!r} of {place} {fault}")
            self._parts[name], self._places[name] = part, place
            return part

        return enter

    def mount(self, parts: Mapping[str, Any]) -> None:
        """Let these parts come before all others, in the place of those that were mounted before.

        In the present context alone (`contextvars`): another thread finds none of them, but its own.

        Parameters
        ----------
        parts : dict of str to part
            By name; {} ends it. They are not checked.
        """
        self._context.set(dict(parts))

    @property
    def _mounted(self) -> Mapping[str, Any]:
        """The parts of the present task: they hide others of their names."""
        return self._context.get(_NONE)

    def find(self, name: object, argument: str = "") -> Any:
        """Return the part of a name, as an argument gave it.

        Parameters
        ----------
        name : object
            What was given; anything but a name is refused.
        argument : str
            What the error calls it; "": the kind of part.

        Returns
        -------
        part
            Imported now if it was not before.

        Raises
        ------
        UnknownNameError
            There is none: which there are, and the nearest.
        PluginError
            An installed package names one that cannot be imported.
        """
        if isinstance(name, str) and name in self:
            return self[name]
        raise UnknownNameError(unknown(argument or self.kind, name, self))

    def origin(self, name: str) -> plugins.Origin:
        """Return the module and the distribution that a part came from.

        Parameters
        ----------
        name : str
            Of a part.

        Returns
        -------
        Origin
            The distribution's name and version are "" where none installed it.

        Raises
        ------
        UnknownNameError
            There is no such part.
        """
        _ = self[name]
        return plugins.Origin.of(self._places[name].partition(":")[0], self._distributions.get(name, ""))

    def is_ours(self, name: str) -> bool:
        """Return whether a part is one of localnoise itself.

        Parameters
        ----------
        name : str
            Of the part.

        Returns
        -------
        bool
            False for one that is mounted.

        Raises
        ------
        UnknownNameError
            There is no such part.
        """
        _ = self[name]
        return name not in self._mounted and self._places.get(name, "").startswith("localnoise.")

    def available(self) -> dict[str, Any]:
        """Return all parts by name; one that cannot be imported is left out, with a PluginWarning that says why.

        Returns
        -------
        dict of str to part
            In the order of lists.
        """
        out = {}
        for name in self:
            try:
                out[name] = self[name]
            except PluginError as error:
                warnings.warn(f"{error}; it is left out", PluginWarning, stacklevel=2)
        return out

    def name_of(self, part: Any) -> str | None:
        """Return the name of a registered part, of those that are imported, or None.

        Parameters
        ----------
        part : object
            As it was registered.

        Returns
        -------
        str or None
            Its name.
        """
        return next((name for name, held in self._parts.items() if held is part), None)

    def __getitem__(self, name: str) -> Any:
        if name in self._mounted:
            return self._mounted[name]
        self._look_for(name)
        if name in self._parts:
            return self._parts[name]
        if name in self._found:
            return self._imported(name, self._found[name])
        made = self._made(name)
        if made is not None:
            return made
        raise UnknownNameError(unknown(self.kind, name, self))

    def __contains__(self, name: object) -> bool:
        if name in self._mounted:
            return True
        self._look_for(name)
        return name in self._parts or name in self._found or self._made(name) is not None

    def __iter__(self) -> Iterator[str]:
        self._import_home()
        self._search()
        first = [name for name in self._first if name in self._parts]
        ours = [name for name, place in self._places.items() if place.startswith("localnoise.")]  # as they are imported
        rest = sorted(self._parts.keys() | self._found.keys())
        names = dict.fromkeys([*first, *ours, *rest, *self._mounted])
        return iter(list(names))

    def __len__(self) -> int:
        return len(list(iter(self)))

    def __repr__(self) -> str:
        return f"Registry({self.kind!r}: {', '.join(self._parts)}, ...)"

    def _made(self, name: object) -> Any:
        """Return the part that a name spells out, or None."""
        return self._spelled(name) if self._spelled is not None and isinstance(name, str) else None

    def _look_for(self, name: object) -> None:
        """Look among our own modules, and only if the name is not there among everybody's."""
        if name not in self._parts:
            self._import_home()
        if name not in self._parts:
            self._search()

    def _import_home(self) -> None:
        if self.home:
            for module in pkgutil.walk_packages(importlib.import_module(self.home).__path__, f"{self.home}."):
                importlib.import_module(module.name)

    def _search(self) -> None:
        """Import what LOCALNOISE_PLUGINS names; look for entry points where sys.path is another one than before."""
        plugins.load_named()
        path = tuple(sys.path)
        if path == self._searched:
            return
        self._searched, self._found = path, {}
        ours = set(self._parts) - set(self._distributions)
        for entry in sorted(entry_points(group=self.group), key=lambda entry: (entry.name, _distribution(entry))):
            other = self._found.get(entry.name)
            if other is not None and _distribution(other) == _distribution(entry):
                continue  # the same package, found twice on the path
            if other is not None or (entry.name in ours and _root(self._places[entry.name]) != _root(entry.module)):
                taken = _distribution(other) if other is not None else self._places[entry.name]
                warnings.warn(
                    f"{self.kind} {entry.name!r} of {_distribution(entry)} is left out: its name is taken by {taken}; "
                    "rename one of them",
                    PluginWarning,
                    stacklevel=4,
                )
                continue
            self._found[entry.name] = entry

    def _imported(self, name: str, entry: EntryPoint) -> Any:
        what = f"{self.kind} {name!r} of {_distribution(entry)}"
        try:
            part = entry.load()
        except PluginError:
            raise
        except Exception as error:  # whatever somebody else's module raises
            raise PluginError(plugins.broken(what, error)) from error
        fault = self._fault(name, part)
        if fault:
            raise PluginError(f"{what} {fault}")
        self._parts[name], self._distributions[name] = part, _distribution(entry)
        self._places[name] = _place(part) or f"{entry.module}:{entry.attr}"
        return part

    def _fault(self, name: str, part: Any) -> str:
        """Return what a part lacks, or ""."""
        missing = [member for member in _members(self.protocol) if not _has(part, member)]
        if missing:
            return f"has no {' and no '.join(missing)}: expected a part that follows {self.protocol.__name__}"
        return "" if self._check is None else self._check(name, part)


def _members(protocol: Any) -> list[str]:
    names = [*getattr(protocol, "__annotations__", ()), *vars(protocol)]
    return [name for name in dict.fromkeys(names) if name == "__call__" or not name.startswith("_")]


def _has(part: Any, member: str) -> bool:
    if member == "__call__":
        return callable(part)
    return hasattr(part, member) or member in getattr(part, "__dataclass_fields__", ())


def _place(part: Any) -> str:
    """Return where a class, function or module is defined, "module:name"; "" of an object, which does not say."""
    if isinstance(part, ModuleType):
        return f"{part.__name__}:"
    return f"{part.__module__}:{part.__qualname__}" if hasattr(part, "__qualname__") else ""


def _root(place: str) -> str:
    """Return the outermost package of a place."""
    return place.partition(":")[0].partition(".")[0]


def _distribution(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist is not None else ""
