"""Tasks by name: built-in ones, a plug-in's, and those of files that were loaded."""

import hashlib
import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

from localnoise.errors import ArgumentError, LocalnoiseError, first_line
from localnoise.nn import Task
from localnoise.registry import Registry
from localnoise.sims.perturbations import MODIFICATIONS
from localnoise.sims.tasks.base import Workload


class Registered(Protocol):
    """A task as it is registered: a `localnoise.Task`, or a `Workload`."""

    @property
    def bounds(self) -> tuple[float, float] | None:
        """Of the inputs' values."""


TASKS = Registry("task", Registered, group="localnoise.tasks", home="localnoise.sims.tasks")
"""Tasks by name. `TASKS.register(name)(task)` enters a `localnoise.Task`, or a `Workload`."""
_files: dict[str, str] = {}  # name -> file of the tasks that were loaded here
_held: dict[str, Any] = {}


def load(*paths: str) -> None:
    """Load tasks of files, here; a worker calls it with what `loaded` returned.

    Parameters
    ----------
    *paths : str
        Python files that make a `localnoise.Task` each.

    Raises
    ------
    ArgumentError
        No such file, one that raises, or that holds no task or several.
    """
    for path in paths:
        if path not in _files.values() or _changed(path):
            _load(Path(path))


def loaded() -> tuple[str, ...]:
    """Return the files of the tasks that were loaded, absolute.

    Returns
    -------
    tuple of str
        Paths.
    """
    return tuple(_files.values())


def find(text: str) -> Workload:
    """Return a task by its name, or from a file: my_task.py.

    Parameters
    ----------
    text : str
        A name, or the path of a file that ends in .py.

    Returns
    -------
    Workload
        The task.

    Raises
    ------
    ArgumentError
        No such name (the near one is suggested) or file.
    """
    if text.endswith(".py"):
        load(str(Path(text).absolute()))
        text = next(name for name, path in _files.items() if path == str(Path(text).absolute()))
    found: Workload = _held[text] if text in _held else _wrapped(text, TASKS.find(text, "task"))
    return found


def mounted(text: str) -> Workload:
    """Return a task, as `find`, whose own perturbations are known by their names from now on, in this thread."""
    task = find(text)
    MODIFICATIONS.mount(task.own)
    return task


def _wrapped(name: str, part: Any) -> Any:
    """Return a registered part as experiments see it: a plug-in registers a `Task`."""
    from localnoise.sims.tasks.own import OwnTask

    if not isinstance(part, Task):
        return part
    if name not in _held:
        salt = "" if TASKS.is_ours(name) else _source(sys.modules.get(part.model.__module__))
        _held[name] = OwnTask(part, name, salt, _said(sys.modules.get(TASKS.origin(name).module)))
    return _held[name]


def _load(path: Path) -> None:
    from localnoise.sims.tasks.own import OwnTask

    if not path.is_file():
        raise ArgumentError(f"task={str(path)!r}: no such file; expected a Python file that makes a localnoise.Task")
    name = f"localnoise_task_{re.sub(r'[^A-Za-z0-9_]', '_', path.stem)}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    before = list(sys.path)
    sys.path.insert(0, str(path.parent))  # a task may import what lies beside it
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except LocalnoiseError as error:  # a sentence of ours already, with its fix
        del sys.modules[name]
        raise ArgumentError(f"task={str(path)!r}: {error}") from error
    except Exception as error:  # whatever a user's file raises
        del sys.modules[name]
        raise ArgumentError(
            f"task={str(path)!r}: the file raises {type(error).__name__}: {first_line(error)}; expected one that "
            "makes a localnoise.Task"
        ) from error
    finally:
        sys.path[:] = before
    tasks = {id(part): part for part in vars(module).values() if isinstance(part, Task)}
    if len(tasks) != 1:
        raise ArgumentError(
            f"task={str(path)!r}: holds {len(tasks)} tasks: expected one, as in `task = localnoise.Task(...)`"
        )
    (task,) = tasks.values()
    called = task.name or path.stem
    if called in TASKS:
        raise ArgumentError(
            f"task={str(path)!r}: its name {called!r} is a built-in's: expected another; give Task a name"
        )
    _held[called] = OwnTask(task, called, _source(module), _said(module))
    _files[called] = str(path)


def _said(module: ModuleType | None) -> str:
    """Return the first line of a module's docstring."""
    return (getattr(module, "__doc__", None) or "").strip().partition("\n")[0]


def _source(module: ModuleType | None) -> str:
    """Return the hash of a module's file: results depend on what it does."""
    file = getattr(module, "__file__", None)
    return hashlib.sha256(Path(file).read_bytes()).hexdigest() if file and Path(file).is_file() else ""


def _changed(path: str) -> bool:
    name = next(name for name, file in _files.items() if file == path)
    return Path(path).is_file() and hashlib.sha256(Path(path).read_bytes()).hexdigest() != _held[name].salt
