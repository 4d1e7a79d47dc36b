"""Chip profiles: what is published of a chip, each figure with its source and standing. What is not, stays unknown."""

import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import final

from localnoise.errors import FileFormatError, PluginWarning, choose
from localnoise.hardware.chips.profile_schema import (
    ENERGIES,
    KINDS,
    LIMITS,
    Figure,
    check_keys,
    fail,
    read_figure,
    table_of,
    text_of,
)
from localnoise.toml import parse_toml, text_of_toml

_FOLDER = Path(__file__).parent / "profiles"
GROUP = "localnoise.chips"  # entry points that name a package whose folder holds profiles in TOML


@final
@dataclass(frozen=True, kw_only=True)
class Profile:
    """A chip's offer to a grid: its limits and figures.

    Attributes
    ----------
    name, title, note : str
        The file's name without its ending; the chip's; what to know about its figures.
    kind : str
        "neuromorphic" (cores that exchange messages), "microcontroller" or "fpga" (one memory), or "ideal".
    limits : dict of Figure
        Every limit of the kind, `profile_schema.LIMITS`. Neurons are channels: a unit of m channels takes m. Programs
        and logic have no fan-in, no cores' axons: their memory and blocks are what limits a grid.
    clock : Figure
        Hz.
    block : Figure
        Bits of one block of an FPGA's RAM; unknown where it is not published, or not of the kind.
    energy : dict of Figure
        pJ, those that are published: "synapse" (a weight read, multiplied, added), "update" and "access" (of a neuron
        and its state), "message" (a word sent), "hop" (a word, one core further), "random" (one random number).
    facts : dict of Figure
        What else is published, for the reader.
    """

    name: str
    title: str
    note: str
    kind: str
    limits: Mapping[str, Figure]
    clock: Figure
    block: Figure
    energy: Mapping[str, Figure]
    facts: Mapping[str, Figure]

    def limit(self, name: str) -> float | None:
        """Return the number of a limit.

        Parameters
        ----------
        name : str
            One of `limits`.

        Returns
        -------
        float or None
            Infinity where there is none, None where it is unknown or not of this kind.
        """
        figure = self.limits.get(name)
        return None if figure is None else figure.number

    def width(self, name: str, usual: int) -> int:
        """Return the usual width of a word, or the chip's, where that is less.

        Parameters
        ----------
        name : str
            One of `limits`, of bits.
        usual : int
            What it is where nothing limits it.

        Returns
        -------
        int
            Bits.
        """
        most = self.limit(name)
        return usual if most is None else int(min(usual, most))

    @property
    def one_memory(self) -> bool:
        """Return whether all units share one memory, so that no word is sent."""
        return self.kind in ("microcontroller", "fpga")


def profile_names() -> list[str]:
    """Return the names of the profiles that ship with localnoise or with an installed plug-in, sorted.

    Returns
    -------
    list of str
        For `load_profile`.
    """
    return sorted(_profiles())


def _profiles() -> dict[str, Path]:
    """Return the files of all profiles by name; ours are not replaced by others of the same name."""
    found: dict[str, Path] = {}
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: (entry.name, entry.value)):
        try:
            package = find_spec(entry.module)
        except (ImportError, ValueError):
            package = None
        if package is None or not package.submodule_search_locations:
            warnings.warn(
                f"chips {entry.name!r} of {entry.dist.name if entry.dist else entry.value}: {entry.module!r} is no "
                "package that can be found: expected one whose folder holds chip profiles; mend or uninstall it",
                PluginWarning,
                stacklevel=3,
            )
            continue
        for folder in package.submodule_search_locations:
            found = {path.stem: path for path in Path(folder).glob("*.toml")} | found
    return found | {path.stem: path for path in _FOLDER.glob("*.toml")}


def load_profile(name_or_path: str | Path) -> Profile:
    """Return the profile of a chip.

    Parameters
    ----------
    name_or_path : str or Path
        The name of one that is shipped or installed, or your own by its path (a Path, or ending in .toml).

    Returns
    -------
    Profile
        Checked against the schema.

    Raises
    ------
    ArgumentError
        No profile has this name; the message suggests the nearest.
    FileFormatError
        The file is missing, is not TOML, or breaks the schema: one sentence that names file and field.
    """
    named = isinstance(name_or_path, str) and not name_or_path.endswith(".toml") and os.sep not in name_or_path
    if named or not isinstance(name_or_path, (str, Path)):
        shipped = _FOLDER / f"{name_or_path}.toml"
        if isinstance(name_or_path, str) and name_or_path.isidentifier() and shipped.is_file():
            return _read(shipped)
        profiles = _profiles()
        return _read(profiles[choose("profile", name_or_path, profiles)])
    return _read(Path(name_or_path))


def _read(path: Path) -> Profile:
    try:
        raw = parse_toml(text_of_toml(path, "a chip profile in TOML"))
    except ValueError as error:
        raise FileFormatError(f"{path}: is not TOML ({str(error)[:200]}): expected a chip profile") from None
    check_keys(path, "", raw, ("title", "kind", "note", "clock", "block", "limits", "energy", "facts"), required=False)
    check_keys(path, "", {key: raw[key] for key in _REQUIRED if key in raw}, _REQUIRED, required=True)
    kind = raw["kind"]
    if kind not in KINDS:
        raise fail(path, "kind", f"is {kind!r}", f"one of {', '.join(KINDS)}")
    if "block" in raw and kind != "fpga":
        raise fail(path, "block", f"is given for kind {kind!r}", "it for an fpga alone")
    limits, energy = table_of(path, "limits", raw["limits"]), table_of(path, "energy", raw.get("energy", {}))
    facts = table_of(path, "facts", raw.get("facts", {}))
    units = LIMITS[kind]
    check_keys(path, "limits", limits, units, required=True)
    check_keys(path, "energy", energy, ENERGIES, required=False)
    return Profile(
        name=path.stem,
        title=text_of(path, "title", raw["title"]),
        note=text_of(path, "note", raw.get("note", "-")),
        kind=kind,
        limits={key: read_figure(path, f"limits.{key}", limits[key], units[key]) for key in units if key in limits},
        clock=read_figure(path, "clock", raw["clock"], "Hz"),
        block=read_figure(path, "block", raw.get("block", {"status": "unknown"}), "bits"),
        energy={key: read_figure(path, f"energy.{key}", value, "pJ") for key, value in energy.items()},
        facts={key: read_figure(path, f"facts.{key}", value, None) for key, value in facts.items()},
    )


_REQUIRED = ("title", "kind", "clock", "limits")
