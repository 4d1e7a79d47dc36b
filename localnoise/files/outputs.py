"""Checks of a command's output, before its work: never its own input, nor a stranger's file unasked."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from localnoise.errors import ArgumentError, WriteError, choose
from localnoise.files.aside import FIGURES
from localnoise.files.places import destination, same, within

Inputs = Mapping[str, str | Path | None]
_SAID: dict[str, tuple[str, ...]] = {  # what a file of ours states in its root's attribute `format`
    "a grid": ("localnoise.grid",),
    "a chip grid": ("localnoise.chip", "localnoise.chipbank"),
    "a chip's repair": ("localnoise.chiprepair",),
    "drawn noise": ("localnoise.noise",),
    "kept displacements": ("localnoise.displacements",),
}
_BEGINS = {"a page": b"<!doctype html>", "a table": b"|", "a verdict": b'{\n "sound": '} | FIGURES


def format_of(kind: str) -> Any:
    """Return the root attribute `format` of an HDF5 file of this kind."""
    return np.bytes_(_SAID[kind][0])


def as_output(argument: str, path: str | Path, kind: str, *, inputs: Inputs, force: bool = False) -> Path:
    """Return `path` as the place of an output, before work that would be lost.

    Parameters
    ----------
    argument : str
        Name of the option.
    kind : str
        "a grid", "a chip grid", "a chip's repair", "drawn noise", "kept displacements", "a page", "a table" in
        Markdown, "a verdict", or "a figure", as its suffix says.
    inputs : mapping
        Paths of what is read, and of the other outputs, by the names of their arguments; None where there is none.
    force : bool
        Whether a file of another kind may be overwritten. An input never is.

    Raises
    ------
    ArgumentError
        It is one of `inputs`, links followed, or a file of another kind is there, or a figure has an unknown suffix.
    WriteError
        Something that is no plain file is there.
    """
    refuse_same(argument, path, inputs)
    place, found = destination(path)
    expected = choose("the figure's suffix", Path(path).suffix.lower(), FIGURES) if kind == "a figure" else kind
    if found is None or force or not found.st_size or _is(place, expected):
        return Path(path)
    what = f"{expected.removeprefix('.').upper()} figure" if kind == "a figure" else kind
    says = "does not say that it is" if Path(path).suffix.lower() == ".npy" else "is not"
    raise ArgumentError(
        f"{argument}={str(path)!r} exists and {says} {what}: expected a new file, or one of that kind; name another, "
        "or use --force to replace it"
    )


def as_folder(argument: str, path: str | Path) -> Path:
    """Return `path` as the place of a folder for files, before work that would be lost.

    Raises
    ------
    WriteError
        It is there and is no folder, or it would lie in what is none.
    """
    place = Path(os.path.realpath(path))
    found = next((above for above in (place, *place.parents) if os.path.lexists(above)), place)
    if not found.is_dir():
        within = "" if found == place else f", {found},"
        raise WriteError(
            f"{argument}={str(path)!r}: what is there{within} is no folder; expected a folder, or a new name"
        )
    return Path(path)


def refuse_same(argument: str, path: str | Path, inputs: Inputs) -> None:
    """Raise an ArgumentError if a path leads to the file of one of `inputs`."""
    for name, other in inputs.items():
        if other is not None and same(path, other):
            raise ArgumentError(
                f"{argument}={str(path)!r} is the same file as {name}={str(other)!r}: name another file"
            )


def refuse_inputs(argument: str, folder: str | Path, inputs: Inputs) -> None:
    """Raise an ArgumentError if one of `inputs` lies in a folder that is to be written as a whole."""
    for name, other in inputs.items():
        if other is not None and within(other, folder):
            raise ArgumentError(
                f"{argument}={str(folder)!r} holds {name}={str(other)!r}, which is read: name another folder"
            )


def _is(path: Path, kind: str) -> bool:
    """Return whether a file that exists is of this kind."""
    if kind in _SAID:
        try:
            with h5py.File(path, "r") as file:
                return file.attrs.get("format") in [np.bytes_(said) for said in _SAID[kind]]
        except (OSError, RuntimeError, KeyError):  # what h5py says of other files and of damaged ones
            return False
    with path.open("rb") as file:
        return file.read(16).startswith(_BEGINS[kind])
